#!/bin/bash
# search: a case whose answer is known, from two seeds and after kill -9 at a rung; what it leaves for other commands; held-out
# text is refused, and so is what a search cannot be made of, with its place.
. "$(dirname "$0")/lib.sh"

# Texts as token ids: `ids SEED COUNT` draws them, so no two seeds share 32 in a row.
ids() { awk -v seed="$1" -v n="$2" 'BEGIN { srand(seed); for (i = 0; i < n; i++) print int(rand() * 100) }'; }
ids 1 3000 >"$TMP/text.ids"
ids 2 2000 >"$TMP/held.ids"
# suite WORDS-OF-search WORDS-OF-kl: hqq of 3 to 8 bits and a zero point and scale for 32 values, 2 bits more.
suite() {
    cat <<Y
name: known
models:
  tiny: {generator: transformer, vocab: 100, hidden: 64, layers: 2, prompt: {random: 4, seed: 1}}
variants:
  - {name: hqq, codec: hqq, options: {scope: "group:32", bits: [3, 4, 5, 6, 8]}, placement: [attn.*, mlp.*]}
experiments:
  kl: {corpus: {tokens: text.ids}, context: 32, score: all, ${2:-chunks: 24}}
search: {${1:-apart: [held.ids], bits: [7.5, 12]}}
Y
}
suite >"$TMP/known.yaml"
search() { "$QINSBENCH" search "$TMP/known.yaml" -o "$TMP/$1" -j 1 "${@:2}"; }
# columns FILE NAME...: of a CSV with a head, without it.
columns() {
    local file=$1
    shift
    tr -d '\r' <"$file" | awk -F, -v names="$*" '
        NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; n = split(names, name, " "); next }
        { for (k = 1; k <= n; k++) printf "%s%s", $at[name[k]], k < n ? " " : "\n" }'
}

# ---- the known answer ----
check "a search runs" search one --output csv
search one --output csv >"$TMP/one.csv" 2>"$TMP/again.log"
same "done again it takes what is there" "$(grep -c '\] done' "$TMP/again.log")" 0
same "of each race the most bits are the best" "$(columns "$TMP/one.csv" race variant state | grep best)" $'7.5 hqq-5 best\n12 hqq-8 best'
same "what is far worse in the lower half has left at the first rung" "$(columns "$TMP/one.csv" variant rung state chunks | grep 'hqq-3 ')" "hqq-3 1 dropped 6"
same "bits count scales and zero points" "$(columns "$TMP/one.csv" variant bits | sort)" $'hqq-3 5\nhqq-4 6\nhqq-5 7\nhqq-6 8\nhqq-8 10'
same "the best has no p" "$(columns "$TMP/one.csv" variant holm | grep 'hqq-8 ')" "hqq-8 "
check "JSON has the same numbers" test "$("$QINSBENCH" search "$TMP/known.yaml" -o "$TMP/one" -q --output json | grep -o '"kl_mean": [^,]*' | cut -d' ' -f2 | tr '\n' ' ')" \
    = "$(columns "$TMP/one.csv" kl_mean | tr '\n' ' ')"
has "the table says its rule" "$(search one -q)" "adjusted by Holm over the race; alpha 0.05"
same "search.h5 has each variant's cell of its last rung" "$("$QINSBENCH" show "$TMP/one/search.h5" --metric kl_mean --output csv | tr -d '\r' | sed 1d | cut -d, -f2,5 | sort)" \
    "$(columns "$TMP/one.csv" variant kl_mean | tr ' ' , | sort)"

# ---- seeds ----
search two --seed 2 --output csv >"$TMP/two.csv" 2>/dev/null
same "another seed has the same winners" "$(columns "$TMP/two.csv" race variant state | grep best)" "$(columns "$TMP/one.csv" race variant state | grep best)"
check "from other chunks" test "$(columns "$TMP/two.csv" kl_mean | head -1)" != "$(columns "$TMP/one.csv" kl_mean | head -1)"
same "whose intervals overlap" "$(paste -d' ' <(columns "$TMP/one.csv" variant state lo hi | grep best) <(columns "$TMP/two.csv" variant state lo hi | grep best) |
    awk '!($3 <= $8 && $7 <= $4)')" ""
search three --seed 2 -q --output csv >"$TMP/three.csv"
check "the same seed has the same numbers" cmp "$TMP/two.csv" "$TMP/three.csv"
has "in a folder of another seed cells run again, and that is said" "$(search two --seed 3 2>&1)" "finished cells ran again"

