#!/bin/bash
# plugins: of a suite loads codecs as --codec does: files and folders, looked up from the suite's folder.
. "$(dirname "$0")/lib.sh"
build_planted || fail "the planted plugin builds"
mkdir -p "$TMP/suite/more"
cp "$TMP/planted.so" "$TMP/suite/one.so"
mv "$TMP/planted.so" "$TMP/suite/more/"
cat >"$TMP/suite/s.yaml" <<'Y'
name: plugins
models:
  tiny: {generator: chain, vocab: 50, hidden: 16, layers: 1}
variants:
  - {name: outside, codec: planted, placement: ['mlp.*']}
experiments:
  memory: {}
Y
Q=$QINSBENCH
has "without it the codec is unknown" "$("$Q" run "$TMP/suite/s.yaml" -o "$TMP/r.h5" 2>&1)" "no codec 'planted'"
for list in one.so more; do
    sed "\$ a plugins: [$list]" "$TMP/suite/s.yaml" >"$TMP/suite/$list.yaml"
    "$Q" run "$TMP/suite/$list.yaml" -o "$TMP/$list.h5" --quiet 2>"$TMP/err"
    same "plugins: [$list]: runs" "$?" 0
    same "and nothing is told" "$(cat "$TMP/err")" ""
    check "and inspect takes it" "$Q" inspect "$TMP/suite/$list.yaml"
    has "the result names the plugin" "$("$Q" inspect "$TMP/$list.h5")" \
        "codec.planted.sha256     $(sha256sum <"$TMP/suite/one.so" | cut -d' ' -f1)"
done
check "named twice, by --codec too: one plugin" "$Q" run "$TMP/suite/one.so.yaml" --codec "$TMP/suite/one.so" -o "$TMP/twice.h5"
again() { "$Q" run "$TMP/suite/one.so.yaml" -o "$TMP/one.so.h5" --resume --force 2>&1 | tail -n 1; }
has "the same bytes: the cell holds" "$(again)" "(1 from an earlier run)"
check "convert takes a plugin by another name of its path" \
    "$Q" convert "$ROOT/data/models/kjv-chain.safetensors" --codec "$TMP/suite/../suite/one.so" -o "$TMP/one.safetensors"
printf x >>"$TMP/suite/one.so"
has "other bytes: it does not" "$(again)" "1 of 1 cells done, 0 failed"
same "a plugin that no variant uses is told" "$(sed 's/codec: planted, //' "$TMP/suite/more.yaml" >"$TMP/suite/unused.yaml" &&
    sed -i 's/- {name: outside.*/- fp32/; s/\[more\]/[one.so]/' "$TMP/suite/unused.yaml" &&
    "$Q" run "$TMP/suite/unused.yaml" -o "$TMP/unused.h5" 2>&1 | grep -c "^note: plugin .*no variant of the suite uses the codec 'planted'")" 1

# ---- a plugin that ends the program elsewhere than in a run, whose workers are processes of their own ----
printf '{name: v, codec: planted, options: {fault: crash}, placement: [mlp.up]}' >"$TMP/crash.yaml"
cp "$ROOT/data/models/kjv-chain.safetensors" "$TMP"
mkdir "$TMP/plugins" && cp "$BUILD"/codecs/*.so "$TMP/suite/one.so" "$TMP/plugins"
said=$(QINSBENCH_CODECS=$TMP/plugins "$Q" convert "$TMP/kjv-chain.safetensors" --variant "$TMP/crash.yaml" -o "$TMP/out.st" 2>&1)
check "a crash in convert ends it by a signal" test $? -ge 128
has "and is told" "$said" "qinsbench: crashed (SIG"
same "nothing is left of the output" "$(find "$TMP" -maxdepth 1 -name 'out.st*' | wc -l)" 0
finish
