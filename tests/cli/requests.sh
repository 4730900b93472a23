#!/bin/bash
# What a request means: a filter that chooses nothing, a gate that compares nothing and a comparison of different things
# are no success; finished cells are not dropped unasked; a request without effect is said.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: requests
models:
  a: {generator: transformer, vocab: 100, hidden: 32, layers: 1, prompt: {random: 6, seed: model}, corpus: {greedy: 60}}
  b: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}, experiments: [greedy, memory]}
variants: [fp32, pattern-a]
experiments:
  greedy: {steps: 8}
  memory: {}
  teacher-forced: {context: 10, chunks: 6}
Y
run() { "$QINSBENCH" run "$TMP/s.yaml" -o "$@" 2>&1; }
cells() { "$QINSBENCH" inspect "$1" | grep -c '^  done'; }
# refused NAME PART COMMAND...: exit 2, and the message
refused() {
    local name=$1 part=$2 output status
    shift 2
    output=$("$@" 2>&1)
    status=$?
    same "$name: exit 2" $status 2
    has "$name: says why" "$output" "$part"
}
# noted NAME PART COMMAND...: success, and a note on stderr
noted() {
    local name=$1 part=$2 output status
    shift 2
    output=$("$@" 2>&1 >/dev/null)
    status=$?
    same "$name: exit 0" $status 0
    has "$name: is said" "$output" "$part"
}
q() { "$QINSBENCH" "$@"; }
check "the suite runs" run "$TMP/r.h5"
R=$TMP/r.h5
whole=$(cells "$R")

# ---- filters that choose nothing ----
refused "show --metric" "no metric of the chosen cells matches 'kl_men', did you mean 'kl_mean'? there are " q show "$R" --metric kl_men
refused "show --metric of other cells" "no metric of the chosen cells matches 'kl_mean'; there are " q show "$R" --metric kl_mean --only 'a/*/memory'
refused "show --only, a model" "no model matches 'aa', did you mean 'a'? there are a, b" q show "$R" --only aa
refused "show --only, a variant" "no variant matches 'patern-a', did you mean 'pattern-a'?" q show "$R" --only 'a/patern-a'
refused "show --only, two parts" "no experiment matches 'memry', did you mean 'memory'?" q show "$R" --only 'c/*/memry' --output json
refused "show --only, no such cell" "no cell is of model 'b', variant '*' and experiment 'teacher-forced' together" q show "$R" --only 'b/*/teacher-forced'
refused "run --only" "no variant matches 'fp23', did you mean 'fp32'?" q run "$TMP/s.yaml" --only '*/fp23' -o "$TMP/none.h5"
check "and nothing is written" test ! -e "$TMP/none.h5"
refused "inspect SUITE --only" "no experiment matches 'gredy', did you mean 'greedy'?" q inspect "$TMP/s.yaml" --only '*/*/gredy'
refused "inspect RESULT --only" "no experiment matches 'gredy', did you mean 'greedy'?" q inspect "$R" --only '*/*/gredy'
same "inspect RESULT --only chooses" "$(q inspect "$R" --only 'b/fp32' | grep -c '^  done')" 2
refused "compare --only" "no model matches 'aa'" q compare "$R" "$R" --only aa
refused "compare --metric" "did you mean 'kl_mean'?" q compare "$R" "$R" --metric kl_men
refused "compare --variants" "no variant matches 'patern-a', did you mean 'pattern-a'?" q compare "$R" --variants fp32,patern-a
refused "compare --variants, both are named" "no variant matches 'fp23', did you mean 'fp32'?" q compare "$R" --variants fp23,patern-a
refused "compare --variants beside a variant in --only" "but --variants chooses them" q compare "$R" --variants fp32,pattern-a --only 'a/fp32'
refused "gate --only" "no model matches 'aa', did you mean 'a'?" q gate "$R" -b "$R" --only aa
refused "report --only" "no figure matches 'mach', did you mean 'match'?" q report "$R" -o "$TMP/rep" --only mach
refused "bench --only" "no codec matches 'qnis8', did you mean 'qins8'?" q bench --only qnis8 --repeats 3

