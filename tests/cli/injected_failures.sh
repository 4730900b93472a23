#!/bin/bash
# Allocations and writes that fail, one after another (_fail.c), over small commands: no crash, a documented exit code
# and a message, nothing left allocated, nothing half written and what was there before still whole. A call fails alone
# ("one"), or with all that come after it ("rest"), as on a disk that is full. WRITES, OWN, HDF5: each how many-th point
# of a kind is tried (here a sample; tests/long/injected_failures.sh tries more); FIRST: beginning with this one, so that
# FIRST=1 OWN=4, FIRST=2 OWN=4 ... try all on four cores. REST: of "rest", how many times fewer. ONLY: a glob of commands. Crashes
# inside libhdf5 of its own allocations, which are not ours to mend, are counted apart; files must be whole all the same.
. "$(dirname "$0")/lib.sh"
[ -z "${SANITIZED:-}" ] || { echo "# SKIP a sanitizer's library wants to be the first that is loaded"; exit 0; }
WRITES=${WRITES:-61} OWN=${OWN:-1500} HDF5=${HDF5:-5000}
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
cd "$TMP" || exit 2
check "the failing library builds" gcc -D_GNU_SOURCE -std=gnu17 -O1 -shared -fPIC -Wall -Wextra -Werror "$ROOT/tests/cli/_fail.c" -o lib_fail.so -ldl

"$QINSBENCH" make-model chain --vocab 20 --hidden 8 --layers 1 -o m.safetensors >/dev/null 2>&1
printf 'name: fl\nmodels:\n  m: {file: m.safetensors}\nvariants: [fp32, pattern-a]\nexperiments:\n  memory: {}\n' >s.yaml
check "a result" "$QINSBENCH" run s.yaml -q -o good.h5
check "a baseline" "$QINSBENCH" baseline accept good.h5 -o good.json

# with KIND FROM REST AT COMMAND...: its exit code; stderr in said
with() {
    local kind=$1 from=$2 rest=$3 at=$4
    shift 4
    head -c 8 /dev/zero >count
    rm -f leaks
    env ${rest:+FAIL_REST=1} FAIL_KIND=$kind FAIL_FROM=$from FAIL_AT=$at FAIL_COUNT=$PWD/count FAIL_LEAKS=$PWD/leaks \
        LD_PRELOAD=$PWD/lib_fail.so "$QINSBENCH" "$@" >out 2>said
}
points() { od -An -td8 count | tr -d ' '; }

# Is the output that of before, or a whole new one? What reads it says.
whole() {
    [ ! -e "$1" ] || cmp -s "$1" "$1.before" || case "$1" in
        *.h5) "$QINSBENCH" show "$1" ;;
        *.json) "$QINSBENCH" baseline show "$1" ;;
        *.safetensors) "$QINSBENCH" inspect "$1" ;;
        *.xml) xmllint --noout "$1" ;;
        esac >/dev/null 2>&1
}

# sweep KIND FROM REST EVERY OUTPUT COMMAND...
sweep() {
    local kind=$1 from=$2 rest=$3 every=$4 output=$5 all at code tried=0 asserted=0 bad="" what
    shift 5
    # shellcheck disable=SC2053 # a glob
    [[ $1 == ${ONLY:-*} ]] || return
    what="$kind of $from, ${rest:-one}"
    rm -rf "$output" "$output.before"
    with "$kind" "$from" "" 0 "$@"
    code=$?
    [ $code -eq 0 ] || { fail "$*: goes well" "$(cat said)"; return; }
    [ "$from" != own ] || [ ! -s leaks ] || { fail "$*: frees all" "$(cat leaks)"; return; }
    all=$(points)
    [ -n "$output" ] && cp -r "$output" "$output.before"
    cp out out.before
    [ "$every" -le "$all" ] || every=$all
    for ((at = ${FIRST:-1 + RANDOM % every}; at <= all; at += every)); do
        tried=$((tried + 1))
        with "$kind" "$from" "$rest" $at "$@"
        code=$?
        case $code in
        0) # and then a model, a report's pages and what is shown are to the byte as without a failure
            case $output in *.safetensors | pages) diff -r "$output" "$output.before" >/dev/null || bad="$bad; $at: another $output" ;; esac
            case $output in "" | pages) cmp -s out out.before || bad="$bad; $at: shows otherwise" ;; esac
            ;;
        1 | 2 | 3 | 4) [ -s said ] || [ "$kind$rest" = writerest ] || bad="$bad; $at: code $code without a word" ;;
        134 | 139) # libhdf5 crashes, or corrupts its heap, where it has no memory: then its files must be whole all the same
            if [ "$from" = hdf5 ]; then asserted=$((asserted + 1)); else bad="$bad; $at: code $code: $(tail -n 1 said)"; fi
            ;;
        *) bad="$bad; $at: code $code: $(tail -n 1 said)" ;;
        esac
        [ "$from" != own ] || [ ! -s leaks ] || bad="$bad; $at: $(cat leaks)"
        [ -z "$(find . -name '*.tmp')" ] || { [ "$kind$rest" = writerest ] || bad="$bad; $at: leaves $(echo *.tmp)"; find . -name '*.tmp' -delete; }
        [ -z "$output" ] || whole "$output" || bad="$bad; $at: $output is damaged"
        [ -z "$output" ] || { rm -rf "$output" && cp -r "$output.before" "$output"; }
    done
    echo "# $what, qinsbench $1: $tried of $all points, $asserted ended by a library itself"
    [ $tried -gt 0 ] || [ -z "${FIRST:-}" ] || return
    if [ $tried -gt 0 ] && [ -z "$bad" ]; then pass "$what: $*"; else fail "$what: $*" "$tried tried" "$bad"; fi
}
RANDOM=${SEED:-1}
commands() { # KIND FROM REST EVERY
    sweep "$@" r.h5 run s.yaml -q -o r.h5 --force -j 1 --cache-size 0
    sweep "$@" c.safetensors convert m.safetensors --codec int8 -o c.safetensors
    sweep "$@" b.json baseline accept good.h5 -o b.json --force --reason planted
    sweep "$@" j.xml gate good.h5 --baseline good.json --junit j.xml
    sweep "$@" "" show good.h5
    sweep "$@" "" compare good.h5 good.h5
    sweep "$@" "" inspect m.safetensors
    sweep "$@" n.safetensors make-model chain --vocab 20 --hidden 8 --layers 1 -o n.safetensors
    sweep "${@:1:3}" $(($4 * 10)) pages report good.h5 -o pages --figures none
}
commands write own "" "$WRITES"
commands memory own "" "$OWN"
commands write own rest $(("${REST:-4}" * WRITES))
commands memory own rest $(("${REST:-4}" * OWN))
[ "$HDF5" -eq 0 ] || sweep memory hdf5 "" "$HDF5" r.h5 run s.yaml -q -o r.h5 --force -j 1 --cache-size 0
[ "$HDF5" -eq 0 ] || sweep memory hdf5 "" "$HDF5" "" show good.h5
finish
