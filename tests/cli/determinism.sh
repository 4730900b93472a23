#!/bin/bash
# The summary is bitwise the same over -j and --threads and over ISA levels' equal results; fp32 against itself is 0.
. "$(dirname "$0")/lib.sh"
for way in "-j 1" "-j 2" "-j 1 --threads 2" "-j 2 --threads 3"; do
    # shellcheck disable=SC2086
    check "quick.yaml with $way" "$QINSBENCH" run "$SUITES/quick.yaml" $way -q -o "$TMP/r.h5" --force
    summary "$TMP/r.h5" >"$TMP/now.csv"
    [ -e "$TMP/first.csv" ] || cp "$TMP/now.csv" "$TMP/first.csv"
    check "$way: the same summary" cmp "$TMP/first.csv" "$TMP/now.csv"
    for metric in kl_mean kl_max kl_p99 max_logit_diff; do
        same "$way: fp32 against itself, $metric is exactly 0" \
            "$("$QINSBENCH" show "$TMP/r.h5" --output csv --only '*/fp32/teacher-forced' --metric $metric | tail -n +2 | cut -d, -f5 | sort -u)" 0
    done
    same "$way: fp32 against itself matches fully" \
        "$("$QINSBENCH" show "$TMP/r.h5" --output csv --only '*/fp32/greedy' --metric match_rate | tail -n +2 | cut -d, -f5 | sort -u)" 100
done
check "the summary has something to compare" test "$(wc -l <"$TMP/first.csv")" -gt 50
"$QINSBENCH" run "$SUITES/quick.yaml" --set models.*.seed=7 -q -o "$TMP/s.h5"
summary "$TMP/s.h5" >"$TMP/now.csv"
if cmp -s "$TMP/first.csv" "$TMP/now.csv"; then fail "another seed gives another summary"; else pass "another seed gives another summary"; fi
finish
