#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts do on the host: any path, two runs at once, and what they say of
# packages and kernels.  They run in a tree and with a cache made for that, where a
# kernel is a few small files and make, apt and the like are not the real ones.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

unset KREL KDIR KCONFIG KIMAGE KMODULES KSRC KERNEL STEP V KMEMLAB_BUILD_DIR INSTALL_MOD_PATH
dir=$(mktemp -d)
holder=
trap '[ -z "$holder" ] || kill $holder 2>/dev/null; rm -rf "$dir"' EXIT
number=0
bad=0
release=9.9.9-1-test

# expect NAME CODE TEXT COMMAND...: the exit code, and what must be in its output
expect()
{
	number=$((number + 1))
	name=$1 want=$2 text=$3 code=0
	shift 3
	"$@" >"$dir/out" 2>&1 </dev/null || code=$?
	if [ "$code" = "$want" ] && grep -q -e "$text" "$dir/out"; then
		echo "ok $number host.$name"
	else
		bad=1
		echo "# exit code $code, and printed:"
		sed 's/^/# /' "$dir/out"
		echo "not ok $number host.$name"
	fi
}

tree=$dir/tree
mkdir -p "$tree" "$dir/bin"
cp -a scripts Makefile Kbuild "$tree"
mkdir "$tree/module"

# stub NAME LINE...: a program of that name
stub()
{
	file=$dir/bin/$1
	shift
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
	chmod 755 "$file"
}

# fill CACHE: all that scripts/kernel wants of it
fill()
{
	kernel=$1/kernels/$release
	headers=$kernel/headers/usr/src/linux-headers-$release
	mkdir -p "$headers/include/generated" "$kernel/image/boot" \
		"$kernel/image/lib/modules/$release" "$1/linux-source-6.1/scripts"
	echo "#define UTS_RELEASE \"$release\"" \
		>"$headers/include/generated/utsrelease.h"
	echo >"$headers/.config"
	cp /bin/true "$kernel/image/boot/vmlinuz-$release"
	echo >"$kernel/image/boot/config-$release"
	# shellcheck disable=SC2016 # for that script
	printf '#!/bin/sh\ncat "$1"\n' >"$1/linux-source-6.1/scripts/extract-vmlinux"
	chmod 755 "$1/linux-source-6.1/scripts/extract-vmlinux"
}

# A name that a shell, make or sed could take for something else.
nl='
'
odd="-it's \$(touch pwned) \`touch pwned\` a:b\"c\\d*;${nl}e&f"

# The kernel, found in a cache with such a path and a temporary directory likewise.
odd_cache()
{
	mkdir -p "$dir/$odd/tmp"
	fill "$dir/$odd/kmemlab"
	vars=$(cd "$tree" && TMPDIR=$dir/$odd/tmp XDG_CACHE_HOME=$dir/$odd \
		KERNEL=$release scripts/kernel) || return
	eval "$vars"
	echo "$vars"
	# shellcheck disable=SC2153 # they come from there
	cmp "$KIMAGE" /bin/true && [ -r "$KCONFIG" ] && [ -d "$KMODULES" ] &&
	[ -x "$KSRC/scripts/extract-vmlinux" ] && [ -r "$KDIR/.config" ] &&
	case $KDIR in
	"$tree"/out/cache/*) ;;
	*) false ;;
	esac && none_evaluated && echo right
}

none_evaluated()
{
	[ -z "$(find "$dir" "$PWD" -maxdepth 2 -name pwned)" ]
}

in_tree()
{
	# shellcheck disable=SC2016 # for that shell
	env PATH="$dir/bin:$PATH" KMEMLAB_CACHE="$dir/cache" \
		sh -c 'cd "$0" && exec "$@"' "$tree" "$@"
}

# make, as kbuild quotes nothing; packages that are there, or are not.
# shellcheck disable=SC2016 # for the stubs
{
	stub make 'for word; do case $word in' \
		'M=*) dir=${word#M=} ;;' \
		'INSTALL_MOD_PATH=*) to=${word#*=} ;;' \
		'esac; done' \
		"eval \"mkdir -p \${to:-\$dir}/lib/modules/$release/extra\"" \
		'echo >$dir/kmemlab.ko'
	stub depmod :
	stub dpkg-query 'echo "${STATUS-install ok installed}"'
	stub apt-get "echo \"apt-get \$*\" >>'$dir/apt'" \
		'[ "${*%update}" != "$*" ] || exit 0' \
		"mkdir '$dir/lists' || { echo refused >>'$dir/apt'; exit 100; }" \
		"sleep 1; rmdir '$dir/lists'"
	stub id 'echo ${ID:-0}'
}
fill "$dir/cache"

# install ROOT: where make install puts it
installs()
{
	in_tree env KERNEL="$release" INSTALL_MOD_PATH="$1" \
		"$(command -v make)" install || return
	[ -d "$1/lib/modules/$release/extra" ] && none_evaluated && echo right
}

# A checkout that kbuild does not take.
refused()
{
	mkdir -p "$dir/$1"
	cp -a "$tree/scripts" "$dir/$1"
	"$dir/$1/scripts/build" modules
}

# hold DIR: a run that goes on, in that tree
hold()
{
	# shellcheck disable=SC2016 # for that shell
	(cd "$1" && exec sh -c '. scripts/lib.sh; alone .; echo >out/held; exec sleep 100' \
		scripts/held) &
	holder=$!
	for _ in $(seq 100); do
		[ -e "$1/out/held" ] || sleep 0.2
	done
}

# A second one waits, says for whom, and goes on when the first is killed.
second()
{
	hold "$tree"
	in_tree env KERNEL="$release" scripts/build module >"$dir/second" 2>&1 &
	waiting=$!
	for _ in $(seq 100); do
		grep -q waiting "$dir/second" || sleep 0.2
	done
	in_tree env KMEMLAB_ALONE="$tree/." KERNEL="$release" scripts/build module &&
		echo "what the first starts does not wait"
	mkdir -p "$dir/other"
	cp -a "$tree/scripts" "$dir/other"
	# shellcheck disable=SC2016 # for that shell
	(cd "$dir/other" && sh -c '. scripts/lib.sh; alone .') &&
		echo "another tree does not wait"
	kill -0 "$waiting"
	kill -9 "$holder"
	wait "$waiting"
	status=$?
	holder=
	cat "$dir/second"
	return "$status"
}

# Two trees that lack packages.
both_set_up()
{
	: >"$dir/apt"
	in_tree env STATUS= scripts/setup kernel &
	in_tree env STATUS= scripts/setup guest || return
	wait $! || return
	cat "$dir/apt"
	! grep refused "$dir/apt"
}

# Who holds the lock on the cache keeps nobody from what is in it.
cached()
{
	in_tree env KERNEL="$release" scripts/kernel >/dev/null || return
	flock "$dir/cache/lock" timeout 20 env KMEMLAB_CACHE="$dir/cache" \
		KERNEL="$release" "$tree/scripts/kernel"
}

# What scripts start has no variable of ours that it could take for its own.
environment()
{
	printf '%s\n' '#!/bin/sh' '. scripts/lib.sh' env >"$tree/scripts/environment"
	chmod 755 "$tree/scripts/environment"
	(cd "$tree" && env -i PATH="$PATH" scripts/environment) >"$dir/environment" ||
		return
	! sed 's/=.*//' "$dir/environment" |
		grep -v -x -E '_|PATH|PWD|OLDPWD|LC_ALL|KMEMLAB_[A-Z]+' && echo right
}

