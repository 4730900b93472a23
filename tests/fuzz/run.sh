#!/bin/bash
# Fuzzes each target (or those that are named) for TIME seconds (60) and prints a table; 1 when there is a finding.
# --seeds: makes the seeds alone. BUILD: the program that makes seeds (build); FUZZ: the fuzzers (build-fuzz), where
# corpora and findings are kept; PROGRAM: which fuzzer (fuzz, or planted).
set -u
cd "$(dirname "$0")/../.." || exit 2
BUILD=${BUILD:-build} FUZZ=${FUZZ:-build-fuzz} TIME=${TIME:-60} PROGRAM=${PROGRAM:-fuzz}

put() { # target file...: they are seeds of it
    local target=$1 file
    shift
    mkdir -p "$FUZZ/corpus/$target"
    for file in "$@"; do
        cp "$file" "$FUZZ/corpus/$target/$(cksum <"$file" | tr ' ' '-')"
    done
}

own() { # the program with its own plugins; says what it says only where it fails
    local said
    said=$(env -u QINSBENCH_CODECS "$BUILD/qinsbench" "$@" 2>&1) || { echo "$said" >&2 && return 1; }
}

results() { # folder: what the program writes, as seeds
    local to=$1
    own make-model chain --vocab 20 --hidden 8 --layers 1 -o "$to/m.safetensors" &&
        own convert "$to/m.safetensors" --codec int8 -o "$to/e.safetensors" &&
        put safetensors "$to/m.safetensors" "$to/e.safetensors" || return 1
    printf 'name: seed\nmodels:\n  m: {file: %s}\nvariants: [fp32, pattern-a]\nexperiments:\n  memory: {}\n' \
        "$to/m.safetensors" >"$to/s.yaml"
    own run "$to/s.yaml" -q -o "$to/r.h5" && tail -c +513 "$to/r.h5" >"$to/result" && put result "$to/result" &&
        own baseline accept "$to/r.h5" --reason seed -o "$to/b.json" && put baseline "$to/b.json"
}

index() { # the weight map of the small llama (tests/model_files.h), all of it in one file
    local name names="embed_tokens norm"
    for name in input_layernorm self_attn.{q,k,v,o}_proj post_attention_layernorm mlp.{gate,up,down}_proj; do
        names="$names layers.0.$name"
    done
    for name in $names; do
        printf '%s"model.%s.weight":"one.safetensors"' "${comma-}" "$name"
        local comma=,
    done
}

seeds() { # from files that are here, and small ones made now
    local tmp file i
    tmp=$(mktemp -d)
    put yaml data/variants/*.yaml experiments/suites/*.yaml data/gate/default.yaml
    put suite experiments/suites/*.yaml data/new-codec/suite.yaml
    put variant data/variants/*.yaml
    put rules data/gate/default.yaml
    put claims data/claims/*.yaml
    printf '1 2 3\n299\t0' >"$tmp/tokens" && put tokens "$tmp/tokens"
    { printf '\0' && head -n 3 data/tasks/kjv.jsonl; } >"$tmp/questions" && put questions "$tmp/questions"
    printf '\1"a ""b""?",x,y,B\r\nc,"z\n",w,A\n' >"$tmp/questions" && put questions "$tmp/questions"
    printf '\1subject,question,A,B,answer\ns,q,x,y,A\n' >"$tmp/questions" && put questions "$tmp/questions"
    put config tests/golden/families/*/config.json
    sed -n '/define LLAMA_CONFIG/,/^static/s/^ *"\(.*\)".*/\1/p' tests/model_files.h | tr -d '\\\n' >"$tmp/config" && put config "$tmp/config"
    printf '{"weight_map":{%s}}' "$(index)" >"$tmp/index" && put index "$tmp/index"
    put tokenizer tests/golden/tokenizers/*
    for i in 0 1 2 3 4 5 6 7; do
        printf "\\x0${i}In the beginning <s> caf\xc3\xa9 1234\n" >"$tmp/text" && put text "$tmp/text"
    done
    put chat tests/fuzz/seeds/chat/*
    put logits tests/golden/kl_base.dat
    put gguf tests/golden/gguf_cases.gguf tests/golden/families/{gemma,llama,phi3-long,qwen2-full,qwen3}/model.gguf
    for i in {0..24}; do
        printf "\\x$(printf %02x "$i")\x01\x09\x00\x3c\x00\x3c\x12\x34\x56\x78\x9a" >"$tmp/decode" && put decode "$tmp/decode"
    done
    results "$tmp" || echo "the program writes no seeds" >&2
    for file in tests/fuzz/regressions/*/*; do
        [ -e "$file" ] && put "$(basename "$(dirname "$file")")" "$file"
    done
    rm -rf "$tmp"
}

words() { # target: the words of what reads it, as a dictionary
    local from
    case $1 in
    yaml | suite | variant | claims | questions) from="harness/run harness/codec reports" ;;
    rules | baseline) from="harness/gate" ;;
    safetensors | gguf | config | index) from="harness/weights harness/arch" ;;
    tokenizer | text | chat) from="harness/tokenizer" ;;
    *) from="harness/store" ;;
    esac
    # shellcheck disable=SC2086
    grep -rhoE '"[A-Za-z][A-Za-z0-9_.-]{1,40}"' $from --include='*.c' | sort -u
}

[ "${1:-}" != --seeds ] || { seeds; exit; }
targets=$*
[ -n "$targets" ] || targets=$(grep -o '{"[a-z]*", fuzz_' tests/fuzz/fuzz.c | cut -d\" -f2)
export QINSBENCH_CODECS="$PWD/$FUZZ/codecs" OPENBLAS_NUM_THREADS=1 UBSAN_OPTIONS=print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:quarantine_size_mb=64:suppressions=tests/fuzz/asan.supp
mkdir -p "$FUZZ/findings"
seeds
printf '%-12s %12s %8s %8s %9s\n' target executions edges corpus findings
bad=0
for target in $targets; do
    log="$FUZZ/$target.log" artifacts="$FUZZ/findings/$PROGRAM-$target-"
    mkdir -p "$FUZZ/corpus/$target"
    words "$target" >"$FUZZ/$target.dict"
    before=$(find "$FUZZ/findings" -path "$artifacts*" | wc -l)
    TARGET=$target "$FUZZ/tests/fuzz/$PROGRAM" -max_total_time="$TIME" -timeout=25 -rss_limit_mb=512 \
        -max_len=65536 -dict="$FUZZ/$target.dict" -print_final_stats=1 -artifact_prefix="$artifacts" \
        "$FUZZ/corpus/$target" >"$log" 2>&1
    status=$?
    found=$(($(find "$FUZZ/findings" -path "$artifacts*" | wc -l) - before))
    [ $status -eq 0 ] || [ $found -gt 0 ] || found=1
    printf '%-12s %12s %8s %8s %9s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)" \
        "$(find "$FUZZ/corpus/$target" -type f | wc -l)" "$found"
    if [ $status -ne 0 ]; then
        bad=1
        grep -m 3 -E '^fuzz: |ERROR: |SUMMARY: |runtime error' "$log" | sed 's/^/    /'
        echo "    again: TARGET=$target QINSBENCH_CODECS=$FUZZ/codecs $FUZZ/tests/fuzz/$PROGRAM $artifacts*"
    fi
done
exit $bad
