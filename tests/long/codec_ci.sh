#!/bin/bash
# The workflow that new-codec writes, step by step as a runner takes it, with an installed program: green, red where the codec
# got worse, green again once a meant change is accepted.
. "$(dirname "$0")/../cli/lib.sh"
unset CODEC_H MAKEFLAGS MAKELEVEL MFLAGS QINSBENCH_DATA QINSBENCH_CODECS
check "installs" make -s -C "$ROOT" BUILD="$BUILD" PREFIX="$TMP/prefix" install
program=$QINSBENCH
unset QINSBENCH
export PATH="$TMP/prefix/bin:$PATH" PKG_CONFIG_PATH="$TMP/prefix/lib/pkgconfig"
cd "$TMP" || exit 2
check "a codec" qinsbench new-codec my-format
cd my-format || exit 2

# steps FILE FOLDER: the script of each step in FOLDER/N.sh, its name in FOLDER/N.name; those that run always in N.always.
steps() {
    awk -v folder="$2" '
        /^      - / { n++; body = 0 }
        /^      - name: / { sub(/^      - name: /, ""); print > (folder "/" n ".name"); next }
        /^        if: always\(\)/ { print "" > (folder "/" n ".always"); next }
        /^        run: \|/ { body = 1; next }
        /^        run: / { sub(/^        run: /, ""); print > (folder "/" n ".sh"); next }
        body && /^          / { print substr($0, 11) > (folder "/" n ".sh"); next }
        /^ *[a-z-]*:/ && !/^          / { body = 0 }' "$1"
}
mkdir "$TMP/steps"
steps .github/workflows/gate.yml "$TMP/steps"
same "the steps" "$(cat "$TMP"/steps/*.name | xargs)" "Get qinsbench Build and test Measure Gate Summary"
same "the first says what to fill in" "$(QINSBENCH_REPOSITORY="" QINSBENCH_REF="" bash -e "$TMP/steps/2.sh" 2>&1)" \
    "gate.yml: fill in where qinsbench is"

# job: runs the steps after the first; prints the name of the one that fails.
job() {
    local n failed=""
    export GITHUB_STEP_SUMMARY=$TMP/summary
    rm -f "$GITHUB_STEP_SUMMARY" gate.md gate.xml
    for ((n = 3; n <= 6; n++)); do
        [ -z "$failed" ] || [ -e "$TMP/steps/$n.always" ] || continue
        bash -e "$TMP/steps/$n.sh" >"$TMP/log" 2>&1 || failed="$failed$(cat "$TMP/steps/$n.name")"
    done
    echo "$failed"
}
check "measured once" make -s run
check "a baseline" qinsbench baseline accept result.h5 -o baseline.json
same "the job is green" "$(job)" ""
has "with a summary" "$(cat "$TMP/summary")" "0 fail"
sed -i 's/rintf(x/truncf(x/' my-format.c
same "a codec that breaks its promise: the tests stop it" "$(job)" "Build and testSummary"
sed -i 's/truncf(x/rintf(x/; s/LOWEST = -7/LOWEST = -6/; s/\.version = "1"/.version = "2"/; s/relative_error = [0-9.]*/relative_error = 0.3/; s/absolute_error = [0-9.]*/absolute_error = 0.3/; s/\.bias = [0-9.]*/.bias = 0.1/; s/sqnr_db = [0-9.]*/sqnr_db = 10/' my-format.c
printf '#!/bin/sh\nexit 0\n' >tests/run.sh # stored bytes worked out by hand are not what is tried here
same "one that got worse: the gate does" "$(job)" "Gate"
has "and says so in the summary" "$(cat "$TMP/summary")" "fail"
check "the change is meant" qinsbench baseline accept result.h5 -o baseline.json --force --reason "smaller range"
same "and the job is green" "$(job)" ""
QINSBENCH=$program
finish
