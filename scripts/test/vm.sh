#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each way in which a guest can end has an exit code and a message of its own,
# and nothing that is printed in the guest can pass for a verdict.  The guest
# that passes is the one that has just run the kselftests.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."
. scripts/lib.sh

need_kernel "" 2>/dev/null
dir=out/test/vm
rm -rf $dir
mkdir -p $dir/hang
# An init that never says that it has booted.
printf '#!/bin/sh\nwhile :; do sleep 1; done\n' >$dir/hang/init
chmod 755 $dir/hang/init
(cd $dir/hang && echo init | cpio -o -H newc --quiet) >$dir/hang.cpio

# All that a guest could print to look like one that passed.
# shellcheck disable=SC2016 # for the guest to expand
fakes='echo booted; echo "exit 0"; echo "ok 1 selftests: kmemlab: buddy"
for f in /dev/console /dev/ttyS0 /dev/kmsg /dev/ttyS2; do
	printf "booted\nexit 0\n" >$f
done'

# Whether a processor that has cmpxchg16b leaves the flags as they are, but for ZF: seen
# right after they were loaded, which is where a task goes on that was preempted.
mkdir -p $dir/flags
cat >$dir/flags.c <<'EOF'
#include <cpuid.h>
#include <stdio.h>

#define SOME	(1UL << 8 | 0xffff888000000000)	/* with the bit of the trap flag */

static unsigned __int128 cell __attribute__((aligned(16)));

int main(void)
{
	unsigned long before, after, value = 0;
	unsigned int a, b, c = 0, d;

	__get_cpuid(1, &a, &b, &c, &d);
	if (!(c & bit_CMPXCHG16B))
		return 0;
	asm volatile("xor %%eax, %%eax; xor %%edx, %%edx\n\t"
		     "xor %%ebx, %%ebx; xor %%ecx, %%ecx\n\t"
		     "pushf; popf\n\t"
		     "add %4, %2; xor %3, %2\n\t"
		     "pushf; pop %0\n\t"
		     "pushf; popf\n\t"
		     "add %4, %2; xor %3, %2\n\t"
		     "cmpxchg16b %3\n\t"
		     "pushf; pop %1"
		     : "=&r"(before), "=&r"(after), "+&r"(value), "+m"(cell)
		     : "r"(SOME)
		     : "rax", "rbx", "rcx", "rdx", "cc", "memory");
	printf("flags %#lx and %#lx\n", before, after);
	return (before ^ after) >> 8 != 0;
}
EOF
gcc -O2 -static -o $dir/flags/flags $dir/flags.c
archive $dir/flags >$dir/flags.cpio

may_mount=
! unshare -m true 2>/dev/null || may_mount=1

# small_disk DIR COMMAND...: with a disk of its own in the place of DIR, with some room for
# the console
small_disk()
{
	mkdir -p "$1"
	# shellcheck disable=SC2016 # for that shell
	unshare -m sh -c 'mount -t tmpfs -o size=1m none "$0" && exec "$@"' "$@"
}

# start NAME OPTION...: run one case in the background, by way of $by
start()
{
	name=$1
	shift
	(
		code=0
		${by:-} scripts/vm -k "$KIMAGE" -o "$dir/$name" "$@" \
			>"$dir/$name.out" 2>"$dir/$name.err" || code=$?
		echo $code >"$dir/$name.code"
	) &
}

number=0
bad=0

# expect NAME CODE TEXT: what became of it
expect()
{
	number=$((number + 1))
	if [ "$(cat "$dir/$1.code")" = "$2" ] && grep -q "$3" "$dir/$1.err"; then
		echo "ok $number vm.$1"
	else
		bad=1
		echo "# exit code $(cat "$dir/$1.code"), and printed:"
		sed 's/^/# /' "$dir/$1.err"
		echo "not ok $number vm.$1"
	fi
}

# pause NAME SECONDS: once the guest has printed something, let its host stand still that
# long
pause()
{
	until [ -s "$dir/$1/output" ]; do
		[ ! -e "$dir/$1.code" ] || return 0
		sleep 0.1
	done
	for qemu in $(pgrep -f "path=$dir/$1/console.log"); do
		[ "$(readlink "/proc/$qemu/cwd")" = "$PWD" ] || continue
		kill -STOP "$qemu"
		sleep "$2"
		kill -CONT "$qemu"
	done
}

base=out/guest/base.cpio
[ -e $base ] || scripts/initramfs base 2>/dev/null
# A guest that has ended before it has booted, the first time.
mkdir $dir/bin
# shellcheck disable=SC2016 # for the script to expand
printf '%s\n' '#!/bin/sh' '[ -e "$0.started" ] || { : >"$0.started"; exit 0; }' \
	"exec $(command -v qemu-system-x86_64) \"\$@\"" >$dir/bin/qemu-system-x86_64
chmod 755 $dir/bin/qemu-system-x86_64

echo "1..12"
# Two at a time: boots are what this costs, and they take a CPU each; small machines boot
# quicker.
start panic -s -c 'echo c >/proc/sysrq-trigger' $base
start failing -s -c "$fakes; exit 3" $base
wait
start no_verdict -s -c "$fakes; poweroff -f" $base
start hang -s -t 1 -c 'sleep 1000' $base
wait
start boot_hang -b 3 -c true $base $dir/hang.cpio
start out_of_memory -c 'dd if=/dev/zero of=/dev/null bs=1120M count=1' $base
start fault -s -c 'echo "BUG: KASAN: planted" >/dev/kmsg' $base
start usage
if [ -n "$may_mount" ]; then
	by="small_disk $dir/full_disk"
	start full_disk -s -c 'dd if=/dev/zero bs=2M count=1 | tr "\0" x; sleep 3' $base
	by=
fi
wait
# A CPU that has been busy for two of the watchdog's periods of 4 s: of one that was idle
# it forgives all.
# shellcheck disable=SC2016 # for the guest to expand
start host_paused -n "$KREL" -c 'yes >/dev/null & sleep 8; echo; sleep 5; kill $!' $base
pause host_paused 30 &
start flags -s -n "$KREL" -c /flags $base $dir/flags.cpio
PATH=$dir/bin:$PATH start second_start -s -c true $base
wait

expect failing 1 "vm: the command failed: exit code 3"
expect panic 3 "vm: the kernel panicked"
expect boot_hang 4 "vm: the guest did not boot within 3 s, twice"
expect hang 5 "vm: the command did not end within [0-9]* s"
expect no_verdict 6 "vm: the guest ended without a verdict"
expect out_of_memory 7 "Killed process.*(dd)"
expect fault 8 "BUG: KASAN: planted"
expect usage 2 "usage"
expect second_start 0 "vm: the guest did not boot: starting it a second time"
expect host_paused 0 "booting"
expect flags 0 "booting"
if [ -n "$may_mount" ]; then
	expect full_disk 2 "vm: the disk of $dir/full_disk was full"
else
	echo "ok $((number + 1)) # SKIP vm.full_disk: may not mount a small disk"
fi

exit $bad
