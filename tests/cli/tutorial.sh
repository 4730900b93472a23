#!/bin/bash
# docs/tutorial.md, executed: its ```sh blocks in order in one shell that stops at the first failure, and the ```text
# block that follows one against what came out.
. "$(dirname "$0")/lib.sh"
unset CODEC_H MAKEFLAGS MAKELEVEL MFLAGS
export PKG_CONFIG_LIBDIR="$TMP/no-packages"

# blocks DOCUMENT FOLDER: writes FOLDER/N.sh and FOLDER/N.text, N.line the line where block N begins.
blocks() {
    awk -v folder="$2" '
        /^```/ { if (file) { close(file); file = "" }
                 else if ($0 == "```sh") { n++; file = folder "/" n ".sh"; print NR > (folder "/" n ".line") }
                 else if ($0 == "```text" && n) file = folder "/" n ".text"
                 else { print "line " NR ": expected ```sh, or ```text after one, found " $0; bad = 1; exit 1 }
                 next }
        file { print > file }
        END { if (!bad && file) { print "the last block does not end"; exit 1 } }' "$1"
}

# run_document DOCUMENT FOLDER [START]: executes it, beginning in START (a new folder). FOLDER/N.out holds what block N
# printed. Says on stdout what is wrong first.
run_document() {
    local doc=$1 folder=$2 start=${3:-$2/work} n=1 status
    mkdir -p "$start"
    blocks "$doc" "$folder" || return 1
    {
        echo 'set -e -o pipefail'
        # The program that the other tests use stands for the one that section 1 builds.
        echo 'make() { if [ -x build/qinsbench ]; then return 0; else command make "$@"; fi; }'
        while [ -e "$folder/$n.sh" ]; do
            printf 'exec >%q 2>&1\n' "$folder/$n.out"
            cat "$folder/$n.sh"
            n=$((n + 1))
        done
    } >"$folder/all.sh"
    (cd "$start" && bash "$folder/all.sh" </dev/null) 2>"$folder/shell"
    status=$?
    for ((n = 1; ; n++)); do
        [ -e "$folder/$n.sh" ] || break
        if [ $status -ne 0 ] && [ ! -e "$folder/$((n + 1)).out" ]; then
            echo "line $(cat "$folder/$n.line"): the commands failed with exit code $status"
            tail -n 15 "$folder/$n.out"
            return 1
        fi
        [ ! -e "$folder/$n.text" ] || shown "$folder/$n.text" "$folder/$n.out" >"$folder/wrong" && continue
        echo "line $(cat "$folder/$n.line"): $(cat "$folder/wrong")"
        tail -n 40 "$folder/$n.out"
        return 1
    done
}

# ---- the runner sees what is wrong ----
try() { # NAME PART DOCUMENT-LINES...: run_document fails and says PART; an empty PART: it succeeds
    local name=$1 part=$2 log status
    shift 2
    rm -rf "$TMP/try" && mkdir "$TMP/try"
    printf '%s\n' "$@" >"$TMP/try.md"
    log=$(run_document "$TMP/try.md" "$TMP/try")
    status=$?
    if [ -z "$part" ]; then
        same "$name" "$status $log" "0 "
    else
        has "$name" "$status $log" "1 $part"
    fi
}
try "a document that is right" "" '```sh' 'x=1.02; echo a; echo "b [$x, 2] nat of 7"' '```' '```text' 'b [1, 2] nat ...' '```' '```sh' 'test $x = 1.02' '```'
try "a command that fails" "line 4: the commands failed" '```sh' 'true' '```' '```sh' 'false' 'true' '```' '```sh' 'true' '```'
try "a failure in a pipe" "line 1: the commands failed" '```sh' 'false | cat' '```'
try "an unset word in the output" "line 1: not in the output, or not in this order: a c" '```sh' 'echo a b' '```' '```text' 'a c' '```'
try "a number that is off" "line 1: not in the output" '```sh' 'echo kl 0.10' '```' '```text' 'kl 0.12' '```'
try "a zero that is none" "line 1: not in the output" '```sh' 'echo 1 fail' '```' '```text' '0 fail' '```'
try "another order" "line 1: not in the output, or not in this order: a" '```sh' 'echo a; echo b' '```' '```text' 'b' 'a' '```'
try "a line that is longer" "line 1: not in the output" '```sh' 'echo a b' '```' '```text' 'a' '```'
try "a block of another kind" "line 1: expected \`\`\`sh" '```bash' 'true' '```'

# ---- the tutorial ----
DOC=${TUTORIAL:-$ROOT/docs/tutorial.md} # the document to run instead, to see this test fail
CLONE=$TMP/run/clone/qinsbench
mkdir -p "$CLONE"
for entry in "$ROOT"/*; do # a clone, but for its build folder
    case ${entry##*/} in build*) ;; *) ln -s "$entry" "$CLONE/" ;; esac
done
ln -s "$(dirname "$QINSBENCH")" "$CLONE/build"
start=$SECONDS
log=$(run_document "$DOC" "$TMP/run" "$CLONE")
if [ $? -eq 0 ]; then pass "the tutorial runs and shows what it says"; else fail "the tutorial runs and shows what it says" "$log"; fi
echo "# $((SECONDS - start)) s for $(ls "$TMP"/run/*.line | wc -l) blocks"
for link in $(grep -o '](\([^)]*\))' "$DOC" | tr -d ']()'); do
    check "it points to $link, which is there" test -e "$ROOT/docs/$link"
done
finish
