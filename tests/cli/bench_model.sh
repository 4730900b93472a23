#!/bin/bash
# bench model: what its outputs hold, with a peer that answers with fixed numbers; a peer that crashes, hangs or says
# rubbish ends alone. No time is held to anything: only numbers that the peer makes up are.
. "$(dirname "$0")/lib.sh"
TINY=$ROOT/data/models/tiny-llama
GGUF=$ROOT/tests/golden/families/llama/model.gguf

# The peer: a prefill takes half a second, a decode a quarter, whatever they are; with b/p.gguf twice as long. What goes wrong
# at which request is in $FAKE.
cat >"$TMP/fake" <<'F'
#!/bin/bash
[ -f "$1" ] && [ -f "$2" ] || exit 9 # the script that a Python would run, the GGUF file, threads
echo "$$" >>"$FAKE_PIDS"
misbehave() {
    case "$FAKE" in
    crash."$1") echo "an assertion of its own" >&2; kill -SEGV $$ ;;
    leave."$1") exit 5 ;;
    rubbish."$1") echo "llama_print: loading" ;;
    number."$1") echo '{"seconds": "soon", "n_threads": -1}' ;;
    zero."$1") echo '{"seconds": 0}' ;;
    none."$1") echo '{}' ;;
    long."$1") head -c 100000 /dev/zero | tr '\0' x; echo ;;
    complain."$1") echo '{"error": "no room for a cache"}' ;;
    hang."$1") sleep 86400 & wait ;;
    *) return 1 ;;
    esac
}
prefill=0.5 decode=0.25
case $2 in */b/p.gguf) prefill=1 decode=0.5 ;; esac
misbehave start || echo '{"program": "fake", "build": "fake 7; FLAG = 1", "model_type": "toy", "model_size": 1000, "model_n_params": 250,
 "n_threads": '"$3"', "n_batch": 2048, "n_ubatch": 512, "type_k": "f16", "type_v": "f16", "kv_value_bytes": 2, "rss_before_bytes": 10}' | tr -d '\n'
echo
while read -r what kind rest; do
    echo "$what $kind $rest" >>"$FAKE_LOG"
    [ "$what" != prepare ] || pass=$kind
    misbehave "$what" && continue
    case $what.$pass in
    time.prefill) echo '{"seconds": '$prefill', "peak_rss_bytes": 12345678}' ;;
    time.decode) echo '{"seconds": '$decode', "peak_rss_bytes": 23456789}' ;;
    *) echo '{}' ;;
    esac
done
F
chmod +x "$TMP/fake"
export FAKE="" FAKE_LOG=$TMP/requests FAKE_PIDS=$TMP/pids
mkdir "$TMP/a" "$TMP/b"
for f in a/p.gguf b/p.gguf; do printf 'GGUF\3' >"$TMP/$f"; done
: >"$FAKE_LOG"

bench() { "$QINSBENCH" bench model "$@" 2>"$TMP/log"; }
short=(--prefill 8 --decode 4 --repeats 6 --threads 1 --peer-python "$TMP/fake")
# value ARM TEST KEY: of $TMP/out, which is JSON with a row a line.
value() {
    grep -F "{\"arm\": \"$1\"," "$TMP/out" | grep -F "\"test\": \"$2\"," |
        sed -n "s/.*\"$3\": \(\"[^\"]*\"\|\[[^]]*\]\|[^,}]*\).*/\1/p"
}
is_number() { grep -qE '^[0-9.e+-]+$' <<<"$1"; }

# ---- arms, tests and columns ----

bench "$TINY" "${short[@]}" --variant q8_0 --variant pattern-a-packed --peer "$TMP/a/p.gguf" \
    --variant fp16 --peer="$TMP/b/p.gguf" --depth 0,16 --batch 1,2 --output json -- >"$TMP/none"
bench "$TINY" "${short[@]}" --variant q8_0 --variant pattern-a-packed --peer "$TMP/a/p.gguf" --variant fp16 --peer="$TMP/b/p.gguf" \
    --depth 0,16 --batch 1,2 --output json >"$TMP/out"
arms=$(sed -n 's/^  {"arm": "\([^"]*\)".*/\1/p' "$TMP/out" | sort | uniq -c | sed 's/^ *//')
same "every arm, peers by their files, in every test" "$arms" \
    "$(printf '%s\n' "8 $TMP/b/p.gguf" "8 fp16" "8 fp32" "8 fp32 again" "8 p.gguf" "8 pattern-a-packed" "8 q8_0" | sort)"
