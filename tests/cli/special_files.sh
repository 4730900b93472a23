#!/bin/bash
# A FIFO, a device or a folder where a file is due: exit 2 at once with the kind found, from every reader of files.
. "$(dirname "$0")/lib.sh"

mkfifo "$TMP/fifo"
for suffix in h5 json yaml so safetensors gguf txt dat; do ln -s fifo "$TMP/f.$suffix"; done
ln -s /dev/zero "$TMP/zero.so"
mkdir "$TMP/folder.yaml"
cp -r data/models/tiny-llama "$TMP/hf"
model=$TMP/hf heldout=$ROOT/data/corpus/tiny.heldout

# found WORDS COMMAND...: it ends at once and says so.
found() {
    local words=$1 output code
    shift
    output=$(timeout -s KILL 60 "$QINSBENCH" "$@" 2>&1 >"$TMP/out" </dev/null)
    code=$?
    if [ $code = 2 ] && [[ "$output" == *"$words, expected a file"* ]]; then
        pass "$1: $words"
    else
        fail "$*: exit $code" "expected: $words, expected a file" "$output"
    fi
}
# suite MODEL CORPUS
suite() {
    cat >"$TMP/s.yaml" <<Y
name: special
models:
  m: {file: "$1"}
variants: [fp32]
experiments:
  kl: {corpus: $2, context: 16, chunks: 2, score: half}
Y
}

found "folder.yaml: is a folder" run "$TMP/folder.yaml"
found "f.yaml: is a FIFO" run "$TMP/f.yaml"
found "f.yaml: is a FIFO" inspect "$TMP/f.yaml"
echo x | timeout 60 "$QINSBENCH" run /dev/stdin >"$TMP/out" 2>&1
has "a suite from a pipe is refused, too" "$(cat "$TMP/out")" "/dev/stdin: is a FIFO, expected a file"
suite "$TMP/f.safetensors" "$heldout"
found "f.safetensors: is a FIFO" run "$TMP/s.yaml" -o "$TMP/r.h5"
suite "$model" "$TMP/f.txt"
found "f.txt: is a FIFO" run "$TMP/s.yaml" -o "$TMP/r.h5"
suite "$model" "{base: $TMP/f.dat}"
found "f.dat: is a FIFO" run "$TMP/s.yaml" -o "$TMP/r.h5"

for command in show claims inspect "report -o $TMP/rep" "compare $TMP/f.h5" "gate --baseline data/baselines/gate.json"; do
    # shellcheck disable=SC2086
    found "f.h5: is a FIFO" $command "$TMP/f.h5"
done

for suffix in safetensors gguf; do found "f.$suffix: is a FIFO" inspect "$TMP/f.$suffix"; done
found "fifo: is a FIFO" inspect "$TMP/f.so" # a plugin is named by its place
found "fifo: is a FIFO" list codecs --codec "$TMP/f.so"
found "/dev/zero: is a device" list codecs --codec "$TMP/zero.so"
found "f.txt: is a FIFO" tokenize "$model" --file "$TMP/f.txt"
found "f.txt: is a FIFO" generate "$model" --file "$TMP/f.txt"
found "f.txt: is a FIFO" logits "$model" --tokens "$TMP/f.txt" -o "$TMP/l.h5"
found "f.txt: is a FIFO" kl-base "$model" --text "$TMP/f.txt" -o "$TMP/l.dat"

# A file inside a model's folder.
for name in config.json tokenizer.json tokenizer_config.json generation_config.json chat_template.jinja model.safetensors; do
    [ ! -e "$TMP/hf/$name" ] || mv "$TMP/hf/$name" "$TMP/kept"
    mkfifo "$TMP/hf/$name"
    found "$name: is a FIFO" generate "$model" --prompt "Once upon a time" --steps 2
    rm "$TMP/hf/$name"
    [ ! -e "$TMP/kept" ] || mv "$TMP/kept" "$TMP/hf/$name"
done
mv "$TMP/hf/model.safetensors" "$TMP/kept.safetensors"
echo '{"weight_map": {"model.embed_tokens.weight": "shard.safetensors"}}' >"$TMP/hf/model.safetensors.index.json"
mkfifo "$TMP/hf/shard.safetensors"
found "shard.safetensors: is a FIFO" inspect "$model"

cat >"$TMP/small.yaml" <<Y
name: small
models:
  tiny: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: model}}
variants: [fp32]
experiments:
  greedy: {steps: 4}
Y
"$QINSBENCH" run "$TMP/small.yaml" -q -o "$TMP/good.h5" || fail "the small suite runs"
found "f.json: is a FIFO" gate "$TMP/good.h5" --baseline "$TMP/f.json"
found "f.yaml: is a FIFO" gate "$TMP/good.h5" --baseline "$TMP/good.h5" --rules "$TMP/f.yaml"
found "f.h5: is a FIFO" compare "$TMP/good.h5" "$TMP/f.h5"
finish
