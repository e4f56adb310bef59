#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Storms: everything at once, for as long as one likes, and in the end nothing may be
# lost or left behind.  make storm runs them on the kernels that see most.
#
# Usage: storm.sh [-t SECONDS] [-c CYCLES] [STORM]...
#
#   -t SECONDS  how long each lasts (60)
#   -c CYCLES   how often the module is loaded and unloaded (1000)
#   -w          for itself: run the rest as a command, over and over
#   STORM       one_pool experiments unload cycles, or oom in a guest of its own

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=60
cycles=1000
endless=
while getopts t:c:w option; do
	case $option in
	t) seconds=$OPTARG ;;
	c) cycles=$OPTARG ;;
	w) endless=1 ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- one_pool experiments unload cycles

[ "$(id -u)" = 0 ] || skip_all "storm: must be root"
[ -n "$endless" ] || is_loaded || skip_all "storm: kmemlab is not loaded"
find_module || skip_all "storm: cannot find kmemlab.ko, set KMEMLAB_KO"

PROC=/proc/kmemlab
# A line for each time that the module went in storm_unload().
if [ -z "$endless" ]; then
	GONE=$(mktemp)
	export GONE
	trap 'rm -f "$GONE"' EXIT
fi
CPU1=/sys/devices/system/cpu/cpu1/online
pids=

# weather COMMAND...: over and over in the background, until calm; by a shell of its
# own, which with its children is a group (set -m would need a terminal).
weather()
{
	setsid sh "$0" -w "$@" >/dev/null 2>&1 &
	pids="$pids $!"
}

is_gone()
{
	! kill -0 "-$pid"
}

# Ends what weather began; some may be inside a command, and take a moment.
calm()
{
	# By both names: it may not be a group yet.
	for pid in $pids; do
		kill -9 "-$pid"
		kill -9 "$pid"
	done 2>/dev/null
	for pid in $pids; do
		wait "$pid" 2>/dev/null
		eventually is_gone
	done
	pids=
	[ ! -w "$CPU1" ] || echo 1 >"$CPU1"
}

# below N: a random number
below()
{
	echo $(($(od -A n -t u4 -N 4 /dev/urandom) % $1))
}

order()
{
	echo "$*" >"$PROC/run"
}

# eventually COMMAND...: until it succeeds, for ten seconds; what was killed may have
# yet to close its files.
eventually()
{
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || return
		sleep 0.1
	done
}

holds_nothing()
{
	[ "$(cat "$LAB/charged_bytes")" = 0 ]
}

# The pools are gone, nothing is held, and the module can go and come.
nothing_left()
{
	awk 'NR > 1 { print $1 }' "$PROC/pools" | while read -r name; do
		eventually order "pool.destroy name=$name"
	done
	eventually holds_nothing || return
	[ "$(wc -l <"$PROC/pools")" = 1 ] || return
	eventually rmmod kmemlab && ! grep -q kmemlab_ /proc/slabinfo && insmod "$ko"
}

# Weather

plug_cpu()
{
	echo 0 >"$CPU1"
	sleep 0.2
	echo 1 >"$CPU1"
	sleep 0.2
}

press_memory()
{
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/compact_memory
	sleep 0.3
}

read_everything()
{
	find "$LAB" "$PROC" -type f -perm -400 | while read -r file; do
		cat "$file"
	done
}

# order_and_kill COMMAND: at a random moment
order_and_kill()
{
	order "$1" &
	usleep "$(below 300000)"
	kill -9 "$!"
	wait "$!"
}

# A random one of the lab's experiments.
run_and_kill()
{
	order_and_kill "$(awk '/^[a-z]/ && !/^pool/ { print $1 }' "$PROC/run" |
			  shuf -n 1)"
}

use_pool()
{
	order_and_kill "pool.alloc name=$1 count=$(($(below 20000) + 1))"
	order "pool.alloc name=$1 count=$(($(below 2000) + 1))"
	order "pool.free name=$1 count=$(($(below 2000) + 1)) order=random"
	order "pool.idle name=$1 count=$(($(below 100) + 1))"
	order "pool.shrink name=$1"
	cat "$LAB/pools/$1/stats" "$LAB/pools/$1/layout"
}

# A pool that others make and break as well.
make_and_break()
{
	order "pool.create name=brief allocator=slab size=256"
	order "pool.destroy name=brief"
}

# Eight tasks that are killed and come again, each on the same pool, and two that have
# one between them for a moment.
storm_one_pool()
{
	for allocator in slab_magazine reclaimable pages vmalloc; do
		size="size=256"
		[ "$allocator" != pages ] || size="order=0"
		[ "$allocator" != vmalloc ] || size="size=4096"
		order "pool.create name=storm allocator=$allocator $size" || return
		for _ in 1 2 3 4 5 6 7 8; do
			weather use_pool storm
		done
		weather make_and_break
		weather make_and_break
		weather press_memory
		weather plug_cpu
		sleep $((seconds / 4 + 1))
		calm
		awk '
			{ value[$1] = $2 }
			END {
				gone = value["nr_frees"]
				there = value["nr_objects"] + value["nr_idle"]
				exit !value["nr_allocs"] ||
				     value["nr_allocs"] - gone - there -
					value["nr_given"] != 0
			}' "$LAB/pools/storm/stats" || return
		eventually order "pool.destroy name=storm" || return
	done
	nothing_left
}

storm_experiments()
{
	for _ in 1 2 3 4 5 6 7 8; do
		weather run_and_kill
	done
	weather read_everything
	weather press_memory
	weather plug_cpu
	sleep "$seconds"
	calm
	grep -q -x 'nr_ok [1-9][0-9]*' "$LAB"/*/stats && nothing_left
}

# Whether it goes or not, against files that are open and commands that run.
come_and_go()
{
	{ rmmod kmemlab && echo >>"$GONE"; } || sleep 0.1
	insmod "$ko"
}

storm_unload()
{
	for _ in 1 2 3 4; do
		weather run_and_kill
	done
	weather read_everything
	weather come_and_go
	weather plug_cpu
	sleep "$seconds"
	calm
	is_loaded || insmod "$ko" || return
	echo "# it went $(wc -l <"$GONE") times"
	[ -s "$GONE" ] && nothing_left
}

# A page that each cycle leaves behind would be as many as there are cycles; half of
# them may come from what else the kernel keeps and frees meanwhile.
storm_cycles()
{
	rmmod kmemlab && insmod "$ko" || return
	before=$(free_pages)
	n=0
	while [ "$n" -lt "$cycles" ]; do
		rmmod kmemlab && insmod "$ko" || return
		n=$((n + 1))
	done
	lost=$((before - $(free_pages)))
	echo "# $lost pages fewer are free after $cycles cycles"
	[ "$lost" -lt $((cycles / 2)) ]
}

# The killer has come twice for the hogs, and the lab goes on.
storm_oom()
{
	order "pool.create name=storm allocator=slab size=256" || return
	for _ in 1 2 3 4; do
		weather use_pool storm
		weather run_and_kill
	done
	for _ in 1 2; do
		"$(dirname "$0")/hog" -L -s 16M -p 1 -a 1000 >/dev/null &
		wait "$!"
		[ $? = 137 ] || return
	done
	calm
	nothing_left
}

while [ -n "$endless" ]; do
	"$@"
done

plan $#
for storm; do
	result "storm.$storm" "storm_$storm"
	calm
done
finish
