#!/bin/bash
# The gate on a kernel that got slower, for real: a decode slowed by 20% is red, by 5% never passes, an unchanged one is
# never red. The baseline is of five runs, whose spread says how much speed varies here. (How often, by simulation:
# tests/unit/test_gate_*.c.)
. "$(dirname "$0")/../cli/lib.sh"
mkdir "$TMP/codecs"
cp "$ROOT/$BUILD"/codecs/*.so "$TMP/codecs/"
${CC:-cc} -O2 -fPIC -shared -I "$ROOT/harness/codec" "$ROOT/tests/cli/_faulty_qins8.c" -o "$TMP/codecs/qins8.so" -ldl || exit 1
export QB_QINS8="$ROOT/$BUILD/codecs/qins8.so" QINSBENCH_CODECS="$TMP/codecs"
cat >"$TMP/speed.yaml" <<Y
name: speed
models:
  kjv: {file: $ROOT/data/models/kjv-transformer.safetensors, prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 1, length: 32}}
variants: [{name: qins, base: pattern-a}]
experiments:
  speed: {repeats: 24, prefill: 32, decode: 1}
Y
cat >"$TMP/rules.yaml" <<Y
name: the kernel alone
rules:
  - {experiment: speed, metric: weight_decode_lookup_fraction, test: ratio, margin: {relative: 0.04}}
Y
run() { QB_FAULT=$1 "$QINSBENCH" run "$TMP/speed.yaml" -o "$TMP/$2.h5" --threads 1 >"$TMP/log" 2>&1 || cat "$TMP/log"; }
gate() { # FAULT NAME -> the gate's exit code, its words in $said
    run "$1" "$2"
    said=$("$QINSBENCH" gate "$TMP/$2.h5" --baseline "$TMP/base.json" --rules "$TMP/rules.yaml" 2>&1)
}
for i in 1 2 3 4 5; do run "" "base$i"; done
check "a baseline of five runs" "$QINSBENCH" baseline accept "$TMP"/base[1-5].h5 -o "$TMP/base.json" --rules "$TMP/rules.yaml"
for i in 1 2 3; do
    gate "" "same$i"
    code=$?
    check "unchanged, run $i: not red (exit $code)" [ $code -ne 1 ]
    echo "$said" | sed 's/^/# /'
    gate slow-5 "five$i"
    code=$?
    check "5% slower, run $i: red or inconclusive (exit $code)" [ $code -eq 1 -o $code -eq 4 ]
    echo "$said" | sed 's/^/# /'
    gate slow-20 "twenty$i"
    same "20% slower, run $i: red" $? 1
    echo "$said" | sed 's/^/# /'
done
finish