# A guest is at work, and another wants out/ while clean waits for the first.
clean_waits()
{
	(
		cd "$tree"
		mkdir -p out/shell
		exec 9<out/shell
		flock 9
		echo "a guest" >out/shell/running
		env PATH="$dir/bin:$PATH" scripts/clean >/dev/null 2>&1 9<&- &
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			grep -q clean out/running 2>/dev/null && break
			sleep 0.2
		done
		sleep 0.5
		# It has the tree's own lock still.
		if flock -n . true; then
			echo "clean has given it up"
			exit 1
		fi
		echo "waiting for clean"
		exec 9<&-
		wait
		[ ! -e out ]
	)
}

running=$(uname -r)
echo "1..22"
expect environment 0 '^right$' environment
expect odd_cache 0 '^right$' odd_cache
expect odd_install 0 '^right$' installs "$dir/$odd"
expect install_says 0 "^modprobe -d '$dir/root' kmemlab  # for $release (KERNEL=$release" \
	in_tree env KERNEL="$release" INSTALL_MOD_PATH="$dir/root" scripts/build install
for path in 'a b' a:b "it's"; do
	expect checkout_refused 2 "takes no path with a space" refused "$path"
done
expect headers_refused 2 "KDIR=/a b: the kernel's build system takes no path" \
	in_tree env KDIR="/a b" scripts/kernel -m
expect second_waits 0 "waiting for scripts/held in this directory to end (process" second
expect cached_does_not_wait 0 "^KREL='$release'" cached
expect modules_say 0 "^insmod $tree/out/build/$release/kmemlab.ko  # for $release (KERNEL=$release; here $running runs)" \
	in_tree env KERNEL="$release" scripts/build modules
if [ -e "/lib/modules/$running/build/Makefile" ]; then
	number=$((number + 1))
	echo "ok $number # SKIP the running kernel has headers here"
else
	expect no_headers 2 "$running, has no headers here: install linux-headers-$running" \
		in_tree scripts/build modules
fi
expect kdir_says 0 "^insmod .*  # for $release (KDIR=" \
	in_tree env KDIR="$dir/cache/kernels/$release/headers/usr/src/linux-headers-$release" \
	scripts/build modules
expect not_root 2 "^apt-get update && apt-get install --no-install-recommends gcc-12 .*qemu-system-x86 .*python3" \
	in_tree env STATUS= ID=1000 scripts/setup
expect setup_says 0 "^ *bison  *compiles the kernel's configurator" \
	in_tree env STATUS= scripts/setup kernel
expect both_set_up 0 "^apt-get .*install .*bison" both_set_up
expect setup_unknown 2 "no set of packages is called gest" in_tree scripts/setup gest

# A directory of that name elsewhere, that cd would find first.
mkdir -p "$dir/elsewhere/scripts"
expect cdpath 0 "^kmemlab: " in_tree env CDPATH="$dir/elsewhere:." sh scripts/help
# shellcheck disable=SC2016 # for that shell
expect no_stdin 0 "^kmemlab: " in_tree sh -c 'exec scripts/help <&-'
expect cache_newline 2 "apt takes no path with a newline" \
	in_tree env KMEMLAB_CACHE="$dir/a${nl}b" KERNEL=6.1 scripts/kernel
# shellcheck disable=SC2016 # for that shell
expect no_awk 1 "^ends 1" in_tree sh -c '. scripts/lib.sh
	awk() { false; }; step out/step.log "doing it" true; echo "ends $?"; false'
# What is locked under out/ is not removed under its owner.
expect clean_waits 0 "waiting for" clean_waits
exit $bad
