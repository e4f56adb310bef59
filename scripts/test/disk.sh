#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A disk that fills up at each step, and a run that is killed at each: the message says
# that the disk is full, nothing half done is used, and the next run just works.  The
# packages are small ones made here, the disk a small tmpfs that only this test sees.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

if [ -z "${IN_NAMESPACE:-}" ]; then
	if ! unshare -m true 2>/dev/null; then
		echo "1..0 # SKIP may not mount a small disk"
		exit
	fi
	IN_NAMESPACE=1 exec unshare -m "$0"
fi
unset KREL KDIR KCONFIG KIMAGE KMODULES KSRC STEP V KMEMLAB_BUILD_DIR INSTALL_MOD_PATH
export KERNEL=9.9
release=9.9.9-1-amd64
dir=$(mktemp -d)
disk=$dir/disk
number=0
bad=0
trap 'umount -l "$disk" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir -p "$disk" "$dir/bin" "$dir/debs" "$dir/tree/module"
cp -a scripts Kbuild "$dir/tree"
ln -s "$disk/out" "$dir/tree/out"

stub()
{
	cat >"$dir/bin/$1"
	chmod 755 "$dir/bin/$1"
}

# package NAME: of what is in NAME.root, as little compressed as a kernel is
package()
{
	mkdir "$dir/$1.root/DEBIAN"
	printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: a\nDescription: a\n' \
		"$1" >"$dir/$1.root/DEBIAN/control"
	dpkg-deb -Znone -b "$dir/$1.root" "$dir/debs/${1}_1_all.deb" >/dev/null
}

image=$dir/linux-image-$release.root
modules=$image/lib/modules/$release/kernel
mkdir -p "$image/boot" "$modules/fs/configfs" "$modules/drivers/block/null_blk"
# A kernel, which is an ELF file, in an image with something before it.
cp "$(command -v gawk || command -v bash)" "$dir/vmlinux"
{ head -c 512 /dev/zero; cat "$dir/vmlinux"; } >"$image/boot/vmlinuz-$release"
echo >"$image/boot/config-$release"
echo >"$modules/fs/configfs/configfs.ko"
echo >"$modules/drivers/block/null_blk/null_blk.ko"
headers=$dir/linux-headers-$release.root/usr/src/linux-headers-$release
mkdir -p "$headers/include/generated"
echo "#define UTS_RELEASE \"$release\"" >"$headers/include/generated/utsrelease.h"
echo "include /usr/src/linux-headers-common/Makefile" >"$headers/Makefile"
echo >"$headers/.config"
head -c 300000 /dev/urandom >"$headers/Module.symvers"
source=$dir/linux-source-6.1
(
	# The parts as scripts/kernel names them.
	eval "$(sed -n "/^SOURCE_PARTS='/,/^'/p" scripts/kernel)"
	for part in $SOURCE_PARTS; do
		mkdir -p "$(dirname "$source/$part")"
		head -c 20000 /dev/urandom >"$source/$part"
	done
)
# As the real one it says by no exit code that it could not write.
cat >"$source/scripts/extract-vmlinux" <<'END'
#!/bin/sh
tail -c +513 "$1" 2>/dev/null
exit 0
END
chmod 755 "$source/scripts/extract-vmlinux"
mkdir -p "$dir/linux-source-6.1.root/usr/src"
tar -C "$dir" -cf - linux-source-6.1 |
	xz -0 >"$dir/linux-source-6.1.root/usr/src/linux-source-6.1.tar.xz"
for name in linux-image-$release linux-headers-$release linux-source-6.1; do
	package "$name"
done

stub apt-get <<END
#!/bin/sh
for last; do :; done
case "\$*" in
*" update")
	for word; do
		case \$word in Dir::State::Lists=*) lists=\${word#*=} ;; esac
	done
	head -c 100000 /dev/zero >"\$lists/lists" ;;
*" download "*) echo "\$last" >>"$dir/downloaded"; cp "$dir/debs/\${last}_1_all.deb" . ;;
esac
END
stub apt-cache <<END
#!/bin/sh
case "\$*" in
*search*) printf '%s - a\n' linux-image-$release linux-headers-$release ;;
*"show "*)
	for last; do :; done
	# Of a package that others only mention it has nothing to say, and does not fail.
	[ ! -e "$dir/debs/\${last}_1_all.deb" ] || printf 'Package: %s\nDepends: a\n' "\$last" ;;
