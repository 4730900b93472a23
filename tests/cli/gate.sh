#!/bin/bash
# gate, baseline and compare on small models: every red reason through the files, exit codes, reports, the same twice.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: gate-test
models:
  tiny: {generator: transformer, vocab: 200, hidden: 64, layers: 2, prompt: {random: 10, seed: model}, corpus: {greedy: 120}}
variants: [fp32, pattern-a, int8-tensor]
experiments:
  roundtrip: {rows: 16, cols: 32}
  teacher-forced: {context: 20, chunks: 6}
  memory: {}
limits: {seconds: 600}
Y
run() { # OUT [options]: a run of the suite
    local out=$1
    shift
    "$QINSBENCH" run "$TMP/s.yaml" -q -o "$TMP/$out" "$@" 2>/dev/null
}
gate() { "$QINSBENCH" gate "$@" 2>&1; }
# verdict NAME CODE PART COMMAND...: the exit code and what is said
verdict() {
    local name=$1 code=$2 part=$3 output found
    shift 3
    output=$("$@" 2>&1)
    found=$?
    same "$name: exit $code" $found "$code"
    has "$name: says why" "$output" "$part"
}
# rows FILE VERDICT: how many rows of a JSON report have it
rows() { grep -c "\"verdict\": \"$2\"" "$1"; }

run a.h5 -j 1 && run b.h5 -j 2 --threads 2
B=$TMP/b.json
check "baseline accept" "$QINSBENCH" baseline accept "$TMP/a.h5" -o "$B"

# ---- the same again: all pass, every difference 0, whatever -j and threads ----
for base in "$TMP/a.h5" "$B"; do
    verdict "a run against itself (${base##*.})" 0 "0 fail, 0 inconclusive, 0 new" gate "$TMP/a.h5" -b "$base"
    gate "$TMP/a.h5" -b "$base" --output json >"$TMP/self.json"
    same "every difference is exactly 0" "$(grep -o '"worse": [^,]*' "$TMP/self.json" | sort | uniq -c | awk '{print $3}' | xargs)" "0 null"
    same "all pass" "$(rows "$TMP/self.json" pass)" "$(grep '"model"' "$TMP/self.json" | grep -vc '"metric": "rule"')"
    gate "$TMP/b.h5" -b "$base" --output json >"$TMP/again.json"
    check "over -j and --threads the same answer" cmp "$TMP/self.json" "$TMP/again.json"
done
"$QINSBENCH" baseline accept "$TMP/b.h5" -o "$TMP/b2.json" >/dev/null
check "and the same baseline" diff <(grep -v '"machine"\|"digest"' "$B") <(grep -v '"machine"\|"digest"' "$TMP/b2.json")
same "accepting again moves nothing" "$("$QINSBENCH" baseline accept "$TMP/a.h5" -o "$B")" "$B: 0 moved, 9 cells"
has "baseline show" "$("$QINSBENCH" baseline show "$B")" "kl_mean"

# ---- red, each for its reason ----
run part.h5 --only '*/pattern-a'
verdict "a missing cell" 1 "cell missing from the result" gate "$TMP/part.h5" -b "$B"
gate "$TMP/part.h5" -b "$B" --output csv >"$TMP/all.csv"
gate "$TMP/part.h5" -b "$B" --output csv --failed >"$TMP/failed.csv"
same "--failed prints what failed or stayed open alone" "$(cut -d, -f5 "$TMP/failed.csv" | tr -d '\r' | sort -u | grep -vx inconclusive | xargs)" "fail verdict"
same "and all of it" "$(wc -l <"$TMP/failed.csv")" "$(grep -c ',fail,\|,inconclusive,\|,verdict,' "$TMP/all.csv")"
same "its counts are of all" "$(gate "$TMP/part.h5" -b "$B" --failed | tail -n 1)" "$(gate "$TMP/part.h5" -b "$B" | tail -n 1)"
has "--failed as Markdown" "$(gate "$TMP/part.h5" -b "$B" --failed --output markdown)" "| fail | tiny | "
same "which folds no passed rows away" "$(gate "$TMP/part.h5" -b "$B" --failed --output markdown | grep -c '<details>')" 0
verdict "--only leaves it out" 0 "0 fail" gate "$TMP/part.h5" -b "$B" --only '*/pattern-a'
"$QINSBENCH" baseline accept "$TMP/part.h5" -o "$TMP/part.json" >/dev/null
verdict "a new cell" 0 "new " gate "$TMP/a.h5" -b "$TMP/part.json"
run seed.h5 --set models.tiny.seed=7
verdict "another model" 1 "model changed (hash " gate "$TMP/seed.h5" -b "$B"
run prompt.h5 --set models.tiny.prompt.random=11
verdict "a swapped prompt" 1 "inputs changed (hash " gate "$TMP/prompt.h5" -b "$B" --only '*/*/teacher-forced'
verdict "fresh inputs by flag" 4 "0 fail" gate "$TMP/prompt.h5" -b "$B" --only '*/*/teacher-forced' --fresh-inputs
verdict "open is no failure when allowed" 0 "0 fail" gate "$TMP/prompt.h5" -b "$B" --only '*/*/teacher-forced' --fresh-inputs --allow-inconclusive
run options.h5 --set experiments.roundtrip.rows=17
verdict "another option" 1 "experiment options changed: 'rows=16 cols=32' -> 'rows=17 cols=32'" gate "$TMP/options.h5" -b "$B"
mine() { # DEFINITION OUT: a variant of one's own
    sed "s/pattern-a, int8/{name: mine, $1, path: decode, placement: [\"attn.*\", \"mlp.*\"]}, int8/" "$TMP/s.yaml" >"$TMP/v.yaml"
    "$QINSBENCH" run "$TMP/v.yaml" -q -o "$2" 2>/dev/null
}
mine "codec: qins8" "$TMP/mine.h5"
"$QINSBENCH" baseline accept "$TMP/mine.h5" -o "$TMP/mine.json" >/dev/null
mine "codec: int8, options: {scope: row}" "$TMP/v.h5"
verdict "another variant under the old name" 1 "variant definition changed" gate "$TMP/v.h5" -b "$TMP/mine.json"
verdict "too little data" 4 "too little data: one cluster, 5 are needed" gate "$TMP/prompt.h5" -b "$B" --fresh-inputs --only '*/*/teacher-forced'

