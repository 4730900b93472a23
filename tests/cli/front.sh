#!/bin/bash
# gate --front: a planted format that is dominated, one on the front, one not told apart, one that did not run; numbers
# are those of show and compare.
. "$(dirname "$0")/lib.sh"
SIZED=$ROOT/$BUILD/planted/sized.so
ALL='placement: ["attn.*", "mlp.*", embed, head]'
suite() { # VARIANT...
    printf 'name: front\nmodels: {kjv: {file: data/models/kjv-transformer.safetensors}}\nvariants:\n'
    printf '  - %s\n' "$@"
    printf 'experiments:\n  roundtrip: {}\n  memory: {}\n  teacher-forced: {corpus: data/corpus/kjv.heldout, context: 64, chunks: 8}\n'
}
run() { # OUT VARIANT...
    local out=$1
    shift
    suite "$@" >"$TMP/$out.yaml"
    "$QINSBENCH" run "$TMP/$out.yaml" --codec "$SIZED" -q -o "$TMP/$out.h5" 2>/dev/null
}
column() { # FILE NAME VARIANT: of the CSV
    awk -F, -v want="$2" -v who="$3" 'NR == 1 { for (i = 1; i <= NF; i++) { if ($i == want) c = i; if ($i == "variant") v = i } }
        NR > 1 && $v == who { print $c }' <(tr -d '\r' <"$1")
}
front() { # NAME CODE [BASELINE]: the front of a run as CSV
    "$QINSBENCH" gate "$TMP/$1.h5" -b "${3:-$TMP/base.json}" --only "*/$1" --front "$1" --output csv >"$TMP/$1.csv" 2>"$TMP/$1.said"
    same "$1: exit $2" $? "$2"
}
run base fp32-reordered q8_0 q6_k q4_0 "{name: steps-200, codec: sized, options: {steps: 200}, $ALL}"
check "a baseline" "$QINSBENCH" baseline accept "$TMP/base.h5" -o "$TMP/base.json"

# ---- clearly dominated: twice the bytes for coarser values ----
run coarse "{name: coarse, codec: sized, options: {bytes: 2, steps: 150}, $ALL}"
front coarse 0
same "coarse is dominated" "$(column "$TMP/coarse.csv" verdict coarse)" dominated
for by in q8_0 q6_k steps-200; do same "by $by" "$(column "$TMP/coarse.csv" relation $by)" "dominated by"; done
same "not by a format of fewer bits that is not shown to have less KL" "$(column "$TMP/coarse.csv" relation q4_0)" "not told apart from"
same "fp32 in another order is no format" "$(column "$TMP/coarse.csv" bits fp32-reordered)" ""
# ---- the same values in more bytes: nothing is left to chance ----
run wide "{name: wide, codec: sized, options: {bytes: 2, steps: 200}, $ALL}"
front wide 0
same "the same KL at more bits is dominated" "$(column "$TMP/wide.csv" relation steps-200)" "dominated by"
same "with why" "$(column "$TMP/wide.csv" why steps-200)" "the same KL in every chunk"
# ---- on the front: between q6_k and q8_0 in bits, with less KL than what has no more ----
run fine "{name: fine, codec: fp16, $ALL}"
front fine 0
same "fine is on the front" "$(column "$TMP/fine.csv" verdict fine)" front
same "and a corner of it" "$(column "$TMP/fine.csv" corner fine)" yes
run base8 q4_0 "{name: steps-20, codec: sized, options: {steps: 20}, $ALL}"
run sized "{name: sized, codec: sized, options: {steps: 200}, $ALL}"
front sized 0 "$TMP/base8.h5"
same "a planted one is on the front among worse ones" "$(column "$TMP/sized.csv" verdict sized)" front
same "it dominates what is as large and worse" "$(column "$TMP/sized.csv" relation steps-20)" dominates
# ---- not told apart: nearly the same steps ----
run near "{name: near, codec: sized, options: {steps: 200.5}, $ALL}"
run alone "{name: steps-200, codec: sized, options: {steps: 200}, $ALL}"
front near 0 "$TMP/alone.h5"
same "near is not told apart" "$(column "$TMP/near.csv" verdict near)" "not told apart"
same "from" "$(column "$TMP/near.csv" relation steps-200)" "not told apart from"
check "by a p over alpha" awk -v p="$(column "$TMP/near.csv" p_holm steps-200)" 'BEGIN { exit !(p > 0.05 && p < 1) }'
# ---- the numbers are those of show and compare ----
"$QINSBENCH" show "$TMP/near.h5" --only '*/near/teacher-forced' --metric kl_mean --output csv | tr -d '\r' >"$TMP/show.csv"
same "KL and its interval are show's" "$(column "$TMP/near.csv" kl_mean near),$(column "$TMP/near.csv" lo near),$(column "$TMP/near.csv" hi near)" "$(sed -n 2p "$TMP/show.csv" | cut -d, -f5-7)"
run both "{name: steps-200, codec: sized, options: {steps: 200}, $ALL}" "{name: near, codec: sized, options: {steps: 200.5}, $ALL}"
"$QINSBENCH" compare "$TMP/both.h5" --variants near,steps-200 --metric kl_mean --output csv 2>/dev/null | tr -d '\r' >"$TMP/compare.csv"
same "the difference is compare's" "$(column "$TMP/near.csv" difference steps-200),$(column "$TMP/near.csv" difference_lo steps-200),$(column "$TMP/near.csv" difference_hi steps-200)" "$(sed -n 2p "$TMP/compare.csv" | cut -d, -f9-11)"
same "and so is p, of one test" "$(column "$TMP/near.csv" p_holm steps-200)" "$(sed -n 2p "$TMP/compare.csv" | cut -d, -f13)"
# ---- what cannot be placed is said ----
run broken "{name: broken, codec: sized, options: {steps: 1}, $ALL}" && "$QINSBENCH" run "$TMP/broken.yaml" --codec "$SIZED" --only '*/broken/memory' -q -o "$TMP/broken.h5" --force 2>/dev/null
front broken 1
same "no cell of KL: said" "$(column "$TMP/broken.csv" why broken)" "did not run: no cell of it"
if build_planted; then
    suite "{name: failed, codec: planted, options: {fault: nan}, $ALL}" >"$TMP/failed.yaml"
    "$QINSBENCH" run "$TMP/failed.yaml" --codec "$TMP/planted.so" -q -o "$TMP/failed.h5" 2>/dev/null
    front failed 1
    has "one that failed: said" "$(column "$TMP/failed.csv" why failed)" "did not run: failed"
    suite q4_0 "{name: failed, codec: planted, options: {fault: nan}, $ALL}" >"$TMP/beside.yaml"
    "$QINSBENCH" run "$TMP/beside.yaml" --codec "$TMP/planted.so" -q -o "$TMP/beside.h5" 2>/dev/null
    front near 0 "$TMP/beside.h5"
    same "one beside it that failed is left out" "$(column "$TMP/near.csv" relation failed)" "left out"
    has "with why" "$(column "$TMP/near.csv" why failed)" "did not run: failed"