# ---- a gate that tests nothing ----
rules() { printf 'rules:\n  - {%s}\n' "$1" >"$TMP/rules.yaml"; }
gate() { q gate "$R" -b "$R" --rules "$TMP/rules.yaml" "$@"; }
rules 'experiment: teacher-forced, metric: kl_meen, test: non-inferiority, margin: {relative: 0.05}'
refused "a misspelt metric in a rule" "rules.yaml:2: key 'metric': no metric of teacher-forced matches 'kl_meen', did you mean 'kl_mean'?" gate
rules 'experiment: teacher-force, metric: kl_mean, test: non-inferiority, margin: {relative: 0.05}'
refused "a misspelt experiment in a rule" "no experiment matches 'teacher-force', did you mean 'teacher-forced'?" gate
rules 'variant: patern-a, metric: kl_mean, test: non-inferiority, margin: {relative: 0.05}'
refused "a misspelt variant: nothing is compared" "nothing was compared" gate
refused "also when open rows are allowed" "nothing was compared" gate --allow-inconclusive
refused "a baseline of nothing" "no metric of it is gated by these rules" q baseline accept "$R" -o "$TMP/nothing.json" --rules "$TMP/rules.yaml"
check "and nothing is written" test ! -e "$TMP/nothing.json"
rules 'variant: [patern-a, fp32], experiment: teacher-forced, metric: kl_mean, test: non-inferiority, margin: {relative: 0.05}'
for format in console csv json; do
    said=$(gate --output $format --junit "$TMP/g.xml" --markdown "$TMP/g.md")
    same "a misspelt variant among others ($format): exit 0" $? 0
    has "and it is named ($format)" "$said" "rules.yaml:2: a part of the rule matched nothing: variant patern-a"
done
has "in JUnit" "$(cat "$TMP/g.xml")" "a part of the rule matched nothing: variant patern-a"
has "in Markdown" "$(cat "$TMP/g.md")" "a part of the rule matched nothing: variant patern"
run "$TMP/b-only.h5" --only b >/dev/null
refused "a baseline without a cell in common" "nothing was compared" q gate "$R" -b "$TMP/b-only.h5" --only a

# ---- claims of which nothing was run ----
mkdir "$TMP/ledger"
cat >"$TMP/ledger/paper.yaml" <<'Y'
document: paper.md
title: A paper
claims:
  - {id: bytes, place: Results, lines: 4, what: bytes, quote: "x", says: bytes, published: "many",
     cell: elsewhere/fp32/memory/weight_bytes, format: "%.0f", expect: {above: 1}, any_seed: true, reproduces: yes}
Y
refused "claims: nothing was run" "nothing was measured" q claims "$R" --claims "$TMP/ledger" --allow-missing

# ---- comparisons of different things ----
run "$TMP/seed.h5" --set models.a.seed=7 >/dev/null
run "$TMP/steps.h5" --set experiments.greedy.steps=9 >/dev/null
run "$TMP/prompt.h5" --set models.b.prompt.seed=2 >/dev/null
refused "compare: another model under the same name" "model of a differ: " q compare "$R" "$TMP/seed.h5"
refused "and only where it is compared" "model of a differ: " q compare "$R" "$TMP/seed.h5" --only 'a/*/memory'
check "the other model compares" q compare "$R" "$TMP/seed.h5" --only b
refused "compare: other options" "options of a/greedy differ: steps=8 in A, steps=9 in B" q compare "$R" "$TMP/steps.h5"
said=$(q compare "$R" "$TMP/steps.h5" --force)
same "with --force it goes" $? 0
has "and is said" "$said" "note: options of a/greedy differ: steps=8 in A, steps=9 in B (2 cells); compared by --force"
said=$(q compare "$R" "$TMP/prompt.h5")
same "compare: other inputs go" $? 0
has "and are said in front of all numbers" "$(head -n 4 <<<"$said")" "note: inputs of b/greedy differ: "
has "as fields, too" "$(q compare "$R" "$TMP/prompt.h5" --output csv --only 'b/*/greedy' 2>/dev/null | tail -n 1 | tr -d '\r')" ",inputs"
same "an unchanged rerun has nothing to say" "$(q compare "$R" "$R" | grep -c '^note: .* differ')" 0
sed 's/variants: .*/variants: [fp32, {name: pattern-a, base: int8-tensor}]/' "$TMP/s.yaml" >"$TMP/redefined.yaml"
if q run "$TMP/redefined.yaml" -o "$TMP/redefined.h5" -q 2>/dev/null; then # where a shipped name may be redefined
    has "compare: another variant under the same name is said" "$(q compare "$R" "$TMP/redefined.h5")" "note: definition of pattern-a differ: "
