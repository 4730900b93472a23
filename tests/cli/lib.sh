# Sourced by tests/cli/*.sh: the program, a folder of the test's own, and "ok N - ..." lines.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
ROOT=$PWD
BUILD=${BUILD:-build}
QINSBENCH=${QINSBENCH:-$ROOT/$BUILD/qinsbench}
SUITES=$ROOT/experiments/suites
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
COUNT=0 FAILED=0
unset QINS_CODEC_AT_REST COLUMNS
export LC_ALL=C

pass() {
    COUNT=$((COUNT + 1))
    echo "ok $COUNT - $1"
}
fail() {
    COUNT=$((COUNT + 1)) FAILED=$((FAILED + 1))
    echo "not ok $COUNT - $1"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | head -n 20 | sed 's/^/#   /'
}
# check NAME COMMAND...: passes when the command succeeds.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then pass "$name"; else fail "$name" "$output"; fi
}
# same NAME A B
same() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "expected: $3" "found:    $2"; fi
}
# has NAME TEXT PART
has() {
    case "$2" in *"$3"*) pass "$1" ;; *) fail "$1" "expected: ...$3..." "found:    $2" ;; esac
}
finish() {
    echo "1..$COUNT"
    [ $FAILED -eq 0 ]
    exit $?
}
# The summary of a result file without what depends on the machine's moment: times and resident memory.
summary() {
    "$QINSBENCH" show "$1" --output csv | grep -v '/speed/\|,speed,\|peak_rss_bytes\|rss' | sort
}
# A codec whose option `fault` plants a fault in encode or decode: $TMP/planted.so.
build_planted() {
    ${CC:-cc} -O1 -fPIC -shared -I "$ROOT/harness/codec" "$ROOT/tests/cli/_planted.c" -o "$TMP/planted.so" -lm
}
