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
# await WHAT COMMAND...: until the command succeeds. No test waits for a moment; the bound is for a program that hangs.
await() {
    local what=$1 i
    shift
    for ((i = 0; i < 30000; i++)); do
        "$@" && return 0
        sleep 0.02
    done
    fail "$what" "waited 600 s for: $*"
    return 1
}
# processes FIELD NUMBER: those that run and whose parent (FIELD 2) or session (4) it is. Read from /proc, for a minimal
# Debian has no pgrep. (A process that ended and that nobody waited for does not run.)
processes() {
    local stat line fields
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        read -r -a fields <<<"${line##*) }" # behind the name: state, parent, group, session
        case "${fields[0]}" in Z | X) continue ;; esac
        [ "${fields[$(($1 - 1))]}" != "$2" ] || echo "${stat//[!0-9]/}"
    done
}
children() { processes 2 "$1"; }
# running PID: it is there and has not ended.
running() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    line=${line##*) }
    case "${line%% *}" in Z | X) return 1 ;; esac
}
# alive SESSION: does a process of it run? Its leader counts before it has made the session, too: right behind `start`.
alive() { running "$1" || [ -n "$(processes 4 "$1")" ]; }
gone() { ! alive "$1"; }
# start COMMAND...: in the background, in a session of its own, whose id $pid is. Each session is one test's alone: other
# checkouts may test on this machine.
start() {
    setsid "$@" &
    pid=$!
}
# reached: a cell of the codec `planted` with fault `wait` waits for $QB_PLANTED.go or .next, or the run has ended.
reached() { [ -e "$QB_PLANTED.reached" ] || gone "$pid"; }
# A codec whose option `fault` plants a fault in encode or decode: $TMP/planted.so.
build_planted() {
    ${CC:-cc} -O1 -fPIC -shared -I "$ROOT/harness/codec" "$ROOT/tests/cli/_planted.c" -o "$TMP/planted.so" -lm
}
# shown TEXT OUTPUT: each line of TEXT is one of OUTPUT, in the same order. Words must be equal, numbers within a tenth;
# a word ... ends a line that goes on. Prints the first line that is not found.
shown() {
    awk '
        function bare(word) { gsub(/^[[({]+|[])},:;%]+$/, "", word); return word }
        function number(word) { return word ~ /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$/ }
        function near(a, b) { d = a - b; return (d < 0 ? -d : d) <= 0.1 * (a < 0 ? -a : a) }
        function alike(a, b,   i, n, m, p, q, x, y) {
            n = split(a, p); m = split(b, q)
            for (i = 1; i <= n; i++) {
                if (p[i] == "...") return 1
                if (i > m) return 0
                x = bare(p[i]); y = bare(q[i])
                if (p[i] == q[i]) continue
                if (!number(x) || !number(y) || !near(x + 0, y + 0)) return 0
            }
            return n == m
        }
        NR == FNR { want[++wanted] = $0; next }
        at < wanted && alike(want[at + 1], $0) { at++ }
        END { if (at < wanted) { print "not in the output, or not in this order: " want[at + 1]; exit 1 } }' "$1" "$2"
}
# shows DOCUMENT COMMAND OUTPUT: what DOCUMENT has under its line "$ COMMAND..." is what OUTPUT, a file, holds: `shown`, but
# for lines ... alone. A test that holds a block of a document calls it; tests/cli/documents.sh asks for that.
shows() {
    awk -v command="$2" '/^```/ { on = 0 } /^\$ / { on = index($0, command) > 0; next } on && $0 != "..."' "$1" >"$TMP/shown"
    if [ ! -s "$TMP/shown" ]; then
        fail "$1 shows what $2 prints" "it shows nothing"
    else
        same "$1 shows what $2 prints" "$(shown "$TMP/shown" "$3")" ""
    fi
}