fi
sed 's/pattern-a\]/{name: mine, base: pattern-a}]/' "$TMP/s.yaml" >"$TMP/mine.yaml"
sed 's/pattern-a\]/{name: mine, base: int8-tensor}]/' "$TMP/s.yaml" >"$TMP/mine2.yaml"
q run "$TMP/mine.yaml" -o "$TMP/mine.h5" -q && q run "$TMP/mine2.yaml" -o "$TMP/mine2.h5" -q
has "compare: another definition of a name is said" "$(q compare "$TMP/mine.h5" "$TMP/mine2.h5")" "note: definition of mine differ: "
has "cells that one side lacks are counted" "$(q compare "$R" "$TMP/b-only.h5")" "that only A has, 0 that only B has"
cat >"$TMP/t.yaml" <<Y
name: t
models: {kjv: {file: kjv-chain.safetensors, prompt: {random: 4, seed: 1}}}
variants: [fp32]
experiments: {greedy: {steps: 3}}
Y
cp "$ROOT"/data/models/kjv-chain.safetensors "$ROOT"/data/models/kjv.tokenizer.json "$TMP/"
q run "$TMP/t.yaml" -o "$TMP/t1.h5" -q
sum=$(sha256sum "$TMP/kjv.tokenizer.json" | cut -d' ' -f1)
has "the tokenizer is recorded" "$(q inspect "$TMP/t1.h5")" "$sum"
printf '\n' >>"$TMP/kjv.tokenizer.json"
q run "$TMP/t.yaml" -o "$TMP/t2.h5" -q
refused "compare: another tokenizer" "tokenizer of kjv differ: ${sum:0:12}" q compare "$TMP/t1.h5" "$TMP/t2.h5"
said=$(q gate "$TMP/t2.h5" -b "$TMP/t1.h5" --fresh-inputs)
has "gate: another tokenizer" "$said" "tokenizer changed (hash ${sum:0:12} -> "

# ---- finished cells are not dropped unasked ----
before=$(sha256sum <"$R")
refused "run onto a finished file" "$whole finished cells (first a/reference/greedy) would be dropped" run "$R"
refused "run --only onto a finished file" "$whole finished cells (first" run "$R" --only 'a/fp32/greedy'
refused "the ways out are named" "--resume keeps those that still hold, --force drops them, another -o leaves them alone" run "$R" --only b
same "the file is as it was" "$(sha256sum <"$R")" "$before"
same "nothing lies beside it" "$(ls "$TMP" | grep -c '^r\.h5\.')" 0
said=$(run "$R" --resume --only 'a/fp32/greedy')
same "--resume --only keeps what it leaves out" "$(cells "$R")" "$whole"
said=$(run "$R" --resume --only 'a/fp32/greedy' --set models.b.prompt.seed=2)
same "cells left out that no longer hold: exit 2" $? 2
has "cells left out that no longer hold: says why" "$said" "5 finished cells (first b/reference/greedy) would be dropped: --only leaves them out"
same "the file has them still" "$(cells "$R")" "$whole"
same "nothing lies beside it" "$(ls "$TMP" | grep -c '^r\.h5\.')" 0
said=$(run "$R" --resume --set models.b.prompt.seed=2)
same "cells of the same place run again" $? 0
has "and how many is said" "$said" "4 finished cells ran again"
has "the reference was in the cache" "$said" "1 reference from the cache"
same "the file has as many" "$(cells "$R")" "$whole"
sed 's/\[fp32, pattern-a\]/[fp32]/' "$TMP/s.yaml" >"$TMP/fewer.yaml"
refused "--resume of a suite without some cells" "5 finished cells (first a/pattern-a/greedy) would be dropped: this suite has no such cell" \
    q run "$TMP/fewer.yaml" -o "$R" --resume
said=$(q run "$TMP/fewer.yaml" -o "$R" --resume --force 2>&1)
same "--force drops them" "$? $(cells "$R")" "0 $((whole - 5))"
has "and says so" "$said" "5 finished cells of an earlier run are dropped (--force)"
check "--force starts from nothing" run "$R" --force --only b
same "which leaves what was asked for" "$(cells "$R")" "$(cells "$TMP/b-only.h5")"
cp "$TMP/steps.h5" "$TMP/damaged.h5" && printf 'X' | dd of="$TMP/damaged.h5" bs=1 seek=3000 conv=notrunc 2>/dev/null
before=$(sha256sum <"$TMP/damaged.h5")
refused "a result file that cannot be read" "cannot be read and would be dropped; --force replaces it" run "$TMP/damaged.h5" --resume
same "is left alone" "$(sha256sum <"$TMP/damaged.h5")" "$before"

# A run that is stopped before it reached all models keeps the cells of the others, and so does one whose model is gone.
check "the planted codec builds" build_planted
sed 's/\[fp32, pattern-a\]/[fp32, {name: slow, codec: planted, options: {fault: wait}, placement: ["mlp.*", "attn.*"]}]/' \
    "$TMP/s.yaml" >"$TMP/w.yaml"
