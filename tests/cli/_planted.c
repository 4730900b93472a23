/* A codec that stores FP32 as it is, and with its option `fault` does what a codec must not do. For tests/cli. With
 * `wait` a cell stops until a test lets it go: it makes the file $QB_PLANTED.reached and waits for $QB_PLANTED.go,
 * which lets all go, or $QB_PLANTED.next, which lets one go and disappears. With `log` each process that encodes writes
 * its id into $QB_PLANTED.log; with `leave` it leaves a process, whose id is in that file, and crashes; with `stray`
 * it leaves one in a session of its own, whose parent ended, and waits as with `wait`; with `late` a process hangs in
 * its eleventh decode; with `leak` each decode leaves 16 KiB behind; with `part` it waits as with `wait`, in its first
 * encode while a part of a cell lies in $QB_PLANTED.shards: in the second piece of a cell. */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec.h"

enum fault {
    FAULT_NONE,
    FAULT_CRASH,
    FAULT_HANG,
    FAULT_NAN,
    FAULT_EXIT,
    FAULT_CHATTER,
    FAULT_REFUSE,
    FAULT_WAIT,
    FAULT_LOG,
    FAULT_LATE,
    FAULT_LEAVE,
    FAULT_STRAY,
    FAULT_PART,
    FAULT_LEAK
};
static const struct qb_codec_option options[] = {
    {"fault", QB_OPTION_CHOICE, "none", 0, 0,
     "none|crash|hang|nan|exit|chatter|refuse|wait|log|late|leave|stray|part|leak", "what goes wrong"},
    {0}};

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    (void)config, (void)error;
    *bytes = rows * cols * sizeof(float);
    return QB_CODEC_OK;
}

/* Waits for the test, or for its end: a test that died leaves nobody waiting, as the parent's death ends a worker. */
static void wait_for_test(void)
{
    static int passed; /* a cell is a process and encodes many tensors */
    const char *name = getenv("QB_PLANTED");
    char reached[4096], go[4096], next[4096];
    if (!name || passed)
        return;
    passed = 1;
    snprintf(reached, sizeof reached, "%s.reached", name);
    snprintf(go, sizeof go, "%s.go", name);
    snprintf(next, sizeof next, "%s.next", name);
    FILE *mark = fopen(reached, "w");
    if (mark)
        fclose(mark);
    while (access(go, F_OK) != 0 && unlink(next) != 0)
        usleep(5000);
}

static bool part_is_there(void)
{
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s.shards/*.part", getenv("QB_PLANTED"));
    const bool there = glob(pattern, 0, NULL, &found) == 0;
    if (there)
        globfree(&found);
    return there;
}

static void write_log(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.log", getenv("QB_PLANTED"));
    FILE *log = fopen(path, "a");
    if (log) {
        fprintf(log, "%ld\n", (long)getpid());
        fclose(log);
    }
}

static void leave_stray(void)
{
    pid_t between = fork();
    if (between == 0) {
        setsid();
        if (fork() == 0) {
            write_log();
            for (;;)
                pause();
        }
        _exit(0);
    }
    waitpid(between, NULL, 0);
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    int fault = (int)config->options[0].i;
    (void)out_bytes;
    if (fault == FAULT_CRASH) {
        fprintf(stderr, "planted: about to write to nowhere\n");
        fflush(stderr);
        abort();
    }
    for (volatile int forever = fault == FAULT_HANG; forever;)
        ;
    if (fault == FAULT_STRAY)
        leave_stray();
    if (fault == FAULT_WAIT || fault == FAULT_STRAY || (fault == FAULT_PART && part_is_there()))
        wait_for_test();
    if (fault == FAULT_LOG)
        write_log();
    if (fault == FAULT_LEAVE) {
        if (fork() == 0) {
            write_log();
            for (;;)
                pause();
        }
        usleep(100000);
        abort();
    }
    if (fault == FAULT_EXIT)
        _Exit(7);
    for (int i = 0; fault == FAULT_CHATTER && i < 20000; i++)
        printf("a plugin that prints, line %d\r", i);
    if (fault == FAULT_REFUSE) {
        error->index = 1;
        snprintf(error->message, sizeof error->message, "planted refusal");
        return QB_CODEC_BAD_INPUT;
    }
    memcpy(out, x, rows * cols * sizeof *x);
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    static int decodes;
    (void)rows, (void)in_bytes, (void)error;
    for (volatile int forever = config->options[0].i == FAULT_LATE && ++decodes > 10; forever;)
        ;
    memcpy(out, (const float *)in + row * cols, count * cols * sizeof *out);
    if (config->options[0].i == FAULT_LEAK) {
        char *volatile lost = malloc(16384);
        if (lost)
            memset(lost, 1, 16384);
    }
    if (config->options[0].i == FAULT_NAN)
        out[count * cols - 1] = NAN;
    return QB_CODEC_OK;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {.struct_size = sizeof codec,
                                          .abi_version = QB_CODEC_ABI_VERSION,
                                          .id = "planted",
                                          .version = "1",
                                          .summary = "FP32 as it is, with planted faults",
                                          .options = options,
                                          .tolerance = {.sqnr_db = 1e9},
                                          .encoded_size = size,
                                          .encode = encode,
                                          .decode = decode};
    return &codec;
}
