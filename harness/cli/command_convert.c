/* qinsbench convert: a model's weights as a variant stores them, in a file. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "cli.h"
#include "model/convert.h"
#include "opened.h"
#include "weights_table.h"

enum { OUTPUT_FILE, VARIANT, CODEC, FORCE, ISA, OUTPUT };
static const struct qb_flag flags[] = {
    {"output-file", 'o', "FILE", "safetensors file to write"},
    {"variant", 0, "NAME", "a shipped variant, or a variant's .yaml; default qins (QINS_CODEC_AT_REST)"},
    {"codec", 0, "ID[:K=V,...]", "instead: every weight matrix in this codec; or a PLUGIN.so, for its codec"},
    {"force", 0, NULL, "encode again what a lossy codec encoded before"},
    {"isa", 0, "LEVEL", "portable, avx2, avx512 or amx"},
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {0}};
static const struct qb_usage usage = {
    "convert", "MODEL -o FILE [options]",
    "Writes a model, of any source, as one safetensors file that holds its weights as the variant\n"
    "stores them. Opened again it computes bitwise what the variant computes. Prints, by role, bits a\n"
    "weight, bytes and what encoding cost (SQNR).",
    flags,
    "  qinsbench convert data/models/kjv-transformer.safetensors --variant pattern-a -o kjv-qins.safetensors\n"
    "  qinsbench convert model.gguf --codec int8:scope=row -o model-int8.safetensors"};

struct arguments {
    const char *model, *to, *variant, *codec;
    bool force;
    enum qb_isa isa;
    enum qb_output output;
};

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* "ID:k=v,..." as a variant: every weight matrix in that codec. */
static enum qb_status variant_of_codec(const char *text, const struct qb_registry *registry, enum qb_isa isa,
                                       struct qb_variant **variant, struct qb_error *err)
{
    const size_t id = strcspn(text, ":");
    struct qb_yaml *map = NULL;
    struct qb_text yaml = {0};
    qb_text_add(&yaml, "{codec: %.*s, path: decode, placement: [attn.*, mlp.*, embed, head]", (int)id, text);
    for (const char *at = text + id, *separator = ", options: {"; *at; separator = ", ") {
        const size_t size = strcspn(++at, ","), key = strcspn(at, "=");
        if (key >= size)
            qb_fail(err, QB_ERR_INPUT, "--codec %s: expected ID:key=value,...", text);
        qb_text_add(&yaml, "%s%.*s: %.*s", separator, (int)key, at, (int)(size - key) - 1, at + key + 1);
        at += size;
    }
    qb_text_add(&yaml, "%s}", text[id] ? "}" : "");
    if (yaml.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a variant");
    if (!err->status && !qb_yaml_parse(yaml.data, yaml.size, "--codec", &map, err))
        qb_variant_read(map, "codec", registry, isa, variant, err);
    qb_yaml_free(map);
    qb_text_free(&yaml);
    return err->status;
}

static enum qb_status make_variant(const struct arguments *a, const struct qb_registry *registry,
                                   struct qb_variant **variant, struct qb_error *err)
{
    char real[PATH_MAX];
    const bool file = a->codec && ends_with(a->codec, ".so") && realpath(a->codec, real);
    for (size_t i = 0; file && i < qb_registry_count(registry); i++) {
        const struct qb_plugin *plugin = qb_registry_at(registry, i);
        if (strcmp(plugin->path, real) == 0)
            return variant_of_codec(plugin->codec->id, registry, a->isa, variant, err);
    }
    if (a->codec)
        return variant_of_codec(a->codec, registry, a->isa, variant, err);
    return qb_open_variant(a->variant ? a->variant : "qins", registry, a->isa, variant, err);
}

/* ---- the tokenizer, beside the file and under its name ---- */

/* Length of the path's start that the files beside have, too: up to its last '.' or all of it. */
static int stem_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    return (int)(dot && dot > path && (!slash || dot > slash + 1) ? dot - path : (long)strlen(path));
}

/* "NAME.tokenizer.json" for the file NAME.safetensors; "" where the model has none. */
static enum qb_status tokenizer_name(const struct qb_model *model, const char *to, char name[256], struct qb_error *err)
{
    const char *slash = strrchr(to, '/'), *file = slash ? slash + 1 : to;
    const bool gguf = model->tokenizer && ends_with(model->tokenizer, ".gguf");
    *name = '\0';
    if (!model->tokenizer)
        return QB_OK;
    const int size = snprintf(name, 256, "%.*s.tokenizer.%s", stem_of(file), file, gguf ? "gguf" : "json");
    return size > 0 && size < 256 ? QB_OK : qb_fail(err, QB_ERR_INPUT, "%s: the name is too long", to);
}

/* A file that goes beside the output under its name. */
struct beside {
    char *from, *to; /* from NULL: metadata of GGUF, written anew */
};
enum { BESIDE = 4 };

static void beside_free(struct beside files[BESIDE])
{
    for (size_t i = 0; i < BESIDE; i++) {
        qb_free(files[i].from);
        qb_free(files[i].to);
    }
}

