#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The module goes in any state: at once where nobody uses it, and where
# somebody does it is refused at once and goes as soon as they are done.

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

CYCLES=40
RUN=/proc/kmemlab/run
RESULT=/proc/kmemlab/result
PARAMETERS=/sys/module/kmemlab/parameters

[ "$(id -u)" = 0 ] || skip_all "unload: must be root"
is_loaded || skip_all "unload: kmemlab is not loaded"
find_module || skip_all "unload: cannot find kmemlab.ko, set KMEMLAB_KO"
[ "$(wc -l </proc/kmemlab/pools)" = 1 ] ||
	skip_all "unload: there are pools, which unloading would free"
budget=$(cat $PARAMETERS/budget_bytes)
floor=$(cat $PARAMETERS/floor_bytes)

load()
{
	is_loaded || insmod "$ko" budget_bytes="${1:-$budget}" \
		floor_bytes="${2:-$floor}"
}

unload()
{
	rmmod kmemlab 2>/dev/null
}

# new_pool NAME ALLOCATOR OPTION COUNT
new_pool()
{
	echo "name=$1 allocator=$2 $3" >"$LAB/pools/create" &&
	echo "$4" >"$LAB/pools/$1/alloc"
}

# Each pool holds 1000 pages, so whichever of them held none, or were left behind,
# would show against what else comes and goes, which is less than half of that.  Of
# two free_pages() does not know where slabs count as free.
pools_full()
{
	least=3500
	[ -z "$kasan" ] || least=1500
	load || return
	before=$(free_pages)
	new_pool full_slab slab size=4096 1000 &&
	new_pool full_kmalloc kmalloc size=4096 1000 &&
	new_pool full_pages pages order=0 1000 &&
	new_pool full_vmalloc vmalloc size=4096 1000 || return
	held=$((before - $(free_pages)))
	unload && ! is_loaded && ! [ -e "$LAB" ] && ! [ -e /proc/kmemlab ] &&
	! grep -q kmemlab_full /proc/slabinfo || return
	lost=$((before - $(free_pages)))
	echo "# $held pages held, $lost fewer are free afterwards"
	[ "$held" -gt "$least" ] && [ "$lost" -lt 500 ]
}

# refused_by WORD COUNT: so many pages are refused, and the reason has the word
refused_by()
{
	new_pool small pages order=0 "$2" 2>/dev/null && return 1
	grep -q "^errno 122$" "$LAB/pools/result" &&
	grep -q "^reason .*$1" "$LAB/pools/result" || return
	unload
}

budget_parameter()
{
	load 1048576 && refused_by budget 300
}

# As commands have them: with K, M or G, and nothing else behind the number.
parameter_units()
{
	for wrong in 1X -1 M 1MB 1.5G; do
		unload
		load "$wrong" 2>/dev/null && return 1
	done
	for right in "900K 921600" "64M 67108864" "1G 1073741824" "0x10K 16384"; do
		unload
		load "${right% *}" || return
		[ "$(cat "$LAB/budget_bytes")" = "${right#* }" ] || return
	done
	unload
}

# small_budget BYTES: each experiment, and a pool with a reserve, does with so much, or is
# refused with that for the reason; what it had until then is given back, by a worker
# some of it.
small_budget()
{
	unload
	load "$1" || return
	refused=0
	while read -r order; do
		if echo "$order" 2>/dev/null >"$RUN"; then
			continue
		fi
		if grep -q "^errno 122$" "$RESULT"; then
			grep -q "^reason .*budget" "$RESULT" || return
			refused=$((refused + 1))
		elif ! grep -q "^status unsupported$" "$RESULT"; then
			echo "# $order: $(grep "^reason" "$RESULT")"
			return 1
		fi
	done <<-END
		$(awk '/^[a-z]/ && !/^pool[.]/ { print $1 }' "$LAB/experiments")
		pool.create name=reserve allocator=mempool size=4096 reserve=100
	END
	[ ! -e "$LAB/pools/reserve" ] || echo "pool.destroy name=reserve" >"$RUN"
	tries=0
	until [ "$(cat "$LAB/charged_bytes")" = 0 ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 1000 ] || return
	done
	echo "# $refused commands exceed $1 bytes"
	[ "$refused" -gt 0 ] && unload
}

