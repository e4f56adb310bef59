#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# scripts/layers finds what breaks each of its rules, and finds nothing in a
# module that keeps them.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
for floor in compat core families engine interface; do
	mkdir -p "$tree/module/$floor"
done
mkdir "$tree/selftests" "$tree/scripts"
number=0
bad=0

# expect NAME FILE LINE [TEXT]: what is said of one line in a file
expect()
{
	number=$((number + 1))
	echo "$3" >"$tree/$2"
	echo "kmemlab-y += ${2%.c}.o" >"$tree/Kbuild"
	code=0
	scripts/layers "$tree" >"$tree/found" || code=$?
	rm "$tree/$2"
	wanted="0 "
	[ -z "${4:-}" ] || wanted="1 $2:1:$3  <- $4"
	if [ "$code $(cat "$tree/found")" = "$wanted" ]; then
		echo "ok $number layers.$1"
	else
		bad=1
		echo "# exit code $code, and found: $(cat "$tree/found")"
		echo "not ok $number layers.$1"
	fi
}

echo "1..9"
expect downward module/engine/a.c '#include "core/family.h"'
expect upward module/core/a.c '#include "families/slab.h"' \
	"includes run downward only"
expect no_floor module/core/a.c '#include "family.h"' \
	"a header is named with its floor"
expect family_files module/families/a.c '#include <linux/debugfs.h>' \
	"a family knows no file system and no user memory"
expect door_slab module/interface/a.c '#include <linux/slab.h>' \
	"a door allocates nothing"
expect version module/core/a.c '#if LINUX_VERSION_CODE > 1' \
	"only compat/ knows kernel versions"
expect compat_version module/compat/a.c '#if LINUX_VERSION_CODE > 1'
expect bug_on module/core/a.c 'BUG_ON(!page);' \
	"the machine is not ours to stop"
expect build_bug_on module/core/a.c 'BUILD_BUG_ON(sizeof(int) != 4);'

exit $bad
