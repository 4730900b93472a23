#!/bin/bash
# make-model --like: a folder in a config's shape, the same over threads and shards, whole or not there at all; what cannot be made is refused.
. "$(dirname "$0")/lib.sh"
LIKE=$ROOT/data/models/tiny-llama
small='"num_attention_heads":4,"num_key_value_heads":2,"tie_word_embeddings":false'
shape() { echo "{\"model_type\":\"phi3\",\"vocab_size\":${1:-300},\"hidden_size\":${2:-96},\"intermediate_size\":160,\"num_hidden_layers\":${3:-4},$small}" >"$TMP/shape.json"; }
make() { # FOLDER OPTION...
    local folder=$1
    shift
    "$QINSBENCH" make-model --like "$LIKE" --shape "$TMP/shape.json" -o "$TMP/$folder" "$@" 2>&1
}
hash_of() { "$QINSBENCH" inspect "$TMP/$1" | awk '$1 == "sha256" { print $2 }'; }

shape
said=$(make one --threads 1)
same "a folder is made" $? 0
has "what it holds is said" "$said" "27 tensors, 353376 weights like those of tiny-llama, 706752 bytes in 1 file, a tokenizer of bytes"
check "over threads the same to the byte" make three --threads 3
check "in every file" diff -r "$TMP/one" "$TMP/three"
make seven --seed 7 >/dev/null
if [ -n "$(hash_of one)" ] && [ "$(hash_of one)" != "$(hash_of seven)" ]; then pass "another seed, other weights"; else fail "another seed, other weights"; fi
has "the file says what it is" "$(head -c 600 "$TMP/one/model.safetensors" | tr -d '\0')" "synthetic: weights drawn like those of tiny-llama"
has "the licence goes along, of a model that has one" "$(
    LIKE=$ROOT/data/models/kjv-transformer.safetensors
    make licensed >"$TMP/talk"
    head -c 600 "$TMP/licensed/model.safetensors" | tr -d '\0'
)" '"license":"Apache-2.0 (weights)'
same "text goes through its tokenizer" "$("$QINSBENCH" tokenize "$TMP/one" "aö" --output json | tr -d ' \n' | grep -o '"ids":\[[^]]*\]')" '"ids":[97,195,182]'
check "it speaks" "$QINSBENCH" generate "$TMP/one" --prompt ab --steps 3

# Shards: the index leads to the same weights.
shape 6000 96 2
make whole >/dev/null
make shards --shard 1 >"$TMP/talk"
has "shards are counted" "$(cat "$TMP/talk")" "in 3 files, the model's tokenizer"
same "with an index" "$(ls "$TMP/shards")" "$(printf '%s\n' config.json generation_config.json model-0000{1,2,3}-of-00003.safetensors model.safetensors.index.json tokenizer.json tokenizer_config.json)"
same "the same model" "$(hash_of shards)" "$(hash_of whole)"
check "with the trained model's tokenizer" cmp "$TMP/whole/tokenizer.json" "$LIKE/tokenizer.json"

# Shapes of other families, their biases and norms.
shape 100
has "a small vocabulary has no tokenizer" "$(make few)" "no tokenizer: one of bytes needs a vocabulary of 257 tokens"
config='"vocab_size":300,"hidden_size":96,"intermediate_size":160,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2'
echo "{\"model_type\":\"llama\",$config,\"tie_word_embeddings\":true,\"attention_bias\":true}" >"$TMP/shape.json"
has "biases that the trained model lacks are said" "$(make biased)" "tiny-llama has none of 8 of the norms and biases: these are ones and zeros"
has "a tied head is not written" "$("$QINSBENCH" inspect "$TMP/biased")" "tied_head      true"
echo "{\"model_type\":\"gemma2\",$config,\"head_dim\":24,\"tie_word_embeddings\":true}" >"$TMP/shape.json"
check "gemma2" make gemma2
check "opens" "$QINSBENCH" inspect "$TMP/gemma2"
same "the model's own shape is the default" "$("$QINSBENCH" make-model --like "$LIKE" -o "$TMP/own" 2>&1 | grep -o '[0-9][0-9]* weights')" \
    "$("$QINSBENCH" inspect "$LIKE" | grep -o '[0-9][0-9]* weights' | head -n 1)"
