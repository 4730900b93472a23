#!/bin/bash
# Signals that end a command: said, and nothing half written is left; what kill -9 left is cleared away later.
. "$(dirname "$0")/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
model=$ROOT/data/models/kjv-transformer.safetensors
check "the planted codec builds" build_planted
cat >"$TMP/waits.yaml" <<'Y'
{name: waits, codec: planted, options: {fault: wait}, placement: ["mlp.*"]}
Y
export QB_PLANTED=$TMP/wait
mkdir "$TMP/codecs"
cp "$BUILD"/codecs/*.so "$TMP/planted.so" "$TMP/codecs"
export QINSBENCH_CODECS=$TMP/codecs

begin() { # a conversion that has begun its file and waits in the codec
    rm -f "$QB_PLANTED".*
    start env --default-signal=INT "$QINSBENCH" convert "$model" --variant "$TMP/waits.yaml" -o "$TMP/out.safetensors" 2>"$TMP/said" >"$TMP/out"
    await "a conversion waits" reached
}
for signal in HUP INT TERM; do
    begin
    same "SIG$signal: there is a file in the making" "$(ls "$TMP"/out.safetensors.*.tmp | wc -l)" 1
    kill -$signal $pid
    wait $pid 2>/dev/null
    same "SIG$signal: ends by it" $? $((128 + $(kill -l $signal)))
    same "SIG$signal: says so" "$(cat "$TMP/said")" "qinsbench: ended by SIG$signal; no file was left half written"
    same "SIG$signal: leaves nothing" "$(ls "$TMP" | grep out.safetensors)" ""
done
begin
kill -KILL $pid
wait $pid 2>/dev/null
temp=$(echo "$TMP"/out.safetensors.*.tmp)
check "kill -9 leaves the file in the making" test -e "$temp"
make() { "$QINSBENCH" convert "$model" --variant fp16 -o "$TMP/out.safetensors" >/dev/null; }
check "another conversion goes well" make
check "what may be written on another machine stays" test -e "$temp"
touch -d '2 hours ago' "$temp"
: >"$TMP/out.safetensors.$$.tmp"
touch -d '2 hours ago' "$TMP/out.safetensors.$$.tmp"
check "and a third one" make
same "what nobody writes any more goes, another process's stays" "$(cd "$TMP" && ls out.safetensors.*)" "out.safetensors.$$.tmp"
finish
