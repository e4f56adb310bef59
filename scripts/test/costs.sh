#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/costs makes of records, and of tables that are none.

set -eu
CDPATH='' cd "$(dirname "$0")/../.."

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
number=0
bad=0

# expect NAME CODE LINE ARGUMENT...: the exit code, and a line of what is printed
expect()
{
	number=$((number + 1))
	name=$1 want=$2 line=$3 code=0
	shift 3
	scripts/costs "$@" >"$dir/out" 2>&1 || code=$?
	if [ "$code" = "$want" ] && grep -q -x -e "$line" "$dir/out"; then
		echo "ok $number costs.$name"
	else
		bad=1
		echo "# exit code $code, and printed:"
		sed 's/^/# /' "$dir/out"
		echo "not ok $number costs.$name"
	fi
}

cat >"$dir/records" <<END
@@ 2
fingerprint kernel 6.1
fingerprint init_on_alloc 1
@ allocator=slab size=64 pattern=pair
status ok
nr_objects_per_call 1
unit insns
whole.pair nr_runs=4 min_insns=200.000 p50_insns=201.000 low95_insns=200.000 high95_insns=202.000 empty_insns=4.000
single.alloc nr=100 nr_disturbed=1 min_insns=100 p50_insns=100 p99_insns=150 max_insns=160 empty_insns=6
path.alloc.1 cost_insns=100 nr=90
path.alloc.2 cost_insns=160 nr=10
@ allocator=slab_bulk size=64 ctor=yes pattern=lifo
status ok
nr_objects_per_call 16
unit insns
whole.free nr_runs=4 min_insns=20.000 p50_insns=21.000 low95_insns=20.000 high95_insns=22.000 empty_insns=4.000
single.free nr=100 nr_disturbed=1 min_insns=160 p50_insns=320 p99_insns=320 max_insns=321 empty_insns=6
END
table=$dir/table.tsv
scripts/costs tsv "$dir/records" >"$table"

# variant NAME SED: the table, changed
variant()
{
	sed "$2" "$table" >"$dir/$1.tsv"
}

tab=$(printf '\t')
variant slower '/pair.alloc/s/100/103/2; /pair.pair/s/201/203/'
variant elsewhere 's/6.1$/6.12/'
variant cut '/^# end/d'
variant short 's/^# end.*/# end	7/'
variant narrow '/pair.pair/s/	[^	]*$//'
variant words '/pair.pair/s/200.000/many/'
variant longer '/^# end/a 1'
sed 's/slab/other/g' "$table" >"$dir/other.tsv"
sed 's/insns/cycles/g' "$table" >"$dir/cycles.tsv"
sed '/pair.pair/s/20[012].000/205.000/g' "$dir/cycles.tsv" >"$dir/apart.tsv"
sed '/pair.pair/s/201.000/202.000/g' "$dir/cycles.tsv" >"$dir/touch.tsv"

echo "1..20"
expect rows 0 "1${tab}slab${tab}size=64${tab}pair${tab}alloc${tab}insns${tab}100${tab}100${tab}150${tab}160${tab}-${tab}-${tab}-${tab}100${tab}1${tab}100x90 160x10" \
	tsv "$dir/records"
expect per_object 0 "1${tab}slab_bulk${tab}size=64 ctor=yes${tab}lifo${tab}free${tab}insns${tab}10.00${tab}20.00.*" \
	tsv "$dir/records"
expect show 0 "slab size=64 .* 201 | .* 100 .*" show "$table"
expect same 0 "3 figures compared: 0 dearer.*" compare "$table" "$table"
expect dearer 1 " *+3.00 %  100 -> 103 insns .* slab size=64 pair alloc  DEARER" \
	compare "$table" "$dir/slower.tsv"
expect cheaper 0 " *-2.91 %  103 -> 100 insns .*" \
	compare "$dir/slower.tsv" "$table"
expect conditions 3 "differs: kernel *6.1, now 6.12" \
	compare "$table" "$dir/elsewhere.tsv"
expect forced 0 "3 figures compared.*" compare -f "$table" "$dir/elsewhere.tsv"
expect intervals_apart 1 ".* pair pair  DEARER" \
	compare "$dir/cycles.tsv" "$dir/apart.tsv"
expect intervals_touch 0 "3 figures compared: 0 dearer.*" \
	compare "$dir/cycles.tsv" "$dir/touch.tsv"
export THRESHOLD=1%
expect threshold 2 "costs: THRESHOLD=1%: not a number of per cent" \
	compare "$table" "$table"
unset THRESHOLD
expect nothing_common 2 "costs: .* have no figure in common" \
	compare -f "$table" "$dir/other.tsv"
expect cut_off 2 "costs: $dir/cut.tsv:6: it is cut off here" show "$dir/cut.tsv"
expect rows_missing 2 "costs: $dir/short.tsv:7: there should be 7 rows, not 3" \
	show "$dir/short.tsv"
expect columns 2 "costs: $dir/narrow.tsv:4: a row has 16 columns, not 15" \
	show "$dir/narrow.tsv"
expect no_number 2 "costs: $dir/words.tsv:4: \"many\" is no number" \
	show "$dir/words.tsv"
expect after_end 2 "costs: $dir/longer.tsv:8: there is something after the end" \
	compare "$table" "$dir/longer.tsv"
expect no_table 2 "costs: README.md:1: this is no table of costs" show README.md
expect no_file 2 "costs: cannot read $dir/none" show "$dir/none"
: >"$dir/empty.tsv"
expect empty 2 "costs: $dir/empty.tsv:0: it is cut off here" show "$dir/empty.tsv"
exit $bad