check "the shipped shape is read" grep -q '"num_hidden_layers": 32' "$ROOT/data/shapes/phi-3.5-mini.json"

# Nothing is overwritten, nothing is left half done.
shape
mkdir "$TMP/mine"
echo mine >"$TMP/mine/file"
refused=$(make mine)
same "a folder that is there is refused" $? 2
has "by name" "$refused" "$TMP/mine: is there already and is left alone"
same "and left alone" "$(ls "$TMP/mine"; cat "$TMP/mine/file")" "$(printf 'file\nmine')"
(ulimit -f 100; make full >"$TMP/talk")
if [ ! -e "$TMP/full" ]; then pass "a full disk leaves no folder"; else fail "a full disk leaves no folder" "$(ls "$TMP/full")"; fi
has "and is said" "$(cat "$TMP/talk")" "model.safetensors"
# Killed at any moment, the folder is whole or read by nobody. Where the work was faster than the kill, the folder is whole.
shape 3000 256 12
ended=0
for i in 1 2 3 4 5 6; do
    "$QINSBENCH" make-model --like "$LIKE" --shape "$TMP/shape.json" --shard 2 -o "$TMP/killed$i" 2>/dev/null &
    pid=$!
    parts() { set -- "$TMP/killed$i"/*.safetensors; [ $# -ge "$i" ] && [ -e "$1" ] || ! kill -0 $pid 2>/dev/null; }
    await "files" parts
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ -e "$TMP/killed$i/config.json" ] || ended=$((ended + 1))
    if "$QINSBENCH" inspect "$TMP/killed$i" >/dev/null 2>"$TMP/talk"; then opens=yes; else opens=no; fi
    if [ -e "$TMP/killed$i/config.json" ]; then whole=yes; else whole=no; fi
    same "killed after $i files: what opens is whole" $opens $whole
done
echo "# $ended of 6 were killed before they were done"

# Shapes that say too little, and flags of the other kind.
refuse() { # WORDS CONFIG
    echo "$2" >"$TMP/shape.json"
    said=$(make refused)
    same "refused: $1" $? 2
    has "in words" "$said" "$1"
    [ ! -e "$TMP/refused" ] || fail "nothing is made"
}
refuse "tie_word_embeddings is missing" "{\"model_type\":\"llama\",$config}"
refuse "intermediate_size is missing" '{"model_type":"llama","vocab_size":300,"hidden_size":96,"num_hidden_layers":2,"num_attention_heads":4,"tie_word_embeddings":true}'
refuse "vocab_size is missing" '{"model_type":"llama","hidden_size":96,"intermediate_size":160,"num_hidden_layers":2,"num_attention_heads":4,"tie_word_embeddings":true}'
refuse "model_type is 'mamba'" '{"model_type":"mamba"}'
refuse "the trained model has no weights of this role" '{"model_type":"gpt2","vocab_size":300,"n_embd":96,"n_layer":2,"n_head":4,"n_positions":64}'
refuse "num_experts is 8" "{\"model_type\":\"llama\",$config,\"tie_word_embeddings\":true,\"num_experts\":8}"
has "a shape that is not there" "$("$QINSBENCH" make-model --like "$LIKE" --shape nowhere -o "$TMP/x" 2>&1)" "--shape nowhere: expected a config.json, a folder with one, or phi-3.5-mini"
has "a model without a config needs a shape" "$("$QINSBENCH" make-model --like "$ROOT/data/models/kjv-chain.safetensors" -o "$TMP/x" 2>&1)" "has no config.json: expected --shape"
has "sizes are of generators" "$("$QINSBENCH" make-model --like "$LIKE" --vocab 9 -o "$TMP/x" 2>&1)" "--like has the sizes of --shape"
has "a shape is of --like" "$("$QINSBENCH" make-model chain --shape phi-3.5-mini -o "$TMP/x" 2>&1)" "--shape is of --like"

# A suite's optional model: left out, said, and checked all the same; there once its folder is.
suite() { # OPTIONS MODEL
    cat >"$TMP/optional.yaml" <<Y
name: optional
models:
  $2
  phi: {file: $TMP/later, optional: true$1}
variants: [int8-channel]
experiments:
  memory: {}
Y
}
cells() { "$QINSBENCH" show "$TMP/optional.h5" --metric weight_bits --output csv | cut -d, -f1,2; }
suite "" "tiny: {file: $LIKE, optional: true}"
said=$("$QINSBENCH" run "$TMP/optional.yaml" -o "$TMP/optional.h5" 2>&1)
same "a suite without its optional model runs" $? 0
has "and says so" "$said" "model 'phi' is left out: it is optional, and there is no file '$TMP/later'"
same "with the cells of the other" "$(cells | grep -c '^phi')" 0
has "inspect says so, too" "$("$QINSBENCH" inspect "$TMP/optional.yaml")" "model 'phi' is left out"
"$QINSBENCH" run "$TMP/optional.yaml" --only 'phi/*' -o "$TMP/x.h5" 2>"$TMP/talk"
same "to ask for it alone matches nothing" $? 2
cp -r "$TMP/one" "$TMP/later"
check "with the folder there, --resume" "$QINSBENCH" run "$TMP/optional.yaml" --resume -o "$TMP/optional.h5"
has "adds its cells" "$(cells)" "phi,int8-channel"
rm -r "$TMP/later"
suite ", options: {memory: {nonsense: 1}}" "tiny: {file: $LIKE}"
has "its faults are found without it" "$("$QINSBENCH" run "$TMP/optional.yaml" -o "$TMP/x.h5" 2>&1)" "nonsense"
suite "" "nobody: {file: $TMP/nowhere, optional: true}"
has "of no model a suite has no result" "$("$QINSBENCH" run "$TMP/optional.yaml" -o "$TMP/x.h5" 2>&1)" "no model is there: all are optional or not asked for, and their files are missing"
suite "" "tiny: {file: $TMP/nowhere, optional: false}"
has "an optional that is false is none" "$("$QINSBENCH" run "$TMP/optional.yaml" -o "$TMP/x.h5" 2>&1)" "no such file"
# A model that --only leaves out needs no file.
suite "" "tiny: {file: $LIKE}
  lost: {file: $TMP/nowhere}"
said=$("$QINSBENCH" run "$TMP/optional.yaml" --only tiny -o "$TMP/only.h5" 2>&1)
same "a suite runs without the file of a model that is not asked for" $? 0
has "and says so" "$said" "model 'lost' is left out: it is not asked for, and there is no file '$TMP/nowhere'"
has "inspect says so, too" "$("$QINSBENCH" inspect "$TMP/optional.yaml" --only tiny)" "model 'lost' is left out: it is not asked for"
has "asked for, it is missed" "$("$QINSBENCH" run "$TMP/optional.yaml" --only lost -o "$TMP/x.h5" 2>&1)" "no such file '$TMP/nowhere'"
has "a name that is none is no leave to lack it" "$("$QINSBENCH" run "$TMP/optional.yaml" --only nobody -o "$TMP/x.h5" 2>&1)" "no such file '$TMP/nowhere'"
suite "" "tiny: {generator: chain, optional: true}"
has "a generated model is always there" "$("$QINSBENCH" run "$TMP/optional.yaml" -o "$TMP/x.h5" 2>&1)" "this key belongs to models of files"
finish
