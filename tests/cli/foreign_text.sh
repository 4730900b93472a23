#!/bin/bash
# Texts of strangers (a plugin's, a suite's, a model's, names of files) through every command and output: each stays valid
# in its own syntax, printable UTF-8, and nothing in it would run.
. "$(dirname "$0")/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
for v in "" 2; do
    check "the foreign codec builds" ${CC:-cc} -O1 -fPIC -shared -I "$ROOT/harness/codec" -DVERSION="\"$v\"" \
        "$ROOT/tests/cli/_foreign.c" -o "$TMP/foreign$v.so"
done
check "the validator builds" ${CC:-cc} -O1 -D_GNU_SOURCE -I "$ROOT/tests" "$ROOT/tests/cli/_valid.c" -o "$TMP/valid" -ljansson
C=$TMP/foreign.so
cat >"$TMP/s.yaml" <<'Y'
name: foreign
summary: "=cmd \e[31m \u202E <script>alert(3)</script> \x9b\n|x|"
models:
  tiny: {generator: chain, vocab: 64, hidden: 16, layers: 2, prompt: {random: 8, seed: 1}, corpus: {greedy: 40}}
variants:
  - fp32
  - bf16
  - {name: sound, codec: foreign, summary: "\e]0;x\a <script> \u2067 \\input{x}", placement: ["mlp.*"]}
  - {name: refuse, codec: foreign, options: {fault: refuse}, placement: ["mlp.*"]}
  - {name: crash, codec: foreign, options: {fault: crash}, placement: ["mlp.*"]}
experiments:
  greedy: {steps: 10}
  roundtrip: {rows: 8, cols: 16}
  teacher-forced: {context: 20, chunks: 2}
  memory: {}
limits: {seconds: 60}
Y
# both NAME KIND CODE ARGUMENTS...: the exit code, stdout of that kind and stderr, if any, printable; leaves $TMP/out, err.
both() {
    local name=$1 kind=$2 code=$3
    shift 3
    "$QINSBENCH" "$@" >"$TMP/out" 2>"$TMP/err"
    same "$name: exit $code" $? "$code"
    [ ! -s "$TMP/out" ] || check "$name: stdout is valid $kind" "$TMP/valid" "$kind" "$TMP/out"
    [ ! -s "$TMP/err" ] || check "$name: stderr is printable" "$TMP/valid" text "$TMP/err"
}

# ---- a run, and what tells of it ----
both "run" text 3 run "$TMP/s.yaml" --codec "$C" -o "$TMP/r.h5" -j 2
has "the plugin's words came through" "$(cat "$TMP/err")" '\x1b]0;x\x07\xff\xe2\x80\xae\xc2\x9b'
has "a crashed worker's last line too" "$(grep crash "$TMP/err")" "it printed: =cmd"
for output in console markdown csv json; do
    kind=${output/console/text} kind=${kind/markdown/text}
    both "show $output" "$kind" 0 show "$TMP/r.h5" --output $output
    both "claims $output" "$kind" 1 claims "$TMP/r.h5" --output $output
    both "compare $output" "$kind" 0 compare "$TMP/r.h5" --variants fp32,sound --output $output
    both "list codecs $output" "$kind" 0 list codecs --codec "$C" --output $output
done
both "inspect a result" text 0 inspect "$TMP/r.h5"
both "inspect a suite" text 0 inspect "$TMP/s.yaml" --codec "$C"
both "inspect a plugin" text 0 inspect "$C"
"$QINSBENCH" inspect "$C" --conformance >"$TMP/out" 2>/dev/null # the plugin's own prints go to its author's terminal
same "the conformance suite: exit 1" $? 1
check "the conformance suite: stdout is printable" "$TMP/valid" text "$TMP/out"
h5dump "$TMP/r.h5" >"$TMP/dump" 2>/dev/null
check "the result file's texts are printable" "$TMP/valid" text "$TMP/dump"

