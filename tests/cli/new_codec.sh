#!/bin/bash
# new-codec writes a plugin that builds without a warning and passes its tests; those tests see planted faults; a
# failure leaves nothing behind.
. "$(dirname "$0")/lib.sh"
unset CODEC_H MAKEFLAGS MAKELEVEL MFLAGS
export QINSBENCH PKG_CONFIG_LIBDIR="$TMP/no-packages"
cd "$TMP" || exit 2
create() { "$QINSBENCH" new-codec "$@" 2>&1; }
# left FOLDER: what lies in it, one line
left() { find "$1" -mindepth 1 | sort | xargs; }

# ---- what is written ----
log=$(create my-format)
same "new-codec: exit 0" $? 0
has "it says what to do next" "$log" "make -C my-format test"
same "the files" "$(cd my-format && find . -type f | sort | xargs)" \
    "./.github/workflows/gate.yml ./.gitignore ./Makefile ./README.md ./my-format.c ./my-format.yaml ./suite.yaml ./tests/round_trip.c ./tests/run.sh"
same "no word of the templates is left" "$(grep -rnE '@[A-Z_]+@' my-format)" ""
same "the workflow's actions" "$(grep -o 'uses: .*' my-format/.github/workflows/gate.yml | xargs)" 'uses: actions/checkout@v4 uses: actions/upload-artifact@v4'
same "the sources include codec.h, codec_util.h and nothing else of the harness" \
    "$(grep -h '#include "' my-format/my-format.c my-format/tests/round_trip.c | sort -u | xargs)" '#include codec.h #include codec_util.h'
create my-format -o elsewhere/ >/dev/null
check "-o, a slash at its end: the same files" diff -r my-format elsewhere
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    make -C my-format -s clean
    check "make with $cc: no warning" make -C my-format -s CC=$cc all tests/round_trip
    log=$(make -C my-format -s CC=$cc test 2>&1)
    same "make test with $cc: exit 0" $? 0
    has "conformance with $cc" "$log" " 0 failed, "
    has "inspect names all that it offers, with $cc" "$log" "offers       encode decode encode_part"
    has "the round trip with $cc" "$log" "round trip   passed"
done
check "the suite and the variant are valid" "$QINSBENCH" inspect my-format/suite.yaml --codec my-format/my-format.so
has "the variant encodes with the codec" "$("$QINSBENCH" inspect my-format/my-format.yaml --codec my-format/my-format.so)" "my-format"
# Bits: 4 and a float for each 64 values, 4.5 where rows are multiples of 64, as in these models.
check "a cell runs" "$QINSBENCH" run my-format/suite.yaml --codec my-format/my-format.so -q -o r.h5 --only 'kjv-chain/my-format/memory'
same "4.5 bits a weight" "$("$QINSBENCH" show r.h5 --metric encoded_bits_per_weight --output csv | tail -n 1 | cut -d, -f5)" 4.5
git -C my-format init -q && mkdir my-format/report && touch my-format/{result.h5,gate.xml,gate.md,report/index.html}
same "git leaves out what is measured" "$(git -C my-format status --porcelain | grep -E 'h5|gate\.(md|xml)|report')" ""
rm -rf my-format/{.git,result.h5,gate.xml,gate.md,report}
make -C my-format -s clean
same "make clean leaves the sources" "$(find my-format -type f | wc -l)" 9

# ---- its tests see faults: fault "WHAT" SED-SCRIPT PART... ----
fault() {
    local what=$1 edit=$2 log status part
    shift 2
    rm -rf faulty && create my-format -o faulty >/dev/null
    sed -i "$edit" faulty/my-format.c
    if cmp -s faulty/my-format.c my-format/my-format.c; then fail "$what: planted" "the edit changes nothing: $edit"; fi
    log=$(make -C faulty -s test 2>&1)
    status=$?
    if [ $status -ne 0 ]; then pass "$what: make test is red"; else fail "$what: make test is red" "$log"; fi
    for part in "$@"; do has "$what: it names '$part'" "$log" "$part"; done
}
fault "truncation in place of rounding" 's/rintf(x/truncf(x/' "FAIL  tolerance" "FAIL  stored byte"
fault "no entry" 's/\bqb_codec_entry\b/another_entry/' "does not export qb_codec_entry" "FAIL  expected the path of a plugin"
fault "the halves of a byte swapped" 's/i % 2 ? 4 : 0/i % 2 ? 0 : 4/' "FAIL  stored byte [8]: 27, expected 177"
fault "codes off by one" 's/(float)code \* scale/(float)(code + 1) * scale/' "FAIL  tolerance" "FAIL  decoded value"
fault "scales 1% short" 's|extreme / (float)LOWEST;|0.99f * extreme / (float)LOWEST;|' "FAIL  stored byte"
fault "decode of too few bytes" 's/cols, in_bytes, row/cols, in_bytes + 1, row/' "FAIL  small buffers"
fault "NaN let through" 's/qb_check_finite(x, count/qb_check_finite(x, 0/' "FAIL  NaN and Inf"
fault "parts that land at row 0" 's/(row + r) \* layout.row_bytes);/r * layout.row_bytes);/' "FAIL  encode in parts"
fault "a warning" 's/enum { OPTION_GROUP };/enum { OPTION_GROUP }; static int unused;/' "unused"

