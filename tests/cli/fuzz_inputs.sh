#!/bin/bash
# What fuzzing found once, and the seeds of the tree: replayed by the build under test (tests/fuzz, docs/fuzzing.md).
. "$(dirname "$0")/lib.sh"

replay="$BUILD/tests/fuzz/replay"

inputs() { # target file...
    local target=$1
    shift
    same "$target: $# inputs" "$(TARGET=$target "$replay" "$@" 2>&1)" "$# inputs of $target"
}
inputs yaml data/variants/*.yaml experiments/suites/*.yaml
inputs suite experiments/suites/*.yaml
inputs variant data/variants/*.yaml
inputs rules data/gate/default.yaml
inputs claims data/claims/*.yaml
inputs baseline data/baselines/gate.json
inputs config tests/golden/families/*/config.json
inputs tokenizer tests/golden/tokenizers/*
inputs chat tests/fuzz/seeds/chat/*
inputs logits tests/golden/kl_base.dat
inputs gguf tests/golden/gguf_cases.gguf
for folder in tests/fuzz/regressions/*/; do
    [ -d "$folder" ] && inputs "$(basename "$folder")" "$folder"*
done

TARGET=nothing "$replay" >"$TMP/out" 2>&1
same "an unknown target is an error" "$?" 2
same "which names those there are" "$(grep -c 'yaml suite' "$TMP/out")" 1
finish
