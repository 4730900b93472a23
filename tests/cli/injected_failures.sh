#!/bin/bash
# Allocations and writes that fail, one after another (_fail.c), over small commands: no crash, a documented exit code
# and a message, nothing half written and what was there before still whole. WRITES, OWN, HDF5: each how many-th point of
# a kind is tried (here a sample; tests/long/injected_failures.sh tries all writes and more allocations). Ends
# that are not ours to mend are counted apart: jansson's own assertion where it has no memory for a string's letters, and
# crashes inside libhdf5 of its own allocations, after which files must be whole all the same.
. "$(dirname "$0")/lib.sh"
WRITES=${WRITES:-61} OWN=${OWN:-1500} HDF5=${HDF5:-5000}
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
cd "$TMP" || exit 2
check "the failing library builds" gcc -D_GNU_SOURCE -std=gnu17 -O1 -shared -fPIC "$ROOT/tests/cli/_fail.c" -o lib_fail.so -ldl

"$QINSBENCH" make-model chain --vocab 20 --hidden 8 --layers 1 -o m.safetensors >/dev/null 2>&1
printf 'name: fl\nmodels:\n  m: {file: m.safetensors}\nvariants: [fp32, pattern-a]\nexperiments:\n  memory: {}\n' >s.yaml
check "a result" "$QINSBENCH" run s.yaml -q -o good.h5
check "a baseline" "$QINSBENCH" baseline accept good.h5 -o good.json

# with KIND FROM AT COMMAND...: its exit code; stderr in said
with() {
    local kind=$1 from=$2 at=$3
    shift 3
    head -c 8 /dev/zero >count
    FAIL_KIND=$kind FAIL_FROM=$from FAIL_AT=$at FAIL_COUNT=$PWD/count LD_PRELOAD=$PWD/lib_fail.so \
        "$QINSBENCH" "$@" >out 2>said
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

# sweep KIND FROM EVERY OUTPUT COMMAND...
sweep() {
    local kind=$1 from=$2 every=$3 output=$4 all at code tried=0 asserted=0 bad=""
    shift 4
    rm -f "$output" "$output.before"
    with "$kind" "$from" 0 "$@"
    code=$?
    [ $code -eq 0 ] || { fail "$*: goes well" "$(cat said)"; return; }
    all=$(points)
    [ -n "$output" ] && cp "$output" "$output.before"
    cp out out.before
    [ "$every" -le "$all" ] || every=$all
    for ((at = 1 + RANDOM % every; at <= all; at += every)); do
        tried=$((tried + 1))
        with "$kind" "$from" $at "$@"
        code=$?
        case $code in
        0) # and then a model, or what is shown, is to the byte as without a failure
            case $output in *.safetensors) cmp -s "$output" "$output.before" || bad="$bad; $at: another $output" ;; esac
            [ -n "$output" ] || cmp -s out out.before || bad="$bad; $at: shows otherwise"
            ;;
        1 | 2 | 3 | 4) [ -s said ] || bad="$bad; $at: code $code without a word" ;;
        134)
            if [ "$from" = hdf5 ] || grep -q 'load\.c:.* lex_scan_string: Assertion' said; then asserted=$((asserted + 1)); else bad="$bad; $at: aborts: $(tail -n 1 said)"; fi
            ;;
        139) # libhdf5 crashes, or corrupts its heap, where it has no memory: then its files must be whole all the same
            if [ "$from" = hdf5 ]; then asserted=$((asserted + 1)); else bad="$bad; $at: code $code: $(tail -n 1 said)"; fi
            ;;
        *) bad="$bad; $at: code $code: $(tail -n 1 said)" ;;
        esac
        [ -z "$(find . -name '*.tmp')" ] || { bad="$bad; $at: leaves $(echo *.tmp)"; find . -name '*.tmp' -delete; }
        [ -z "$output" ] || whole "$output" || bad="$bad; $at: $output is damaged"
        [ -z "$output" ] || cp "$output.before" "$output"
    done
    echo "# $kind of $from, qinsbench $1: $tried of $all points, $asserted ended by a library itself"
    if [ $tried -gt 0 ] && [ -z "$bad" ]; then pass "$kind of $from: $*"; else fail "$kind of $from: $*" "$tried tried" "$bad"; fi
}
RANDOM=${SEED:-1}
commands() { # KIND FROM EVERY
    sweep "$@" r.h5 run s.yaml -q -o r.h5 --force -j 1 --cache-size 0
    sweep "$@" c.safetensors convert m.safetensors --codec int8 -o c.safetensors
    sweep "$@" b.json baseline accept good.h5 -o b.json --force --reason planted
    sweep "$@" j.xml gate good.h5 --baseline good.json --junit j.xml
    sweep "$@" "" show good.h5
}
commands write own "$WRITES"
commands memory own "$OWN"
sweep memory hdf5 "$HDF5" r.h5 run s.yaml -q -o r.h5 --force -j 1 --cache-size 0
sweep memory hdf5 "$HDF5" "" show good.h5
finish
