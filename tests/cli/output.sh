#!/bin/bash
# What the program prints: stdout is data that parses, stderr is talk, --help everywhere.
. "$(dirname "$0")/lib.sh"
check "quick.yaml runs" "$QINSBENCH" run "$SUITES/quick.yaml" -o "$TMP/r.h5" -q
out=$("$QINSBENCH" run "$SUITES/quick.yaml" -o "$TMP/r2.h5" 2>/dev/null)
same "run prints nothing on stdout" "$out" ""
said=$("$QINSBENCH" run "$SUITES/quick.yaml" -o "$TMP/r2.h5" --resume 2>&1)
has "run ends with its main numbers" "$said" "teacher-forced kl_mean nat"
same "those that show has" "$(sed -n 's/^  tiny-chain\/pattern-a *\([^ ]*\).*/\1/p' <<<"$said" | head -n 1)" "$("$QINSBENCH" show "$TMP/r.h5" --only tiny-chain/pattern-a/roundtrip --metric sqnr_db | awk '$1 == "pattern-a" { print $2 }')"
has "and where all are" "$said" "qinsbench show $TMP/r2.h5)"
same "-q prints warnings alone" "$("$QINSBENCH" run "$SUITES/quick.yaml" -o "$TMP/r2.h5" -q --force 2>&1 | grep -vc '^warning')" 0
json=$("$QINSBENCH" show "$TMP/r.h5" --output json)
parse() { python3 -c 'import json,sys
rows=json.load(sys.stdin)
assert len(rows)>100
keys={"model","variant","experiment","metric","value","lo","hi","n","unit","flags","note"}
keys|={"floor","encoded_tensors","encoded_weights","encoded_bytes","unbound","otherwise","otherwise_tensors","otherwise_weights"}
for r in rows:
    assert set(r)==keys, r
    assert isinstance(r["flags"],list) and isinstance(r["n"],int)
    for k in ("lo","hi"): assert r[k] is None or isinstance(r[k],(int,float)), r
    assert r["value"] in (None,"inf","-inf","nan") or isinstance(r["value"],(int,float)), r
    assert (r["value"] is None) == bool({"absent","failed","skipped"} & set(r["flags"])), r
    assert (r["value"] == "nan") <= ("nonfinite" in r["flags"]), r
    assert (r["lo"] is None) == ("no-interval" in r["flags"]) or r["value"] is None, r'; }
if command -v python3 >/dev/null; then
    if printf '%s' "$json" | parse; then pass "JSON has the promised shape"; else fail "JSON has the promised shape"; fi
    n=$(printf '%s' "$json" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')
    m=$("$QINSBENCH" show "$TMP/r.h5" --output csv | python3 -c 'import csv,sys; r=list(csv.reader(sys.stdin)); assert len({len(x) for x in r})==1; print(len(r)-1)')
    same "CSV has the same rows" "$m" "$n"
    for what in codecs variants models families experiments metrics suites; do
        if "$QINSBENCH" list $what --output json | python3 -c 'import json,sys; assert json.load(sys.stdin)'; then pass "list $what parses"; else fail "list $what parses"; fi
        check "list $what prints" "$QINSBENCH" list $what
    done
else
    echo "# SKIP python3 is not there"
fi
kl=$("$QINSBENCH" list experiments | sed -n '/^kl$/,/^$/p')
has "list experiments: inputs" "$(tr -s ' \n' ' ' <<<"$kl")" "inputs corpus (its file, or {base: FILE}: llama.cpp's logits base file), context, chunks"
has "and every metric" "$(tr -s ' \n' ' ' <<<"$kl")" " $("$QINSBENCH" list metrics --output csv | sed -n 's/^kl,\([^,]*\),.*/\1/p' | xargs)"
has "a model file's types are told" "$("$QINSBENCH" inspect "$ROOT/data/models/kjv-chain.safetensors")" "weights: F16 x 11 (the reference"
same "CSV ends its lines with CR LF" "$("$QINSBENCH" show "$TMP/r.h5" --output csv | head -n 1 | tail -c 2 | od -An -tx1 | xargs)" "0d 0a"
same "--metric and --only choose" "$("$QINSBENCH" show "$TMP/r.h5" --output csv --only 'tiny-chain/fp32/teacher-forced' --metric kl_max | cut -d, -f1-5 | tail -n +2)" "tiny-chain,fp32,teacher-forced,kl_max,0"
same "several --metric and --only: what any of them chooses" "$("$QINSBENCH" show "$TMP/r.h5" --output csv --only 'tiny-chain/fp32/teacher-forced' --only 'tiny-chain/fp32/memory' --metric kl_max --metric weight_bits | cut -d, -f3-5 | tail -n +2)" "$(printf 'teacher-forced,kl_max,0\nmemory,weight_bits,32')"
has "each must choose something" "$("$QINSBENCH" show "$TMP/r.h5" --metric kl_max --metric kl_mxa 2>&1)" matches 'kl_mxa'
page=$("$QINSBENCH" show "$TMP/r.h5" --only 'tiny-chain/*/teacher-forced' --metric kl_max --output markdown)
has "Markdown: a heading and a table an experiment" "$page" "$(printf '### teacher-forced\n\n|  | kl\\_max nat |\n|---|--:|\n| tiny-chain/fp32 | ')"
same "what stands below is code" "$(grep -v '^|\|^$\|^###\|^    ' <<<"$page")" ""
tables=$("$QINSBENCH" show "$TMP/r.h5")
has "tables have what comes first in a report" "$tables" "kl_mean nat"
same "and not the rest" "$(grep -c 'kl_max' <<<"$tables")" 0
has "whose number is told" "$tables" " metrics of these experiments; --all shows them, --metric GLOB some"
all=$("$QINSBENCH" show "$TMP/r.h5" --all)
has "--all has it" "$all" "kl_max nat"
same "and leaves nothing out" "$(grep -c '^left out: .*--all' <<<"$all")" 0
said=$("$QINSBENCH" compare "$TMP/r.h5" "$TMP/r.h5")
same "what was not tested has no p of nan" "$(grep -c 'Holm nan\|Holm -nan' <<<"$said")" 0
width=$(COLUMNS=100 "$QINSBENCH" show "$TMP/r.h5" | awk '{ if (length > w) w = length } END { print w }')
check "no console line over 100 columns (widest $width)" test "$width" -le 100
has "degenerate runs are marked and explained" "$("$QINSBENCH" show "$TMP/r.h5")" "*         degenerate"
for command in run show list claims report inspect bench generate convert kl-base; do
    help=$("$QINSBENCH" $command --help)
    same "$command --help: exit 0" $? 0
    has "$command --help has examples" "$help" "examples:"
done
missing=""
for command in run show list claims report inspect bench generate convert kl-base; do
    grep -q "Cm $command" docs/qinsbench.1 || missing="$missing $command"
    for option in $("$QINSBENCH" $command --help | grep -o '^  [- ].*--[a-z0-9-]*' | grep -o '\-\-[a-z0-9-]*' | sort -u); do
        grep -q "[ ,]-*${option#-}\b" docs/qinsbench.1 || missing="$missing $command:$option"
    done
done
same "the man page has every command and option" "$missing" ""
"$QINSBENCH" show "$TMP/r.h5" >/dev/full 2>/dev/null
same "a full stdout: exit 2" $? 2
"$QINSBENCH" show "$TMP/r.h5" | head -n 1 >/dev/null
same "a closed pipe is no error" "${PIPESTATUS[1]}" 0
check "generate writes a model" "$QINSBENCH" generate chain --vocab 50 --hidden 16 --layers 1 -o "$TMP/m.safetensors"
has "inspect shows it" "$("$QINSBENCH" inspect "$TMP/m.safetensors")" "architecture"
for file in "$ROOT/$BUILD"/codecs/*.so; do check "inspect $(basename "$file")" "$QINSBENCH" inspect "$file"; done
cat >"$TMP/f.yaml" <<'Y'
name: f
models: {m: {file: m.safetensors, prompt: {random: 4, seed: 1}}}
variants: [fp32, int8-tensor]
experiments: {greedy: {steps: 4}}
Y
check "a generated file runs as a model" "$QINSBENCH" run "$TMP/f.yaml" -q -o "$TMP/f.h5"
before=$(ls "$TMP")
has "bench of one codec" "$("$QINSBENCH" bench --only fp16 --repeats 3 --isa portable --output csv)" "codec,fp16 decode,portable,"
same "bench leaves nothing behind" "$(ls "$TMP")" "$before"
finish