else
    echo "# SKIP no compiler for the planted codec"
fi
run less "{name: less, codec: sized, options: {steps: 200}, placement: [\"mlp.*\"]}"
front less 1
has "with other weights encoded nothing is beside it" "$(column "$TMP/less.csv" why less)" "no other format was measured as it was"
has "which is said of each" "$(column "$TMP/less.csv" why q8_0)" "encodes other weights: "
"$QINSBENCH" gate "$TMP/near.h5" -b "$TMP/base.json" --front nera >/dev/null 2>"$TMP/said"
same "a name that is not there: exit 2" $? 2
has "with the nearest" "$(cat "$TMP/said")" "did you mean 'near'?"
sed 's/"encoded_weights": [0-9]*/"encoded_weights": 0/' "$TMP/base.json" >"$TMP/zero.json"
said=$("$QINSBENCH" gate "$TMP/near.h5" -b "$TMP/zero.json" --front near 2>&1)
same "a baseline that encodes 0 weights: exit 2" $? 2
has "said" "$said" "encoded_weights: expected how many weights are encoded"
# ---- for a reader ----
said=$("$QINSBENCH" gate "$TMP/coarse.h5" -b "$TMP/base.json" --only '*/coarse' --front coarse)
has "the sentence" "$said" "coarse on kjv (teacher-forced): dominated by q6_k, steps-200, q8_0"
has "Markdown" "$("$QINSBENCH" gate "$TMP/coarse.h5" -b "$TMP/base.json" --only '*/coarse' --front coarse --output markdown)" "| coarse | 16.000 |"
same "JSON has a row a format" "$("$QINSBENCH" gate "$TMP/coarse.h5" -b "$TMP/base.json" --only '*/coarse' --front coarse --output json | grep -c '"placed": "coarse"')" "$(($(wc -l <"$TMP/coarse.csv") - 1))"
has "without --front a gate of new cells alone stays no pass" "$("$QINSBENCH" gate "$TMP/coarse.h5" -b "$TMP/base.json" --only '*/coarse' 2>&1)" "nothing was compared"
finish
