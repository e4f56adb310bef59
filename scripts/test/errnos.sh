#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The errnos that a command can end with: README.md says what each of those means
# that the runner lets through, and of no other.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

code=$(sed -n '/documented_errnos\[\] = {/,/^}/p' module/engine/runner.c |
	grep -o '\<E[A-Z]*\>' | sort)
readme=$(sed -n '/^changes nothing. The errno says why/,/^record of its own command/p' \
	README.md | grep -o '\<E[A-Z]*\>' | sort)

echo "1..1"
if [ -n "$code" ] && [ "$code" = "$readme" ]; then
	echo "ok 1 errnos.documented"
else
	printf '# the runner:\n%s\nREADME.md:\n%s\n' "$code" "$readme" |
		tr '\n' ' '
	echo
	echo "not ok 1 errnos.documented"
	exit 1
fi
