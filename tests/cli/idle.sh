#!/bin/bash
# Words of a suite that nothing reads are said, by inspect and by run, and words that count are not.
. "$(dirname "$0")/lib.sh"
text="$ROOT/data/corpus/kjv.heldout"
cat >"$TMP/s.yaml" <<Y
name: idle
models:
  own: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}, corpus: {greedy: 30}, options: {greedy: {steps: 3}}}
  few: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}, corpus: {greedy: 30}, calibration: {random: 5, length: 4, seed: 1}, experiments: [memory, linearity], options: {greedy: {steps: 3}}}
  text: {file: $ROOT/data/models/kjv-chain.safetensors, corpus: {file: $text, context: 8}, prompt: {corpus: $text, count: 1, length: 4}, variants: [pattern-a]}
variants: [fp32, pattern-a]
calibration: {random: 5, length: 4, seed: 1}
experiments:
  teacher-forced: {context: 10, chunks: 3}
  depth: {context: 9, chunks: 2, offset: 1}
  speed: {corpus: $text, context: 20, repeats: 3, prefill: 4, decode: 2}
  greedy: {steps: 2, variants: [fp32]}
  memory: {prompt: {random: 3, seed: 1}, corpus: {greedy: 3}, context: 5}
  linearity: {trials: 3}
Y
cat >"$TMP/expected" <<'E'
note: calibration has no effect: no model without its own has a calibrated variant
note: depth: context, chunks and offset have no effect: its text is teacher-forced's, cut as there
note: memory: context has no effect: it reads no text
note: memory: corpus has no effect: it reads no text
note: memory: prompt has no effect: it reads no prompt
note: model 'own', teacher-forced: context and chunks have no effect: its text is FP32's own (corpus: {greedy: 30}), one chunk
note: model 'own', speed: context has no effect: it reads the prompts, the model's text being FP32's own (corpus: {greedy: 30})
note: model 'own', greedy: steps by --set has no effect: the model's own options say 3
note: model 'few': prompt has no effect: no experiment on it reads one
note: model 'few': corpus has no effect: no experiment on it reads a text
note: model 'few': calibration has no effect: no variant on it is calibrated
note: model 'few': options of greedy have no effect: it has no cell on the model
note: model 'text': prompt has no effect: no experiment on it reads one
note: model 'text', teacher-forced: context by --set has no effect: the corpus has its own, 8
note: model 'text', greedy: no cell: the variants of the one and of the other have none in common
E
set_both=(--set experiments.greedy.steps=9 --set experiments.teacher-forced.context=10)
notes() { grep -E '^note: .*( no effect: | no cell: )'; }
same "inspect SUITE says each" "$("$QINSBENCH" inspect "$TMP/s.yaml" "${set_both[@]}" | notes)" "$(cat "$TMP/expected")"
said=$("$QINSBENCH" run "$TMP/s.yaml" "${set_both[@]}" -o "$TMP/r.h5" 2>&1)
same "the suite runs" $? 0
same "run says each once" "$(notes <<<"$said")" "$(cat "$TMP/expected")"
same "a default that a model's words replace is not said" \
    "$("$QINSBENCH" inspect "$TMP/s.yaml" | notes | grep -c 'by --set\|steps')" 0
same "what --only leaves out is not said" "$("$QINSBENCH" inspect "$TMP/s.yaml" --only 'own/*/linearity' | notes)" \
    "note: calibration has no effect: no model without its own has a calibrated variant"

# The request of which the note speaks has indeed no effect, and has one on a model with a corpus.
cells() { "$QINSBENCH" show "$1" --only "$2" --output csv | cut -d, -f3-9; }
one() { # FILE CONTEXT
    "$QINSBENCH" run "$TMP/s.yaml" --only '*/pattern-a/depth' --set experiments.teacher-forced.context="$2" \
        --set "models.text.corpus=$text" -o "$1" -q --force 2>/dev/null
}
one "$TMP/a.h5" 10
one "$TMP/b.h5" 20
check "own has values" test -n "$(cells "$TMP/a.h5" own/pattern-a | grep depth)"
same "context changes nothing where it is said to" "$(cells "$TMP/a.h5" own/pattern-a)" "$(cells "$TMP/b.h5" own/pattern-a)"
check "and something where it is not" test "$(cells "$TMP/a.h5" text/pattern-a)" != "$(cells "$TMP/b.h5" text/pattern-a)"
for suite in quick gate; do
    same "the suite $suite has no idle word" "$("$QINSBENCH" inspect "$ROOT/experiments/suites/$suite.yaml" | notes)" ""
done
same "the suite source has two" "$("$QINSBENCH" inspect "$ROOT/experiments/suites/source.yaml" | notes | cut -d: -f1-4)" \
    "$(printf "note: model 'source-%s', teacher-forced: context and chunks have no effect: its text is FP32's own (corpus\n" transformer chain)"
finish