# ---- a model with text: fresh chunks, tested unpaired ----
cat >"$TMP/k.yaml" <<'Y'
name: text
models: {kjv: {file: data/models/kjv-transformer.safetensors}}
variants: [fp32, pattern-a]
experiments: {teacher-forced: {corpus: data/corpus/kjv.heldout, context: 32, chunks: 12}}
Y
"$QINSBENCH" run "$TMP/k.yaml" -q -o "$TMP/k.h5" 2>/dev/null
"$QINSBENCH" run "$TMP/k.yaml" -q -o "$TMP/k2.h5" --set experiments.teacher-forced.offset=40 2>/dev/null
verdict "other text" 1 "inputs changed (hash " gate "$TMP/k2.h5" -b "$TMP/k.h5"
verdict "other text, fresh: nothing red" 0 "0 fail" gate "$TMP/k2.h5" -b "$TMP/k.h5" --fresh-inputs --allow-inconclusive
has "the tests are counted, their detectable effect printed" "$(gate "$TMP/k2.h5" -b "$TMP/k.h5" --fresh-inputs)" "finds "
has "compare says that it is unpaired" "$("$QINSBENCH" compare "$TMP/k.h5" "$TMP/k2.h5" --metric kl_mean)" "unpaired: the inputs differ"

# ---- a baseline that was touched ----
digit=$(sed -n '0,/"sum": \[[0-9]/s/.*"sum": \[\([0-9]*\).*/\1/p' "$B" | head -n 1)
sed "0,/\"sum\": \[$digit/s//\"sum\": [1$digit/" "$B" >"$TMP/edited.json"
if cmp -s "$B" "$TMP/edited.json"; then fail "the edit changed something"; else pass "the edit changed something"; fi
verdict "an edited number" 1 "was edited: its digest" gate "$TMP/a.h5" -b "$TMP/edited.json"
verdict "show says it too" 1 "was edited" "$QINSBENCH" baseline show "$TMP/edited.json"
grep -v '"digest"' "$B" | sed 'N;$!P;$!D;s/],\n}/]\n}/' >"$TMP/nodigest.json"
verdict "no digest" 1 "was edited" gate "$TMP/a.h5" -b "$TMP/nodigest.json"
head -c 300 "$B" >"$TMP/cut.json"
verdict "a cut file" 2 "no JSON" gate "$TMP/a.h5" -b "$TMP/cut.json"
sed 's/"version": 1,$/"version": 9,/' "$B" >"$TMP/version.json"
verdict "a later version" 2 "version: expected 1" gate "$TMP/a.h5" -b "$TMP/version.json"
verdict "no such baseline" 2 "gone.json" gate "$TMP/a.h5" -b "$TMP/gone.json"

# ---- accepting what no baseline should rest on ----
if build_planted; then
    sed 's/variants: .*/variants: [fp32, {name: planted, codec: planted, path: decode, placement: ["attn.*", "mlp.*"]}]/' "$TMP/s.yaml" >"$TMP/p.yaml"
    "$QINSBENCH" run "$TMP/p.yaml" --codec "$TMP/planted.so" -q -o "$TMP/good.h5" 2>/dev/null
    sed 's/codec: planted,/codec: planted, options: {fault: nan},/' "$TMP/p.yaml" >"$TMP/nan.yaml"
    "$QINSBENCH" run "$TMP/nan.yaml" --codec "$TMP/planted.so" -q -o "$TMP/nan.h5" 2>/dev/null
    verdict "NaN" 1 "cell failed: " gate "$TMP/nan.h5" -b "$TMP/good.h5"
    verdict "accept refuses a failed cell" 1 "tiny/planted/teacher-forced: " "$QINSBENCH" baseline accept "$TMP/nan.h5" -o "$TMP/nan.json"
    check "and writes nothing" test ! -e "$TMP/nan.json"
    verdict "force needs a reason" 2 "--force needs a --reason" "$QINSBENCH" baseline accept "$TMP/nan.h5" -o "$TMP/nan.json" --force
    verdict "with a reason it goes" 0 "new, " "$QINSBENCH" baseline accept "$TMP/nan.h5" -o "$TMP/nan.json" --force --reason "known fault"
    has "the reason is recorded" "$("$QINSBENCH" baseline show "$TMP/nan.json")" "accepted by force: known fault"
