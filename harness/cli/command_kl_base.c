/* qinsbench kl-base: a model's logits of a text as llama.cpp's logits base file. */
#include "base/file.h"
#include "base/path.h"
#include "base/mem.h"
#include "cli.h"
#include "metric/logits_base.h"
#include "opened.h"
#include "run/base_write.h"
#include "run/token_file.h"

enum { OUTPUT, TEXT, TOKENS, CONTEXT, CHUNKS, SPECIAL, VARIANT, CALIBRATION, THREADS, CODEC };
static const struct qb_flag flags[] = {{"output", 'o', "FILE", "the file to write"},
                                       {"text", 0, "FILE", "a text, read with the model's tokenizer"},
                                       {"tokens", 0, "FILE", "token ids instead: decimal, white space between them"},
                                       {"context", 0, "N", "tokens of a chunk; default 512"},
                                       {"chunks", 0, "N", "chunks; default all that the text has"},
                                       {"special", 0, NULL, "special tokens spelled out in the text are these tokens"},
                                       {"variant", 0, "NAME", "shipped variant, or a variant's .yaml; default fp32"},
                                       {"calibration", 0, "FILE", "text for a calibrated variant"},
                                       {"threads", 0, "N", "threads; default 1. The file does not depend on them"},
                                       {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
                                       {0}};
static const struct qb_usage usage = {
    "kl-base", "MODEL (--text FILE | --tokens FILE) -o FILE [options]",
    "Writes what llama.cpp's perplexity tool writes and reads under --kl-divergence-base: the text's tokens, and of "
    "the\n"
    "second half of each chunk the log-probabilities in 16 bits. Experiment kl reads it as corpus: {base: FILE}.",
    flags,
    "  qinsbench kl-base smollm2.gguf --text wiki.txt -o smollm2.dat\n"
    "  qinsbench kl-base data/models/kjv-transformer.safetensors --text data/corpus/kjv.heldout --context 128 --chunks "
    "4 -o kjv.dat"};

struct arguments {
    const char *output, *text, *tokens, *variant, *calibration;
    struct qb_plugins codecs;
    long context, chunks, threads; /* chunks 0: all */
    bool special;
};

/* What one call opens. */
struct work {
    struct qb_opened opened;
    struct qb_arm arm;
    int32_t *tokens;
    size_t count;
};

static enum qb_status open_all(const char *path, const struct arguments *a, struct work *w, struct qb_error *err)
{
    const struct qb_token_form form = {.ids = a->tokens, .special = a->special, .affixes = true};
    w->opened = (struct qb_opened){.calibration = a->calibration, .codecs = a->codecs.paths};
    return qb_opened_model(&w->opened, path, (unsigned)a->threads, err) ||
                   qb_token_file_read(w->opened.model, a->tokens ? a->tokens : a->text, form, &w->tokens, &w->count,
                                      err) ||
                   qb_arm_make(&w->opened, a->variant, &w->arm, err)
               ? err->status
               : QB_OK;
}

static enum qb_status write_base(const char *path, const struct arguments *a, struct work *w, struct qb_error *err)
{
    int32_t bos;
    if (open_all(path, a, w, err) || qb_token_bos(w->opened.model, &bos, err))
        return err->status;
    const struct qb_model *model = w->opened.model;
    const size_t context = (size_t)a->context, there = w->count / context;
    const size_t chunks = a->chunks ? (size_t)a->chunks : there, most = model->arch.context;
    const char *file = a->tokens ? a->tokens : a->text;
    if (most && context > most)
        return qb_fail(err, QB_ERR_INPUT, "a context of %zu tokens; model '%s' has %zu positions", context, model->name,
                       most);
    if (chunks < 1 || chunks > there)
        return qb_fail(err, QB_ERR_INPUT, "%s has %zu tokens, %zu chunks of %zu; expected %zu chunks or more", file,
                       w->count, there, context, chunks < 1 ? (size_t)1 : chunks);
    const struct qb_logits_text text = {context, model->arch.vocab, chunks, w->tokens};
    if (qb_base_write(w->arm.net, &text, bos, a->output, err))
        return err->status;
    qb_tell("%s: %zu chunks of %zu tokens, %zu positions scored of each, vocabulary %zu", a->output, chunks, context,
            qb_llama_scored(context), text.vocab);
    return QB_OK;
}

static enum qb_status take(int flag, struct arguments *a, struct qb_error *err)
{
    const char **const texts[] = {[OUTPUT] = &a->output,
                                  [TEXT] = &a->text,
                                  [TOKENS] = &a->tokens,
                                  [CALIBRATION] = &a->calibration,
                                  [VARIANT] = &a->variant};
    if (flag == CODEC)
        qb_plugins_add(&a->codecs, optarg, err);
    else if (flag == SPECIAL)
        a->special = true;
    else if (flag == CONTEXT)
        qb_parse_count("--context", optarg, 4, 1 << 20, &a->context, err);
    else if (flag == CHUNKS)
        qb_parse_count("--chunks", optarg, 1, 1 << 20, &a->chunks, err);
    else if (flag == THREADS)
        qb_parse_count("--threads", optarg, 1, 256, &a->threads, err);
    else
        *texts[flag] = optarg;
    return err->status;
}

int qb_command_kl_base(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.variant = "fp32", .context = 512, .threads = 1};
    struct work w = {0};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, &a, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || !a.output || !a.text == !a.tokens || (a.special && a.tokens))
        return qb_complain(
            "kl-base: expected a model, --text FILE (with or without --special) or --tokens FILE, and -o "
            "FILE (qinsbench kl-base --help)");
    const char *const read[] = {argv[optind], a.text, a.tokens, a.variant, a.calibration};
    if (qb_path_apart("-o", a.output, read, 5, &err) ||
        qb_file_same_kind("-o", a.output, 0, QB_LOGITS_BASE_START, "logits base file", &err))
        return qb_complain_error(&err);
    const int code = write_base(argv[optind], &a, &w, &err) ? qb_complain_error(&err) : QB_EXIT_DONE;
    qb_arm_free(&w.arm);
    qb_opened_free(&w.opened);
    qb_free(w.tokens);
    return code;
}
