#!/bin/bash
# Converted models: the file runs as a model and gives the numbers of encoding in memory; what it holds is printed; QINS_CODEC_AT_REST.
. "$(dirname "$0")/lib.sh"
MODEL=$ROOT/data/models/kjv-chain.safetensors

out=$("$QINSBENCH" convert "$MODEL" --variant int8-channel -o "$TMP/int8.safetensors" --output csv 2>"$TMP/talk")
has "convert prints a line a role" "$out" "mlp.up,int8,"
has "and what all takes" "$(cat "$TMP/talk")" "bits a weight"
same "bytes of the roles are the file's" "$(printf '%s\n' "$out" | awk -F, 'NR > 1 { n += $6 } END { print n }')" \
    "$("$QINSBENCH" inspect "$TMP/int8.safetensors" | awk 'NF >= 6 && $2 ~ /^(int8|fp16|fp32)$/ { n += $6 } /norms and biases/ { n += $8 } END { print n }')"
check "the tokenizer goes beside it" cmp "$TMP/int8.tokenizer.json" "$ROOT/data/models/kjv.tokenizer.json"
license_of() { head -c 4096 "$1" | grep -ao '"license":"[^"]*"'; }
same "the licence goes along" "$(license_of "$TMP/int8.safetensors")" '"license":"Apache-2.0 (weights); text public domain"'
shown=$("$QINSBENCH" inspect "$TMP/int8.safetensors")
has "inspect names the types" "$shown" "int8 x 5"
has "and the tokenizer" "$shown" "$TMP/int8.tokenizer.json"
# A GGUF file that names its licence: one more entry of 64 bytes, in front of the others.
GGUF=$ROOT/tests/golden/families/llama/model.gguf
entries=$(od -An -tu1 -j16 -N1 "$GGUF")
{
    head -c 16 "$GGUF"
    printf "\\x$(printf %02x $((entries + 1)))\0\0\0\0\0\0\0"
    printf '\17\0\0\0\0\0\0\0general.license\10\0\0\0\35\0\0\0\0\0\0\0Creative Commons BY 4.0 alone'
    tail -c +25 "$GGUF"
} >"$TMP/licensed.gguf"
check "a GGUF file is converted" "$QINSBENCH" convert "$TMP/licensed.gguf" --codec fp16 -o "$TMP/licensed.safetensors"
same "with its licence" "$(license_of "$TMP/licensed.safetensors")" '"license":"Creative Commons BY 4.0 alone"'
check "and one without a licence" "$QINSBENCH" convert "$GGUF" --codec fp16 -o "$TMP/bare.safetensors"
same "has none" "$(license_of "$TMP/bare.safetensors")" ""

# The perplexity of the variant in memory and of FP32 on the file, to the digit.
cat >"$TMP/s.yaml" <<Y
name: converted
models:
  memory: {file: $MODEL}
  file: {file: $TMP/int8.safetensors}
variants: [fp32, int8-channel]
experiments:
  teacher-forced: {corpus: $ROOT/data/corpus/kjv.heldout, context: 64, chunks: 3}
Y
check "the file runs" "$QINSBENCH" run "$TMP/s.yaml" -q -o "$TMP/r.h5"
value() { "$QINSBENCH" show "$TMP/r.h5" --only "$1" --metric perplexity --output csv | awk -F, 'NR == 2 { print $5 }'; }
has "a perplexity is read" "$(value memory/int8-channel)" "."
same "FP32 on the file is the variant in memory" "$(value file/fp32)" "$(value memory/int8-channel)"
same "and the variant on the file as well, a fixed point" "$(value file/int8-channel)" "$(value memory/int8-channel)"
if [ "$(value memory/fp32)" != "$(value file/fp32)" ]; then pass "which is not FP32"; else fail "which is not FP32"; fi

# A second loss, and the documents' switch.
refused=$("$QINSBENCH" convert "$TMP/int8.safetensors" --codec qins8 -o "$TMP/q.safetensors" 2>&1)
same "a second loss is refused" "$?" 2
has "by name" "$refused" "encoded by int8 already: qins8 would lose a second time"
has "with the way to do it all the same" "$refused" "convert --force"
check "unless forced" "$QINSBENCH" convert "$TMP/int8.safetensors" --codec qins8 -o "$TMP/q.safetensors" --force
"$QINSBENCH" convert "$MODEL" -o "$TMP/default.safetensors" 2>/dev/null >/dev/null
QINS_CODEC_AT_REST=1 "$QINSBENCH" convert "$MODEL" -o "$TMP/rest.safetensors" 2>/dev/null >/dev/null
"$QINSBENCH" convert "$MODEL" --variant pattern-a -o "$TMP/a.safetensors" 2>/dev/null >/dev/null
hash_of() { "$QINSBENCH" inspect "$1" | awk '$1 == "sha256" { print $2 }'; }
same "the default is Pattern A" "$(hash_of "$TMP/default.safetensors")" "$(hash_of "$TMP/a.safetensors")"
same "as QINS_CODEC_AT_REST=1 has it" "$(hash_of "$TMP/rest.safetensors")" "$(hash_of "$TMP/a.safetensors")"
has "QINS_CODEC_AT_REST=0 is no file" "$(QINS_CODEC_AT_REST=0 "$QINSBENCH" convert "$MODEL" -o "$TMP/x.safetensors" 2>&1)" \
    "variant legacy computes on code values"
finish
