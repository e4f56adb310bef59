#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/tap makes of good, bad and dishonest test output.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
number=0
bad=0

# expect NAME CODE COUNTS TEXT <TAP: the exit code, the counts, and a line
# that must be printed; the list is always buddy, slab
expect()
{
	number=$((number + 1))
	code=0
	scripts/tap -s "$dir/status" -c "$dir/counts" -t "$dir/times" "$dir/list" \
		>"$dir/out" || code=$?
	if [ "$code $(cat "$dir/counts")" = "$2 $3" ] &&
	   grep -q -x "$4" "$dir/out"; then
		echo "ok $number tap.$1"
	else
		bad=1
		echo "# exit code $code, counts $(cat "$dir/counts"), and printed:"
		sed 's/^/# /' "$dir/out"
		echo "not ok $number tap.$1"
	fi
}

printf 'kmemlab:buddy\nkmemlab:slab\n' >"$dir/list"
echo 0 >"$dir/status"
echo "1..16"

slab='# selftests: kmemlab: slab
# 1..1
# ok 1 slab.reuse
ok 2 selftests: kmemlab: slab'

expect passing 0 "3 0 0" "ok buddy.merge" <<END
TAP version 13
1..2
# selftests: kmemlab: buddy
# TAP version 13
# 1..2
# #  RUN           buddy.split ...
# #            OK  buddy.split
# ok 1 buddy.split
# ok 2 buddy.merge
ok 1 selftests: kmemlab: buddy
$slab
END

# Each result has a time, by its name.
number=$((number + 1))
if [ "$(sed 's/^[0-9]* //' "$dir/times" | tr '\n' ' ')" = \
     "buddy.split buddy.merge slab.reuse " ]; then
	echo "ok $number tap.times"
else
	bad=1
	sed 's/^/# /' "$dir/times"
	echo "not ok $number tap.times"
fi

# One that says so by itself, and whose runner knows nothing of it.
expect skips_all 0 "1 0 1" "skip buddy: may not mount" <<END
TAP version 13
1..2
# selftests: kmemlab: buddy
# 1..0 # SKIP may not mount
ok 1 selftests: kmemlab: buddy
$slab
END

# A number at the end is no word of skipping.
expect no_skip 0 "2 0 0" "ok buddy" <<END
TAP version 13
1..2
# selftests: kmemlab: buddy
ok 1 selftests: kmemlab: buddy # in 1
$slab
END

expect failing 1 "1 1 0" "    # buddy.c:7: expected 1 == x (2)" <<END
# selftests: kmemlab: buddy
# 1..1
# # buddy.c:7: expected 1 == x (2)
# not ok 1 buddy.split
not ok 1 selftests: kmemlab: buddy # exit=1
$slab
END

expect skipping 0 "1 0 2" "skip buddy.numa: one node" <<END
# selftests: kmemlab: buddy
# 1..2
# #  RUN           buddy.numa ...
# ok 1 # SKIP one node
# ok 2 buddy.other # SKIP no such zone
ok 1 selftests: kmemlab: buddy
$slab
END

expect skipped_file 0 "1 0 1" "skip buddy: no module" <<END
# selftests: kmemlab: buddy
# 1..0 # SKIP no module
ok 1 selftests: kmemlab: buddy # SKIP
$slab
END

expect died 1 "2 1 0" "not ok buddy: exit=139" <<END
# selftests: kmemlab: buddy
# 1..2
# ok 1 buddy.split
not ok 1 selftests: kmemlab: buddy # exit=139
$slab
END

expect timeout 1 "1 1 0" "not ok buddy: TIMEOUT 45 seconds" <<END
# selftests: kmemlab: buddy
not ok 1 selftests: kmemlab: buddy # TIMEOUT 45 seconds
$slab
END

expect plan_not_met 1 "2 1 0" \
	"not ok buddy: its results do not add up: 1 of 2" <<END
# selftests: kmemlab: buddy
# 1..2
# ok 1 buddy.split
ok 1 selftests: kmemlab: buddy
$slab
END

# A test prints the result it would like to have had.
expect fake_result 1 "2 1 0" "not ok buddy.split" <<END
# selftests: kmemlab: buddy
# 1..1
# ok 1 buddy.split
# not ok 1 buddy.split
not ok 1 selftests: kmemlab: buddy # exit=1
$slab
END

# The same for the runner's line, printed by a test that fails after it.
expect fake_runner_line 1 "2 1 0" "not ok unexpected line: not ok 1 .*" <<END
# selftests: kmemlab: buddy
ok 1 selftests: kmemlab: buddy
not ok 1 selftests: kmemlab: buddy # exit=1
$slab
END

expect missing_test 1 "1 1 0" "not ok slab: no result" <<END
# selftests: kmemlab: buddy
# 1..1
# ok 1 buddy.split
ok 1 selftests: kmemlab: buddy
END

expect zero_tests 7 "0 1 0" "not ok no test was run" </dev/null

echo "3 the kernel panicked" >"$dir/status"
expect guest_failed 1 "2 1 0" "not ok guest: the kernel panicked" <<END
# selftests: kmemlab: buddy
# 1..1
# ok 1 buddy.split
ok 1 selftests: kmemlab: buddy
$slab
END

rm "$dir/status"
expect no_status 1 "0 3 0" "not ok guest: scripts/vm did not end" </dev/null

exit $bad