esac
END
stub dpkg-query <<'END'
#!/bin/sh
echo "install ok installed"
END
stub make <<'END'
#!/bin/sh
to=
for word; do
	case $word in
	M=*) to=${word#M=} ;;
	O=*) built=${word#O=} ;;
	esac
done
if [ -z "$to" ]; then
	# A kernel, as scripts/build-kernel has it built.
	cp "$built/wanted.config" "$built/.config"
	mkdir -p "$built/include/config" "$built/include/generated"
	echo 9.9.9 >"$built/include/config/kernel.release"
	exit
fi
# What is there is newer than what it is made from.
[ ! -e "$to/kmemlab.ko" ] || exit 0
head -c 150000 /dev/zero >"$to/kmemlab.ko" || exit
[ -z "$KILL_MAKE" ] || kill -9 0
head -c 150000 /dev/zero >>"$to/kmemlab.ko"
END

# new_disk KIB: an empty disk of that size
new_disk()
{
	umount -l "$disk" 2>/dev/null || true
	mount -t tmpfs -o "size=${1}k" none "$disk"
	mkdir -p "$disk/out"
}

grow()
{
	mount -o remount,size=64m "$disk"
}

run()
{
	code=0
	(cd "$dir/tree" && PATH=$dir/bin:$PATH KMEMLAB_CACHE=$disk/cache "$@") \
		>"$dir/out" 2>&1 </dev/null || code=$?
	return "$code"
}

# What must be in the cache, or not at all.
contents()
{
	for part in linux-source-6.1 "kernels/$release/image" \
		    "kernels/$release/headers" vmlinux; do
		[ ! -e "$1/$part" ] || diff -r "$1/$part" "$dir/whole/$part"
	done
}

works()
{
	run scripts/kernel || { echo "the next run failed with exit code $code"; return 1; }
	diff <(cd "$disk/cache" && ls) <(cd "$dir/whole" && ls) &&
	contents "$disk/cache"
}

# result NAME COMMAND...
result()
{
	number=$((number + 1))
	name=$1
	shift
	if "$@" >"$dir/why"; then
		echo "ok $number disk.$name"
	else
		bad=1
		sed 's/^/# /' "$dir/why" "$dir/out"
		echo "not ok $number disk.$name"
	fi
}

# A disk too small by some, from one on which nothing fits.
cache_full()
{
	failures=0
	for percent in 0 30 60 85; do
		new_disk $((4 + used * percent / 100))
		if ! run scripts/kernel; then
			failures=$((failures + 1))
			grep -q -e "No space left" -e "disk is full" "$dir/out" ||
				{ echo "$percent %: no word of the disk"; return 1; }
		fi
		[ ! -d "$disk/cache" ] || contents "$disk/cache" || return
		grow
		works || { echo "at $percent %"; return 1; }
	done
	echo "$failures failures"
	[ "$failures" = 4 ]
}

# A kernel in part that is there already, of an older version of this.
damaged()
{
	for file in "$disk"/cache/vmlinux/*; do
		truncate -s -4096 "$file"
	done
	works
}

# Killed as long after its start as makes a difference.
killed()
{
	new_disk 65536
	for tenths in 2 5; do
		rm -rf "$disk/cache"
		(cd "$dir/tree" && PATH=$dir/bin:$PATH KMEMLAB_CACHE=$disk/cache \
			exec setsid scripts/kernel >"$dir/out" 2>&1 </dev/null) &
		victim=$!
		sleep $((tenths / 10)).$((tenths % 10))
		kill -9 -- "-$victim" 2>/dev/null || true
		wait "$victim" 2>/dev/null || true
		[ ! -d "$disk/cache" ] || contents "$disk/cache" || return
		works || { echo "killed after $tenths tenths of a second"; return 1; }
	done
}

# The source, of which a built kernel needs all, is fetched once in either order.
fetched_once()
{
	for order in "9.9 debug" "debug 9.9"; do
		new_disk 65536
		rm -f "$dir/downloaded"
		for kernel in $order; do
			run env KERNEL="$kernel" scripts/kernel || return
		done
		[ "$(grep -c linux-source "$dir/downloaded")" = 1 ] || return
		[ ! -e "$disk/cache/linux-source-6.1.tar.xz" ] || return
	done
}

# A kernel of which the signed image is still to come.
unsigned()
{
	deb=$dir/debs/linux-image-$release
	new_disk 65536
	mv "${deb}_1_all.deb" "$deb-unsigned_1_all.deb"
	failed=0
	works || failed=1
	mv "$deb-unsigned_1_all.deb" "${deb}_1_all.deb"
	return "$failed"
}

built()
{
	run scripts/build module &&
	[ "$(stat -c %s "$disk/out/build/$release/kmemlab.ko")" = 300000 ]
}

# small_out KIB: the cache in order, and so much for the rest
small_out()
{
	new_disk 65536
	cp -a "$dir/whole" "$disk/cache"
	mount -o "remount,size=$(($(du -sk "$disk" | cut -f 1) + $1))k" "$disk"
}

build_full()
{
	small_out 200
	! run scripts/build module && grep -q "the disk is full" "$dir/out" || return
	grow
	built
}

build_killed()
{
	small_out 1000
	# kill -9 0 is for the group of the victim.
	{ run env KILL_MAKE=1 setsid -w scripts/build module || true; } 2>/dev/null
	[ "$(stat -c %s "$disk/out/build/$release/kmemlab.ko")" = 150000 ] || return
	built
}

pack_full()
{
	small_out 3000
	! run scripts/initramfs base && grep -q "the disk is full" "$dir/out" || return
	[ ! -e "$disk/out/guest/base.cpio" ] || return
	grow
	run scripts/initramfs base && [ -s "$disk/out/guest/base.cpio" ]
}

export KILL_MAKE=
new_disk 65536
run scripts/kernel || { cat "$dir/out"; exit 1; }
cp -a "$disk/cache" "$dir/whole"
used=$(du -sk "$disk/cache" | cut -f 1)
echo "1..8"
result cache_full cache_full
result damaged damaged
result killed killed
result fetched_once fetched_once
result unsigned unsigned
result build_full build_full
result build_killed build_killed
result pack_full pack_full
exit $bad
