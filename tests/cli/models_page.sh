#!/bin/bash
# docs/models.md and the program name the same: families, tensors, types, and each key that a reader knows, both ways.
. "$(dirname "$0")/lib.sh"
Q=$QINSBENCH

# page HEAD COLUMN FILE: the `words` in a column of the table whose head begins so.
page() {
    awk -v head="$1" -v column="$2" -F'|' '
        index($0, head) == 1 { on = 1; next }
        on && !/^\|/ { exit }
        on { n = split($(column + 1), word, "`"); for (i = 2; i <= n; i += 2) print word[i] }' "$3" | sort -u
}
# rows FILE...: the keys of the readers' tables.
rows() { sed -n 's/^.*{"\([A-Za-z_.]*\)", *\("[a-z_.]*"\|NULL\), *\([A-Z"N].*\)}.*$/\1/p' "$@" | sort -u; }
arch=$ROOT/harness/arch
options() {
    sed -n '/^static const struct option options/,/};/s/^ *{"\([a-z_]*\)".*/\1/p' "$arch/arch_options.c"
    sed -n 's/.*{*prefix "\([a-z_]*\)".*/rope.\1/p' "$arch/arch_options.c"
    printf '%s\n' 'windowed_rope.*'
    sed -n '/others\[\] = /s/[^"]*"\([a-z]*\)"[^"]*/\1\n/gp' "$ROOT/harness/model/model_file.c" | grep .
}
# Names of tensors without a layer's prefix.
bare() { sed 's/^\(model\.\)\?layers\.%d\.//; s/^blk\.%d\.//' | grep . | sort -u; }
tensors() {
    sed '/^#define DECODER/,$d' "$arch/families.c" >"$TMP/rules"
    { grep -o '\.\(own\|hf\|gguf\) = "[^"]*"' "$TMP/rules" | cut -d'"' -f2
      grep -o '_ROW([A-Z_0-9 |]*, *"[^)]*\|[^_]ROW([A-Z_]*, *"[^)]*' "$TMP/rules" | grep -o '"[^"]*"' | tr -d '"'; } | bare
}
columns() { for i in 1 2 3; do page "$1" $i "$2"; done; }
# What the program has, a list a kind.
lists="option config.json rope GGUF family tensor type"
options | sort -u >"$TMP/option.ours"
{ echo model_type && rows "$arch/config_hf.c"; } | sort -u >"$TMP/config.json.ours"
rows "$arch/config_rope.c" >"$TMP/rope.ours"
rows "$arch/config_gguf.c" >"$TMP/GGUF.ours"
"$Q" list families --output csv | sed '1d' | cut -d, -f1-3 | tr , '\n' | grep . | sort -u >"$TMP/family.ours"
tensors >"$TMP/tensor.ours"
header='{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
printf '%b%s\0\0\0\0' "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0" "$header" >"$TMP/none.safetensors"
"$Q" inspect "$TMP/none.safetensors" 2>/dev/null | sed -n 's/.*types of tensors: //p' | tr -d ' ' | tr , '\n' | sort -u >"$TMP/type.ours"
for list in $lists; do check "$list: the program has some" test "$(wc -l <"$TMP/$list.ours")" -gt 9; done
# compare PAGE: what one has (< the program) and the other lacks, a line each.
compare() {
    page '| key | value |' 1 "$1" >"$TMP/option.page"
    page '| key | meaning |' 1 "$1" >"$TMP/config.json.page"
    page '| key of rope |' 1 "$1" >"$TMP/rope.page"
    page '| key of GGUF |' 1 "$1" >"$TMP/GGUF.page"
    columns '| family |' "$1" | sort -u >"$TMP/family.page"
    columns '| own layout |' "$1" | bare >"$TMP/tensor.page"
    sed -n '/^Types of tensors/,/^$/p' "$1" | sed 's/The others.*//' | grep -ow '[A-Z]*[0-9][0-9A-Z_]*' | grep -vx 'GGUF' | sort -u >"$TMP/type.page"
    for list in $lists; do diff "$TMP/$list.ours" "$TMP/$list.page" | sed -n "s/^\([<>]\)/$list \1/p"; done
}
same "the page and the program agree" "$(compare docs/models.md)" ""
# Each of the lists is there, and a fault in each is found.
for fault in rope.theta hidden_size long_factor attention.key_length gemma3_text 'layers.%d.mlp.gate' model.norm IQ4_XS; do
    sed "s/\`${fault//./\\.}\`/\`no\`/; s/\b$fault, /no, /" docs/models.md >"$TMP/page.md"
    same "$fault away from the page is found" "$(compare "$TMP/page.md" | grep -c '<')" 1
done
sed 's/`n_embd`/`n_embed`/; s/`lm_head`/`lm_heads`/' docs/models.md >"$TMP/page.md"
same "what the program has not is found" "$(compare "$TMP/page.md" | grep '>')" "config.json > n_embed
tensor > lm_heads"

# ---- the example without Python; and the one with it, where torch is there ----
sed -n '/^```python$/,/^```$/p' docs/models.md | sed '/^```/d' >"$TMP/mine.py"
cd "$TMP" || exit 2
check "make-model as on the page" "$Q" make-model chain --vocab 100 --hidden 32 --layers 2 -o mine.safetensors
check "inspect shows it" "$Q" inspect mine.safetensors
if python3 -c 'import torch, safetensors' 2>/dev/null; then
    check "the snippet writes a model" python3 mine.py
    has "which inspect shows" "$("$Q" inspect mine.safetensors 2>&1)" "layers         2"
fi
finish
