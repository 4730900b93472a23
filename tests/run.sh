#!/bin/bash
# Runs every test program and script of a tier and ends with "N passed, N failed". BUILD: build folder; --long: the long
# tier as well; names such as unit/test_text or cli/gate: these alone. Scripts of tests/cli run two at a time.
set -u
cd "$(dirname "$0")/.." || exit 2
BUILD=${BUILD:-build}
[ -z "${SANITIZED:-}" ] || export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export BUILD QINSBENCH_CODECS="$PWD/$BUILD/codecs" QINSBENCH="$PWD/$BUILD/qinsbench" OPENBLAS_NUM_THREADS=1

# OpenBLAS's core type as the program chooses it (qb_blas_coretype, base/cpu.h; unit/test_cpu holds this equal): where OpenBLAS
# does not know a new CPU it takes another one's kernels, of other bits.
has() {
    for flag in "$@"; do grep -m 1 '^flags' /proc/cpuinfo | grep -qw "$flag" || return 1; done
}
if [ -z "${OPENBLAS_CORETYPE:-}" ] && has avx2 fma; then
    export OPENBLAS_CORETYPE=Haswell
    ! has avx512f avx512dq avx512cd avx512bw avx512vl || export OPENBLAS_CORETYPE=SKYLAKEX
fi
passed=0 failed=0 names=""

one() { # name command...
    local name=$1 start log status
    shift
    start=$(date +%s%N)
    log=$(mktemp)
    "$@" >"$log" 2>&1
    status=$?
    printf '%-5s %6.1f s  %s\n' "$([ $status -eq 0 ] && echo ok || echo FAIL)" \
        "$(((($(date +%s%N) - start)) / 100000000))e-1" "$name"
    if [ $status -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        names="$names $name"
        tail -n 60 "$log" | sed 's/^/    /'
    fi
    rm -f "$log"
}

# The scripts of these names, two at a time; what one says comes in one piece.
scripts() {
    local said line
    said=$(mktemp)
    printf '%s\n' "$@" | xargs -P 2 -n 1 tests/run.sh --script | tee "$said"
    while read -r line; do
        case "$line" in
        "ok "*) passed=$((passed + 1)) ;;
        "FAIL "*) failed=$((failed + 1)) names="$names ${line##* }" ;;
        esac
    done < <(grep -E '^(ok|FAIL) +[0-9.]+ s ' "$said")
    rm -f "$said"
}

case "${1:-}" in
--script)
    said=$(one "$2" bash "tests/$2.sh")
    flock tests/run.sh printf '%s\n' "$said"
    exit 0
    ;;
*/*)
    for name in "$@"; do
        case "$name" in cli/*) one "$name" bash "tests/$name.sh" ;; *) one "$name" "$BUILD/tests/$name" ;; esac
    done
    echo "$passed passed, $failed failed"
    [ $failed -eq 0 ]
    exit
    ;;
esac

tiers="unit golden kernels conformance"
[ "${1:-}" = --long ] && tiers="$tiers long" && export MOMENTS="${MOMENTS:-20}"
for tier in $tiers; do
    for program in tests/"$tier"/test_*.c; do
        [ -e "$program" ] || continue
        program=${program#tests/}
        one "${program%.c}" "$BUILD/tests/${program%.c}"
    done
done
cli=""
for script in tests/cli/*.sh; do
    case "$(basename "$script")" in run.sh | lib.sh | _*) continue ;; esac
    cli="$cli cli/$(basename "$script" .sh)"
done
# shellcheck disable=SC2086
scripts $cli
if [ "${1:-}" = --long ]; then
    for script in tests/long/*.sh; do
        [ -e "$script" ] && one "long/$(basename "$script" .sh)" bash "$script"
    done
fi
[ -z "$names" ] || echo "failed:$names"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
