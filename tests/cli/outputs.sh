#!/bin/bash
# Where output goes: never over what is read, through links to what they lead to, and nothing that cannot be read again.
. "$(dirname "$0")/lib.sh"
export QINSBENCH_DATA=${QINSBENCH_DATA:-$ROOT/data}
cd "$TMP" || exit 2

"$QINSBENCH" make-model chain --vocab 20 --hidden 8 --layers 1 -o m.safetensors >/dev/null 2>&1
cat >s.yaml <<'Y'
name: outputs
models:
  m: {file: m.safetensors}
variants: [fp32, int8-tensor]
experiments:
  memory: {}
Y
check "a result" "$QINSBENCH" run s.yaml -q -o r.h5
check "a baseline" "$QINSBENCH" baseline accept r.h5 -o b.json
cp "$QINSBENCH_DATA/gate/default.yaml" rules.yaml
echo "1 2 3" >ids
ln -s r.h5 soft.h5
ln r.h5 hard.h5
mkdir folder
cp -r "$QINSBENCH_DATA"/models/tiny-llama/. folder

refused() { # FILE COMMAND...: ends with 2, says why, and FILE is what it was
    local file=$1 before said
    shift
    before=$(sha256sum <"$file")
    said=$("$QINSBENCH" "$@" 2>&1)
    same "$*: refused" $? 2
    has "$*: says why" "$said" "is what is read"
    same "$*: $file stays" "$(sha256sum <"$file")" "$before"
}
refused r.h5 gate r.h5 --baseline b.json --junit r.h5
refused r.h5 gate r.h5 --baseline b.json --junit soft.h5
refused r.h5 gate soft.h5 --baseline b.json --junit hard.h5
refused b.json gate r.h5 --baseline b.json --markdown ./b.json
refused rules.yaml gate r.h5 --baseline b.json --rules rules.yaml --markdown rules.yaml
refused m.safetensors convert m.safetensors --codec fp16 -o m.safetensors
refused folder/model.safetensors convert folder --codec fp16 -o folder/model.safetensors
refused m.safetensors logits m.safetensors --tokens ids -o m.safetensors
refused ids logits m.safetensors --tokens ids -o ids
refused ids kl-base m.safetensors --tokens ids -o ids
refused folder/config.json kl-base folder --text ids -o folder/config.json
ln -s r.h5 soft.json
refused r.h5 baseline accept r.h5 -o soft.json --force --reason slip
"$QINSBENCH" gate r.h5 --baseline b.json --junit v.xml >/dev/null
said=$("$QINSBENCH" gate r.h5 --baseline b.json --junit v.xml --markdown v.xml 2>&1)
same "both reports into one file" $? 2
has "say so" "$said" "--markdown v.xml"
said=$("$QINSBENCH" gate r.h5 --baseline b.json --junit new.xml --markdown ./new.xml 2>&1)
same "also where it is not there yet" $? 2
has "say so, too" "$said" "--markdown ./new.xml"
has "the first is kept" "$(head -n 1 new.xml)" "<?xml"
mkdir folder.json
said=$("$QINSBENCH" baseline accept r.h5 -o folder.json 2>&1)
same "a baseline onto a folder" $? 2
same "is refused before anything is said" "$said" "qinsbench: -o folder.json: is there and no regular file, cannot be replaced"
cp r.h5 copy.h5
said=$("$QINSBENCH" baseline accept r.h5 copy.h5 -o two.json 2>&1)
same "a run given twice" $? 2
has "is no second run" "$said" "copy.h5: the same file as r.h5"
said=$("$QINSBENCH" run s.yaml -o s.yaml 2>&1)
same "a run over its suite" $? 2
has "leaves it alone" "$said" "is left alone"

mkdir elsewhere links
for name in there gone; do ln -s ../elsewhere/$name.h5 links/$name.h5; done
ln -s ../elsewhere/b.json links/b.json
ln -s ../elsewhere/m.st links/m.st
ln -s around links/around
ln -s ../links/around around
cp r.h5 elsewhere/there.h5
check "a run onto a link" "$QINSBENCH" run s.yaml -q -o links/there.h5 --force
check "and onto one to nothing" "$QINSBENCH" run s.yaml -q -o links/gone.h5
check "a baseline" "$QINSBENCH" baseline accept r.h5 -o links/b.json
check "a model" "$QINSBENCH" convert m.safetensors --codec fp16 -o links/m.st
for name in there.h5 gone.h5 b.json m.st; do
    check "$name stays a link" test -L links/$name
    check "$name is where it leads" test -f elsewhere/$name
done
same "nothing is left beside them" "$(ls links elsewhere | grep -c 'tmp\|lock\|shards')" 0
said=$("$QINSBENCH" run s.yaml -q -o links/around 2>&1)
same "a circle of links" $? 2
has "is said" "$said" "circle of symbolic links"

# A lock is of the file, not of the name.
exec 9>elsewhere/there.h5.lock
flock -n 9
said=$("$QINSBENCH" run s.yaml -q -o links/there.h5 --resume 2>&1)
same "another name of a file that is being written" $? 2
has "is locked as well" "$said" "being written by another run"
exec 9>&-