# ---- a report ----
both "report" text 0 report "$TMP/r.h5" -o "$TMP/rep" --figures png,svg,tex
for file in "$TMP"/rep/*.html "$TMP"/rep/*.md "$TMP"/rep/tex/*.tex "$TMP"/rep/figures/*.{svg,tex,gp,dat,txt}; do
    check "${file#"$TMP"/rep/} is printable" "$TMP/valid" text "$file"
done
for file in "$TMP"/rep/tables/*.csv; do
    check "${file#"$TMP"/rep/} is valid CSV" "$TMP/valid" csv "$file"
done
for file in "$TMP"/rep/figures/*.svg; do
    check "${file#"$TMP"/rep/} is XML" xmllint --noout "$file"
    check "and its PNG was drawn" test -s "${file%svg}png"
done
same "no page holds a script of the plugin's" "$(grep -l '<script>alert' "$TMP"/rep/*.html "$TMP"/rep/*.md)" ""
same "no LaTeX reads the plugin's file" "$(grep -l '\\input{/etc' "$TMP"/rep/tex/*.tex)" ""

# ---- a gate: a baseline, another version ----
both "baseline accept" text 0 baseline accept "$TMP/r.h5" -o "$TMP/b.json" --force --reason $'=1+1 \x1b[31m\xff <b>'
check "the baseline is JSON" "$TMP/valid" json "$TMP/b.json"
both "baseline show" text 0 baseline show "$TMP/b.json"
"$QINSBENCH" run "$TMP/s.yaml" --codec "$TMP/foreign2.so" -o "$TMP/r2.h5" -q 2>/dev/null
for output in console csv json; do
    both "gate $output" "${output/console/text}" 1 gate "$TMP/r2.h5" -b "$TMP/b.json" --output $output \
        --junit "$TMP/g.xml" --markdown "$TMP/g.md"
done
has "its reason names both versions" "$(cat "$TMP/out")" '=1+1\\x1b[31m\\xff2'
check "JUnit is XML" xmllint --noout "$TMP/g.xml"
check "JUnit is printable" "$TMP/valid" text "$TMP/g.xml"
check "Markdown is printable" "$TMP/valid" text "$TMP/g.md"
same "no cell of the Markdown is split" "$(grep '^|' "$TMP/g.md" | sed 's/\\|//g' | tr -cd '|\n' | sort -u | wc -l)" 1

# ---- names: of tensors, files, options ----
header='{"a\u001b[31m\n\u202e'\''b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
{
    printf "\\x$(printf %02x ${#header})\0\0\0\0\0\0\0%s\0\0\200?" "$header"
} >"$TMP/m.safetensors"
both "inspect a model" text 0 inspect "$TMP/m.safetensors"
same "a tensor is one line" "$(grep -c . "$TMP/out")" 2
has "with its name" "$(cat "$TMP/out")" 'a\x1b[31m \xe2\x80\xae'"'b"
odd=$'no\x1b[31m such\xff\nfile'
both "a file's name" text 2 show "$TMP/$odd.h5"
both "a metric's name" text 2 show "$TMP/r.h5" --only "$odd//x"
both "an option's value" text 2 run "$TMP/s.yaml" --set "$odd"
both "an option" text 2 show "--$odd"
both "a command" text 2 "$odd"
cp "$TMP/s.yaml" "$TMP/$odd.yaml"
both "a suite of that name still opens" text 0 run "$TMP/$odd.yaml" --codec "$C" --only '*/fp32/memory' -o "$TMP/$odd.h5"
both "and so does its result" text 0 inspect "$TMP/$odd.h5"
has "whose command line says so" "$(cat "$TMP/out")" 'no\x1b[31m such\xff'
printf 'name: x\nmodels: {a\xff: 1}\n' >"$TMP/bad.yaml"
both "YAML that is no UTF-8" text 2 run "$TMP/bad.yaml"
printf 'name: "\\e[31m\\u202e"\n' >"$TMP/bad.yaml"
both "YAML whose name no terminal should see" text 2 run "$TMP/bad.yaml"
printf '{"\\u001b\\u202e": 1}' >"$TMP/bad.json"
both "a baseline with such a key" text 2 gate "$TMP/r.h5" -b "$TMP/bad.json"
finish
