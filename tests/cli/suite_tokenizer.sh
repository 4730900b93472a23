#!/bin/bash
# tokenizer: of a suite's model cuts its texts, in place of the model's own or where it has none.
. "$(dirname "$0")/lib.sh"
Q=$QINSBENCH
models=$ROOT/data/models
cp "$models/kjv-chain.safetensors" "$models/kjv.tokenizer.json" "$TMP/"
mkdir "$TMP/bare"
cp "$models/kjv-chain.safetensors" "$TMP/bare/" # its tokenizer is not beside it
sed "s/INPUT/text/" >"$TMP/s.yaml" <<'Y'
name: tokenizer
models:
  m:
    file: bare/kjv-chain.safetensors
    corpus: INPUT
    tokenizer: kjv.tokenizer.json
variants: [int8-tensor]
experiments:
  teacher-forced: {context: 16, chunks: 2}
Y
sed '/tokenizer: k/d; s#bare/##' "$TMP/s.yaml" >"$TMP/own.yaml"
head -c 2000 "$ROOT/data/corpus/kjv.heldout" >"$TMP/text"
hash=$(sha256sum <"$TMP/kjv.tokenizer.json" | cut -d' ' -f1)
cell() { "$Q" inspect "$1" | sed -n 's/.*int8-tensor.*key \([0-9a-f]*\).*/\1/p'; }

has "without the key the text cannot be read" "$(sed '/tokenizer: k/d' "$TMP/s.yaml" >"$TMP/bad.yaml" && "$Q" run "$TMP/bad.yaml" -o "$TMP/bad.h5" 2>&1)" "kjv.tokenizer.json"
check "with it it can" "$Q" run "$TMP/s.yaml" -o "$TMP/r.h5"
check "the model with its own tokenizer" "$Q" run "$TMP/own.yaml" -o "$TMP/own.h5"
same "is the same cell" "$(cell "$TMP/r.h5")" "$(cell "$TMP/own.h5")"
same "the result says which tokenizer" "$("$Q" inspect "$TMP/r.h5" | awk '$1 == "model.m.tokenizer_sha256" { print $2 }')" "$hash"
sed 's#tokenizer: .*#tokenizer: ../data/models/tiny-llama/tokenizer.json#' "$TMP/s.yaml" >"$TMP/other.yaml"
check "another in the place of the model's own" "$Q" run "$TMP/other.yaml" -o "$TMP/other.h5"
check "cuts the text otherwise" test "$(cell "$TMP/other.h5")" != "$(cell "$TMP/own.h5")"

# bad NAME PART KEYS...: the suite with such a tokenizer is refused
bad() {
    sed "s#tokenizer: .*#$3#; s#file: .*#${4:-&}#; s#corpus: .*#${5:-&}#" "$TMP/s.yaml" >"$TMP/bad.yaml"
    "$Q" run "$TMP/bad.yaml" -o "$TMP/bad.h5" >"$TMP/out" 2>&1
    check "$1: fails" test $? -ne 0
    has "$1: says so" "$(cat "$TMP/out")" "$2"
}
bad "a tokenizer that is not there" "bad.yaml:6: key 'tokenizer': no such file 'gone.json'" "tokenizer: gone.json"
bad "a list of them" "key 'tokenizer'" "tokenizer: [a, b]"
bad "a text that is none" "key 'tokenizer'" "tokenizer: text"
bad "more tokens than the model" "has 5000 tokens, model 'm' a vocabulary of 50" "tokenizer: kjv.tokenizer.json" "generator: chain\\n    vocab: 50\\n    hidden: 8\\n    layers: 1"
seq 1 64 >"$TMP/ids"
sed 's/corpus: text/corpus: {tokens: ids}/' "$TMP/s.yaml" >"$TMP/ids.yaml"
has "no effect on token ids: is told" "$("$Q" run "$TMP/ids.yaml" -o "$TMP/ids.h5" 2>&1)" "note: model 'm': tokenizer has no effect"
same "an effect: nothing is told" "$("$Q" run "$TMP/s.yaml" -o "$TMP/r.h5" --force 2>&1 | grep -c "no effect")" 0
finish