# Folders of the program's own: what others put there stays, and links in them lead nowhere.
stays() { # NAME FILE SHA
    same "$1 stays" "$(sha256sum <"$2")" "$3"
}
precious=$(echo precious | tee precious | sha256sum)
mkdir theirs
cp precious theirs/notes
cp precious "theirs/$(printf '%064d' 0).h5"
ln -s theirs linked.h5.shards
said=$("$QINSBENCH" run s.yaml -q -o linked.h5 2>&1)
same "a folder of shards that is a link" $? 2
has "is refused" "$said" "linked.h5.shards: expected the folder of the run's finished cells, or nothing: it is a symbolic link"
same "and nothing goes" "$(ls theirs | wc -l)" 2
mkdir used.h5.shards
cp precious used.h5.shards/notes
touch "used.h5.shards/$(printf '%064d' 1).h5.1-0.tmp"
ln -s ../precious "used.h5.shards/$(printf '%064d' 2).h5"
check "a folder of shards with a file of the user's" "$QINSBENCH" run s.yaml -q -o used.h5
stays "it" used.h5.shards/notes "$precious"
same "what a killed worker left goes" "$(ls used.h5.shards)" notes
stays "what a link led to" precious "$precious"

before=$(sha256sum <r.h5)
report() { "$QINSBENCH" report r.h5 -o pages --figures png "$@"; }
check "a report" report
check "over a report" report
for name in index.html report.md tables/m.memory.csv figures/style.gp figures/memory.png figures/memory.svg tex/values.tex; do
    ln -sf "$TMP/r.h5" pages/$name
    said=$(report 2>&1)
    same "a report through a link: $name" $? 2
    has "is refused" "$said" "pages/$name: is a symbolic link"
    stays "the result" r.h5 "$before"
    rm pages/$name
done
ln -f r.h5 pages/figures/memory.png
check "a picture over another name of the result" report
stays "the result" r.h5 "$before"
exec 9>pages/.qinsbench-report
flock -n 9
has "two reports at once" "$(report 2>&1)" "another report is being written there"
exec 9>&-
for name in index.html report.md README.md figures/kl.tex figures/README.md tables/m.memory.csv tex/values.tex; do
    rm -rf pages
    mkdir -p "pages/$(dirname $name)"
    cp precious pages/$name
    said=$(report 2>&1)
    same "a file of the user's own, $name" $? 2
    has "is told" "$said" "is there and no report's; it is left alone"
    stays "it" pages/$name "$precious"
    same "and nothing is written" "$(find pages -type f | wc -l)" 1
done
rm -rf pages
mkdir -p pages mine
cp precious mine/kl.svg
ln -s ../mine pages/figures
has "a folder of figures that is a link" "$(report 2>&1)" "pages/figures: is a symbolic link"
cp precious pages/mine.tex && rm pages/figures
check "beside what a report never writes" report

# ---- an output replaces only what is of its kind ----
other() { # FILE COMMAND...
    local file=$1
    shift
    cp precious "$file"
    said=$("$QINSBENCH" "$@" 2>&1)
    same "$*: refused" $? 2
    has "$*: says why" "$said" "it is left alone"
    stays "$file" "$file" "$precious"
}
other o1 logits m.safetensors --tokens ids -o o1
other o2 kl-base m.safetensors --tokens ids --context 4 -o o2
other o3 make-model chain -o o3
other o4 convert m.safetensors --codec fp16 -o o4
other o5.xml gate r.h5 --baseline b.json --junit o5.xml
other o6.md gate r.h5 --baseline b.json --markdown o6.md
other o7.h5.lock run s.yaml -q -o o7.h5
for output in "l.logits logits m.safetensors --tokens ids -o" "k.safetensors make-model chain --vocab 20 --hidden 8 --layers 1 -o" "g.md gate r.h5 --baseline b.json --markdown"; do
    read -r name words <<<"$output"
    # shellcheck disable=SC2086
    check "$words: new" "$QINSBENCH" $words "$name"
    # shellcheck disable=SC2086
    check "and over its own" "$QINSBENCH" $words "$name"
done
mkdir -p hub/blobs hub/snapshot
cp -r "$QINSBENCH_DATA"/models/tiny-llama/. hub/snapshot
mv hub/snapshot/model.safetensors hub/blobs/abc
ln -s ../blobs/abc hub/snapshot/model.safetensors
refused hub/blobs/abc convert hub/snapshot --codec fp16 -o hub/blobs/abc
other new.tokenizer.json convert "$QINSBENCH_DATA/models/kjv-transformer.safetensors" --codec fp16 -o new.safetensors
same "and no model without its tokenizer is left" "$(find . -maxdepth 1 -name new.safetensors | wc -l)" 0
rm new.tokenizer.json
check "a model with its tokenizer" "$QINSBENCH" convert "$QINSBENCH_DATA/models/kjv-transformer.safetensors" --codec fp16 -o new.safetensors
check "and over it" "$QINSBENCH" convert "$QINSBENCH_DATA/models/kjv-transformer.safetensors" --codec int8 -o new.safetensors
cp precious out.st.20240101.tmp && touch -d '2 hours ago' out.st.20240101.tmp
check "a model" "$QINSBENCH" convert m.safetensors --codec fp16 -o out.st
stays "a file whose name is a date" out.st.20240101.tmp "$precious"

"$QINSBENCH" baseline accept r.h5 --force --reason "$(printf 'gr\374n')" -o latin.json >/dev/null
check "a reason in Latin-1 gives one that can" "$QINSBENCH" baseline show latin.json
finish
