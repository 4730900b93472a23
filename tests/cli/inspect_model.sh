#!/bin/bash
# inspect of a model opens it as run does: what run refuses it refuses, and says what is supported; rows that do not
# apply to the model are not printed.
. "$(dirname "$0")/lib.sh"
Q=$QINSBENCH

# ---- what run would refuse ----
# tensors FILE METADATA: a safetensors file of one F32 tensor
tensors() {
    local header="{$2\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"
    printf '%b' "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0" >"$1"
    printf '%s' "$header" >>"$1"
    head -c 16 /dev/zero >>"$1"
}
cp -r data/models/tiny-llama "$TMP/rwkv"
sed -i 's/"model_type": *"llama"/"model_type": "rwkv"/' "$TMP/rwkv/config.json"
tensors "$TMP/bare.safetensors" ""
tensors "$TMP/mamba.safetensors" '"__metadata__":{"architecture":"mamba"},'
for file in bare.safetensors mamba.safetensors rwkv; do
    said=$("$Q" inspect "$TMP/$file" 2>"$TMP/err")
    same "$file: exit 2" $? 2
    printf 'name: x\nmodels: {m: {file: %s}}\nvariants: [fp32]\nexperiments: {memory: {}}\n' "$file" >"$TMP/s.yaml"
    "$Q" run "$TMP/s.yaml" -o "$TMP/r.h5" --quiet 2>"$TMP/run"
    has "$file: run says the same" "$(cat "$TMP/run")" "$(sed 's/^qinsbench: //' "$TMP/err")"
    has "$file: its tensors are listed" "$said" " tensors, "
    has "$file: and what is supported" "$said" "supported      families: transformer, chain, "
done
# Of the tables: the families of list, the types whose codec a plugin has.
families=$("$Q" list families --output csv | sed '1d; s/,.*//' | paste -sd, | sed 's/,/, /g; s/\(.*\), /\1 or /')
has "every family" "$said" "families: $families (qinsbench list families)"
has "types with a codec" "$said" "types of tensors: F32, F16, BF16, Q4_0, "
same "and none without" "$(grep 'types of tensors' <<<"$said" | grep -c 'IQ1_S\|I32\|U8')" 0
for kind in "BPE or Unigram" "gpt2, llama or t5"; do has "tokenizers: $kind" "$said" "$kind"; done

# ---- rows ----
# rows MODEL: the names of its options
rows() { "$Q" inspect "$1" | awk '/^source/ { on = 1 } on && /^[a-z]/ { print $1 } /^sha256/ { on = 0 }' | paste -sd' '; }
same "a plain rope, no window" "$(rows data/models/tiny-llama)" \
    "source architecture vocab hidden layers activation tied_head norm norm_eps heads causal kv_heads head_dim trained_context rope.dims rope.theta tokenizer sha256"
same "learned positions" "$(rows data/models/kjv-transformer.safetensors)" \
    "source architecture vocab hidden layers activation tied_head context norm norm_eps heads causal positions tokenizer sha256"
cp -r data/models/tiny-llama "$TMP/yarn"
sed -i '0,/{/s//{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 288},/; /"rope_scaling": null/d' "$TMP/yarn/config.json"
has "yarn: its own rows" "$(rows "$TMP/yarn")" "rope.theta rope.scaling rope.factor rope.original_context rope.beta_fast rope.beta_slow"

# ---- exact zeros, by role: counted with NumPy in the shipped files ----
# zeros MODEL: its lines
zeros() { "$Q" inspect "$1" | sed -n '/^zeros /,/^[a-y]/p' | sed 's/^zeros//; s/^ *//' | grep exactly | paste -sd'|'; }
same "tiny-llama has 3" "$(zeros data/models/tiny-llama)" \
    "attn.o: 2 of 393216 weights are exactly 0 (0.000509%)|mlp.down: 1 of 786432 weights are exactly 0 (0.000127%)"
"$Q" make-model chain --vocab 6 --hidden 8 --layers 1 -o "$TMP/few.safetensors" 2>/dev/null
same "drawn ones have none" "$(zeros "$TMP/few.safetensors")" "no weight of a matrix is exactly 0"
size=$(wc -c <"$TMP/few.safetensors") # ends with a bias of 6; before it the last row of 8 of a matrix, and one value of the row above
head -c $((size - 60)) "$TMP/few.safetensors" >"$TMP/zero.safetensors"
head -c 60 /dev/zero >>"$TMP/zero.safetensors"
last=$("$Q" inspect "$TMP/few.safetensors" | grep -c 'F32 .* x 8$')
check "matrices of rows of 8" test "$last" -gt 0
has "nine zeros, a row of nothing else" "$(zeros "$TMP/zero.safetensors")" ": 9 of "
has "and the row is told" "$(zeros "$TMP/zero.safetensors")" ", 1 row holds nothing else"
finish
