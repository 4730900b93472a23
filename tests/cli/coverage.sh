#!/bin/bash
# coverage: the simulation behind the intervals.
. "$(dirname "$0")/lib.sh"
simulate() {
    "$QINSBENCH" coverage --trials 60 --clusters 5,12 "$@"
}
one=$(simulate --output csv)
same "the same over threads" "$(simulate --output csv --threads 3)" "$one"
same "CSV header" "$(head -n 1 <<<"$one" | tr -d '\r')" "population,clusters,method,covered,error,shipped,below,above,width,none"
same "a row for each size, population, method and iid" "$(tail -n +2 <<<"$one" | wc -l)" 42
same "the shipped value stands beside a tabled size" "$(grep '^share,5,wilson,' <<<"$one" | cut -d, -f6)" 95.48
same "and nothing beside another size" "$(grep '^share,12,wilson,' <<<"$one" | cut -d, -f6)" ""
same "or another correlation" "$(simulate --icc 0.3 --output csv | grep '^share,5,wilson,' | cut -d, -f6)" ""
width=$(COLUMNS=100 "$QINSBENCH" coverage --trials 5 --clusters 5 | awk '{ if (length > w) w = length } END { print w }')
check "no console line over 100 columns (widest $width)" test "$width" -le 100
if command -v python3 >/dev/null; then
    check "JSON parses" python3 -c 'import json,sys; assert len(json.loads(sys.argv[1])) == 42' "$(simulate --output json)"
fi
for bad in "--clusters 1" "--clusters ," "--clusters 5,x" "--icc 1" "--icc nan" "--trials 0" "--output xml" extra; do
    out=$(simulate $bad 2>&1 >/dev/null)
    same "coverage $bad: exit 2" $? 2
    has "coverage $bad: says what was expected" "$out" "expected"
done
finish
