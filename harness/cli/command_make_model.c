/* qinsbench make-model: a generated model as a safetensors file, or one like a trained model as a folder. */
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/data_path.h"
#include "base/file.h"
#include "base/path.h"
#include "cli.h"
#include "model/like.h"
#include "opened.h"

enum { OUTPUT, LIKE, SHAPE, SHARD, THREADS, VOCAB, HIDDEN, LAYERS, SEED, F16 };
static const struct qb_flag flags[] = {
    {"output", 'o', "PATH", "safetensors file to write; with --like a new folder"},
    {"like", 0, "MODEL", "draw weights like those of a trained model"},
    {"shape", 0, "SHAPE", "of --like: a config.json, a folder with one, or phi-3.5-mini; default MODEL's own"},
    {"shard", 0, "MIB", "of --like: a file's tensors, at most; default 4096"},
    {"threads", 0, "N", "of --like; default: all cores; the weights do not depend on it"},
    {"vocab", 0, "N", "tokens; default 5000"},
    {"hidden", 0, "N", "width; default 256"},
    {"layers", 0, "N", "layers; default 3"},
    {"seed", 0, "N", "seed of the generator or of --like; default 42"},
    {"f16", 0, NULL, "store F16 instead of F32"},
    {0}};
static const struct qb_usage usage = {
    "make-model", "GENERATOR -o FILE [options] | --like MODEL [--shape SHAPE] -o FOLDER",
    "Writes the model that a suite's {generator: ...} makes, bit-compatible with the source's PyTorch draws.\n"
    "Generators: qinsbench list models. With --like a model of any shape, in Hugging Face's form and BF16,\n"
    "whose weights have the statistics of a trained model's and have learned nothing: for memory and time.",
    flags,
    "  qinsbench make-model transformer -o source-transformer.safetensors\n"
    "  qinsbench make-model chain --layers 40 --seed 7 -o chain-40.safetensors\n"
    "  qinsbench make-model --like data/models/tiny-llama --shape phi-3.5-mini -o phi-shaped"};

struct arguments {
    struct qb_generator_options options;
    const char *output, *like, *shape;
    bool f16, sized;       /* sized: --vocab, --hidden or --layers */
    const char *like_only; /* the last flag that --like alone reads */
    long shard, threads;
};

static enum qb_status take(int flag, struct arguments *a, struct qb_error *err)
{
    long n = 0;
    if (flag == SHAPE || flag == SHARD || flag == THREADS)
        a->like_only = flags[flag].name;
    switch (flag) {
    case OUTPUT:
        a->output = optarg;
        return QB_OK;
    case LIKE:
        a->like = optarg;
        return QB_OK;
    case SHAPE:
        a->shape = optarg;
        return QB_OK;
    case SHARD:
        return qb_parse_count("--shard", optarg, 1, 1 << 20, &a->shard, err);
    case THREADS:
        return qb_parse_count("--threads", optarg, 1, 256, &a->threads, err);
    case F16:
        a->f16 = true;
        return QB_OK;
    case SEED:
        if (!qb_parse_count("--seed", optarg, 0, UINT32_MAX, &n, err))
            a->options.seed = (uint32_t)n;
        return err->status;
    default:
        if (qb_parse_count(flags[flag].name, optarg, 1, 1 << 20, &n, err))
            return err->status;
        a->sized = true;
        *(flag == VOCAB ? &a->options.vocab : flag == HIDDEN ? &a->options.hidden : &a->options.layers) = (size_t)n;
        return QB_OK;
    }
}

static int generate(const struct arguments *a, const char *generator)
{
    struct qb_model *model = NULL;
    struct qb_error err = {0};
    if (qb_path_apart("-o", a->output, NULL, 0, &err) ||
        qb_file_same_kind("-o", a->output, 8, "{", "safetensors file", &err) ||
        qb_model_generate(generator, &a->options, &model, &err) || qb_model_save(model, a->f16, a->output, &err)) {
        qb_model_free(model);
        return qb_complain_error(&err);
    }
    qb_tell("%s: %zu tensors, sha256 %s", a->output, model->tensor_count, model->sha256);
    qb_model_free(model);
    return QB_EXIT_DONE;
}

/* The path of the config.json that --shape means: a file, a folder's, or a shipped one's; without it MODEL's own. */
static enum qb_status find_shape(const struct arguments *a, const struct qb_model *trained, char path[4096],
                                 struct qb_error *err)
{
    struct qb_error unheard = {0};
    char shipped[256];
    const bool own = !a->shape;
    const char *text = own ? a->like : a->shape;
    if (own && qb_weights_source(trained->weights) != QB_SOURCE_HUGGINGFACE)
        return qb_fail(err, QB_ERR_INPUT, "%s has no config.json: expected --shape", a->like);
    if (snprintf(path, 4096, "%s/config.json", text) < 4096 && qb_file_exists(path))
        return QB_OK;
    if (snprintf(path, 4096, "%s", text) < 4096 && qb_file_exists(path))
        return QB_OK;
    snprintf(shipped, sizeof shipped, "shapes/%.200s.json", text);
    if (!strchr(text, '/') && !qb_data_path(shipped, path, &unheard))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "--shape %s: expected a config.json, a folder with one, or phi-3.5-mini", text);
}

static const char *tokenizer_word(const struct qb_like_done *done)
{
    return done->trained_tokenizer ? "the model's tokenizer"
           : done->tokenizer       ? "a tokenizer of bytes"
                                   : "no tokenizer: one of bytes needs a vocabulary of 257 tokens";
}

static int make_like(const struct arguments *a)
{
    struct qb_opened opened = {0};
    struct qb_error err = {0};
    struct qb_like_done done = {0};
    char shape[4096];
    if (!qb_opened_model(&opened, a->like, (unsigned)a->threads, &err) && !find_shape(a, opened.model, shape, &err)) {
        const struct qb_like like = {opened.model, shape, a->options.seed, (size_t)a->shard << 20};
        qb_model_write_like(&like, opened.pool, a->output, &done, &err);
    }
    if (!err.status) {
        qb_tell("%s: %zu tensors, %zu weights like those of %s, %zu bytes in %zu file%s, %s", a->output, done.tensors,
                done.weights, opened.model->name, done.bytes, done.files, done.files == 1 ? "" : "s",
                tokenizer_word(&done));
        if (done.neutral)
            qb_tell("%s has none of %zu of the norms and biases: these are ones and zeros", opened.model->name,
                    done.neutral);
    }
    qb_opened_free(&opened);
    return err.status ? qb_complain_error(&err) : QB_EXIT_DONE;
}

int qb_command_make_model(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {
        .options = {.vocab = 5000, .hidden = 256, .layers = 3, .seed = 42}, .shard = 4096, .threads = qb_cpu()->cores};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, &a, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + (a.like ? 0 : 1) != argc || !a.output)
        return qb_complain("make-model: expected a generator and -o FILE, or --like MODEL and -o FOLDER (qinsbench "
                           "make-model --help)");
    if (a.like && (a.sized || a.f16))
        return qb_complain("make-model: --vocab, --hidden, --layers and --f16 are of generators: --like has the sizes "
                           "of --shape, in BF16");
    if (!a.like && a.like_only)
        return qb_complain("make-model: --%s is of --like", a.like_only);
    return a.like ? make_like(&a) : generate(&a, argv[optind]);
}
