/* The entry that libFuzzer calls, and main of a program that replays files (FUZZ_REPLAY): TARGET=name says what the
 * bytes are. */
#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

const struct fuzz_target fuzz_targets[] = {
    {"yaml", fuzz_yaml},
    {"suite", fuzz_suite},
    {"variant", fuzz_variant},
    {"rules", fuzz_rules},
    {"claims", fuzz_claims},
    {"baseline", fuzz_baseline},
    {"tokens", fuzz_tokens},
    {"questions", fuzz_questions},
    {"safetensors", fuzz_safetensors},
    {"gguf", fuzz_gguf},
    {"config", fuzz_config},
    {"index", fuzz_index},
    {"tokenizer", fuzz_tokenizer},
    {"text", fuzz_text},
    {"chat", fuzz_chat},
    {"result", fuzz_result},
    {"logits", fuzz_logits},
    {"decode", fuzz_decode},
    {NULL, NULL},
};

static const struct fuzz_target *target;
static size_t live;     /* bytes before the input */
static size_t accepted; /* inputs that no error answered */
static char folder[64], path[128];

_Noreturn void fuzz_found(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("fuzz: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    abort();
}

struct qb_registry *fuzz_registry(void)
{
    static struct qb_registry *registry;
    struct qb_error err = {0};
    const char *const folders[] = {getenv("QINSBENCH_CODECS"), NULL};
    if (!registry && (qb_registry_open(folders, NULL, &registry, &err) || qb_registry_count(registry) == 0))
        fuzz_found("no plugins in $QINSBENCH_CODECS: %s", err.message);
    return registry;
}

static void remove_folder(void)
{
    static const char *const names[] = {
        "input",           "config.json", "model.safetensors", "model.safetensors.index.json",
        "one.safetensors", "input.yaml",  "tokenizer.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (*folder)
        return folder;
    snprintf(folder, sizeof folder, "%s/qb-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    if (!mkdtemp(folder))
        fuzz_found("no folder like %s", folder);
    atexit(remove_folder);
    return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t size)
{
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    unlink(path); /* a new file: what is mapped of the old one stays as it was */
    FILE *file = fopen(path, "wb");
    if (!file || (size > 0 && fwrite(data, 1, size, file) != size) || fclose(file) != 0)
        fuzz_found("cannot write %s", path);
    return path;
}

void fuzz_keep_live(void)
{
    live = qb_mem_stats().live_bytes;
}

static void choose(void)
{
    const char *name = getenv("TARGET");
    for (const struct fuzz_target *t = fuzz_targets; t->name; t++)
        if (name && strcmp(name, t->name) == 0)
            target = t;
    if (!target) {
        fprintf(stderr, "fuzz: TARGET is '%s', expected one of", name ? name : "");
        for (const struct fuzz_target *t = fuzz_targets; t->name; t++)
            fprintf(stderr, " %s", t->name);
        fputc('\n', stderr);
        exit(2);
    }
    setenv("QINSBENCH_DATA", "data", 0);
}

/* A message is a line that a terminal can show. */
static void check_message(const char *message)
{
    uint32_t point;
    if (!*message)
        fuzz_found("an error without a message");
    for (size_t n; *message; message += n)
        if (!(n = qb_utf8_sequence(message, strlen(message), &point)) || !qb_utf8_shows(point))
            fuzz_found("a message with bytes that no terminal should get: %s", message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qb_error err = {0};
    if (!target)
        choose();
    fuzz_registry();
    fuzz_keep_live();
    qb_mem_limit(FUZZ_MEMORY);
#ifdef FUZZ_PLANTED /* tests/long/fuzz.sh: a fault that must be found */
    char planted[4];
    if (size > 3 && memcmp(data, "qins", 4) == 0)
        memcpy(planted, data, size);
    __asm__ volatile("" ::"r"(planted) : "memory");
#endif
    target->run(data, size, &err);
    qb_mem_limit(0);
    if (err.status == QB_ERR_MEMORY)
        fuzz_found("asks for memory that the input does not justify: %s", err.message);
    if (err.status == QB_ERR_INTERNAL)
        fuzz_found("an error of ours, not of the input: %s", err.message);
    if (err.status)
        check_message(err.message);
    if (qb_mem_stats().live_bytes != live)
        fuzz_found("%zu bytes leak", qb_mem_stats().live_bytes - live);
    accepted += err.status == QB_OK;
    return 0;
}

#ifdef FUZZ_REPLAY
int main(int argc, char **argv)
{
    struct qb_error err = {0};
    choose();
    for (int i = 1; i < argc; i++) {
        char *data;
        size_t size;
        if (qb_file_read(argv[i], (size_t)1 << 30, &data, &size, &err)) {
            fprintf(stderr, "fuzz: %s\n", err.message);
            return 2;
        }
        uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees what reads behind it */
        if (!exact)
            return 2;
        memcpy(exact, data, size);
        qb_free(data);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("%d inputs of %s, %zu accepted\n", argc - 1, target->name, accepted);
    return 0;
}
#endif
