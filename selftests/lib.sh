# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034 # the variables are for the tests
#
# What the shell tests share: TAP, the module as a file, and what memory is free.

LAB=/sys/kernel/debug/kmemlab
SKIP=4

# The module: KMEMLAB_KO, or where the guest has it, or installed.
find_module()
{
	for ko in "${KMEMLAB_KO:-}" /kmemlab/kmemlab.ko \
		  "$(modinfo -n kmemlab 2>/dev/null)"; do
		[ -f "$ko" ] && return
	done
	return 1
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit $SKIP
}

plan()
{
	nr=0
	failed=0
	echo "TAP version 13"
	echo "1..$1"
}

# result NAME COMMAND...: one line of TAP for a command that ends well or not
result()
{
	name=$1
	shift
	nr=$((nr + 1))
	# As the harness has it.  It also gets the result before it out of a sed that keeps
	# a line back until it has the next (tap_prefix() of kselftest's runner).
	echo "#  RUN           $name ..."
	if "$@"; then
		echo "ok $nr $name"
	else
		echo "not ok $nr $name"
		failed=1
	fi
}

finish()
{
	exit "$failed"
}

is_loaded()
{
	[ -d /sys/module/kmemlab ]
}

# Free pages, with those on per-CPU lists, when all that can be dropped is.  Generic
# KASAN keeps freed objects, and their slabs (mm/kasan/quarantine.c): there slabs
# count as free.
unused="pages free|count:"
kasan=
if grep -q "^CONFIG_KASAN_GENERIC=y" "/boot/config-$(uname -r)" 2>/dev/null; then
	unused="$unused|nr_slab_"
	kasan=1
fi

free_pages()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	cat /proc/sys/vm/stat_refresh >/dev/null
	awk -v unused="$unused" '$0 ~ unused { sum += $NF } END { print sum }' \
		/proc/zoneinfo
}