# ---- killed at the second rung ----
check "the planted codec builds" build_planted
sed 's/^  - {name: hqq/  - {name: held, codec: planted, options: {fault: wait}, placement: [attn.*, mlp.*]}\n&/; s/, bits: \[7.5, 12\]//' "$TMP/known.yaml" >"$TMP/held.yaml"
held() { "$QINSBENCH" search "$TMP/held.yaml" --codec "$TMP/planted.so" -j 1 --output csv "$@"; }
export QB_PLANTED=$TMP/wait
touch "$QB_PLANTED.go"
check "an uninterrupted search of a held variant" held -o "$TMP/whole"
held -o "$TMP/whole" -q >"$TMP/whole.csv"
same "which loses nothing, and is the best" "$(columns "$TMP/whole.csv" variant state kl_mean | grep best)" "held best 0"
rm "$QB_PLANTED".*
start "$QINSBENCH" search "$TMP/held.yaml" --codec "$TMP/planted.so" -j 1 -o "$TMP/killed" 2>"$TMP/log0"
await "the first rung waits" reached && rm "$QB_PLANTED.reached" && touch "$QB_PLANTED.next"
await "the second rung waits" reached
check "the first rung is finished, the second is not" test -e "$TMP/killed/tiny.rung-1.h5" -a ! -e "$TMP/killed/tiny.rung-2.h5"
kill -9 $pid
wait $pid 2>/dev/null
await "the workers die with it" gone $pid
touch "$QB_PLANTED.go"
held -o "$TMP/killed" >"$TMP/killed.csv" 2>"$TMP/log"
check "it goes on to the same landscape" cmp "$TMP/whole.csv" "$TMP/killed.csv"
same "without a cell of the first rung" "$(sed -n '/rung 1 of/,/rung 2 of/p' "$TMP/log" | grep -c '\] done')" 0

# ---- a variant that fails ----
sed 's/fault: wait/fault: nan/' "$TMP/held.yaml" >"$TMP/fails.yaml"
"$QINSBENCH" search "$TMP/fails.yaml" --codec "$TMP/planted.so" -o "$TMP/fails" -q --output csv >"$TMP/fails.csv" 2>/dev/null
same "a failed variant: exit 3" $? 3
same "is in the table, with why" "$(columns "$TMP/fails.csv" variant state kl_mean)" "$(columns "$TMP/fails.csv" variant state kl_mean | sed '/held/d'; echo 'held failed ')"
check "why" test -n "$(columns "$TMP/fails.csv" variant note | sed -n 's/^held //p')"

# ---- held-out text is not searched on ----
refused() { # NAME MESSAGE [WORDS-OF-search [WORDS-OF-kl]]
    suite "${@:3}" >"$TMP/bad.yaml"
    local said code
    said=$("$QINSBENCH" search "$TMP/bad.yaml" -o "$TMP/bad" -q 2>&1 >/dev/null)
    code=$?
    same "$1: exit 2" $code 2
    has "$1: said" "$said" "$2"
}
refused "the evaluation's own text" "shares 32 tokens in a row or more with $TMP/text.ids" "apart: [text.ids]"
{ ids 5 700 && sed -n 1500,1540p "$TMP/text.ids" && ids 6 700; } >"$TMP/partly.ids"
refused "a text that holds 41 tokens of it" "/text.ids shares 32 tokens in a row or more with $TMP/partly.ids" "apart: [held.ids, partly.ids]"
same "nothing was run" "$(ls "$TMP/bad" 2>/dev/null | grep -v cache)" ""
{ ids 5 700 && sed -n 1500,1520p "$TMP/text.ids" && ids 6 700; } >"$TMP/partly.ids"
suite "apart: [partly.ids]" >"$TMP/short.yaml"
check "21 tokens are a phrase" "$QINSBENCH" search "$TMP/short.yaml" -o "$TMP/short" -q

# ---- what is no search ----
refused "an unknown key" "bad.yaml:8: key 'aparts': unknown key, did you mean 'apart'?" "aparts: [held.ids]"
refused "no held-out text" "expected the key 'apart'" "rungs: 2"
refused "a held-out text that is not there" "nowhere.ids" "apart: [nowhere.ids]"
refused "bounds that go down" "bad.yaml:8: expected more than the 9 before it" "apart: [held.ids], bits: [9, 8]"
refused "too few chunks" "expected at least 8 chunks: 3 rungs double them, and the first needs 2, found 7" "apart: [held.ids]" "chunks: 7"
refused "an offset" "a search sets this itself at each rung" "apart: [held.ids]" "chunks: 24, offset: 3"
sed '/^search/d' "$TMP/known.yaml" >"$TMP/none.yaml"
has "no key search" "$("$QINSBENCH" search "$TMP/none.yaml" -o "$TMP/bad" 2>&1)" "expected the key 'search'"
sed 's/^  kl:/  memory: {}\n  kl:/' "$TMP/known.yaml" >"$TMP/more.yaml"
has "another experiment" "$("$QINSBENCH" search "$TMP/more.yaml" -o "$TMP/bad" 2>&1)" "a search has one experiment: kl"
sed 's/text.ids}/text.ids, chunks: 9}/' "$TMP/known.yaml" >"$TMP/own.yaml"
has "chunks of the corpus" "$("$QINSBENCH" search "$TMP/own.yaml" -o "$TMP/bad" 2>&1)" "own.yaml:7: key 'corpus': a search lays the chunks itself"
has "run says that it does not search" "$("$QINSBENCH" run "$TMP/known.yaml" -o "$TMP/run.h5" 2>&1)" "is for qinsbench search"
# ---- the page's suite, and the shipped ones ----
sed -n '/^```yaml/,/^```/{/^```/!p}' docs/zoo.md >"$TMP/page.yaml"
check "docs/zoo.md shows a suite" "$QINSBENCH" inspect "$TMP/page.yaml"
"$QINSBENCH" search "$TMP/page.yaml" -o "$TMP/page" -q --set experiments.kl.chunks=8 --output csv >"$TMP/page.csv"
same "that is a search" "$(columns "$TMP/page.csv" race | sort -u)" 8.2
for suite in search-qinsc qinsc-held-out; do check "$suite is a suite" "$QINSBENCH" inspect "$SUITES/$suite.yaml"; done
finish
