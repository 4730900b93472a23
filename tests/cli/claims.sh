#!/bin/bash
# claims and report end to end on a small run: exit codes, and planted faults that must turn them red.
set -u
cd "$(dirname "$0")/../.." || exit 2
Q=${QINSBENCH:-$PWD/${BUILD:-build}/qinsbench}
export QINSBENCH_DATA=${QINSBENCH_DATA:-$PWD/data}
T=$(mktemp -d) || exit 2
trap 'rm -rf "$T"' EXIT
failures=0

check() { # what, expected exit code, pattern in stdout or stderr ("" for none), command...
    local what=$1 due=$2 pattern=$3 code
    shift 3
    "$@" >"$T/out" 2>&1
    code=$?
    if [ $code -ne "$due" ] || { [ -n "$pattern" ] && ! grep -q -- "$pattern" "$T/out"; }; then
        echo "FAIL $what: exit $code (due $due), looked for '$pattern' in:"
        sed 's/^/    /' "$T/out" | head -n 40
        failures=$((failures + 1))
    fi
}

cat >"$T/tiny.yaml" <<YAML
name: tiny
models:
  tiny: {generator: chain, vocab: 64, hidden: 16, layers: 2, seed: 42, prompt: {random: 8, seed: 123}, corpus: {greedy: 20}}
variants: [fp32, pattern-a, int8-tensor]
experiments: {greedy: {steps: 40}, memory: {}}
YAML
"$Q" run "$T/tiny.yaml" -o "$T/r.h5" >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
rate=$("$Q" show "$T/r.h5" --output csv | tr -d '\r' | awk -F, '$2 == "pattern-a" && $4 == "match_rate" {printf "%.2f", $5}')
[ -n "$rate" ] || { echo "FAIL: no match_rate in show's CSV"; exit 1; }

ledger() { # print, control's op, model of the second claim
    mkdir -p "$T/ledger"
    cat >"$T/ledger/paper.yaml" <<YAML
document: paper.md
title: A paper
protocol:
  tiny: {vocab: 64, seed: 42, prompt: {random: 8, seed: 123}}
conclusions:
  it-works:
    says: it works
    controls:
      self: {cell: tiny/fp32/greedy/match_rate, format: "%.0f%%", op: "$2", value: 99}
    no: FP32 matches itself only {self}.
    yes: FP32 matches itself {self}.
claims:
  - {id: match, place: Results, lines: 3, what: match, quote: "x", says: it matches, published: "$1%",
     cell: tiny/pattern-a/greedy/match_rate, format: "%.2f%%", expect: "$1%", n: 40, reproduces: yes, conclusion: it-works}
  - {id: bytes, place: Results, lines: 4, what: bytes, quote: "x", says: bytes, published: "many",
     cell: $3/fp32/memory/weight_bytes, format: "%.0f", expect: {above: 1}, any_seed: true, reproduces: yes}
YAML
}
claims() {
    "$Q" claims "$T/r.h5" --claims "$T/ledger" "$@"
}

ledger "$rate" ">=" tiny
check "a ledger that holds" 0 "reproduced" claims
check "the control decides" 0 'yes: "it works" FP32 matches itself 100%' claims
check "JSON" 0 '"verdict": "reproduced"' claims --output json
check "CSV" 0 "^match,paper.md,Results,3,match,x,tiny/pattern-a/greedy/match_rate,$rate%,$rate%," claims --output csv
check "Markdown" 0 "| Results | 3 | match | $rate% | $rate% | reproduced | yes \\\\\[1\\\\\] |" claims --output markdown
ledger "$rate" "<" tiny
check "a control that comes out otherwise flips the conclusion" 0 'no: "it works" FP32 matches itself only 100%' claims
ledger 99.99 ">=" tiny
check "a wrong number exits 1 and is named" 1 "claim match (match) should reproduce: published 99.99%, measured $rate%" claims
ledger "$rate" ">=" elsewhere
check "a missing cell exits 1" 1 "elsewhere/fp32/memory/weight_bytes was not run" claims
check "unless it may be missing" 0 "not run" claims --allow-missing
# The first file has the model, the second the cell.
"$Q" run "$T/tiny.yaml" -o "$T/rest.h5" --only '*/fp32/memory' >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
"$Q" run "$T/tiny.yaml" -o "$T/part.h5" --only '*/*/greedy' >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
ledger "$rate" ">=" tiny
check "without the second file its cell is missing" 1 "tiny/fp32/memory/weight_bytes was not run" \
    "$Q" claims "$T/part.h5" --claims "$T/ledger"
check "a cell of the second file" 0 "2 reproduced" "$Q" claims "$T/part.h5" "$T/rest.h5" --claims "$T/ledger"
sed -i 's/any_seed: true/elsewhere: with rest.h5, &/' "$T/ledger/paper.yaml"
check "or it is elsewhere" 0 "1 not measurable here, 0 not run" "$Q" claims "$T/part.h5" --claims "$T/ledger"
check "and found there" 0 "2 reproduced" "$Q" claims "$T/part.h5" "$T/rest.h5" --claims "$T/ledger"
sed -i 's,cell: tiny/fp32/memory/weight_bytes,&\, over: tiny/fp32/greedy/match_rate,' "$T/ledger/paper.yaml"
"$Q" run "$T/tiny.yaml" -o "$T/rest.h5" --force --only '*/fp32/memory' --set models.tiny.seed=7 >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
check "cells of two models are not one number" 1 "are of two models" \
    "$Q" claims "$T/part.h5" "$T/rest.h5" --claims "$T/ledger"
ledger 99.99 ">=" tiny
"$Q" run "$T/tiny.yaml" -o "$T/r.h5" --force --set models.tiny.seed=7 >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
check "another seed is set aside" 0 "another seed" claims
"$Q" run "$T/tiny.yaml" -o "$T/r.h5" --force --set models.tiny.prompt.seed=5 >"$T/out" 2>&1 || { cat "$T/out"; exit 1; }
check "another prompt is set aside" 0 "another prompt" claims
check "no such ledger" 2 "nowhere" "$Q" claims "$T/r.h5" --claims "$T/nowhere"
sed -i 's/published/publishd/' "$T/ledger/paper.yaml"
check "a wrong key" 2 "paper.yaml:1[0-9]: .*publishd" claims
check "no result" 2 "expected 1 to 16 result files" "$Q" claims
check "no such result" 2 "none.h5" "$Q" claims "$T/none.h5"
check "a wrong format" 2 "console, json, csv or markdown" "$Q" claims "$T/r.h5" --output yaml

check "one figure" 0 "^match  *$T/rep/figures/match" "$Q" report "$T/r.h5" -o "$T/rep" --only match --figures svg
[ -s "$T/rep/figures/match.svg" ] || { echo "FAIL: no match.svg"; failures=$((failures + 1)); }
rm -f "$T/rep/figures/match.svg"
check "its script draws again" 0 "" env -C "$T/rep/figures" gnuplot match.gp
[ -s "$T/rep/figures/match.svg" ] || { echo "FAIL: match.gp drew nothing"; failures=$((failures + 1)); }
check "a figure without its cells" 2 "no speed cell was run" "$Q" report "$T/r.h5" -o "$T/rep" --only speed
check "no such figure" 2 "there are controlled" "$Q" report "$T/r.h5" -o "$T/rep" --only mach
check "no folder" 2 "expected one result file and -o DIR" "$Q" report "$T/r.h5"
[ $failures -eq 0 ] && echo "claims: all checks passed"
exit $((failures > 0))
