#!/bin/bash
# What names mean: QINS_CODEC_AT_REST, variants in YAML, seeds through --set, suites by name.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/q.yaml" <<'Y'
name: q
models:
  tiny: {generator: chain, vocab: 100, hidden: 32, layers: 2, prompt: {random: 5, seed: 1}}
variants: [qins]
experiments:
  greedy: {steps: 5}
Y
variant() { "$QINSBENCH" inspect "$TMP/q.yaml" 2>&1 && "$QINSBENCH" run "$TMP/q.yaml" -o "$TMP/q.h5" --force 2>&1; }
rm -f "$TMP/q.h5"
log=$(variant)
same "qins without the variable: no deprecation" "$(printf '%s\n' "$log" | grep -c deprecated)" 0
has "qins is Pattern A by default" "$("$QINSBENCH" inspect "$TMP/q.h5" | grep '^  variant\.')" "path=decode"
log=$(QINS_CODEC_AT_REST=1 variant)
same "QINS_CODEC_AT_REST=1 is the default" "$(printf '%s\n' "$log" | grep -c deprecated)" 0
log=$(QINS_CODEC_AT_REST=0 variant)
same "QINS_CODEC_AT_REST=0: one deprecation warning" "$(printf '%s\n' "$log" | grep -c '^warning: deprecated')" 1
has "and qins is legacy" "$("$QINSBENCH" inspect "$TMP/q.h5" | grep '^  variant\.')" "path=domain"
has "and the result file says so" "$("$QINSBENCH" inspect "$TMP/q.h5")" "warning: deprecated"
log=$(QINS_CODEC_AT_REST=yes variant)
same "another value: exit 2" $? 2
has "and the message names the variable" "$log" "QINS_CODEC_AT_REST"
sed -i 's/\[qins\]/[pattern-a]/' "$TMP/q.yaml"
log=$(QINS_CODEC_AT_REST=0 variant)
same "an explicit variant wins" "$(printf '%s\n' "$log" | grep -c deprecated)" 0
sed -i 's/\[pattern-a\]/[legacy, legacy-both, calibrated]/' "$TMP/q.yaml"
log=$(variant)
same "three legacy variants: the warning once" "$(printf '%s\n' "$log" | grep -c '^warning: deprecated')" 1

# Seeds.
tokens() { "$QINSBENCH" show "$TMP/q.h5" --output csv --metric logit_std | tail -n 1 | cut -d, -f5; }
sed -i 's/\[legacy, legacy-both, calibrated\]/[fp32]/' "$TMP/q.yaml"
origin() { "$QINSBENCH" inspect "$TMP/q.h5" | grep 'model.tiny.origin'; }
for set in models.tiny.seed=7 'models.*.seed=7'; do
    check "--set $set runs" "$QINSBENCH" run "$TMP/q.yaml" -q -o "$TMP/q.h5" --force --set "$set"
    has "--set $set reaches the generator" "$(origin)" "seed=7"
done
a=$(tokens)
check "--set of the prompt's seed runs" "$QINSBENCH" run "$TMP/q.yaml" -q -o "$TMP/q.h5" --force --set models.tiny.seed=7 --set models.tiny.prompt.seed=9
if [ "$a" != "$(tokens)" ]; then pass "another prompt, another run"; else fail "another prompt, another run" "$a"; fi
check "a suite by its name" "$QINSBENCH" inspect "$SUITES/quick.yaml"
log=$("$QINSBENCH" run quick --only 'tiny-chain/fp32/greedy' -o "$TMP/o.h5" 2>&1)
same "--only runs the cell and its reference" "$(printf '%s\n' "$log" | grep -c '\] done')" 2
has "a model that is a folder is listed" "$("$QINSBENCH" list models --output csv)" "tiny-llama,folder,"
has "with its family" "$("$QINSBENCH" list models --output csv | grep tiny-llama)" "llama, 4132096 weights"
has "list models: a path as one would type it" "$("$QINSBENCH" list models --output csv)" "tiny-llama,folder,data/models/tiny-llama,"
has "list suites: likewise" "$("$QINSBENCH" list suites --output csv)" "quick,experiments/suites/quick.yaml,"
has "from elsewhere: the whole path" "$(cd "$TMP" && "$QINSBENCH" list suites --output csv)" "quick,$ROOT/experiments/suites/quick.yaml,"
# SmolLM2 is not in the repository: tiny-llama takes its place.
for suite in "$SUITES"/*.yaml; do
    sed "s|\.\./\.\./models/smollm2[^,} ]*|$ROOT/data/models/tiny-llama|; s|\.\./\.\./data|$ROOT/data|" "$suite" >"$TMP/suite.yaml"
    check "$(basename "$suite") is valid" "$QINSBENCH" inspect "$TMP/suite.yaml"
done

# A variant of one's own, in a file beside the suite.
mkdir "$TMP/mine"
printf 'name: mine\ncodec: qins8\noptions: {scope: row}\nplacement: ["mlp.*"]\n' >"$TMP/mine/mine.yaml"
sed 's/\[fp32\]/[mine.yaml, {name: grouped, codec: int8, options: {scope: "group:16"}, placement: ["mlp.*"]}]/' "$TMP/q.yaml" >"$TMP/mine/s.yaml"
check "own variants run" "$QINSBENCH" run "$TMP/mine/s.yaml" -q -o "$TMP/mine/r.h5"
same "under their names" "$("$QINSBENCH" show "$TMP/mine/r.h5" --output csv --metric match_rate | tail -n +2 | cut -d, -f2 | xargs)" "mine grouped"
finish
