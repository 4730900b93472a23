#!/bin/bash
# References are kept by content key: taken by runs onto other files, bounded, safe to delete, made anew when damaged.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/s.yaml" <<'Y'
name: s
models:
  a: {generator: chain, vocab: 60, hidden: 64, layers: 1, prompt: {random: 4, seed: 1}, corpus: {greedy: 40}}
  b: {generator: transformer, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}, corpus: {greedy: 40}}
variants: [fp32, int8-tensor]
experiments: {greedy: {steps: 4}, teacher-forced: {}, depth: {}}
Y
OUT=$TMP/out CACHE=$TMP/out/.cache
run() { "$QINSBENCH" run "$TMP/s.yaml" "$@" 2>&1; }
entries() { ls "$CACHE" | wc -l; }
bytes() { cat "$CACHE"/* | wc -c; }
ran() { grep -o '\] done *[^ ]*' <<<"$1" | grep -o '[a-z]*/.*' | sort | tr '\n' ' '; }
check "a first run" run -o "$OUT/first.h5"
same "its references are kept" "$(entries)" 6
same "under their keys" "$(ls "$CACHE" | grep -vc '^[0-9a-f]\{64\}\.h5$')" 0
check "with their states" grep -q 'final hidden states' -r "$CACHE"
check "which the result file leaves out" test "$(grep -c 'final hidden states' "$OUT/first.h5")" = 0
same "but for their places" "$("$QINSBENCH" inspect "$OUT/first.h5" | grep -c '/reference/')" 6
said=$(run -o "$OUT/second.h5")
has "a second run takes them" "$said" "18 of 18 cells done (6 references from the cache), 0 failed"
same "and measures the same" "$(summary "$OUT/second.h5")" "$(summary "$OUT/first.h5")"
has "--cache names another folder" "$(run -o "$TMP/elsewhere/r.h5" --cache "$CACHE")" "(6 references from the cache)"
said=$(run -o "$OUT/none.h5" --cache-size 0)
same "a size of 0 is no cache" "$(grep -c 'from the cache' <<<"$said") $?" "0 1"

# ---- deleted, damaged ----
said=$(run -o "$OUT/first.h5" --resume --set 'variants=[fp32, int8-tensor, pattern-a]')
same "a new variant needs no new reference" "$(ran "$said")" "$(printf '%s ' {a,b}/pattern-a/{depth,greedy,teacher-forced})"
has "and the old ones are the earlier run's" "$said" "24 of 24 cells done (18 from an earlier run)"
rm -rf "$CACHE"
said=$(run -o "$OUT/first.h5" --resume --set 'variants=[fp32, int8-tensor, pattern-a]')
has "without the cache a finished run is taken whole" "$said" "24 of 24 cells done (24 from an earlier run)"
said=$(run -o "$OUT/first.h5" --resume --set 'variants=[fp32, int8-tensor, pattern-a, bf16]')
same "and a new variant has what it needs made anew" "$(ran "$said")" \
    "$(printf '%s ' {a,b}/bf16/{depth,greedy,teacher-forced} {a,b}/reference/{depth,teacher-forced} | tr ' ' '\n' | sort | tr '\n' ' ' | sed 's/^ //')"
same "of which nothing else is said" "$(grep -c 'ran again' <<<"$said")" 0
check "a run that fills it again" run -o "$OUT/third.h5"
for entry in "$CACHE"/*; do printf 'X' | dd of="$entry" bs=1 seek=2000 conv=notrunc 2>/dev/null; done
said=$(run -o "$OUT/fourth.h5")
has "damaged references are made anew" "$said" "note: a reference in the cache is damaged and is made anew"
same "all of them" "$(grep -c 'from the cache' <<<"$said")" 0
same "and measure the same" "$(summary "$OUT/fourth.h5")" "$(summary "$OUT/second.h5")"
has "then they are whole" "$(run -o "$OUT/fifth.h5")" "(6 references from the cache)"
for entry in "$CACHE"/*; do : >"$entry"; done
check "empty ones are damaged" run -o "$OUT/sixth.h5"
n=0
for entry in "$CACHE"/*; do
    rm "$entry"
    if [ $((n++)) = 0 ]; then mkfifo "$entry"; else ln -s "$TMP/nothing" "$entry"; fi
done
check "what is no file is none" timeout -s KILL 300 "$QINSBENCH" run "$TMP/s.yaml" -o "$OUT/pipe.h5"
same "and makes room for one" "$(find "$CACHE" -name '*.h5' -type f | wc -l)" 6
: >"$TMP/file"
said=$(run -o "$OUT/seventh.h5" --cache "$TMP/file")
same "a cache that cannot be: exit 0" $? 0
has "and a warning" "$said" "warning: references are not kept"

# ---- bounds ----
run -o "$OUT/touch.h5" --only 'a/fp32/depth' >/dev/null
oldest=$(ls -ut "$CACHE" | sed -n 2p) held=$(ls -ut "$CACHE" | sed -n 3p) # the first was used just now
size=$(($(bytes) - 1)) # reading may set the time of use
touch -a -d '2001-01-01' "$CACHE/$oldest"
touch -a -d '2000-01-01' "$CACHE/$held"
ln "$CACHE/$held" "$TMP/held"
:>"$CACHE/notes.txt"
run -o "$OUT/eighth.h5" --cache-size $size --only 'a/fp32/depth' >/dev/null
check "over the bound, what was used longest ago goes" test ! -e "$CACHE/$oldest"
same "and as much as is needed" "$(ls "$CACHE"/*.h5 | wc -l)" 5
check "what a run works on stays" test -e "$CACHE/$held"
check "and so does what is no reference" test -e "$CACHE/notes.txt"
rm "$TMP/held"
run -o "$OUT/ninth.h5" --cache-size 1 >/dev/null
same "a run goes on with a cache that holds nothing" "$? $(ls "$CACHE"/*.h5 2>/dev/null | wc -l)" "0 0"
same "and measures the same" "$(summary "$OUT/ninth.h5")" "$(summary "$OUT/second.h5")"

# ---- two runs at once ----
rm -rf "$CACHE"
run -o "$OUT/left.h5" >"$TMP/left" &
run -o "$OUT/right.h5" >"$TMP/right"
right=$?
wait $!
same "two runs share a cache" "$? $right" "0 0"
same "and measure the same" "$(summary "$OUT/left.h5")" "$(summary "$OUT/right.h5")"
same "each reference is there once" "$(entries)" 6
finish
