#!/bin/bash
# Calibration contexts that a cell reads again flag it: in choice, recall and attribute; those of another text do not.
. "$(dirname "$0")/lib.sh"
TINY=$ROOT/data/models/tiny-llama
HELDOUT=$ROOT/data/corpus/tiny.heldout
# Questions that are that text, 60 words each.
head -n 400 "$HELDOUT" | tr -s ' \n' '  ' | tr -d '"\\' | head -c 12000 >"$TMP/flat"
awk '{ for (i = 1; i + 60 <= NF && n < 16; i += 60) { q = ""; for (k = i; k < i + 60; k++) q = q $k " "; n++
        printf "{\"question\": \"%s\", \"choices\": [\"yes\", \"no\"], \"answer\": %d}\n", q, n % 2 } }' "$TMP/flat" >"$TMP/mine.jsonl"
same "there are questions" "$(wc -l <"$TMP/mine.jsonl")" 16
run() { # NAME CALIBRATION-TEXT
    cat >"$TMP/$1.yaml" <<Y
name: s
models: {tiny: {file: $TINY, corpus: {file: $HELDOUT, context: 512, chunks: 2}, calibration: {corpus: $2, contexts: 8, length: 64}}}
variants: [calibrated, q4_0, {name: scaled, base: q4_0, input_scale: smoothquant}]
experiments:
  choice: {tasks: {mine: {file: mine.jsonl}}}
  recall: {repeats: 1}
  attribute: {swap: false}
Y
    "$QINSBENCH" run "$TMP/$1.yaml" -q -o "$TMP/$1.h5" >"$TMP/log" 2>&1
}
flagged() { # FILE VARIANT EXPERIMENT: is each value flagged, none, or some?
    "$QINSBENCH" show "$TMP/$1.h5" --only "*/$2/$3" --all --output csv | tr -d '\r' |
        awk -F, 'NR > 1 { rows++; on += /contaminated/ } END { print rows == 0 ? "no rows" : on == rows ? "all" : on ? "some" : "none" }'
}
check "contexts of another text" run clean "$ROOT/data/corpus/tiny.calibration"
check "contexts of the text that is read" run read "$HELDOUT"
check "contexts of the questions" run asked "$TMP/flat"
for cell in scaled/recall scaled/choice calibrated/attribute; do
    same "$cell, another text: not flagged" "$(flagged clean ${cell%/*} ${cell#*/})" none
    same "q4_0, which takes no contexts, is never flagged" "$(flagged read q4_0 ${cell#*/}) $(flagged asked q4_0 ${cell#*/})" "none none"
done
same "recall of the text: flagged" "$(flagged read scaled recall)" all
same "attribute of the text: flagged" "$(flagged read calibrated attribute)" all
same "choice of the questions: flagged" "$(flagged asked scaled choice)" all
finish