small_budgets()
{
	for bytes in 1 8192 65536 262144; do
		small_budget "$bytes" || return
	done
}

# Less is available than must stay so.
floor_parameter()
{
	unload
	load "" $((1 << 50)) || return
	echo "name=small allocator=pages" 2>/dev/null >"$LAB/pools/create" &&
		return 1
	grep -q "^reason .*floor" "$LAB/pools/result" || return
	unload
}

# held_open FILE: with the file open it is refused; once closed, it goes.
held_open()
{
	load || return
	exec 3<"$1" || return
	unload && return 1
	is_loaded || return
	read -r _ <&3 || return
	exec 3<&-
	unload && ! is_loaded
}

command_running()
{
	load || return
	echo "info hold_ms=60000" >"$LAB/vmalloc/run" &
	pid=$!
	tries=0
	until grep -q "^status running" "$LAB/vmalloc/result"; do
		tries=$((tries + 1))
		[ "$tries" -lt 1000 ] || return
	done
	unload && return 1
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	unload && ! is_loaded
}

cycles()
{
	n=0
	while [ "$n" -lt "$1" ]; do
		load || return
		unload || return
		n=$((n + 1))
	done
}

# mounted_apart DIR: a root of its own at DIR, with the same files and a proc of its own
mounted_apart()
{
	mkdir -p "$1" && mount --bind / "$1" && mount -t proc none "$1/proc" &&
	mount --bind "${ko%/*}" "$1/tmp"
}

# Whoever loads the module can take away what the load was done in: every mount,
load_in_chroot()
{
	root=/tmp/kmemlab-root
	unload
	mounted_apart "$root" &&
	chroot "$root" insmod "/tmp/${ko##*/}" budget_bytes="$budget" \
		floor_bytes="$floor" &&
	umount "$root/proc" && umount "$root/tmp" && umount "$root" && rmdir "$root" &&
	is_loaded && grep -q "^ledger.vmalloc_pages" "$LAB/ledger" && unload
}

# and the PID namespace, which is gone once another may be made where one more than
# there were may be.  That is done some time after its last process has ended.
load_in_pid_namespace()
{
	max=/proc/sys/user/max_pid_namespaces
	old=$(cat "$max") || return
	unload
	most=0
	while [ "$most" -lt "$old" ]; do
		most=$((most + 1))
		echo "$most" >"$max"
		! unshare -p -f true 2>/dev/null || break
	done
	echo "$old" >"$max"
	unshare -p -f -m --mount-proc insmod "$ko" budget_bytes="$budget" \
		floor_bytes="$floor" || return
	echo "$most" >"$max"
	tries=0
	until unshare -p -f true 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 1000 ] || break
	done
	echo "$old" >"$max"
	echo "# of $most namespaces it was still there $tries times"
	[ "$tries" -lt 1000 ] && unload
}

# A page that one cycle leaves behind would be CYCLES pages in all.  The first
# cycles fill the caches of whatever loads modules.
free_memory_returns()
{
	cycles 10 || return
	before=$(free_pages)
	cycles "$CYCLES" || return
	lost=$((before - $(free_pages)))
	echo "# $lost pages fewer are free after $CYCLES cycles"
	[ "$lost" -lt "$CYCLES" ]
}

plan 12
result unload.pools_full pools_full
result unload.budget_parameter budget_parameter
result unload.parameter_units parameter_units
result unload.small_budgets small_budgets
result unload.floor_parameter floor_parameter
result unload.debugfs_open held_open "$LAB/experiments"
result unload.procfs_open held_open /proc/kmemlab/summary
result unload.command_running command_running
result unload.load_in_chroot load_in_chroot
result unload.load_in_pid_namespace load_in_pid_namespace
result unload.free_memory_returns free_memory_returns
result unload.load_again load
finish
