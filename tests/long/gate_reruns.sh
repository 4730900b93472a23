#!/bin/bash
# What the stated error rate is worth: 99 runs of an unchanged program, each on text that neither the baseline nor any
# other run has read, gated with --fresh-inputs. At an error rate of 5% a run, more than 10 red ones come up by chance
# less than 2 times in 100 (binomial).
. "$(dirname "$0")/../cli/lib.sh"
suite() { # OFFSET: of 10 chunks of 64 tokens, and of 8 prompts of 32
    cat <<Y
name: rerun
models:
  kjv:
    file: $ROOT/data/models/kjv-transformer.safetensors
    corpus: {file: $ROOT/data/corpus/kjv.heldout, context: 64, chunks: 10, offset: $1}
    prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 8, length: 32, offset: $1}
variants: [pattern-a, int8-tensor, int8-channel]
experiments:
  teacher-forced: {}
  greedy: {steps: 20}
Y
}
run() {
    suite "$1" >"$TMP/suite.yaml"
    "$QINSBENCH" run "$TMP/suite.yaml" -o "$TMP/r.h5" --force -j 2 >"$TMP/log" 2>&1 || cat "$TMP/log"
}
run 0
check "the baseline" "$QINSBENCH" baseline accept "$TMP/r.h5" -o "$TMP/base.json"
runs=0 red=0 open=0
for ((i = 1; i < 100; i++)); do
    run $((64 * i))
    "$QINSBENCH" gate "$TMP/r.h5" --baseline "$TMP/base.json" --fresh-inputs >"$TMP/said" 2>&1
    code=$?
    runs=$((runs + 1))
    [ $code -ne 1 ] || { red=$((red + 1)) && grep -A3 '^fail' "$TMP/said" | sed "s/^/# run $i: /"; }
    [ $code -ne 4 ] || open=$((open + 1))
    [ $code -eq 0 ] || [ $code -eq 1 ] || [ $code -eq 4 ] || fail "run $i: exit $code" "$(cat "$TMP/said")"
done
echo "# $runs runs: $red red, $open inconclusive, $((runs - red - open)) passed"
same "99 runs were gated" $runs 99
check "at most 10 of 99 red" [ $red -le 10 ]
finish
