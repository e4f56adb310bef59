# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034 # the variables are for the others
#
# What the host scripts share.  Each of them changes to the top of the tree
# and then sources this file.
#
# Progress goes to stderr, results to stdout.  V=1 shows what the tools say;
# otherwise it goes to a log, whose tail is shown when they fail.

CACHE=${KMEMLAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kmemlab}
V=${V:-0}
KERNEL=${KERNEL:-}
NR_CPUS=$(getconf _NPROCESSORS_ONLN)

# The makes we start have jobs and variables of their own.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL
# Logs are read by scripts as well as by people.
export LC_ALL=C

die()
{
	echo "${0##*/}: $*" >&2
	exit 2
}

# One line for a step that needs no clock.  STEP (such as 2/6) is set by
# whoever counts the steps.
title()
{
	printf '%s%s\n' "${STEP:+[$STEP] }" "$*" >&2
}

# A moment, in tenths of a second.
now()
{
	echo $(($(date +%s%N) / 100000000))
}

# How long ago a moment was, for people.
since()
{
	set -- $(($(now) - $1))
	printf '%d.%d s\n' $(($1 / 10)) $(($1 % 10))
}

# timed LOG TEXT COMMAND...: run a long command behind a line that says what
# it does and, at the end, how long it took.
timed()
{
	log=$1
	printf '%s ... ' "$2" >&2
	shift 2
	started=$(now)
	mkdir -p "$(dirname "$log")"
	if [ "$V" = 1 ]; then
		echo >&2
		"$@" >&2 || return
		return 0
	fi
	if "$@" >"$log" 2>&1 </dev/null; then
		since "$started" >&2
		return 0
	fi
	echo "failed; the end of $log:" >&2
	tail -n 20 "$log" | sed 's/^/    /' >&2
	return 1
}

# archive DIR: a cpio archive of what is in it, on stdout.  Two of the same files are
# the same to the byte, so that guests that unpack them do the same.
archive()
{
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . | LC_ALL=C sort |
		cpio -o -H newc -R 0:0 --reproducible --quiet)
}

# The same as a numbered step, and as a part of one.
step()
{
	log=$1 what=$2
	shift 2
	timed "$log" "${STEP:+[$STEP] }$what" "$@"
}

part()
{
	log=$1 what=$2
	shift 2
	timed "$log" "${STEP:+      }$what" "$@"
}

# The kernel that the caller chose, or else the one that scripts/kernel finds.
# $1 is an option for it, or empty.
need_kernel()
{
	if [ -z "${KREL:-}" ]; then
		vars=$(scripts/kernel "$1") || exit
		eval "$vars"
		export KREL KDIR KCONFIG KSRC KIMAGE KMODULES
	fi
}

# What run, check and shell have in common: everything up to the boot.
# $1 is the number of steps in all; further ones are more jobs of scripts/setup, so that
# all that has to be installed is named at once.
prepare()
{
	case $KERNEL in
	debug | kcsan) set -- "$@" kernel ;;
	esac
	# shellcheck disable=SC2046 # a list
	STEP=1/$1 scripts/setup build guest $(shift; echo "$*") || return
	vars=$(STEP=2/$1 scripts/kernel) || return
	eval "$vars"
	export KREL KDIR KCONFIG KSRC KIMAGE KMODULES
	STEP=3/$1 scripts/build module >/dev/null || return
	STEP=3/$1 scripts/build bare || return
	STEP=4/$1 scripts/build selftests || return
	STEP=5/$1 scripts/initramfs || return
	GUEST="out/guest/base.cpio out/build/$KREL/lab.cpio"
}

# run_list DIR OPTION...: run the tests of DIR/list in a guest that scripts/vm starts
# with these options and $GUEST, and tell how they did.  One that hangs, panics or says
# nothing is told by its status.
run_list()
{
	dir=$1
	shift
	# shellcheck disable=SC2046,SC2086 # lists
	setpriv --pdeathsig TERM scripts/vm "$@" -k "$KIMAGE" -o "$dir" \
		-c "KMEMLAB_OOM=1 KMEMLAB_LOCKDOWN=1 /kmemlab/selftests/run_kselftest.sh \
		    $(sed 's/^/-t /' "$dir/list" | tr '\n' ' ')" $GUEST |
	scripts/tap -s "$dir/status" -c "$dir.count" "$dir/list"
}