same "llama-bench's names of tests" "$(sed -n 's/.*"test": "\([^"]*\)".*/\1/p' "$TMP/out" | sort -u | tr '\n' ,)" "pp8,pp8 @ d16,tg4,tg4 @ d16,"
same "each for both numbers of sequences" "$(sed -n 's/.*"n_sequences": \([0-9]*\),.*/\1/p' "$TMP/out" | sort | uniq -c | tr -s ' \n' ' ')" " 28 1 28 2 "
one=$(grep '"n_sequences": 1,' "$TMP/out") two=$(grep '"n_sequences": 2,' "$TMP/out")
echo "$one" >"$TMP/out"
same "the peer's rate is its tokens over its seconds" "$(value p.gguf pp8 avg_ts) $(value p.gguf tg4 avg_ts)" "16 16"
same "of each repeat" "$(value p.gguf pp8 samples_ts) $(value p.gguf tg4 samples_ns)" \
    "[16, 16, 16, 16, 16, 16] [250000000, 250000000, 250000000, 250000000, 250000000, 250000000]"
same "without spread" "$(value p.gguf pp8 stddev_ts)" 0
same "and is 1 of itself" "$(value p.gguf tg4 'ratio to p.gguf') $(value p.gguf tg4 'ratio_lo to p.gguf') $(value p.gguf tg4 'ratio_hi to p.gguf')" "1 1 1"
same "a peer that takes twice as long has half the speed" "$(value "$TMP/b/p.gguf" tg4 avg_ts) $(value "$TMP/b/p.gguf" pp8 'ratio to p.gguf')" "8 0.5"
same "what it says of itself" "$(for k in program build model_type model_size model_n_params n_threads n_batch n_ubatch type_k peak_rss_bytes rss_before_bytes; do value p.gguf pp8 $k; done | tr '\n' ' ')" \
    '"fake" "fake 7; FLAG = 1" "toy" 1000 250 1 2048 512 "f16" 23456789 10 '
same "FP32 is 1 of itself" "$(value fp32 pp8 ratio) $(value fp32 tg4 ratio_lo) $(value fp32 tg4 ratio_hi)" "1 1 1"
for test in pp8 tg4 "tg4 @ d16"; do
    for key in ratio ratio_lo ratio_hi "ratio to p.gguf" share avg_ts limit; do
        is_number "$(value "fp32 again" "$test" "$key")" || fail "FP32 over FP32, $test: $key" "$(value "fp32 again" "$test" "$key")"
    done
done
pass "FP32 over FP32 is measured, with an interval"
same "arithmetic is named, and what a peer's is, is not known" "$(value fp32 pp8 arithmetic) $(value p.gguf pp8 arithmetic)" '"fp32" ""'
has "fused where generate is" "$("$QINSBENCH" generate "$TINY" --prompt x --steps 1 --variant q8_0 2>&1 >/dev/null)" \
    "[q8_0$(value q8_0 pp8 arithmetic | sed 's/"fused"/, fused/; s/"forward"//'):"
echo "$two" >"$TMP/out"
same "two sequences, twice the tokens" "$(value p.gguf pp8 avg_ts)" 32
# 7 arms: a round of 14 would be balanced.
has "that 6 repeats do not balance 7 arms is said" "$(cat "$TMP/log")" "unbalanced: 7 arms stand at each place equally often in multiples of 14"
same "the peers are asked alike, a cache a group, every turn prepared" "$(sort "$FAKE_LOG" | uniq -c | sed 's/^ *//' | head -4 | tr '\n' ,)" \
    "4 open 1 24,4 open 1 8,4 open 2 24,4 open 2 8,"
same "an untimed round and 6 timed ones" "$(grep -c 'prepare decode 4 16' "$FAKE_LOG")" $((2 * 2 * 2 * 7))

# What a share is of: the machine's limit times it is the work over the peer's seconds. Of 7 repeats the median is one of them.
# tiny-llama's config: 6 layers, 256 wide, 8 heads and 2 of keys and values of 32, 512 in the MLP; its embedding is its head.
bench "$TINY" "${short[@]}" --repeats 7 --depth 16 --peer "$TMP/a/p.gguf" --output json >"$TMP/out"
work() { awk -v share="$1" -v limit="$2" -v work="$3" -v seconds="$4" 'BEGIN { d = share * limit * 1e9 * seconds / work; print (d > 0.999999 && d < 1.000001) ? "same" : d }'; }
weights=$((6 * (2 * 256 * 256 + 2 * 256 * 64 + 3 * 256 * 512)))
same "a prefill's FLOP are two a weight, and attention's" \
    "$(work "$(value p.gguf 'pp8 @ d16' share)" "$(value p.gguf 'pp8 @ d16' limit)" $((8 * 2 * weights + 6 * 4 * 256 * (8 * 8 / 2 + 8 * 16))) 0.5)" same
same "a step's bytes are weights, and keys and values in front of it" \
    "$(work "$(value p.gguf 'tg4 @ d16' share)" "$(value p.gguf 'tg4 @ d16' limit)" "$((4 * 1000 + 6 * 2 * 64 * 2 * (17 + 18 + 19 + 20)))" 0.25)" same

bench "$TINY" "${short[@]}" --arithmetic forward --variant q8_0 --decode 0 --output json >"$TMP/out"
same "--arithmetic forward" "$(value q8_0 pp8 arithmetic)" '"forward"'
same "without --decode there is one test" "$(sed -n 's/.*"test": "\([^"]*\)".*/\1/p' "$TMP/out" | sort -u)" pp8

bench "$TINY" "${short[@]}" --variant fp32 --output json >"$TMP/out"
check "FP32 as generate has it is another arm" is_number "$(value "fp32 of generate" tg4 ratio)"

header=$(bench "$TINY" "${short[@]}" --peer "$TMP/a/p.gguf" --output csv | head -n 1 | tr -d '\r')
for column in model_filename model_size model_n_params n_prompt n_gen n_threads n_batch n_ubatch n_depth type_k type_v avg_ns stddev_ns avg_ts stddev_ts \
    samples_ts test ratio ratio_lo ratio_hi share joules_per_token "ratio to p.gguf" failure; do
    case ",$header," in *",$column,"*) ;; *) fail "CSV has no $column" "$header" ;; esac
done
pass "CSV's columns"
page=$(bench "$TINY" "${short[@]}" --peer "$TMP/a/p.gguf" --output markdown)
has "Markdown's row" "$(grep '^| p.gguf' <<<"$page" | head -n 1)" "| pp8 | 16 | 0 |"
has "with the notes under it" "$page" "    fake: fake 7; FLAG = 1; 1 threads, batch 2048, ubatch 512"
page=$(bench "$TINY" "${short[@]}" --peer "$TMP/a/p.gguf")
has "the console's table" "$page" "over p.gguf"
if ls /sys/class/powercap/intel-rapl:0/energy_uj >/dev/null 2>&1 && [ -r /sys/class/powercap/intel-rapl:0/energy_uj ]; then
    has "joules where they can be read" "$page" "joules a token"
else
    has "no joules are said to be none" "$page" "no joules: this machine shows none"
    bench "$TINY" "${short[@]}" --output json >"$TMP/out"
    same "and never 0" "$(value fp32 tg4 joules_per_token)" null
fi
has "under 6 repeats no self-ratio has an interval" "$(bench "$TINY" "${short[@]}" --repeats 3)" "unchecked: pp8: FP32 over FP32 has no interval"

has "what other processes took is said" "$page" "other processes took "

# the peer's file: the model's own where none is named
for words in "--peer" "--peer --threads 1"; do
    # shellcheck disable=SC2086 # words
    bench "$GGUF" "${short[@]}" --output json $words >"$TMP/out"
    same "bench model MODEL $words" "$(value model.gguf pp8 model_filename)" "\"$GGUF\""
done

# ---- peers that fail: the others' numbers stay ----

# broken FAKE CODE WORDS...: the exit code, the reason, and what is left.
broken() {
    local how=$1 code=$2 reason=$3 found
    shift 3
    : >"$FAKE_PIDS"
    FAKE=$how bench "$TINY" "${short[@]}" --peer "$TMP/a/p.gguf" --variant q8_0 --output json "$@" >"$TMP/out"
    found=$?
    same "$how: exit code" $found "$code"
    has "$how: the reason" "$(cat "$TMP/log")" "$reason"
    if [ "$code" = 3 ]; then
        is_number "$(value q8_0 tg4 ratio)" || fail "$how: the others' results" "$(cat "$TMP/out")"
        same "$how: it has no numbers" "$(value p.gguf tg4 avg_ts) $(value p.gguf tg4 ratio)" "null null"
        has "$how: the row says why" "$(value p.gguf tg4 failure)" "${reason#*failed: }"
    else
        same "$how: nothing was measured" "$(cat "$TMP/out")" ""
    fi
    while read -r pid; do running "$pid" && fail "$how: the peer still runs"; done <"$FAKE_PIDS"
}
broken crash.time 3 "peer p.gguf failed: it crashed (SIGSEGV); its last words: an assertion of its own"
broken crash.start 3 "peer p.gguf failed: it crashed (SIGSEGV)"
broken leave.prepare 3 "peer p.gguf failed: it ended with exit code 5"
broken rubbish.time 3 "peer p.gguf failed: it answered 'llama_print: loading', expected an object of JSON"
broken rubbish.start 3 "peer p.gguf failed: it answered 'llama_print: loading', expected an object of JSON"
broken number.time 3 "peer p.gguf failed: its answer's seconds is no number of 0 or more"
broken number.start 3 "peer p.gguf failed: its answer's n_threads is no number of 0 or more"
broken zero.time 3 "peer p.gguf failed: its answer has no seconds over 0"
broken none.time 3 "peer p.gguf failed: its answer has no seconds over 0"
broken long.time 3 "peer p.gguf failed: its answer has more than 4096 bytes"
broken complain.open 3 "peer p.gguf failed: no room for a cache"
broken hang.start 3 "peer p.gguf failed: it gave no answer in 2 seconds (--peer-limit)" --peer-limit 2
broken complain.start 2 "qinsbench: peer p.gguf: no room for a cache"

# ---- arms of ours that fail ----

check "the planted codec builds" build_planted
# planted FAULT REASON: an arm of ours, not a peer.
planted() {
    echo "{name: $1, codec: planted, options: {fault: $1}, placement: ['mlp.*']}" >"$TMP/$1.yaml"
    bench "$TINY" "${short[@]}" --codec "$TMP/planted.so" --variant "$TMP/$1.yaml" --variant q8_0 --output json >"$TMP/out"
    same "$1: exit code" $? 3
    has "$1: the reason" "$(cat "$TMP/log")" "arm $TMP/$1.yaml failed: $2"
    is_number "$(value q8_0 tg4 ratio)" || fail "$1: the others' results" "$(cat "$TMP/out")"
}
planted crash "it crashed (SIGABRT)"
planted exit "it ended with exit code"

# ---- requests ----

refused() { # NAME MESSAGE WORDS...
    local name=$1 message=$2 output code
    shift 2
    output=$("$QINSBENCH" bench "$@" 2>&1 >/dev/null)
    code=$?
    same "$name: exit code" $code 2
    has "$name" "$output" "$message"
}
refused "no Python" "peer p.gguf: cannot start 'nowhere/python': No such file or directory" model "$TINY" --peer "$TMP/a/p.gguf" --peer-python nowhere/python
same "QINSBENCH_PEER_PYTHON is the default" "$(QINSBENCH_PEER_PYTHON=nowhere/python "$QINSBENCH" bench model "$TINY" --peer "$TMP/a/p.gguf" 2>&1)" \
    "qinsbench: peer p.gguf: cannot start 'nowhere/python': No such file or directory"
if command -v python3 >/dev/null; then
    mkdir "$TMP/modules"
    echo 'raise ImportError("planted: it is not here")' >"$TMP/modules/llama_cpp.py"
    PYTHONPATH=$TMP/modules refused "no package" "the Python package llama-cpp-python is missing or broken in" model "$TINY" --peer "$TMP/a/p.gguf"
fi
refused "no file" "--peer: cannot open $TMP/none.gguf" model "$TINY" --peer "$TMP/none.gguf"
refused "no GGUF" "--peer: $ROOT/README.md is no GGUF file, which is what llama.cpp reads" model "$TINY" --peer "$ROOT/README.md"
refused "the model is none" "--peer: $TINY is no GGUF file, which is what llama.cpp reads; name one with --peer FILE" model "$TINY" --peer
refused "no variant" "no variant 'q8_1'" model "$TINY" --variant q8_1
refused "an arm twice" "arm q8_0 twice" model "$TINY" --variant q8_0 --variant q8_0
refused "FP32 is there already" "arm fp32 twice" model "$TINY" --variant fp32 --arithmetic forward
refused "calibrated without a text" "give a text with --calibration FILE" model "$TINY" --variant calibrated
refused "a model that keeps no keys and values" "it keeps no keys or values" model "$ROOT/data/models/kjv-chain.safetensors"
refused "too deep" "pp512 @ d2048 needs 2560 positions, the model has 1056" model "$ROOT/data/models/kjv-transformer.safetensors" --depth 2048
refused "no test" "--prefill 0 and --decode 0 leave nothing to measure" model "$TINY" --prefill 0 --decode 0
refused "a depth twice" "--depth: 8 twice" model "$TINY" --depth 8,16,8
refused "a depth that is none" "--depth: expected an integer in [0, 1048576], found ''" model "$TINY" --depth 8,
refused "two models" "bench model: expected one model, found 2" model "$TINY" "$TINY"
refused "options of bench" "bench model: --only is without effect" model "$TINY" --only q8_0
refused "options of bench model" "bench: --depth belongs to bench model" --depth 8
refused "kernels, too" "bench: --variant belongs to bench model" kernels --variant q8_0
refused "arithmetic" "--arithmetic: expected fused or forward, found 'fast'" model "$TINY" --arithmetic fast
finish
