/* qinsbench kl-base: a model's logits of a text as llama.cpp's logits base file. */
#include "base/cpu.h"
#include "base/mem.h"
#include "cli.h"
#include "opened.h"
#include "codec/variant.h"
#include "compute/gemm.h"
#include "model/calibrate.h"
#include "run/base_write.h"
#include "run/token_file.h"

enum { OUTPUT, TEXT, TOKENS, CONTEXT, CHUNKS, SPECIAL, VARIANT, THREADS, CODEC };
static const struct qb_flag flags[] = {{"output", 'o', "FILE", "the file to write"},
                                       {"text", 0, "FILE", "a text, read with the model's tokenizer"},
                                       {"tokens", 0, "FILE", "token ids instead: decimal, white space between them"},
                                       {"context", 0, "N", "tokens of a chunk; default 512"},
                                       {"chunks", 0, "N", "chunks; default all that the text has"},
                                       {"special", 0, NULL, "special tokens spelled out in the text are these tokens"},
                                       {"variant", 0, "NAME", "shipped variant, or a variant's .yaml; default fp32"},
                                       {"threads", 0, "N", "threads; default 1. The file does not depend on them"},
                                       {"codec", 0, "PLUGIN.so", "a plugin from elsewhere"},
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
    const char *output, *text, *tokens, *variant, *codecs[2];
    long context, chunks, threads; /* chunks 0: all */
    bool special;
};

/* Opened for one call; all that is not NULL is freed at its end. */
struct opened {
    struct qb_registry *registry;
    struct qb_model *model;
    struct qb_variant *variant;
    struct qb_pool *pool;
    struct qb_net *net;
    int32_t *tokens;
    size_t count;
};

static enum qb_status open_all(const char *path, const struct arguments *a, struct opened *o, struct qb_error *err)
{
    const struct qb_token_form form = {.ids = a->tokens, .special = a->special, .affixes = true};
    const enum qb_isa isa = qb_cpu()->isa;
    qb_blas_init();
    if (qb_open_registry(a->codecs, &o->registry, err) || qb_model_open(path, o->registry, isa, &o->model, err) ||
        (a->variant && qb_open_variant(a->variant, o->registry, isa, &o->variant, err)) ||
        qb_token_file_read(o->model, a->tokens ? a->tokens : a->text, form, &o->tokens, &o->count, err) ||
        qb_pool_create((unsigned)a->threads, &o->pool, err))
        return err->status;
    return qb_net_prepare(o->model, o->variant, NULL, o->pool, &o->net, err);
}

static enum qb_status write_base(const char *path, const struct arguments *a, struct opened *o, struct qb_error *err)
{
    int32_t bos;
    if (open_all(path, a, o, err) || qb_token_bos(o->model, &bos, err))
        return err->status;
    const size_t context = (size_t)a->context, there = o->count / context;
    const size_t chunks = a->chunks ? (size_t)a->chunks : there, most = o->model->arch.context;
    const char *file = a->tokens ? a->tokens : a->text;
    if (most && context > most)
        return qb_fail(err, QB_ERR_INPUT, "a context of %zu tokens; model '%s' has %zu positions", context,
                       o->model->name, most);
    if (chunks < 1 || chunks > there)
        return qb_fail(err, QB_ERR_INPUT, "%s has %zu tokens, %zu chunks of %zu; expected %zu chunks or more", file,
                       o->count, there, context, chunks < 1 ? (size_t)1 : chunks);
    const struct qb_logits_text text = {context, o->model->arch.vocab, chunks, o->tokens};
    if (qb_base_write(o->net, &text, bos, a->output, err))
        return err->status;
    qb_tell("%s: %zu chunks of %zu tokens, %zu positions scored of each, vocabulary %zu", a->output, chunks, context,
            qb_llama_scored(context), text.vocab);
    return QB_OK;
}

static enum qb_status take(int flag, struct arguments *a, struct qb_error *err)
{
    const char **const texts[] = {
        [OUTPUT] = &a->output, [TEXT] = &a->text, [TOKENS] = &a->tokens, [VARIANT] = &a->variant, [CODEC] = a->codecs};
    if (flag == SPECIAL)
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
    struct arguments a = {.context = 512, .threads = 1};
    struct opened o = {0};
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
    const int code = write_base(argv[optind], &a, &o, &err) ? qb_complain_error(&err) : QB_EXIT_DONE;
    qb_net_free(o.net);
    qb_pool_free(o.pool);
    qb_free(o.tokens);
    qb_variant_free(o.variant);
    qb_model_free(o.model);
    qb_registry_free(o.registry);
    return code;
}
