#!/bin/bash
# Experiment kv end to end: KL of tiny-llama over a cache in other formats, blocks and rotations is that of transformers in float64 with keys,
# values or what goes from one layer to the next replaced (tests/golden/kv_forward.json, by make_kv_forward.py).
. "$(dirname "$0")/lib.sh"
row='options: {scope: row}'
cat >"$TMP/s.yaml" <<Y
name: kv
models:
  t: {file: $ROOT/data/models/tiny-llama, corpus: {file: $ROOT/data/corpus/tiny.heldout, context: 257, chunks: 1}}
variants:
  - fp32
  - {name: c-fp16, kv: {keys: fp16, values: fp16, block: 1}}
  - {name: c-values, kv: {keys: fp16, values: {codec: qins8, $row}, block: 1}}
  - {name: c-qins8, kv: {keys: {codec: qins8, $row}, values: {codec: qins8, $row}, block: 1}}
  - {name: c-int8-rotated, kv: {keys: {codec: int8, $row}, values: {codec: int8, $row}, block: 1, rotate: true}}
  - {name: c-q8_0-rotated-32, kv: {keys: q8_0, values: q8_0, block: 32, rotate: true}}
  - {name: c-q4_0, kv: {keys: q4_0, values: q4_0, block: 1}}
  - {name: c-q4_0-32, kv: {keys: q4_0, values: q4_0, block: 32}}
  - {name: c-q4_0-rotated, kv: {keys: q4_0, values: q4_0, block: 1, rotate: true}}
  - act-fp16
  - act-int8
  - act-q8_0
  - act-qins8
experiments: {kv: {step: 100}}
Y
check "the suite runs" "$QINSBENCH" run "$TMP/s.yaml" -q --cache "$TMP/cache" -o "$TMP/r.h5"
"$QINSBENCH" show "$TMP/r.h5" --output csv | tr -d '\r' >"$TMP/shown"
value() { awk -F, -v v="$1" -v m="$2" '($2 == v || $2 == "c-" v) && $4 == m { print $5 }' "$TMP/shown"; }
# How near the mean is, relative. qins8's range of a row hangs on its smallest value, the one that rounding moves most, so that codes differ
# from one arithmetic to another: PyTorch's float32 is 20% from its float64, too (docs/kv.md). fp16's error is near the floor of FP32.
bound() {
    case $1 in
    q4_0 | q4_0-rotated) echo 1e-5 ;;
    q4_0-32) echo 1e-3 ;;
    q8_0-*) echo 0.01 ;;
    int8-* | act-int8 | act-q8_0) echo 0.03 ;;
    fp16 | act-fp16) echo 0.06 ;;
    *) echo 0.35 ;;
    esac
}
while IFS='|' read -r name mean top1; do
    check "$name: $(value "$name" kl_mean), transformers $mean" \
        awk -v a="$(value "$name" kl_mean)" -v b="$mean" -v bound="$(bound "$name")" 'BEGIN { exit !(a > b * (1 - bound) && a < b * (1 + bound)) }'
    same "$name: as many first choices stay" "$(awk -v p="$(value "$name" top1_agreement)" 'BEGIN { printf "%.6f", p * 256 / 100 }')" "$top1.000000"
done < <(sed -n 's/.*"name":"\([^"]*\)".*"kl_mean":\([^,]*\),"top1":\([0-9]*\),.*/\1|\2|\3/p' "$ROOT/tests/golden/kv_forward.json")
same "all were compared" "$COUNT" 25
# A cache whose blocks or formats are others does not pass.
check "blocks of 32 are not blocks of 1" awk -v a="$(value q4_0-32 kl_mean)" -v b="$(value q4_0 kl_mean)" 'BEGIN { exit !(a < b / 2) }'
# Where nothing was encoded, that is said instead of a KL of 0; a block that is full once is enough.
for block in 40 42; do
    printf 'name: few\nmodels: {t: {file: %s/data/models/tiny-llama, corpus: {file: %s/data/corpus/tiny.heldout, context: 41, chunks: 1}}}\nvariants: [fp32, {name: v, kv: {keys: q4_0, block: %s}}]\nexperiments: {kv: {}, teacher-forced: {}, memory: {}}\n' \
        "$ROOT" "$ROOT" $block >"$TMP/few.yaml"
    "$QINSBENCH" run "$TMP/few.yaml" -q --cache "$TMP/cache" --force -o "$TMP/few.h5" >"$TMP/few.log" 2>&1
    same "a block of $block in a context of 41" "$? $(grep -c 'no sequence reached 42 positions' "$TMP/few.log")" \
        "$(if [ $block = 40 ]; then echo 0 0; else echo 3 2; fi)"
done
finish