export QB_PLANTED=$TMP/wait
touch "$TMP/wait.go"
slow() { "$QINSBENCH" run "$TMP/w.yaml" --codec "$TMP/planted.so" -o "$TMP/w.h5" -j 1 "$@" 2>&1; }
check "a run that is let go" slow
whole=$(cells "$TMP/w.h5")
rm -f "$TMP"/wait.*
start "$QINSBENCH" run "$TMP/w.yaml" --codec "$TMP/planted.so" -o "$TMP/w.h5" -j 1 --resume --set models.a.seed=7 >"$TMP/log" 2>&1
await "the first model's cell waits" reached
kill -INT $pid
wait $pid
same "interrupted in the first model: exit 130" $? 130
same "the cells of all models are there" "$(cells "$TMP/w.h5")" "$whole"
has "and it says where the new ones are" "$(cat "$TMP/log")" "w.h5 is as it was"
touch "$TMP/wait.go"
aside=$(ls "$TMP/w.h5.shards" | sort)
check "what it finished lies beside the file" test -n "$aside"
said=$(slow --resume --only a/fp32)
same "a resume under the old options takes none of it" "$? $(cells "$TMP/w.h5")" "0 $whole"
same "and leaves it there" "$(ls "$TMP/w.h5.shards" | sort)" "$aside"
has "and says so" "$said" "finished under other options"
said=$(slow --resume --set models.a.seed=7)
same "a resumed one completes" "$? $(cells "$TMP/w.h5")" "0 $whole"
has "with what both runs had finished" "$said" "from an earlier run"
mv "$TMP/kjv-chain.safetensors" "$TMP/gone"
sed 's/^models: .*/models: {kjv: {file: kjv-chain.safetensors, prompt: {random: 4, seed: 1}}, c: {generator: chain, vocab: 20, hidden: 8, layers: 1, prompt: {random: 2, seed: 1}}}/' "$TMP/t.yaml" >"$TMP/t3.yaml"
mv "$TMP/gone" "$TMP/kjv-chain.safetensors"
check "two models" q run "$TMP/t3.yaml" -o "$TMP/t3.h5" -q
head -c 1000 "$TMP/kjv-chain.safetensors" >"$TMP/cut" && mv "$TMP/cut" "$TMP/kjv-chain.safetensors"
before=$(sha256sum <"$TMP/t3.h5")
refused "a model that cannot be read any more" "2 finished cells (first kjv/reference/greedy) would be dropped: neither its model nor its inputs could be had" \
    q run "$TMP/t3.yaml" -o "$TMP/t3.h5" --resume --set models.c.seed=3
same "the file is as it was" "$(sha256sum <"$TMP/t3.h5")" "$before"

# ---- shards of a run that was killed ----
rm -f "$TMP"/wait.* "$TMP"/w.h5
start "$QINSBENCH" run "$TMP/w.yaml" --codec "$TMP/planted.so" -o "$TMP/w.h5" -j 1 >"$TMP/log" 2>&1
await "the first slow cell waits" reached
kill -9 $pid
wait $pid 2>/dev/null
await "the workers die with their parent" gone $pid
shards=$(ls "$TMP"/w.h5.shards/*.h5 | wc -l)
check "a killed run leaves finished cells" test "$shards" -gt 0
touch "$TMP/wait.go"
refused "a new run does not drop them" "$shards finished cell" slow
same "they are there" "$(ls "$TMP"/w.h5.shards/*.h5 | wc -l)" "$shards"
has "a resumed one takes them" "$(slow --resume)" "($shards from an earlier run"

# ---- requests without effect ----
noted "a codec that no variant uses" "note: plugin $TMP/planted.so: no variant of the suite uses the codec 'planted'" \
    q run "$TMP/s.yaml" --codec "$TMP/planted.so" -o "$TMP/unused.h5" --only 'b/fp32/memory'
noted "a codec that no variant uses, by a relative path" "no variant of the suite uses the codec 'planted'" \
    q run "$TMP/s.yaml" --codec "$(realpath --relative-to . "$TMP/planted.so")" -o "$TMP/unused.h5" --only 'b/fp32/memory' --force
noted "--conformance of a suite" "note: --conformance says nothing about a suite" q inspect "$TMP/s.yaml" --conformance
noted "--only of a model" "note: --only says nothing about a model" q inspect "$ROOT/data/models/kjv-chain.safetensors" --only x
noted "--codec of list metrics" "note: --codec says nothing about metrics" q list metrics --codec "$TMP/planted.so"
refused "--set of generator keys on no generated model" "the suite has no generated model" q run "$TMP/t.yaml" --set 'models.*.seed=7' -o "$TMP/none.h5"
finish
