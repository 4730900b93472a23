#!/bin/bash
# What a variant's codec does not take is stored otherwise, and said so everywhere.
. "$(dirname "$0")/lib.sh"
# Rows of 64 but for mlp.down's of 256: 2 x 16384 weights in Q4_K, 2 x 32768 + 6400 in Q5_0.
cat >"$TMP/s.yaml" <<'Y'
name: otherwise
models:
  m: {generator: transformer, vocab: 100, hidden: 64, layers: 2, prompt: {random: 5, seed: 1}, corpus: {greedy: 8}}
variants:
  - fp32
  - q4_k
  - q5_0
  - {name: down, base: q4_k, placement: [mlp.down]}
  - {name: alone, codec: q4_k, placement: ['*']}
experiments: {teacher-forced: {}, roundtrip: {}, memory: {}}
Y
SAYS="q4_k: 32768 weights in 2 matrices; otherwise q5_0: 71936 in 7"
sed '/alone/d' "$TMP/s.yaml" >"$TMP/fits.yaml"
plan=$("$QINSBENCH" inspect "$TMP/fits.yaml" | tr -s ' ')
# (32768 / 256 x 144 + 71936 / 32 x 22) x 8 / 104704
has "inspect SUITE says it and counts both" "$plan" "m q4_k 9 104704 5.187 $SAYS"
same "and of no other" "$(grep -c otherwise <<<"$(grep '^m ' <<<"$plan")")" 1
has "inspect SUITE names a tensor that does not fit" "$("$QINSBENCH" inspect "$TMP/s.yaml" 2>&1)" \
    "variant alone, tensor embed.weight: codec 'q4_k': encoded size of 100 x 64: UNSUPPORTED"

said=$("$QINSBENCH" run "$TMP/s.yaml" -o "$TMP/r.h5" 2>&1)
same "what neither takes fails its cells" $? 3
has "the run's note" "$said" "note: model 'm', $SAYS (q4_k)"
same "no note of what never takes effect" "$(grep -c "otherwise.*(down)" <<<"$said")" 0
shown=$("$QINSBENCH" show "$TMP/r.h5" --metric encoded_bits_per_weight | tr -s ' \n' ' ')
has "show says it" "$shown" "$SAYS (q4_k)"
has "bits a weight count both" "$shown" "q4_k 5.187 "
has "inspect RESULT says it" "$("$QINSBENCH" inspect "$TMP/r.h5" | tr -s ' ')" "m q4_k 9 104704 5.187 $SAYS"
json=$("$QINSBENCH" show "$TMP/r.h5" --metric encoded_bits_per_weight --output json)
fields() { grep "\"variant\": \"$1\"" <<<"$json" | grep -o '"otherwise[^,}]*' | tr -d '\n'; }
same "fields" "$(fields q4_k)" '"otherwise": "q5_0""otherwise_tensors": 7"otherwise_weights": 71936'
same "fields where nothing is otherwise" "$(fields q5_0)" '"otherwise": """otherwise_tensors": 0"otherwise_weights": 0'
"$QINSBENCH" report "$TMP/r.h5" -o "$TMP/rep" --figures none >/dev/null 2>&1
has "the report says it" "$(tr -d '\\' <"$TMP/rep/report.md")" "**otherwise**: m: $SAYS (q4_k)"
has "the provenance names both codecs" "$("$QINSBENCH" inspect "$TMP/r.h5" | tr -s ' ')" "codecs.q4_k q4_k q5_0"

# A file holds each tensor as it is stored, and computes what the variant computes.
check "make-model" "$QINSBENCH" make-model transformer --vocab 100 --hidden 64 --layers 2 -o "$TMP/m.safetensors"
converted=$("$QINSBENCH" convert "$TMP/m.safetensors" --variant q4_k -o "$TMP/c.safetensors" --output csv 2>&1)
same "convert" $? 0
same "its table has both" "$(grep -c 'q5_0' <<<"$converted") $(grep -c 'q4_k' <<<"$converted")" "4 1"
echo 1 2 3 4 5 >"$TMP/ids"
noted=$("$QINSBENCH" logits "$TMP/m.safetensors" --tokens "$TMP/ids" --variant q4_k -o "$TMP/a.h5" 2>&1)
check "logits of the file" "$QINSBENCH" logits "$TMP/c.safetensors" --tokens "$TMP/ids" -o "$TMP/b.h5"
has "logits notes it" "$noted" "note: variant 'q4_k', $SAYS"
logits() { h5dump -d logits -y -m %.9g "$1" | sed -n '/DATA/,$p'; }
same "logits of 5 tokens" "$(logits "$TMP/a.h5" | grep -c '[0-9],\{0,1\}$')" 500
same "to the bit" "$(logits "$TMP/a.h5" | md5sum)" "$(logits "$TMP/b.h5" | md5sum)"
finish
