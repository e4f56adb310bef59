# SPDX-License-Identifier: GPL-2.0
#
# For people; the kernel's build system reads Kbuild instead.

# Which kernel, and what to hand on.  The scripts describe them.
export KERNEL KDIR KMODULES KSRC TOUR V ACCEL INSTALL_MOD_PATH
export OPS SIZES ORDERS RUNS BASE FORCE THRESHOLD
export SEED EXECS FUZZ_OPS FUZZ_PROCS
export SUBJECTS FULL STORM_SECONDS STORM_CYCLES MERGE MUTANTS

.PHONY: help run check debug-check shell bench bench-scale faults fuzz fuzz-parser
.PHONY: storm coverage mutants style modules install clean

help:
	@scripts/help

run check shell bench bench-scale faults fuzz-parser storm coverage mutants style:
	@scripts/$@

debug-check:
	@KERNEL=debug scripts/check

fuzz:
	@scripts/fuzz-guest

modules:
	@scripts/setup build
	@scripts/build module

install:
	@scripts/setup build install
	@scripts/build install

clean:
	rm -rf out