# ---- names ----
refused() { # WHAT PART ARGUMENTS...
    local what=$1 part=$2 log
    shift 2
    log=$(create "$@")
    same "$what: exit 2" $? 2
    has "$what: the message" "$log" "$part"
}
mkdir empty && cd empty || exit 2
for name in '' My-format 4bit -4bit _format 'my format' 'a/b' ../a 'a.b' 'ä' "$(printf 'a%.0s' {1..41})"; do
    refused "the name '$name'" "expected a name of a lower-case letter" -- "$name"
done
refused "a codec's id" "is the id of a shipped codec" int8 -o here
refused "an id with an underscore" "is the id of a shipped codec" tq1_0 -o here
refused "a variant's name" "is the name of a shipped variant" pattern-a -o here
refused "the suite's own name" "suite.yaml lies beside it" suite -o here
refused "the reference's name" "the FP32 run has it" reference -o here
refused "no name" "expected one name, found 0" -o here
refused "two names" "expected one name, found 2" a b
refused "an unknown option" "did you mean '--out'" a --uot
refused "-o without a folder" "needs an argument" a -o
refused "-o ''" "expected a folder's name" a -o ''
refused "a folder in a folder that is not there" "No such file or directory" a -o no/a
same "nothing was written" "$(left .)" ""
has "--help" "$(create --help)" "usage: qinsbench new-codec NAME"

# ---- nothing is overwritten, nothing is left half-written ----
mkdir a && echo precious >a/a.c && echo precious >b && ln -s nowhere c && mkdir d
for there in a b c d; do refused "-o over what is there ($there)" "$there: is there already" my-format -o $there; done
same "and it is untouched" "$(cat a/a.c b | xargs) $(readlink c) $(left .)" "precious precious nowhere ./a ./a/a.c ./b ./c ./d"
cd "$TMP" && rm -rf empty
broken() { # WHAT PART COMMAND...: templates of which one is broken by the command, run in their folder
    local what=$1 part=$2 data=${QINSBENCH_DATA:-}
    shift 2
    rm -rf data place && mkdir data place && ln -s "$ROOT"/data/variants data/ && cp -R "$ROOT"/data/new-codec data/
    (cd data/new-codec && "$@")
    export QINSBENCH_DATA="$TMP/data"
    refused "$what" "$part" my-format -o place/my-format
    same "$what: nothing is left" "$(left place)" ""
    if [ -n "$data" ]; then export QINSBENCH_DATA="$data"; else unset QINSBENCH_DATA; fi
}
broken "a template is missing" "no new-codec/tests/round_trip.c" rm tests/round_trip.c
broken "a template is empty" "suite.yaml: expected a template, found an empty file" cp /dev/null suite.yaml
broken "a template with a NUL" "expected a template, found a NUL" sed -i '1s/./\x00/' README.md
broken "an unknown word" "variant.yaml:3: expected @NAME@, @CODEC_H@ or @PROGRAM@, found '@NAMES@'" \
    sed -i 's/^name: "@NAME@"/name: "@NAMES@"/' variant.yaml

mkdir -p full
log=$(trap '' XFSZ && ulimit -f 4 && create my-format -o full/my-format)
same "no room for the second 4 KiB of a file: exit 2" $? 2
has "no room: the message" "$log" "cannot write: File too large"
same "no room: nothing is left" "$(left full)" ""

# ---- where codec.h comes from: the command line, pkg-config, the program that wrote the Makefile ----
mkdir -p prefix/bin prefix/include/qinsbench prefix/share/qinsbench prefix/lib/qinsbench
cp "$QINSBENCH" prefix/bin/ && cp "$ROOT"/harness/codec/codec{,_util}.h prefix/include/qinsbench/
ln -s "$ROOT"/data/variants "$ROOT"/data/new-codec prefix/share/qinsbench/ && ln -s "$(dirname "$QINSBENCH")/codecs" prefix/lib/qinsbench/codecs
(unset QINSBENCH_DATA QINSBENCH_CODECS && prefix/bin/qinsbench new-codec my-format -o installed 2>/dev/null)
has "written by an installed program: its codec.h" "$(grep '^CODEC_H ?=' installed/Makefile)" "/prefix/include/qinsbench)"
has "and its program" "$(grep '^QINSBENCH ?=' installed/Makefile)" "/prefix/bin/qinsbench)"
check "it builds" make -C installed -s
mkdir packages && cp -R prefix/include/qinsbench header
printf 'includedir=%s/header\nName: qinsbench-codec\nDescription: x\nVersion: 1\nCflags: -I${includedir}\n' "$TMP" >packages/qinsbench-codec.pc
commands() { make -C my-format -n "$@" | grep -o -- '-I"[^"]*"' | sort -u; }
if command -v pkg-config >/dev/null; then
    same "pkg-config comes first" "$(PKG_CONFIG_LIBDIR=$TMP/packages commands)" "-I\"$TMP/header\""
fi
same "but CODEC_H=... before it" "$(PKG_CONFIG_LIBDIR=$TMP/packages commands CODEC_H=/x)" '-I"/x"'
log=$(make -C my-format -s CODEC_H=/nowhere 2>&1)
has "a folder without codec.h is named" "$log" "no codec.h in '/nowhere': make CODEC_H=FOLDER"
mkdir "with space" && cp -R prefix/include/qinsbench "with space/"
check "CODEC_H with a space" make -C my-format -s CODEC_H="$TMP/with space/qinsbench"
cp -R prefix "with space/prefix"
log=$(unset QINSBENCH_DATA QINSBENCH_CODECS && "with space/prefix/bin/qinsbench" new-codec my-format -o spaced 2>&1)
has "a program in a folder with a space: codec.h is asked for" "$log" "make CODEC_H=FOLDER"
finish
