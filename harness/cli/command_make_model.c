/* qinsbench make-model: a generated model as a safetensors file. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "cli.h"
#include "model/model.h"

enum { OUTPUT, VOCAB, HIDDEN, LAYERS, SEED, F16 };
static const struct qb_flag flags[] = {{"output", 'o', "FILE", "safetensors file to write"},
                                       {"vocab", 0, "N", "tokens; default 5000"},
                                       {"hidden", 0, "N", "width; default 256"},
                                       {"layers", 0, "N", "layers; default 3"},
                                       {"seed", 0, "N", "seed of the generator; default 42"},
                                       {"f16", 0, NULL, "store F16 instead of F32"},
                                       {0}};
static const struct qb_usage usage = {
    "make-model", "GENERATOR -o FILE [options]",
    "Writes the model that a suite's {generator: ...} makes, bit-compatible with the source's PyTorch draws.\n"
    "Generators: qinsbench list models.",
    flags,
    "  qinsbench make-model transformer -o source-transformer.safetensors\n"
    "  qinsbench make-model chain --layers 40 --seed 7 -o chain-40.safetensors"};

static enum qb_status take(int flag, struct qb_generator_options *options, const char **output, bool *f16,
                           struct qb_error *err)
{
    long n = 0;
    switch (flag) {
    case OUTPUT:
        *output = optarg;
        return QB_OK;
    case F16:
        *f16 = true;
        return QB_OK;
    case SEED:
        if (!qb_parse_count("--seed", optarg, 0, UINT32_MAX, &n, err))
            options->seed = (uint32_t)n;
        return err->status;
    default:
        if (qb_parse_count(flags[flag].name, optarg, 1, 1 << 20, &n, err))
            return err->status;
        *(flag == VOCAB ? &options->vocab : flag == HIDDEN ? &options->hidden : &options->layers) = (size_t)n;
        return QB_OK;
    }
}

int qb_command_make_model(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_generator_options options = {.vocab = 5000, .hidden = 256, .layers = 3, .seed = 42};
    struct qb_model *model = NULL;
    struct qb_error err = {0};
    const char *output = NULL;
    bool f16 = false;
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, &options, &output, &f16, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || !output)
        return qb_complain("make-model: expected a generator and -o FILE (qinsbench make-model --help)");
    if (qb_path_apart("-o", output, NULL, 0, &err) ||
        qb_file_same_kind("-o", output, 8, "{", "safetensors file", &err) ||
        qb_model_generate(argv[optind], &options, &model, &err) || qb_model_save(model, f16, output, &err)) {
        qb_model_free(model);
        return qb_complain_error(&err);
    }
    qb_tell("%s: %zu tensors, sha256 %s", output, model->tensor_count, model->sha256);
    qb_model_free(model);
    return QB_EXIT_DONE;
}
