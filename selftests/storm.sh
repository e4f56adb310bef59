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
#   STORM       one_pool experiments unload cycles, or oom in a guest of its own

# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=60
cycles=1000
while getopts t:c: option; do
	case $option in
	t) seconds=$OPTARG ;;
	c) cycles=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- one_pool experiments unload cycles

[ "$(id -u)" = 0 ] || skip_all "storm: must be root"
is_loaded || skip_all "storm: kmemlab is not loaded"
find_module || skip_all "storm: cannot find kmemlab.ko, set KMEMLAB_KO"

PROC=/proc/kmemlab
CPU1=/sys/devices/system/cpu/cpu1/online
pids=

# weather COMMAND...: over and over in the background, until calm
weather()
{
	(
		while :; do
			"$@"
		done >/dev/null 2>&1
	) &
	pids="$pids $!"
}

# Ends what weather began; some may be inside a command.
calm()
{
	# shellcheck disable=SC2086 # a list
	kill -9 $pids 2>/dev/null
	# shellcheck disable=SC2086 # a list
	wait $pids 2>/dev/null
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

# The pools are gone, nothing is held, and the module can go and come.
nothing_left()
{
	awk 'NR > 1 { print $1 }' "$PROC/pools" | while read -r name; do
		order "pool.destroy name=$name"
	done
	tries=0
	while [ "$(cat "$LAB/held_bytes")" != 0 ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || return
		sleep 0.1
	done
	[ "$(wc -l <"$PROC/pools")" = 1 ] || return
	rmmod kmemlab && ! grep -q kmemlab_ /proc/slabinfo && insmod "$ko"
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

# A command at a random one of the lab's experiments, killed at a random moment.
run_and_kill()
{
	name=$(awk '/^[a-z]/ && !/^pool/ { print $1 }' "$PROC/run" | shuf -n 1)
	order "$name" &
	usleep "$(below 300000)"
	kill -9 "$!"
	wait "$!"
}

use_pool()
{
	order "pool.alloc name=$1 count=$(($(below 2000) + 1))"
	order "pool.free name=$1 count=$(($(below 2000) + 1)) order=random"
	order "pool.idle name=$1 count=$(($(below 100) + 1))"
	order "pool.shrink name=$1"
	cat "$LAB/pools/$1/stats" "$LAB/pools/$1/layout"
}

# Eight tasks that are killed and come again, and a reader, each on the same pool.
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
		weather press_memory
		weather plug_cpu
		sleep $((seconds / 4 + 1))
		calm
		awk '
			{ value[$1] = $2 }
			END {
				gone = value["nr_frees"]
				there = value["nr_objects"] + value["nr_idle"]
				exit value["nr_allocs"] - gone - there -
					value["nr_given"] != 0
			}' "$LAB/pools/storm/stats" || return
		order "pool.destroy name=storm" || return
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
	nothing_left
}

# Whether it goes or not, against files that are open and commands that run.
come_and_go()
{
	rmmod kmemlab || sleep 0.1
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
	nothing_left
}

# A page that one cycle leaves behind would be as many as there are cycles.
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
	[ "$lost" -lt "$cycles" ]
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

plan $#
for storm; do
	result "storm.$storm" "storm_$storm"
	calm
done
finish
