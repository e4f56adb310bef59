# SPDX-License-Identifier: GPL-2.0
#
# For people; the kernel's build system reads Kbuild instead.

# Which kernel, and what to hand on.  The scripts describe them.
export KERNEL KDIR KMODULES KSRC TOUR V ACCEL INSTALL_MOD_PATH
export OPS SIZES ORDERS RUNS BASE FORCE THRESHOLD
export SEED EXECS FUZZ_OPS FUZZ_PROCS
export SUBJECTS FULL STORM_SECONDS STORM_CYCLES MERGE MUTANTS
export N SHARD JOBS

# As they were given: a $ in them means nothing to make.
define as_given
ifdef $(1)
override $(1) := $$(value $(1))
endif

endef
$(eval $(foreach v,KDIR KMODULES KSRC INSTALL_MOD_PATH BASE KERNEL \
	KMEMLAB_CACHE XDG_CACHE_HOME TMPDIR,$(call as_given,$(v))))

.PHONY: help setup run check debug-check shell bench bench-scale faults fuzz fuzz-parser
.PHONY: storm coverage mutants style modules install clean

help:
	@scripts/help

setup run check shell bench bench-scale faults fuzz-parser storm coverage mutants style clean:
	@scripts/$@

debug-check:
	@KERNEL=debug scripts/check

fuzz:
	@scripts/fuzz-guest

modules install:
	@scripts/build $@
