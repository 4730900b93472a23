#!/bin/bash
# A request without effect never reads as lossless, and a name gives a variant no meaning.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: effects
models:
  tied: {generator: transformer, vocab: 100, hidden: 32, layers: 2, prompt: {random: 5, seed: 1}, corpus: {greedy: 8}}
  untied: {generator: chain, vocab: 100, hidden: 32, layers: 2, prompt: {random: 5, seed: 1}, corpus: {greedy: 8}}
variants:
  - fp32
  - pattern-a
  - int8-tensor
  - calibrated-qk16
  - {name: head-only, codec: int8, placement: [head]}
  - {name: embed-only, codec: int8, placement: [embed]}
  - {name: coded-embed, base: legacy, placement: [embed]}
  - {name: misspelt, base: pattern-a, except: [layers.0.mlp.upp.weight]}
experiments:
  teacher-forced: {}
  greedy: {steps: 4}
  depth: {}
  attribute: {}
  roundtrip: {}
  linearity: {trials: 4}
  memory: {}
  speed: {repeats: 3, prefill: 4, decode: 2}
Y
said=$("$QINSBENCH" run "$TMP/s.yaml" -o "$TMP/r.h5" 2>&1)
same "the suite runs" $? 0
[ $FAILED -eq 0 ] || printf '%s\n' "$said" | head -n 20 | sed 's/^/# /'
json=$("$QINSBENCH" show "$TMP/r.h5" --output json)
# rows MODEL VARIANT: of the JSON, one a line.
rows() { grep "\"model\": \"$1\", \"variant\": \"$2\"," <<<"$json"; }
# skipped MODEL VARIANT: how many experiments have nothing but skipped rows of this cell.
skipped() {
    comm -23 <(rows "$1" "$2" | grep '"skipped"' | grep -o '"experiment": "[^"]*"' | sort -u) \
        <(rows "$1" "$2" | grep -v '"skipped"' | grep -o '"experiment": "[^"]*"' | sort -u) | wc -l
}
for variant in head-only embed-only coded-embed misspelt; do
    same "tied/$variant is skipped in every experiment" "$(skipped tied $variant)" 8
done
same "and has no value" "$(rows tied head-only | grep -vc '"value": null')" 0
same "where they bind they run" "$(skipped untied head-only) $(skipped untied embed-only)" "0 0"
same "an embedding has no activations to encode" "$(skipped untied coded-embed)" 8
same "fp32 asks for nothing and runs" "$(rows tied fp32 | grep -c '"metric": "kl_mean", "value": 0,')" 1
shown=$("$QINSBENCH" show "$TMP/r.h5" --metric kl_mean | tr -s ' \n' ' ')
has "show says why" "$shown" "skipped: encodes nothing of model 'tied': placement head: head and embed are one matrix here, name both (tied/head-only)"
has "a misspelt tensor is named with the nearest" "$shown" "'layers.0.mlp.upp.weight' in except fits no matrix of model 'tied', the nearest name is 'layers.0.mlp.up.weight'"
has "show says where variants encode other weights" "$shown" "encoded untied: 8192 weights in 3 matrices (pattern-a, calibrated-qk16); 11392 weights in 4 matrices (int8-tensor)"
has "and what had no effect" "$shown" "without effect: placement head (int8-tensor)"

