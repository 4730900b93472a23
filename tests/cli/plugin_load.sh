#!/bin/bash
# A plugin that ends, crashes or stops the program while it is loaded: exit 2, and it is named.
. "$(dirname "$0")/lib.sh"
cat >"$TMP/bad.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "codec.h"
#ifdef LEAVE
__attribute__((constructor)) static void leave(void)
{
    FILE *mark = fork() == 0 ? fopen(getenv("QB_LEFT"), "w") : NULL;
    if (mark) {
        fprintf(mark, "%ld\n", (long)getpid());
        fclose(mark);
        for (;;)
            pause();
    }
    while (access(getenv("QB_LEFT"), F_OK) != 0)
        usleep(1000);
}
#endif
#ifdef UNLOAD
__attribute__((destructor)) static void unload(void) { abort(); }
static struct qb_codec codec;
#endif
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    printf("hello from a plugin\n");
#ifdef UNLOAD
    return &codec;
#elif defined CRASH
    *(volatile int *)8 = 1;
    return NULL;
#else
    exit(0);
#endif
}
C
for kind in EXIT CRASH LEAVE UNLOAD; do
    ${CC:-cc} -w -O1 -fPIC -shared -D$kind -I "$ROOT/harness/codec" "$TMP/bad.c" -o "$TMP/$kind.so" ||
        fail "$kind: the planted plugin builds"
done

# refused KIND PART: by every command that loads it.
refused() {
    local kind=$1 part=$2 words said
    for words in "run source --codec" "inspect" "bench --codec"; do
        said=$("$QINSBENCH" $words "$TMP/$kind.so" 2>"$TMP/err")
        same "$kind: $words: exit 2" $? 2
        has "$kind: $words: names it and says why" "$(cat "$TMP/err")" "$TMP/$kind.so: $part"
        same "$kind: $words: prints nothing of its own" "$said" ""
    done
}
export QB_LEFT=$TMP/left
refused EXIT "the plugin ended the process with exit code 0 while it was loaded"
refused CRASH "the plugin crashed with signal 11 (SIGSEGV) while it was loaded"
refused UNLOAD "the plugin crashed with signal 6 (SIGABRT) while it was loaded"
# A cut file: where the loader's tables still are, the kernel's answer to reading on is a signal.
size=$(stat -c %s "$BUILD/codecs/int8.so")
crashes=0
for part in 1 2 3 4 5 6 7; do
    head -c $((size * part / 8)) "$BUILD/codecs/int8.so" >"$TMP/cut.so"
    "$QINSBENCH" inspect "$TMP/cut.so" >/dev/null 2>"$TMP/err"
    status=$?
    # What stands at the end is not loaded: a file without it may be a plugin still.
    [ $status -eq 0 ] || same "$part eighths of a plugin: exit 2" $status 2
    [ $status -eq 0 ] || has "$part eighths of a plugin: named" "$(cat "$TMP/err")" "qinsbench: $TMP/cut.so: "
    ! grep -q "the plugin crashed with signal 7 (SIGBUS) while it was loaded; expected a whole" "$TMP/err" || crashes=1
done
same "a cut plugin that the loader crashes on is told" $crashes 1
refused LEAVE "the plugin ended the process with exit code 0 while it was loaded"
left=$(cat "$QB_LEFT")
ended() { ! running "$left"; }
await "the process that it had started has ended" ended && pass "what it had started ends with it"
finish
