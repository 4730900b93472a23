#!/bin/bash
# The project under its own gate: the shipped formats are what data/baselines/gate.json says, on any machine.
. "$(dirname "$0")/lib.sh"
BASE=$ROOT/data/baselines/gate.json
check "the gate's suite runs" "$QINSBENCH" run "$SUITES/gate.yaml" -o "$TMP/gate.h5" -q
said=$("$QINSBENCH" gate "$TMP/gate.h5" --baseline "$BASE" 2>&1)
same "nothing got worse" $? 0
[ $FAILED -eq 0 ] || printf '%s\n' "$said" | grep -A3 '^fail\|^inconclusive' | head -n 40 | sed 's/^/# /'
printf '%s\n' "$said" >"$TMP/said"
shows README.md "build/qinsbench gate gate.h5" "$TMP/said"
# Other kernels and another BLAS core stand for another machine.
check "a run in other arithmetic" "$QINSBENCH" run "$SUITES/gate.yaml" -o "$TMP/other.h5" -q --isa portable \
    --blas-core Nehalem --only 'kjv-chain/*/*'
said=$("$QINSBENCH" gate "$TMP/other.h5" --baseline "$BASE" --only 'kjv-chain/*/*' 2>&1)
same "the same in other arithmetic" $? 0
[ $FAILED -eq 0 ] || printf '%s\n' "$said" | grep -A3 '^fail\|^inconclusive' | head -n 40 | sed 's/^/# /'
has "which is not bitwise the same" "$said" "not worse by more than the margin"
# Every format of the zoo on tiny-llama.
check "the zoo's suite runs" "$QINSBENCH" run "$SUITES/gate-zoo.yaml" -o "$TMP/zoo.h5" -q
said=$("$QINSBENCH" gate "$TMP/zoo.h5" --baseline "$ROOT/data/baselines/gate-zoo.json" --failed 2>&1)
same "no format got worse" $? 0
[ $FAILED -eq 0 ] || printf '%s\n' "$said" | head -n 40 | sed 's/^/# /'
said=$("$QINSBENCH" gate "$TMP/zoo.h5" --baseline "$ROOT/data/baselines/gate-zoo.json" --front q8_0)
same "one of them is placed by the run itself" $? 0
has "with the verdict" "$said" "q8_0 on tiny-llama (teacher-forced): "
finish
