# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2034 # the variables are for the others
#
# What the host scripts share.  Each of them changes to the top of the tree
# and then sources this file.
#
# Progress goes to stderr, results to stdout.  V=1 shows what the tools say;
# otherwise it goes to a log, whose tail is shown when they fail.

CACHE=${KMEMLAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-out}/.cache}/kmemlab}
case $CACHE in
/*) ;;
*) CACHE=$PWD/$CACHE ;;
esac
V=${V:-0}
KERNEL=${KERNEL:-}
NR_CPUS=$(getconf _NPROCESSORS_ONLN)

nl='
'
# The makes we start have jobs and variables of their own, and cd goes where it is told.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL GNUMAKEFLAGS MAKEFILES KBUILD_OUTPUT \
	CROSS_COMPILE CDPATH
# In the guest others than root read what is made here.
umask 022
# Whatever is open as the next number is not stdin.
[ -e /proc/self/fd/0 ] || exec </dev/null
# Logs are read by scripts as well as by people.
export LC_ALL=C

# Whoever is started from outside has a keeper: the process that outsiders know does
# nothing but wait, and the work is done by another in a session of its own.  Told to end
# it ends that whole session at once, takes away what it had in $KMEMLAB_TEMP, and says
# nothing.  So no other script catches a signal: a shell that does outlives what it waits
# for, and says what has become of it.  One at a terminal (KMEMLAB_KEEPER=none) has the
# terminal.  The names are ours, as compilers and the like read $TEMP.
keep()
{
	export KMEMLAB_KEEPER=$$ KMEMLAB_TEMP="$PWD/out/temp.$$"
	for left in out/temp.*; do
		kill -0 "${left##*.}" 2>/dev/null || rm -rf "$left"
	done
	kept=
	trap 'let_go 129' HUP
	trap 'let_go 130' INT
	trap 'let_go 131' QUIT
	trap 'let_go 143' TERM
	# A background job's stdin is /dev/null, but not by another number.
	exec 3<&0
	setsid setpriv --pdeathsig TERM "$@" <&3 3<&- &
	kept=$!
	exec 3<&-
	status=0
	wait "$kept" || status=$?
	# What one leaves that was killed.
	kill -KILL "-$kept" 2>/dev/null || true
	rm -rf "$KMEMLAB_TEMP"
	exit $status
}

# let_go CODE: QEMU has a moment to end by itself.
let_go()
{
	trap '' HUP INT QUIT TERM
	tries=0
	while [ -n "$kept" ] && [ "$tries" -lt 50 ] &&
	      kill -TERM "-$kept" "$kept"; do
		tries=$((tries + 1))
		sleep 0.1
	done 2>/dev/null
	[ -z "$kept" ] || kill -KILL "-$kept" 2>/dev/null || true
	rm -rf "$KMEMLAB_TEMP"
	exit "$1"
}

# For a script of this tree, not for a shell that reads this file.
if [ -z "${KMEMLAB_KEEPER:-}" ]; then
	case $0 in
	/*) self=$0 ;;
	*) self=${OLDPWD:-.}/$0 ;;
	esac
	case $(readlink -f "$self") in
	"$(readlink -f .)"/*) [ ! -x "$self" ] || keep "$self" "$@" ;;
	esac
fi
KMEMLAB_TEMP=${KMEMLAB_TEMP:-$PWD/out/temp.$$}

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
# it does and, at the end, how long it took.  The command runs in a subshell.  Sets
# "full" if it failed for want of room on a disk.  The log may be on that one, so what
# is shown of it does not come from there.
timed()
{
	log=$1
	printf '%s ... ' "$2" >&2
	shift 2
	started=$(now)
	full=
	mkdir -p "${log%/*}" || return
	if [ "$V" = 1 ]; then
		echo >&2
		"$@" >&2 || return
		return 0
	fi
	said=$({
		code=0
		"$@" 2>&1 </dev/null || code=$?
		printf '\nexit code %s\n' $code
	} | tee "$log" | awk '
		/No space left on device|Disk quota exceeded/ { full = 1 }
		/have enough free space/ { full = 1 }
		/^$/ { next }
		{ line[nr++] = $0; delete line[nr - 22] }
		END {
			if (line[nr - 1] == "exit code 0") {
				print "ok"
				exit
			}
			for (i = nr > 21 ? nr - 21 : 0; i < nr; i++)
				print "    " line[i]
			if (full)
				print "    the disk is full"
		}')
	# Less would also be what a machine says that has no process left.
	if [ "$said" = ok ]; then
		since "$started" >&2
		return 0
	fi
	echo "failed; the end of $log:" >&2
	printf '%s\n' "$said" >&2
	case $said in
	*"    the disk is full")
		full=1
		echo "    make room, then run it again: nothing half done is used" >&2
		;;
	esac
	return 1
}

# quote TEXT: as the shell reads it, whatever is in it
quote()
{
	printf '%s\n' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"
}

# kbuild_takes PATH: can the kernel's build system work there?  Its makefiles and the
# commands in them quote no path.
kbuild_takes()
{
	case $1 in
	*[]\ \	:=\'\"\\\$\#%\*?\;\&\|\(\)\<\>\`\,[]* | *"$nl"*) return 1 ;;
	esac
}

BAD_PATH="the kernel's build system takes no path with a space or any of : = ' \" \\ \$ # % * ? [ ] ; & | ( ) < > \` ,"

# alone DIR: wait until nobody else writes there; "." is for all of out/.  From then on
# nobody does until we and all that we started have ended.  What one of us starts goes on
# with its lock.
alone()
{
	{ kbuild_takes "$PWD" && kbuild_takes "$(pwd -P)"; } ||
		die "move this directory, $PWD, to another path: $BAD_PATH"
	mkdir -p out
	place=$1
	who=$1/running
	[ "$1" != . ] || who=out/running
	[ "${KMEMLAB_ALONE:-}" != "$PWD/$place" ] || return 0
	# The directory itself, so that removing what is in it removes no lock.
	exec 8<"$place"
	if ! flock -n 8; then
		title "waiting for $(cat "$who" 2>/dev/null || echo another run)"
		flock 8
	fi
	echo "scripts/${0##*/} in this directory to end (process $$, since $(date +%T))" \
		>"$who"
	export KMEMLAB_ALONE="$PWD/$place"
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
	alone .
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
	scripts/tap -s "$dir/status" -c "$dir.count" -t "$dir.times" "$dir/list"
}