static char *path_of(int size, const char *start, const char *dot, const char *name, struct qb_error *err)
{
    struct qb_text path = {0};
    qb_text_add(&path, "%.*s%s%s", size, start, dot, name);
    char *copy = path.failed ? NULL : qb_strdup(path.data, err);
    if (path.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    qb_text_free(&path);
    return copy;
}

/* Of GGUF its metadata; of a tokenizer.json also what belongs to it (harness/tokenizer/beside.c), where it is there. */
static enum qb_status list_beside(const struct qb_model *model, const char *to, const char *name,
                                  struct beside files[BESIDE], struct qb_error *err)
{
    static const char *const others[] = {"tokenizer_config.json", "generation_config.json", "chat_template.jinja"};
    const char *slash = strrchr(to, '/');
    if (!*name || !(files[0].to = path_of(slash ? (int)(slash - to + 1) : 0, to, "", name, err)))
        return err->status;
    if (qb_weights_source(model->weights) != QB_SOURCE_GGUF)
        files[0].from = qb_strdup(model->tokenizer, err);
    const int start = (int)(strlen(model->tokenizer) - strlen("tokenizer.json"));
    for (size_t i = 0; !err->status && ends_with(model->tokenizer, "tokenizer.json") && i < 3; i++) {
        struct beside *file = &files[1 + i];
        file->from = path_of(start, model->tokenizer, "", others[i], err);
        if (file->from && qb_file_exists(file->from))
            file->to = path_of(stem_of(to), to, ".", others[i], err);
    }
    return err->status;
}

/* What lies beside an earlier output goes with it; what lies there without one is somebody else's. */
static enum qb_status check_beside(const char *to, struct beside files[BESIDE], struct qb_error *err)
{
    struct stat there, source;
    for (size_t i = 0; i < BESIDE; i++) {
        struct beside *file = &files[i];
        if (!file->to || lstat(file->to, &there) != 0)
            continue;
        if (file->from && stat(file->from, &source) == 0 && qb_path_same(&source, &there)) { /* where it should be */
            qb_free(file->to);
            file->to = NULL;
        } else if (!S_ISREG(there.st_mode) || !qb_file_exists(to)) {
            return qb_fail(err, QB_ERR_INPUT,
                           "-o %s: %s is there, where the model's tokenizer goes; it is left alone: expected another "
                           "name",
                           to, file->to);
        }
    }
    return QB_OK;
}

static enum qb_status put_beside(const struct qb_model *model, const struct beside files[BESIDE], struct qb_error *err)
{
    for (size_t i = 0; i < BESIDE && !err->status; i++)
        if (files[i].to && files[i].from)
            qb_file_copy(files[i].from, files[i].to, err);
        else if (files[i].to)
            qb_weights_save_metadata(model->weights, files[i].to, err);
    return err->status;
}

static int print_rows(const struct qb_converted *rows, size_t count, enum qb_output output)
{
    struct qb_text out = {0};
    qb_weights_table(rows, count, output, &out);
    const int code = qb_print(&out);
    qb_text_free(&out);
    struct qb_converted total = {0};
    for (size_t i = 0; i < count; i++) {
        total.tensors += rows[i].tensors;
        total.weights += rows[i].weights;
        total.bytes += rows[i].bytes;
    }
    qb_tell("%zu tensors, %zu weights, %zu bytes: %.4f bits a weight", total.tensors, total.weights, total.bytes,
            8.0 * (double)total.bytes / (double)total.weights);
    return code;
}

static int convert(const struct arguments *a)
{
    struct qb_error err = {0};
    struct qb_registry *registry = NULL;
    struct qb_model *model = NULL;
    struct qb_variant *variant = NULL;
    struct qb_converted *rows = NULL;
    struct qb_text origin = {0};
    struct beside files[BESIDE] = {{0}};
    const bool outside = a->codec && ends_with(a->codec, ".so");
    size_t count = 0;
    char tokenizer[256];
    int code = QB_EXIT_INPUT;
    if (qb_open_registry((const char *const[]){outside ? a->codec : NULL, NULL}, &registry, &err) ||
        make_variant(a, registry, &variant, &err) || qb_model_open(a->model, registry, a->isa, &model, &err) ||
        tokenizer_name(model, a->to, tokenizer, &err) || list_beside(model, a->to, tokenizer, files, &err) ||
        check_beside(a->to, files, &err))
        goto out;
    qb_text_add(&origin, "%s as variant %s stores it: %s", model->name, variant->name, variant->canonical);
    if (origin.failed) {
        qb_fail(&err, QB_ERR_MEMORY, "no memory for the model's origin");
        goto out;
    }
    struct qb_conversion conversion = {
        .variant = variant, .force = a->force, .origin = origin.data, .tokenizer = *tokenizer ? tokenizer : NULL};
    if (!qb_model_convert(model, &conversion, a->to, &rows, &count, &err) && !put_beside(model, files, &err))
        code = print_rows(rows, count, a->output);
out:
    if (err.status)
        qb_complain_error(&err);
    qb_free(rows);
    beside_free(files);
    qb_text_free(&origin);
    qb_model_free(model);
    qb_variant_free(variant);
    qb_registry_free(registry);
    return code;
}

int qb_command_convert(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.isa = qb_cpu()->isa};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == OUTPUT_FILE)
            a.to = optarg;
        else if (flag == VARIANT)
            a.variant = optarg;
        else if (flag == CODEC)
            a.codec = optarg;
        else if (flag == FORCE)
            a.force = true;
        else if ((flag == ISA && qb_parse_isa(optarg, &a.isa, &err)) ||
                 (flag == OUTPUT && qb_parse_output(optarg, &a.output, &err)))
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || !a.to)
        return qb_complain("convert: expected a model and -o FILE (qinsbench convert --help)");
    if (a.variant && a.codec)
        return qb_complain("convert: expected --variant or --codec, not both");
    a.model = argv[optind];
    const char *const read[] = {a.model, a.variant, a.codec};
    return qb_path_apart("-o", a.to, read, 3, &err) || qb_file_same_kind("-o", a.to, 8, "{", "safetensors file", &err)
               ? qb_complain_error(&err)
               : convert(&a);
}
