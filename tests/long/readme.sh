#!/bin/bash
# The README's tables and ledger lines are what runs of the suites `source` and `real` print. RESULT=R.h5, REAL=R.h5 and MINE=R.h5
# (of its first suite) check against runs that are there; --print and --print-real write the tables anew.
. "$(dirname "$0")/../cli/lib.sh"

# Rows of a real model's table, from a run of suite real.
real_table() {
    "$QINSBENCH" show "$1" --output csv | tr -d '\r' | awk -F, '
        function number(key, format) { return key in value ? sprintf(format, value[key]) : "" }
        function percent(key, format) { return cell(key, format, 1) }
        function cell(key, format, exact) {
            if (!(key in value)) return ""
            if (!exact && value[key] > 100) format = "%.0e" # codes of activations: the digits are arithmetic chaos
            text = number(key, format) (low[key] == "" ? "" : " [" sprintf(format, low[key]) ", " sprintf(format, high[key]) "]")
            return flags[key] ~ /degenerate/ ? "(" text ") *" : text
        }
        $3 == "kl" || $4 == "match_rate" || $4 == "encoded_bits_per_weight" {
            key = $1 SUBSEP $2 SUBSEP $4
            value[key] = $5; low[key] = $6; high[key] = $7; flags[key] = $10
            if (!(($1, $2) in seen)) { seen[$1, $2] = 1; if (!($1 in count)) models[++m] = $1; variant[$1, ++count[$1]] = $2 }
        }
        END {
            for (i = 1; i <= m; i++) {
                model = models[i]
                printf "| **%s** | bits | mean KL, nat | top-1 %% | perplexity ratio | to wrong / right %% | match %% |\n|---|---|---|---|---|---|---|\n", model
                for (v = 1; v <= count[model]; v++) {
                    name = variant[model, v]; of = model SUBSEP name SUBSEP
                    if (name ~ /-packed$/) continue
                    printf "| %s | %s | %s | %s | %s | %s / %s | %s |\n", name, number(of "encoded_bits_per_weight", "%.2f"),
                        cell(of "kl_mean", "%.2g"), percent(of "top1_agreement", "%.1f"), cell(of "perplexity_ratio", "%.4g"),
                        number(of "flips_to_wrong", "%.2f"), number(of "flips_to_right", "%.2f"), percent(of "match_rate", "%.0f")
                }
                print ""
            }
        }'
}
if [ "${1:-}" = --print-real ]; then
    real_table "$REAL"
    exit 0
fi
R=${RESULT:-$TMP/r.h5}
[ -e "$R" ] || "$QINSBENCH" run source -q -o "$R" 2>/dev/null || exit 1
"$QINSBENCH" show "$R" --output csv | tr -d '\r' >"$TMP/rows.csv"
"$QINSBENCH" inspect "$R" >"$TMP/inspect"
"$QINSBENCH" claims "$R" >"$TMP/claims" 2>/dev/null

# Rows "| variant | top-1 | KL | match |" of four models. A dagger: encodes other weights of the model than Pattern A.
table() {
    awk -F, '
        function bounds(lo, hi, format) { return lo == "" ? "" : " [" sprintf(format, lo) ", " sprintf(format, hi) "]" }
        function cell(key, format, text) {
            if (!(key in value)) return ""
            text = sprintf(format, value[key]) bounds(low[key], high[key], format)
            return flags[key] ~ /degenerate/ ? "(" sprintf(format, value[key]) ") *" : text
        }
        FNR == NR { # "MODEL  VARIANT  tensors  weights  ..." of inspect
            split($0, word, " ")
            if (word[4] + 0 > 0 && word[3] + 0 > 0) weights[word[1], word[2]] = word[4]
            next
        }
        $4 == "top1_agreement" || $4 == "kl_mean" || $4 == "match_rate" {
            if ($1 ~ /-40$/) next
            key = $1 SUBSEP $2 SUBSEP $4
            value[key] = $5; low[key] = $6; high[key] = $7; flags[key] = $10
            if (!(($1, $2) in seen)) { seen[$1, $2] = 1; if (!($1 in count)) models[++m] = $1; variant[$1, ++count[$1]] = $2 }
        }
        END {
            for (i = 1; i <= m; i++) {
                model = models[i]
                printf "| **%s** | top-1 %% | mean KL, nat | match %% |\n|---|---|---|---|\n", model
                for (v = 1; v <= count[model]; v++) {
                    name = variant[model, v]
                    if (name ~ /^calibrated-(scale|alpha.*|qk16)$|-cached$|-packed$|^fp16-layers$/) continue
                    w = weights[model, name]
                    printf "| %s%s | %s | %s | %s |\n", name, w != "" && w != weights[model, "pattern-a"] ? " †" : "",
                        cell(model SUBSEP name SUBSEP "top1_agreement", "%.2f"), cell(model SUBSEP name SUBSEP "kl_mean", "%.2g"),
                        cell(model SUBSEP name SUBSEP "match_rate", "%.2f")
                }
                print ""
            }
        }' "$TMP/inspect" "$TMP/rows.csv"
}
if [ "${1:-}" = --print ]; then
    table
    exit 0
fi
sed -n '/^| \*\*source-transformer\*\*/,/^What is true/p' "$ROOT/README.md" | grep '^|' >"$TMP/readme"
table | grep '^|' >"$TMP/table"
same "the controlled table" "$(diff "$TMP/readme" "$TMP/table" | head -n 6)" ""
# Lines of the ledger that do not tell of speed, which is every machine's own.
sed -n '/^line  what/,/^```/p' "$ROOT/README.md" | awk '/^\[/ { told = $0 !~ /^\[10\]/ } NR == 1 { told = 1 } /^\.\.\./ { told = 1 } told' |
    grep -v '^```\|^\.\.\.\|^line\|speed' >"$TMP/ledger"
missing=$(while IFS= read -r line; do grep -qxF -- "$line" "$TMP/claims" || printf '%s\n' "$line"; done <"$TMP/ledger")
same "the ledger's lines" "$missing" ""
# Suite real takes an hour on 2 cores, and a model that is fetched: checked against a run that is there.
if [ -n "${REAL:-}" ]; then
    sed -n '/^| \*\*smollm2\*\*/,/^The match/p' "$ROOT/README.md" | grep '^|' >"$TMP/readme-real"
    real_table "$REAL" | grep '^|' >"$TMP/real"
    same "the real models' table" "$(diff "$TMP/readme-real" "$TMP/real" | head -n 6)" ""
    check "the real models' table has rows" test "$(wc -l <"$TMP/readme-real")" -gt 20
else
    echo "# the real models' table: not compared, REAL names no run of suite real"
fi
"$QINSBENCH" compare "$R" --variants pattern-a,int8-channel --only 'kjv-transformer/*/teacher-forced' --metric kl_mean >"$TMP/compared"
shows README.md "build/qinsbench compare results/source.h5" "$TMP/compared"
if [ -n "${MINE:-}" ]; then # of the README's first suite, a model that is fetched as well
    "$QINSBENCH" show "$MINE" --metric kl_mean >"$TMP/mine"
    shows README.md "build/qinsbench run mine.yaml -o mine.h5 &&" "$TMP/mine"
else
    echo "# the README's first table: not compared, MINE names no run of its suite"
fi
check "there were lines to look at" test "$(wc -l <"$TMP/ledger")" -gt 20
finish