# of_this_tree DIR WORD...: empty DIR, unless it holds what was found out of the same
# kernel, module and tests, with the same words, and was cut off
of_this_tree()
{
	found=$1
	shift
	tree="$* $({ cksum <"${KCONFIG:-/dev/null}"; find Kbuild module selftests -type f |
		LC_ALL=C sort | xargs cksum; } | cksum)"
	[ "$(cat "$found/tree" 2>/dev/null)" != "$tree" ] || return 0
	rm -rf "$found"
	mkdir -p "$found"
	echo "$tree" >"$found/tree"
}

# parts DIR NAME...: the parts of a long run, as many side by side as there are CPUs.
# "$0 NAME" does one, and leaves DIR/NAME/passed if it passed; that is not done again.
# SHARD=2/8 does the second of eight shares.  Fails if a part of the share did; sets
# "left" to how many parts have not passed yet.  Once there are none, the next run begins
# anew.
parts()
{
	found=$1
	shift
	share=${SHARD:-1/1}
	case $share in
	*[!0-9/]* | */*/* | /* | */ | 0* | */0*) share= ;;
	*/*) [ "${share%/*}" -ge 1 ] && [ "${share%/*}" -le "${share#*/}" ] || share= ;;
	*) share= ;;
	esac
	[ -n "$share" ] || die "SHARD=$SHARD: not like 2/8"
	nr=0
	failed=0
	for name; do
		nr=$((nr + 1))
		[ $((nr % ${share#*/})) != $((${share%/*} % ${share#*/})) ] ||
		[ -e "$found/$name/passed" ] || echo "$name"
	done | xargs -r -n 1 -P "${JOBS:-$NR_CPUS}" "scripts/${0##*/}" || failed=1
	left=0
	for name; do
		[ -e "$found/$name/passed" ] || left=$((left + 1))
	done
	[ $left != 0 ] || rm "$found/tree"
	return $failed
}

# guest_part DIR OPTION...: what such a part does: scripts/vm with these options, and a
# word on how it went
guest_part()
{
	found=$1
	shift
	mkdir -p "$found"
	started=$(now)
	code=0
	# shellcheck disable=SC2086 # a list
	scripts/vm -k "$KIMAGE" -o "$found" "$@" $GUEST >/dev/null || code=$?
	sed -n '/^not ok/p' "$found/output"
	verdict="not passed"
	if [ $code = 0 ]; then
		: >"$found/passed"
		verdict=passed
	fi
	STEP='' title "$found: $verdict, $(since "$started")"
	return $code
}
