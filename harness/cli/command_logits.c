/* qinsbench logits: a model's logits for token ids, as an HDF5 file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli.h"
#include "opened.h"
#include "store/logits_file.h"

#define IDS_MAX ((size_t)64 << 20)

enum { TOKENS, OUTPUT, VARIANT, CALIBRATION, CODEC, THREADS };
static const struct qb_flag flags[] = {
    {"tokens", 't', "FILE", "token ids as decimals with white space between: one sequence"},
    {"output", 'o', "FILE", "HDF5 file to write: dataset logits, float32 [tokens, vocab]"},
    {"variant", 'v', "NAME", "shipped variant, or a variant's .yaml; default fp32"},
    {"calibration", 0, "FILE", "text for a calibrated variant"},
    {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
    {"threads", 0, "N", "default: all cores; results do not depend on it"},
    {0}};
static const struct qb_usage usage = {
    "logits", "MODEL --tokens FILE -o FILE [options]",
    "Runs the tokens through the model, teacher-forced, and writes the logits of each position.", flags,
    "  qinsbench tokenize smollm2.gguf 'Hello there' | awk '{print $1}' > ids.txt\n"
    "  qinsbench logits smollm2.gguf --tokens ids.txt -o logits.h5 --variant q8_0"};

struct arguments {
    const char *model, *tokens, *output, *variant, *calibration;
    struct qb_plugins codecs;
    long threads;
};

static enum qb_status read_ids(const char *path, int32_t **ids, size_t *count, struct qb_error *err)
{
    char *text = NULL;
    size_t size = 0;
    if (qb_file_read(path, IDS_MAX, &text, &size, err))
        return err->status;
    for (char *at = text + strspn(text, " \t\r\n\f\v"); *at && !err->status; at += strspn(at, " \t\r\n\f\v")) {
        char *end = at;
        const size_t length = strcspn(at, " \t\r\n\f\v");
        errno = 0;
        long id = *at >= '0' && *at <= '9' ? strtol(at, &end, 10) : -1;
        if (errno || end != at + length || id > INT32_MAX) {
            qb_fail(err, QB_ERR_INPUT, "%s: byte %zu: expected a token id, found '%.*s'", path, (size_t)(at - text),
                    (int)(length < 20 ? length : 20), at);
            break;
        }
        int32_t *all = qb_grow(*ids, *count + 1, sizeof *all, "token ids", err);
        if (all) {
            *ids = all;
            all[(*count)++] = (int32_t)id;
        }
        at = end;
    }
    if (!err->status && *count == 0)
        qb_fail(err, QB_ERR_INPUT, "%s: no token ids", path);
    qb_free(text);
    return err->status;
}

/* Logits of hidden[count, H], a few rows at a time. */
static enum qb_status write_rows(struct qb_net *net, const float *hidden, size_t count, float *logits, size_t room,
                                 struct qb_logits_file *file, struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < room ? count - at : room;
        if (qb_net_logits(net, hidden + at * arch->hidden, n, logits, err) || qb_logits_append(file, logits, n, err))
            return err->status;
    }
    return QB_OK;
}

/* A block of positions after the other where older positions do not see newer ones, else all at once. */
static enum qb_status write_logits(struct qb_net *net, const int32_t *ids, size_t count, struct qb_logits_file *file,
                                   struct qb_error *err)
{
    enum { BLOCK = 256, ROWS = 16 };
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    const bool blocks = arch->causal || !arch->attention;
    size_t most = blocks && count > BLOCK ? BLOCK : count;
    struct qb_kv *kv = NULL;
    float *hidden = qb_alloc(most * arch->hidden, sizeof *hidden, "hidden states", err);
    float *logits = hidden ? qb_alloc(ROWS * arch->vocab, sizeof *logits, "logits", err) : NULL;
    if (!logits || qb_net_check(net, ids, 1, count, 0, err) || (blocks && qb_net_kv(net, 1, count, 0, &kv, err)))
        goto out;
    for (size_t at = 0, n; at < count && !err->status; at += n) {
        n = count - at < most ? count - at : most;
        const struct qb_step step = {.tokens = ids + at, .batch = 1, .n = n, .kept = n};
        if (!qb_net_step(net, kv, &step, hidden, err))
            write_rows(net, hidden, n, logits, ROWS, file, err);
    }
out:
    qb_kv_free(kv);
    qb_free(logits);
    qb_free(hidden);
    return err->status;
}

static int run(const struct arguments *a)
{
    struct qb_opened opened = {.calibration = a->calibration, .codecs = a->codecs.paths};
    struct qb_arm arm = {0};
    struct qb_logits_file *file = NULL;
    struct qb_error err = {0};
    int32_t *ids = NULL;
    size_t count = 0;
    if (!read_ids(a->tokens, &ids, &count, &err) && !qb_opened_model(&opened, a->model, (unsigned)a->threads, &err) &&
        !qb_arm_make(&opened, a->variant, &arm, &err) && !qb_net_check(arm.net, ids, 1, count, 0, &err) &&
        !qb_logits_create(a->output, count, opened.model->arch.vocab, &file, &err) &&
        !write_logits(arm.net, ids, count, file, &err) && !qb_logits_commit(file, &err))
        qb_tell("%s: logits of %zu tokens over %zu, %s", a->output, count, opened.model->arch.vocab, a->variant);
    qb_logits_free(file);
    qb_arm_free(&arm);
    qb_opened_free(&opened);
    qb_free(ids);
    return err.status ? qb_complain_error(&err) : QB_EXIT_DONE;
}

int qb_command_logits(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.variant = "fp32", .threads = qb_cpu()->cores};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == THREADS ? qb_parse_count("--threads", optarg, 1, 256, &a.threads, &err)
            : flag == CODEC ? qb_plugins_add(&a.codecs, optarg, &err)
                            : QB_OK)
            return qb_complain_error(&err);
        if (flag < CODEC)
            *(const char **[]){&a.tokens, &a.output, &a.variant, &a.calibration}[flag] = optarg;
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || !a.tokens || !a.output)
        return qb_complain("logits: expected a model, --tokens FILE and -o FILE (qinsbench logits --help)");
    a.model = argv[optind];
    const char *const read[] = {a.model, a.tokens, a.variant, a.calibration};
    return qb_path_apart("-o", a.output, read, 4, &err) ||
                   qb_file_same_kind("-o", a.output, 0, "\x89HDF", "file of logits", &err)
               ? qb_complain_error(&err)
               : run(&a);
}
