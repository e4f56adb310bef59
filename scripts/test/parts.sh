#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A long run in parts goes on where it was cut off, does the share that it is told to,
# and begins anew once all is done or something has changed.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

unset SHARD JOBS KMEMLAB_KEEPER KMEMLAB_ALONE KMEMLAB_TEMP STEP
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/scripts" "$dir/module" "$dir/selftests"
cp scripts/lib.sh "$dir/scripts"
: >"$dir/Kbuild"

# One of five parts, or all; the one that "bad" names fails, "slow" is cut off.
cat >"$dir/scripts/long" <<'END'
#!/bin/sh
set -eu
CDPATH='' cd "$(dirname "$0")/.."
. scripts/lib.sh
out=out/long
KCONFIG=Kbuild
if [ $# != 0 ]; then
	echo "$1" >>tried
	[ ! -e "slow-$1" ] || sleep 1000
	[ ! -e "bad-$1" ] || exit 1
	mkdir -p "$out/$1"
	: >"$out/$1/passed"
	exit
fi
alone .
of_this_tree $out
status=0
parts $out a b c d e || status=$?
echo "$left left"
exit $status
END
chmod 755 "$dir/scripts/long"

number=0
bad=0

# expect NAME CODE LEFT TRIED [VARIABLE=...]: the exit code, how many parts are left, and
# which were tried
expect()
{
	number=$((number + 1))
	name=$1 want=$2 left=$3 tried=$4 code=0
	shift 4
	: >"$dir/tried"
	env "$@" "$dir/scripts/long" >"$dir/said" 2>&1 || code=$?
	if [ "$code" = "$want" ] && grep -q -e "$left" "$dir/said" &&
	   [ "$(sort "$dir/tried" | tr -d '\n')" = "$tried" ]; then
		echo "ok $number parts.$name"
	else
		bad=1
		echo "# exit code $code, tried $(tr '\n' ' ' <"$dir/tried"), and printed:"
		sed 's/^/# /' "$dir/said"
		echo "not ok $number parts.$name"
	fi
}

# Started, and killed as soon as one part is at work and another is done.
cut_off()
{
	: >"$dir/tried"
	: >"$dir/slow-b"
	"$dir/scripts/long" >/dev/null 2>&1 &
	while kill -0 "$!" && [ ! -e "$dir/out/long/e/passed" ]; do
		sleep 0.1
	done
	kill "$!"
	wait "$!" || true
	rm "$dir/slow-b"
}

echo "1..9"
expect all 0 '^0 left$' abcde
expect anew_after_all 0 '^3 left$' be SHARD=2/3
expect rest 0 '^0 left$' acd
: >"$dir/bad-c"
expect failed 1 '^1 left$' abcde
rm "$dir/bad-c"
expect failed_again 0 '^0 left$' c
expect share 0 '^4 left$' a SHARD=1/5
: >"$dir/module/new.c"
expect changed 0 '^0 left$' abcde
expect no_share 2 'SHARD=9/8: not like 2/8' '' SHARD=9/8
JOBS=2 cut_off
expect cut_off 0 '^0 left$' b
exit $bad
