#!/bin/bash
# An exact codec's SQNR is infinite, a size below 0 is absent with its reason, and FP32 compresses by exactly 1: told apart
# in every output.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: infinite
models: {m: {generator: transformer, vocab: 50, hidden: 32, layers: 1, seed: 1}}
variants: [fp32, fp16, {name: kept, codec: fp32, path: decode, placement: [attn.*, mlp.*, embed, head]}]
experiments: {roundtrip: {}, memory: {}}
Y
check "the suite runs" "$QINSBENCH" run "$TMP/s.yaml" -o "$TMP/s.h5" -q
csv() { "$QINSBENCH" show "$TMP/s.h5" --output csv --only "*/$1" --metric "$2" | tail -n +2 | cut -d, -f5-10 | tr -d '\r'; }
same "CSV: an exact SQNR is inf, and no accident" "$(csv kept/roundtrip sqnr_db | cut -d, -f1-3,5)" "inf,,,dB"
same "CSV: its flags" "$("$QINSBENCH" show "$TMP/s.h5" --output csv --only '*/kept/roundtrip' --metric sqnr_db | tail -n 1 | cut -d, -f10)" "no-interval"
same "CSV: a size below 0 is nothing" "$(csv fp16/memory published_formula_bytes)" ",,,0,bytes,\"no-interval"
same "CSV: FP32 compresses by 1" "$(csv fp32/memory compression | cut -d, -f1)" "1"
json=$("$QINSBENCH" show "$TMP/s.h5" --output json)
has "JSON: inf is a text" "$json" '"variant": "kept", "experiment": "roundtrip", "metric": "sqnr_db", "value": "inf", "lo": null'
has "JSON: absent is null and says why" "$json" '"metric": "published_formula_bytes", "value": null, "lo": null, "hi": null, "n": 0, "unit": "bytes", "flags": ["no-interval", "absent"], "note": "the source'"'"'s formula gives -'
console=$("$QINSBENCH" show "$TMP/s.h5" --all)
has "the console says inf" "$console" "inf"
has "and why a value is absent" "$console" "absent: published_formula_bytes (m/fp16): the source's formula gives -"
check "a report is written" "$QINSBENCH" report "$TMP/s.h5" -o "$TMP/rep"
has "Markdown" "$(grep 'm.kept.roundtrip.sqnr_db"' "$TMP/rep/report.md")" '</a>∞'
has "HTML" "$(cat "$TMP/rep/index.html")" '&infin;</a>'
has "HTML has a dash and the reason" "$(cat "$TMP/rep/index.html")" '&ndash;</a>'
has "LaTeX" "$(cat "$TMP"/rep/*.tex "$TMP"/rep/*/*.tex 2>/dev/null)" '{$\infty$}'
same "CSV tables of the report" "$(cat "$TMP"/rep/tables/*.csv | grep ',kept,roundtrip,sqnr_db,' | cut -d, -f6)" "inf"
check "it is accepted as a baseline" "$QINSBENCH" baseline accept "$TMP/s.h5" -o "$TMP/s.json"
has "which holds inf" "$(cat "$TMP/s.json")" '"name": "sqnr_db", "unit": "dB", "better": "higher", "value": "inf"'
has "and absent" "$(cat "$TMP/s.json")" '"name": "published_formula_bytes", "unit": "bytes", "better": "neutral", "value": null, "flags": "no-interval,absent"'
said=$("$QINSBENCH" gate "$TMP/s.h5" --baseline "$TMP/s.json")
same "a run passes against itself" $? 0
has "infinite and infinite are identical" "$said" "m/kept/roundtrip/sqnr_db: inf, baseline inf dB"
has "absent and absent agree" "$said" "no value, as in the baseline"
same "two infinite values have no difference, not one of 0" \
    "$("$QINSBENCH" compare "$TMP/s.h5" "$TMP/s.h5" --only '*/kept/*' --metric sqnr_db --output csv | sed -n 2p | cut -d, -f7-9)" "inf,inf,"
has "compare says what an infinite difference is" "$("$QINSBENCH" compare "$TMP/s.h5" --variants kept,fp16 --metric sqnr_db)" "infinite in one"
finish
