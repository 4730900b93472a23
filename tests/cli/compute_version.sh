#!/bin/bash
# Content keys cover what computes: its sources, compiler and flags, and not what draws, schedules or prints.
. "$(dirname "$0")/lib.sh"
mkdir "$TMP/copy"
cp -R harness experiments reports scripts "$TMP/copy/"
version() { (cd "$TMP/copy" && scripts/compute_version.sh "${1:-gcc -O3}"); }
was=$(version)
same "a version is 64 digits" "$(grep -c '^[0-9a-f]\{64\}$' <<<"$was")" 1
same "and that of the program's own rooms" "$(scripts/compute_version.sh 'gcc -O3')" "$was"
for file in reports/figures.c harness/cli/main.c harness/store/store.h harness/gate/gate.c harness/run/engine.c; do
    printf '/* changed */\n' >>"$TMP/copy/$file"
done
same "nothing that draws, prints, stores or schedules changes it" "$(version)" "$was"
for file in $(cd "$TMP/copy" && ls -d harness/{base,codec,compute,weights,arch,tokenizer,model,metric} experiments 2>/dev/null); do
    source=$(ls "$TMP/copy/$file"/*.c | head -n 1)
    cp "$source" "$TMP/kept"
    printf '/* changed */\n' >>"$source"
    check "a source of $file changes it" test "$(version)" != "$was"
    mv "$TMP/kept" "$source"
done
same "what is as it was has the version that it had" "$(version)" "$was"
printf '\n' >"$TMP/copy/harness/compute/new.c"
check "a new source changes it" test "$(version)" != "$was"
rm "$TMP/copy/harness/compute/new.c"
check "other flags change it" test "$(version 'gcc -O2')" != "$was"
cat >"$TMP/s.yaml" <<'Y'
name: s
models: {m: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}}}
variants: [fp32, int8-tensor]
experiments: {greedy: {steps: 3}, memory: {}}
Y
check "a suite runs" "$QINSBENCH" run "$TMP/s.yaml" -o "$TMP/r.h5" -q
made=$(sed -n 's/.*"\(.*\)".*/\1/p' "$BUILD/compute_version.c")
has "the file names the version that the build made" "$("$QINSBENCH" inspect "$TMP/r.h5")" "$made"
# Another executable of the same version: as after a changed caption.
cp "$QINSBENCH" "$TMP/qinsbench" && printf 'caption' >>"$TMP/qinsbench"
said=$(QINSBENCH_DATA=$ROOT/data QINSBENCH_CODECS=$ROOT/$BUILD/codecs "$TMP/qinsbench" run "$TMP/s.yaml" -o "$TMP/r.h5" --resume 2>&1)
has "another program that computes the same takes every cell" "$said" "5 of 5 cells done (5 from an earlier run)"
finish
