#!/bin/bash
# Experiment recall: passages by the seed, the same for every arm; a model that cannot recall is told, not scored.
. "$(dirname "$0")/lib.sh"
Q=$QINSBENCH
cat >"$TMP/s.yaml" <<Y
name: mine
models:
  llama: {file: $ROOT/data/models/tiny-llama, corpus: {file: $ROOT/data/corpus/tiny.heldout, context: 512, chunks: 2}}
variants: [fp32, kv-q4_0]
experiments:
  recall: {repeats: 2}
Y
run() { "$Q" run "$TMP/s.yaml" -q -o "$TMP/$1.h5" "${@:2}" 2>"$TMP/log"; }
value() { "$Q" show "$TMP/$1.h5" --all --output csv | tr -d '\r' | awk -F, -v v="$2" -v m="$3" '$2 == v && $4 == m { print $5 }'; }
array() { h5dump -d "/cells/llama/$2/recall/$3" -y -w 0 "$TMP/$1.h5" | sed -n '/DATA {/,/}/p'; }

check "tiny-llama runs" run one --cache "$TMP/cache"
same "two chunks, one length that fits, two passages" "$(value one fp32 items)" 4
same "FP32 writes what FP32 writes" "$(value one fp32 token_match)" 100
same "FP32 recalls nothing" "$(value one fp32 reference_recall)" 0
same "which is no recall of 0" "[$(value one fp32 recall)] [$(value one kv-q4_0 flips_to_wrong)]" "[] []"
has "and said" "$("$Q" show "$TMP/one.h5" | tr -s ' \n' ' ')" "the reference recalls 0 of 4: this tells nothing of a cache"
same "both arms are asked the same" "$(array one fp32 target)" "$(array one kv-q4_0 target)"
check "once more, without a cache of references" run two --only '*/fp32/*' --cache "$TMP/other"
same "the same passages" "$(array two fp32 target)" "$(array one fp32 target)"
same "and answers" "$(array two fp32 reference_tokens)" "$(array one fp32 reference_tokens)"
sed -i '1s/.*/&\nseed: 7/' "$TMP/s.yaml"
check "under another seed" run seven --only '*/fp32/*'
check "other passages" test "$(array seven fp32 target)" != "$(array one fp32 target)"

sed -i 's/context: 512/context: 400/' "$TMP/s.yaml"
run short
has "a text that is too short is refused" "$(cat "$TMP/log")" "a text of 400 tokens a chunk; recall needs 448 or more: corpus: {context: N}"
sed -i 's/context: 400/context: 512/; s/repeats: 2/passage: 7/' "$TMP/s.yaml"
run odd
has "so is half a passage" "$(cat "$TMP/log")" "recall: passage: expected an even number of tokens, found 7"
sed -i 's/passage: 7/repeats: 1/; s/data\/models\/tiny-llama/data\/models\/kjv-chain.safetensors/; s/tiny.heldout/kjv.heldout/' "$TMP/s.yaml"
run chain
has "a model that keeps nothing is skipped" "$("$Q" show "$TMP/chain.h5" --all 2>&1 | tr -s ' \n' ' '; cat "$TMP/log")" "it keeps nothing to recall"
finish