# Part of a request without effect is said, before and after the run.
has "the run's note" "$said" "note: model 'tied', without effect: placement head: head and embed are one matrix here, name both (int8-tensor)"
has "the run's note on weights" "$said" "note: model 'untied', encoded: 8192 weights in 3 matrices (pattern-a, calibrated-qk16); 11392 in 4 (int8-tensor); 3200 in 1 (head-only, embed-only)"
has "the run's note on weights in FP16" "$said" "note: model 'tied', encoded: 24576 weights in 8 matrices (pattern-a, int8-tensor); 24576 in 8, of these 4096 kept in FP16 (calibrated-qk16)"
has "the run's note on roles in FP16" "$said" "calibration.fp16 attn.q: the model has no such matrix"
row() { tr -s ' ' <<<"$1" | grep "^$2 "; }
plan=$("$QINSBENCH" inspect "$TMP/s.yaml")
after=$("$QINSBENCH" inspect "$TMP/r.h5")
has "inspect SUITE counts" "$(row "$plan" "tied int8-tensor")" "tied int8-tensor 8 24576 8.01 without effect: placement head: head and embed"
has "inspect SUITE counts what is kept in FP16" "$(row "$plan" "tied calibrated-qk16")" "4096 of these kept in FP16"
has "inspect SUITE says what a run will skip" "$(row "$plan" "tied head-only")" "0 0 - skipped: encodes nothing of model 'tied'"
has "inspect RESULT counts" "$(row "$after" "tied int8-tensor")" "tied int8-tensor 8 24576 8.01 without effect: placement head"
same "both count alike" "$(row "$plan" "untied int8-tensor" | cut -d' ' -f1-5)" "$(row "$after" "untied int8-tensor" | cut -d' ' -f1-5)"
field() { rows "$1" "$2" | grep -m 1 '"experiment": "memory"' | sed "s/.*\"$3\": \"\{0,1\}\([^\",}]*\).*/\1/"; }
same "fields: weights" "$(field untied pattern-a encoded_weights) $(field untied int8-tensor encoded_weights)" "8192 11392"
same "fields: bytes" "$(field untied pattern-a encoded_bytes)" $((2 * 8192 + 3 * 8))
same "fields: unbound" "$(field tied int8-tensor unbound)" "placement head"
same "fields: floor" "$(field tied fp32 floor) $(field tied pattern-a floor)" "identity "
"$QINSBENCH" report "$TMP/r.h5" -o "$TMP/rep" --figures none >/dev/null 2>&1
has "the report marks rows of another placement" "$(cat "$TMP/rep/report.md")" "| int8-tensor † |"
has "and says how they differ" "$(cat "$TMP/rep/report.md")" "int8-tensor encodes 11392 weights"
has "the page too" "$(cat "$TMP/rep/index.html")" "title=\"encodes 11392 weights, the most common number of its table is 8192\">encoded</span>"

has "and compare" "$("$QINSBENCH" compare "$TMP/r.h5" --variants pattern-a,int8-tensor --only 'untied/*/memory' --metric weight_bits)" \
    "8192 weights encoded in A, 11392 weights encoded in B"

# ---- names ----
refused() { # NAME PART VARIANTS [MODELS]
    local output status
    printf 'name: n\nmodels:\n  m: {generator: chain, vocab: 50, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}}\n%svariants: %s\nexperiments: {memory: {}}\n' \
        "${4:-}" "$3" >"$TMP/n.yaml"
    output=$("$QINSBENCH" run "$TMP/n.yaml" -q -o "$TMP/n.h5" 2>&1)
    status=$?
    same "$1: exit 2" $status 2
    has "$1: says why" "$output" "$2"
}
refused "a format under test called as the floor" "n.yaml:4: key 'name': the name 'fp32-reordered' is taken by the shipped data/variants/fp32-reordered.yaml" \
    '[{name: fp32-reordered, codec: int8, placement: ["mlp.*"]}]'
refused "the wide margins of legacy for another variant" "'legacy' is taken" '[fp32, {name: legacy, base: pattern-a}]'
printf 'name: bf16\ncodec: qins8\nplacement: ["mlp.*"]\n' >"$TMP/bf16.yaml"
refused "a shipped name in a file" "bf16.yaml:1: key 'name': the name 'bf16' is taken" '[./bf16.yaml]'
same "inspect refuses the file too" "$("$QINSBENCH" inspect "$TMP/bf16.yaml" 2>&1 | grep -c "is taken by the shipped")" 1
refused "variants that differ in case" "'Legacy' is no name for a variant" '[legacy, {name: Legacy, base: legacy}]'
refused "models that differ in case" "differs from the model 'm' in case alone" '[fp32]' "  M: {generator: chain, prompt: {random: 4, seed: 1}}
"
sed 's/^variants: .*/variants: [legacy, {name: pattern-a, base: pattern-a, summary: again}, {name: fp32}]/; /^  M:/d' "$TMP/n.yaml" >"$TMP/same.yaml"
check "a shipped name with the shipped definition" "$QINSBENCH" run "$TMP/same.yaml" -q -o "$TMP/n.h5"

# A floor by definition, whatever it is called: values under it are flagged.
cat >"$TMP/f.yaml" <<'Y'
name: floors
models: {kjv: {file: data/models/kjv-chain.safetensors}}
variants: [{name: mine, arithmetic: reversed}, {name: near, codec: fp32, placement: [head]}, pattern-a]
experiments: {teacher-forced: {corpus: data/corpus/kjv.heldout, context: 16, chunks: 6}}
Y
check "a suite with a floor of its own" "$QINSBENCH" run "$TMP/f.yaml" -q -o "$TMP/f.h5"
json=$("$QINSBENCH" show "$TMP/f.h5" --output json)
same "reversed sums are the arithmetic floor" "$(grep -o '"variant": "[^"]*"\|"floor": "[^"]*"' <<<"$json" | paste - - | sort -u | tr -d '"\n')" \
    "variant: mine	floor: arithmeticvariant: near	floor: variant: pattern-a	floor: "
finish