else
    echo "# SKIP no compiler for the planted codec"
fi
verdict "accept over a result file by a slip" 2 "ends in .json" "$QINSBENCH" baseline accept "$TMP/a.h5" -o "$TMP/b.h5"
verdict "runs of different suites" 2 "expected" "$QINSBENCH" baseline accept "$TMP/a.h5" "$TMP/part.h5" -o "$TMP/x.json"

# ---- reports ----
gate "$TMP/seed.h5" -b "$B" --junit "$TMP/g.xml" --markdown "$TMP/g.md" >"$TMP/g.txt"
if command -v xmllint >/dev/null; then
    check "JUnit is XML" xmllint --noout "$TMP/g.xml"
elif command -v python3 >/dev/null; then
    check "JUnit is XML" python3 -c 'import sys, xml.etree.ElementTree as e; e.parse(sys.argv[1])' "$TMP/g.xml"
else
    echo "# SKIP nothing here parses XML"
fi
same "JUnit counts its failures" "$(grep -c '<failure ' "$TMP/g.xml")" "$(sed -n 's/^<testsuites.* failures="\([0-9]*\)".*/\1/p' "$TMP/g.xml")"
same "and its tests" "$(grep -c '<testcase ' "$TMP/g.xml")" "$(sed -n 's/^<testsuites.* tests="\([0-9]*\)".*/\1/p' "$TMP/g.xml")"
has "Markdown begins with the counts" "$(head -n 1 "$TMP/g.md")" "**Gate: "
gate "$TMP/seed.h5" -b "$B" --junit "$TMP/h.xml" --markdown "$TMP/h.md" >"$TMP/h.txt"
for e in xml md txt; do check "the same $e twice" cmp "$TMP/g.$e" "$TMP/h.$e"; done
same "CSV has one width" "$(gate "$TMP/a.h5" -b "$B" --output csv | awk -F, 'NR==1{print NF}')" "22"
verdict "a folder that is not there" 2 "gone" gate "$TMP/a.h5" -b "$B" --junit "$TMP/gone/g.xml"

# ---- usage ----
verdict "no baseline" 2 "expected --baseline FILE" gate "$TMP/a.h5"
verdict "--alpha out of range" 2 "--alpha: expected a number in" gate "$TMP/a.h5" -b "$B" --alpha 2
verdict "--only of nothing" 2 "no model matches 'none'" gate "$TMP/a.h5" -b "$B" --only 'none'
printf 'rules:\n  - {metric: kl_mean, test: exactly}\n' >"$TMP/bad.yaml"
verdict "a bad rule" 2 "bad.yaml:2: key 'test': expected non-inferiority" gate "$TMP/a.h5" -b "$B" --rules "$TMP/bad.yaml"

# ---- compare ----
out=$("$QINSBENCH" compare "$TMP/a.h5" "$TMP/b.h5" --output csv)
same "compare: equal runs differ by 0" "$(printf '%s\n' "$out" | grep ',kl_mean,' | cut -d, -f9 | sort -u)" 0
verdict "compare --changed of equal runs" 0 "metrics that are equal in both" "$QINSBENCH" compare "$TMP/a.h5" "$TMP/b.h5" --changed --metric kl_mean --metric top1_agreement
"$QINSBENCH" compare "$TMP/a.h5" --variants pattern-a,int8-tensor --output csv >"$TMP/c.csv" 2>/dev/null
"$QINSBENCH" compare "$TMP/a.h5" --variants pattern-a,int8-tensor --output csv --changed >"$TMP/changed.csv" 2>/dev/null
same "--changed keeps what differs, as it was" "$(cat "$TMP/changed.csv")" "$(awk -F, '$7 != $8' "$TMP/c.csv")"
check "and something was equal" test "$(wc -l <"$TMP/changed.csv")" -lt "$(wc -l <"$TMP/c.csv")"
out=$("$QINSBENCH" compare "$TMP/a.h5" --variants pattern-a,int8-tensor --metric kl_mean --output markdown)
has "compare as Markdown: the arms" "$out" "    B: int8-tensor"
has "and a row" "$out" '| tiny/pattern-a/teacher-forced | kl\_mean | '
has "compare two variants: McNemar" "$("$QINSBENCH" compare "$TMP/a.h5" --variants pattern-a,int8-tensor)" "McNemar exact p"
verdict "compare without a second file" 2 "expected two result files" "$QINSBENCH" compare "$TMP/a.h5"
verdict "compare with a variant that is not there" 2 "no variant matches 'nothing'" "$QINSBENCH" compare "$TMP/a.h5" --variants pattern-a,nothing
finish
