#!/bin/bash
# Faults planted in a codec that a baseline knows, and in what a run is fed: each must turn the gate red, for its own
# reason. Where the stored bytes change, the metrics alone must see it too (rules without the hash of the codes).
. "$(dirname "$0")/lib.sh"
mkdir "$TMP/codecs"
cp "$ROOT/$BUILD"/codecs/*.so "$TMP/codecs/"
${CC:-cc} -O2 -fPIC -shared -I "$ROOT/harness/codec" "$ROOT/tests/cli/_faulty_qins8.c" -o "$TMP/codecs/qins8.so" -ldl || exit 1
export QB_QINS8="$ROOT/$BUILD/codecs/qins8.so" QINSBENCH_CODECS="$TMP/codecs"

# suite VARIANT [CALIBRATION_CORPUS [PROMPT_OFFSET]]
suite() {
    cat <<Y
name: gated
models:
  kjv:
    file: $ROOT/data/models/kjv-transformer.safetensors
    corpus: {file: $ROOT/data/corpus/kjv.heldout, context: 128, chunks: 20}
    prompt: {corpus: $ROOT/data/corpus/kjv.heldout, count: 8, length: 32, offset: ${3:-0}}
    calibration: {corpus: $ROOT/data/corpus/${2:-kjv.calibration}, contexts: 10, length: 20}
variants:
  - {name: qins, base: pattern-a$1}
experiments:
  roundtrip: {}
  memory: {}
  teacher-forced: {}
  greedy: {steps: 20}
Y
}
run() { # FAULT SUITE OUT
    QB_FAULT=$1 "$QINSBENCH" run "$2" -o "$3" --force -j 2 >"$TMP/run.log" 2>&1
}
suite "" >"$TMP/gated.yaml"
run "" "$TMP/gated.yaml" "$TMP/base.h5"
same "the faultless run" $? 0
check "its baseline" "$QINSBENCH" baseline accept "$TMP/base.h5" -o "$TMP/base.json"
check "the baseline is small" [ "$(stat -c %s "$TMP/base.json")" -lt 100000 ]

# The rules without the hash of the codes: what is left are the metrics.
grep -v encoded_sha256 "$ROOT/data/gate/default.yaml" >"$TMP/metrics.yaml"

# red NAME RESULT REASON [gate options]: exit 1, and the reason stands there.
red() {
    local name=$1 result=$2 reason=$3 said
    shift 3
    said=$("$QINSBENCH" gate "$result" --baseline "$TMP/base.json" "$@" 2>&1)
    same "$name: red" $? 1
    has "$name: says why" "$said" "$reason"
}

run "" "$TMP/gated.yaml" "$TMP/again.h5"
said=$("$QINSBENCH" gate "$TMP/again.h5" --baseline "$TMP/base.json" --output csv)
same "an unchanged rerun passes" $? 0
same "every difference of a rerun is 0" "$(printf '%s\n' "$said" | grep -c ',fail,\|,inconclusive,')" 0

for fault in off-by-one range sign; do
    run $fault "$TMP/gated.yaml" "$TMP/$fault.h5"
    red "$fault" "$TMP/$fault.h5" "encoded bytes changed under the same codec version"
    red "$fault, by metrics alone" "$TMP/$fault.h5" "worse by more than the margin" --rules "$TMP/metrics.yaml"
    red "$fault, by what the model does alone" "$TMP/$fault.h5" "kl_mean" --rules "$TMP/metrics.yaml" --only '*/qins/teacher-forced'
done

run nan "$TMP/gated.yaml" "$TMP/nan.h5"
red "NaN in one row" "$TMP/nan.h5" "nan"
run collapse "$TMP/gated.yaml" "$TMP/collapse.h5" # every weight decodes to 0: what greedy writes is void, and red for that
red "a collapsed variant" "$TMP/collapse.h5" "collapsed: sound in the baseline, degenerate now" --only '*/qins/greedy' --allow-inconclusive

run one-byte-more "$TMP/gated.yaml" "$TMP/byte.h5"
red "one byte more" "$TMP/byte.h5" "weight_bytes"

run skip "$TMP/gated.yaml" "$TMP/skip.h5"
red "one kind of tensor skipped" "$TMP/skip.h5" "encoded bytes changed under the same codec version"
red "one kind of tensor skipped, by its bytes" "$TMP/skip.h5" "weight_bytes" --rules "$TMP/metrics.yaml"
suite ", except: [layers.1.mlp.up.weight]" >"$TMP/except.yaml"
run "" "$TMP/except.yaml" "$TMP/except.h5"
red "one tensor skipped by the variant" "$TMP/except.h5" "variant definition changed"

suite "" "" 40 >"$TMP/prompt.yaml"
run "" "$TMP/prompt.yaml" "$TMP/prompt.h5"
red "swapped prompt" "$TMP/prompt.h5" "inputs changed"

sed 's/"value": 0\.000/"value": 0.001/' "$TMP/base.json" >"$TMP/edited.json"
check "the edit took" bash -c "! cmp -s '$TMP/base.json' '$TMP/edited.json'"
said=$("$QINSBENCH" gate "$TMP/again.h5" --baseline "$TMP/edited.json" 2>&1)
same "an edited baseline: red" $? 1
has "an edited baseline: says why" "$said" "edited"

# A codec whose bytes changed must not become the baseline of its old version by the way.
accept() { "$QINSBENCH" baseline accept "$TMP/$1.h5" -o "$TMP/base.json" "${@:2}" 2>&1; }
cp "$TMP/base.json" "$TMP/before.json"
said=$(accept off-by-one)
same "other bytes under the same version: not accepted" $? 1
has "other bytes under the same version: says why" "$said" "kjv/qins/roundtrip: encoded bytes changed under the same codec version"
check "the baseline is as it was" cmp "$TMP/base.json" "$TMP/before.json"
said=$(accept off-by-one --force --reason "the code was wrong before")
same "with a reason it goes" $? 0
has "and the reason stands in the baseline" "$("$QINSBENCH" baseline show "$TMP/base.json")" "accepted by force: the code was wrong before"
said=$(accept except)
same "another definition under the same name: not accepted" $? 1
has "another definition: says why" "$said" "another definition of the variant under the same name"
printf '{"name": "precious"}\n' >"$TMP/precious.json"
said=$("$QINSBENCH" baseline accept "$TMP/again.h5" -o "$TMP/precious.json" 2>&1)
same "over a file that is no baseline: exit 2" $? 2
same "it is left alone" "$(cat "$TMP/precious.json")" '{"name": "precious"}'

# Calibration on the evaluated text: the baseline is calibrated on other text.
suite ", calibration: {scale: true}" >"$TMP/gated.yaml"
suite ", calibration: {scale: true}" kjv.heldout >"$TMP/leak.yaml"
run "" "$TMP/gated.yaml" "$TMP/base.h5"
run "" "$TMP/leak.yaml" "$TMP/leak.h5"
rm "$TMP/base.json"
check "the calibrated baseline" "$QINSBENCH" baseline accept "$TMP/base.h5" -o "$TMP/base.json"
red "calibrated on the evaluated text" "$TMP/leak.h5" "calibrated on text that it is evaluated on" --fresh-inputs
finish
