#!/bin/bash
# Variants that change weights before they encode them: contexts that are read again at evaluation are told and flagged,
# and commands refuse what they cannot do.
. "$(dirname "$0")/lib.sh"
TINY=$ROOT/data/models/tiny-llama
HELDOUT=$ROOT/data/corpus/tiny.heldout
suite() { # CONTEXTS_OF
    cat <<Y
name: s
models: {tiny: {file: $TINY, calibration: {corpus: $1, contexts: 4, length: 64}}}
variants: [fp32, q4_0-hadamard, {name: mine, base: q4_0, input_scale: smoothquant}]
experiments:
  kl: {corpus: $HELDOUT, context: 128, chunks: 4}
  teacher-forced: {corpus: {file: $HELDOUT, context: 128, chunks: 4}}
Y
}
run() { # NAME CONTEXTS_OF
    suite "$2" >"$TMP/$1.yaml"
    "$QINSBENCH" run "$TMP/$1.yaml" -o "$TMP/$1.h5" >"$TMP/log" 2>&1
}
flagged() { # FILE VARIANT: rows of kl_mean, and how many of them are flagged
    "$QINSBENCH" show "$TMP/$1.h5" --only "*/$2" --metric kl_mean --output csv | tr -d '\r' |
        awk -F, 'NR > 1 { rows++; on += /contaminated/ } END { print rows + 0, on + 0 }'
}

check "contexts of another text" run clean "$ROOT/data/corpus/tiny.calibration"
same "nothing is said of them" "$(grep -c 'calibration context' "$TMP/log")" 0
same "nothing is flagged" "$(flagged clean mine)" "2 0"
check "contexts of the text that is evaluated" run read "$HELDOUT"
same "they are told" "$(grep -c 'calibration contexts occur in the text that mine is evaluated on' "$TMP/log")" 1
same "what was scaled by them is flagged in kl and teacher-forced" "$(flagged read mine)" "2 2"
same "what took none is not" "$(flagged read q4_0-hadamard)" "2 0"

refused() { # WHAT PATTERN COMMAND...
    local what=$1 pattern=$2 status
    shift 2
    "$QINSBENCH" "$@" >"$TMP/out" 2>"$TMP/err"
    status=$?
    same "$what: exit code" $status 2
    same "$what: says why" "$(grep -c -- "$pattern" "$TMP/err")" 1
}
refused "convert of a rotated variant" "which no file of weights can hold" convert "$TINY" --variant q4_0-hadamard -o "$TMP/x.safetensors"
refused "generate without contexts" "give a text with --calibration" generate "$TINY" --variant q4_0-awq --prompt A
check "generate of a rotated variant" "$QINSBENCH" generate "$TINY" --variant q4_0-hadamard --prompt A --steps 4
finish
