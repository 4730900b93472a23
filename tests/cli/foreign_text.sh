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
both "inspect what is no model" text 2 inspect "$TMP/m.safetensors"
same "a tensor is one line" "$(sed '/^1 tensors/,$d' "$TMP/out" | grep -c .)" 1
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

# ---- a message is a line, whatever it quotes ----
both "a command of two lines" text 2 $'x\n::error::forged'
same "is one message" "$(cat "$TMP/err")" "qinsbench: no command 'x ::error::forged' (qinsbench --help lists them)"
both "an option of two lines" text 2 show $'--x\nwarning: forged'
same "is one message, too" "$(grep -c . "$TMP/err")" 1

# ---- commands that are shown can be copied ----
wd=$TMP/it\'s' $(touch pwned);`touch pwned`'
mkdir "$wd"
cp "$TMP/s.yaml" "$wd/a b.yaml"
for name in 'r.h5' '$HOME ~ "x".h5' $'\e]0;x\a\xff\n\'\\.h5'; do
    (cd "$wd" && "$QINSBENCH" run 'a b.yaml' --codec ../foreign.so --only '*/fp32/memory' -o "$name" 2>"$TMP/err")
    shown=$(sed -n 's/.*what marks mean: \(qinsbench show .*\))$/\1/p' "$TMP/err")
    same "the command that is shown names the file" "$(cd "$TMP" && eval "printf %s ${shown#qinsbench show }" && echo .)" "$name."
    "$QINSBENCH" inspect "$wd/$name" >"$TMP/out"
    line=$(sed -n 's/^  command *qinsbench //p' "$TMP/out")
    same "so does the command line of the result" "$(eval "set -- $line" && printf '%s|' "$@" && echo .)" \
        "run|a b.yaml|--codec|../foreign.so|--only|*/fp32/memory|-o|$name|."
done
(cd "$TMP" && "$QINSBENCH" new-codec mine -o "it's; touch pwned" 2>"$TMP/err")
same "the next command of new-codec" "$(cd "$TMP" && eval "printf '%s|' $(sed -n 's/.*next: //p' "$TMP/err")")" "make|-C|it's; touch pwned|test|"
same "nothing of a name ran" "$(find "$TMP" . -maxdepth 2 -name pwned)" ""

# ---- what a model says: its token for a comma is ESC's, and the other way round ----
mkdir "$TMP/speaker"
cp "$ROOT/data/models/kjv-transformer.safetensors" "$TMP/speaker/m.safetensors"
esc=$(grep -o '"\xc4\x9b":[0-9]*' "$ROOT/data/models/kjv.tokenizer.json" | cut -d : -f 2)
comma=$(grep -o '",":[0-9]*' "$ROOT/data/models/kjv.tokenizer.json" | cut -d : -f 2)
sed $'s/"\xc4\x9b":'"$esc/\"other\":$esc/; s/\",\":$comma/"$'"\xc4\x9b":'"$comma/; s/\"other\":/\",\":/" \
    "$ROOT/data/models/kjv.tokenizer.json" >"$TMP/speaker/kjv.tokenizer.json"
both "generate" text 0 generate "$TMP/speaker/m.safetensors" -p 'In the beginning' --steps 20
has "says it in ASCII, to a file too" "$(cat "$TMP/out")" 'of the world\x1b and'
both "chat" text 0 chat "$TMP/speaker/m.safetensors" --temperature 0 --steps 20 < <(printf 'In the \e]0;x\a beginning\n/e\e[31m\n/quit\n')
has "likewise" "$(cat "$TMP/out")" '\x1b'
both "tokenize" text 0 tokenize "$TMP/speaker/m.safetensors" $'\e[31m\u202e\xff'
both "tokenize, JSON" json 0 tokenize "$TMP/speaker/m.safetensors" $'\e[31m\u202e\xff' --output json
both "convert" text 0 convert "$TMP/speaker/m.safetensors" --codec "$C" -o "$TMP/$odd.safetensors"
both "inspect what it wrote" text 0 inspect "$TMP/$odd.safetensors" --codec "$C"
both "logits of no such file" text 2 logits "$TMP/speaker/m.safetensors" --tokens "$TMP/$odd" -o "$TMP/l.h5"
both "kl-base of no such text" text 2 kl-base "$TMP/speaker/m.safetensors" --corpus "$TMP/$odd" -o "$TMP/l"
both "bench of a codec" csv 0 bench --codec "$C" --only foreign --repeats 3 --isa portable --output csv

# ---- what is no text, and what ends the program ----
printf '\0\0\200?' >"$TMP/one"
said=$(script -qec "'$QINSBENCH' codec fp32 --encode --rows 1 --cols 1 <'$TMP/one'; echo \$?" /dev/null | tr -d '\r')
same "bytes do not go to a terminal" "$said" "qinsbench: codec fp32: stdout is a terminal, and what comes is no text: send it to a file or a pipe
2"
mkfifo "$TMP/questions"
cp "$ROOT/data/models/kjv-chain.safetensors" "$TMP/$odd.safetensors"
cp "$ROOT/data/models/kjv.tokenizer.json" "$TMP"
waits() { grep -q 'are written plainly' "$TMP/err" || gone "$pid"; }
exec 3<>"$TMP/questions"
setsid "$QINSBENCH" chat "$TMP/$odd.safetensors" <"$TMP/questions" >"$TMP/out" 2>"$TMP/err" 3>&- &
pid=$!
await "a chat waits" waits
truncate -s 4096 "$TMP/$odd.safetensors"
printf 'In the beginning\n/quit\n' >&3
wait $pid
same "a model that was cut: exit 2" $? 2
has "it is named" "$(cat "$TMP/err")" 'no\x1b[31m such\xff\012file.safetensors: the file became shorter'
check "as text" "$TMP/valid" text "$TMP/err"
finish
