/* qinsbench list: what there is to choose from. */
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/data_path.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli.h"
#include "codec/options.h"
#include "codec/variant.h"
#include "metric/metric.h"
#include "arch/arch.h"
#include "run/experiment.h"
#include "weights/weights.h"

enum { OUTPUT, CODEC };
static const struct qb_flag flags[] = {{"output", 0, "FORMAT", "console (default), csv, json or markdown"},
                                       {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
                                       {0}};
static const struct qb_usage usage = {"list", "codecs|variants|models|families|experiments|metrics|suites [options]",
                                      "Lists what suites can name.", flags,
                                      "  qinsbench list variants\n"
                                      "  qinsbench list codecs --codec ./my-codec.so\n"
                                      "  qinsbench list metrics --output json"};

/* name=default (domain; help), ... of an option list. */
static void print_options(const struct qb_codec_option *options, struct qb_text *out)
{
    size_t n = qb_options_count(options);
    for (size_t i = 0; i < n; i++) {
        qb_text_add(out, "%s%s=%s (", i ? "; " : "", options[i].name, options[i].default_value);
        qb_option_domain(&options[i], out);
        qb_text_add(out, ": %s)", options[i].help);
    }
}

static enum qb_status list_codecs(const struct qb_registry *registry, struct qb_listing *listing, struct qb_error *err)
{
    static const char *const columns[] = {"codec", "version", "summary", "options", NULL};
    (void)err;
    listing->columns = columns;
    for (size_t i = 0; i < qb_registry_count(registry); i++) {
        const struct qb_codec *codec = qb_registry_at(registry, i)->codec;
        struct qb_text options = {0};
        print_options(codec->options, &options);
        qb_listing_add(listing, (const char *[]){codec->id, codec->version, codec->summary, options.data});
        qb_text_free(&options);
    }
    return QB_OK;
}

static void add_variant(const struct qb_variant *variant, struct qb_listing *listing)
{
    struct qb_text placement = {0}, others = {0}, kv = {0};
    const char *calibrated = variant->takes_contexts ? "calibrated" : "";
    const char *path = variant->encoded ? qb_path_name(variant->path) : "";
    qb_role_print(variant->placement, &placement);
    for (size_t i = 0; i < variant->other_count; i++) {
        qb_text_add(&others, "%s%s ", i ? " " : "", variant->others[i].format.plugin->codec->id);
        qb_role_print(variant->others[i].roles, &others);
    }
    for (size_t side = 0; variant->kv_block && side < 2; side++)
        qb_text_add(&kv, "%s%s", side ? "+" : "",
                    variant->kv[side].plugin ? variant->kv[side].plugin->codec->id : "fp32");
    qb_listing_add(listing,
                   (const char *[]){variant->name, variant->encoded ? variant->weights.plugin->codec->id : "", path,
                                    calibrated, placement.data, others.data, kv.data,
                                    variant->act.plugin ? variant->act.plugin->codec->id : "", variant->summary});
    qb_text_free(&placement);
    qb_text_free(&others);
    qb_text_free(&kv);
}

static enum qb_status list_variants(const struct qb_registry *registry, struct qb_listing *listing,
                                    struct qb_error *err)
{
    static const char *const columns[] = {"variant", "codec", "path", "calibration", "placement",
                                          "others",  "kv",    "act",  "summary",     NULL};
    char **names = NULL;
    qb_variant_names(&names, err);
    listing->columns = columns;
    for (size_t i = 0; !err->status && names[i]; i++) {
        struct qb_variant *variant = NULL;
        if (!qb_variant_builtin(names[i], registry, qb_cpu()->isa, &variant, err))
            add_variant(variant, listing);
        qb_variant_free(variant);
    }
    for (size_t i = 0; names && names[i]; i++)
        qb_free(names[i]);
    qb_free(names);
    return err->status;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t length = strlen(name), end = strlen(suffix);
    return length > end && strcmp(name + length - end, suffix) == 0;
}

/* A folder's entries that `wanted` chooses, sorted; freed by the caller. */
static int entries_of(const char *folder, int (*wanted)(const struct dirent *), struct dirent ***entries)
{
    int n = scandir(folder, entries, wanted, alphasort);
    return n < 0 ? 0 : n;
}

static int is_suite(const struct dirent *entry)
{
    return ends_in(entry->d_name, ".yaml");
}

/* A file in our layout, GGUF, or what may be a folder of a model. */
static int may_be_model(const struct dirent *entry)
{
    return ends_in(entry->d_name, ".safetensors") || ends_in(entry->d_name, ".gguf") || !strchr(entry->d_name, '.');
}

static void describe_model(const struct qb_weights *open, struct qb_text *out)
{
    const char *architecture = qb_weights_meta(open, "architecture");
    const json_t *config = qb_weights_config(open);
    size_t values = 0;
    if (config)
        architecture = json_string_value(
            json_object_get(config, qb_weights_source(open) == QB_SOURCE_GGUF ? "general.architecture" : "model_type"));
    for (size_t i = 0; i < qb_weights_count(open); i++)
        values += qb_weights_at(open, i)->rows * qb_weights_at(open, i)->cols;
    qb_text_add(out, "%s, %zu weights, ", architecture ? architecture : "?", values);
    qb_weights_print_types(open, out);
}

/* A path without detours, from the current folder where it is inside. */
static void print_path(const char *path, struct qb_text *out)
{
    char real[PATH_MAX], here[PATH_MAX];
    const char *shown = realpath(path, real) ? real : path;
    const size_t size = getcwd(here, sizeof here) ? strlen(here) : 0;
    if (size && strncmp(shown, here, size) == 0 && shown[size] == '/')
        shown += size + 1;
    qb_text_add(out, "%s", shown);
}

static void add_model_file(const char *folder, const char *file, struct qb_listing *listing)
{
    char path[4400], config[4500], name[256];
    struct qb_weights *open = NULL;
    struct qb_error err = {0};
    struct qb_text detail = {0}, shown = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    snprintf(config, sizeof config, "%s/config.json", path);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(file, "."), file);
    if (!strchr(file, '.') && !qb_file_exists(config))
        return;
    if (qb_weights_open(path, &open, &err))
        qb_text_add(&detail, "unreadable: %s", err.message);
    else
        describe_model(open, &detail);
    print_path(path, &shown);
    qb_listing_add(listing, (const char *[]){name, strchr(file, '.') ? "file" : "folder", shown.data, detail.data});
    qb_text_free(&shown);
    qb_text_free(&detail);
    qb_weights_free(open);
}

static enum qb_status list_models(const struct qb_registry *registry, struct qb_listing *listing, struct qb_error *err)
{
    static const char *const columns[] = {"model", "kind", "suite_entry", "detail", NULL};
    char folder[4096];
    struct dirent **entries = NULL;
    struct qb_error ignored = {0};
    (void)registry, (void)err;
    listing->columns = columns;
    const struct qb_family *family;
    for (size_t i = 0; (family = qb_family_at(i)); i++)
        if (family->generated_inner) {
            char entry[64], detail[128];
            snprintf(entry, sizeof entry, "{generator: %s}", family->name);
            snprintf(detail, sizeof detail, "%s; vocab=5000 hidden=256 layers=3 seed=42", family->summary);
            qb_listing_add(listing, (const char *[]){family->name, "generator", entry, detail});
        }
    if (qb_data_path("models", folder, &ignored))
        return QB_OK;
    int n = entries_of(folder, may_be_model, &entries);
    for (int i = 0; i < n; i++) {
        add_model_file(folder, entries[i]->d_name, listing);
        free(entries[i]);
    }
    free(entries);
    return QB_OK;
}

static enum qb_status list_families(const struct qb_registry *registry, struct qb_listing *listing,
                                    struct qb_error *err)
{
    static const char *const columns[] = {"family", "config_json", "gguf", "summary", "tensors", NULL};
    const struct qb_family *family;
    (void)registry, (void)err;
    listing->columns = columns;
    for (size_t i = 0; (family = qb_family_at(i)); i++) {
        struct qb_text tensors = {0};
        for (const struct qb_tensor_rule *rule = family->rules; rule->roles; rule++) {
            char name[64];
            qb_rule_name(rule, QB_SOURCE_OWN, 0, "weight", name);
            qb_text_add(&tensors, "%s%s", tensors.size ? " " : "", name);
        }
        qb_listing_add(listing, (const char *[]){family->name, family->hf ? family->hf : "",
                                                 family->gguf ? family->gguf : "", family->summary, tensors.data});
        qb_text_free(&tensors);
    }
    return QB_OK;
}

/* The words of a suite that an experiment reads its tokens by. */
static void print_inputs(unsigned reads, struct qb_text *out)
{
    const bool text = reads & (QB_READS_TEXT | QB_READS_OWN_TEXT);
    if (reads & QB_READS_PROMPT)
        qb_text_add(out, "prompt%s", text ? " (where there is no corpus), " : "");
    if (text)
        qb_text_add(out, "corpus (its file%s%s), context, chunks, offset, spread",
                    reads & QB_READS_OWN_TEXT ? ", or {greedy: N}: FP32's own text" : "",
                    reads & QB_READS_AS_LLAMA ? ", or {base: FILE}: llama.cpp's logits base file" : "");
    if (reads & QB_READS_TASKS)
        qb_text_add(out, "tasks (files of questions)");
    if (reads & QB_READS_CALIBRATION)
        qb_text_add(out, "calibration");
}

static enum qb_status list_experiments(const struct qb_registry *registry, struct qb_listing *listing,
                                       struct qb_error *err)
{
    static const char *const columns[] = {"experiment", "summary", "inputs", "options", "metrics", NULL};
    (void)registry, (void)err;
    listing->columns = columns;
    for (const struct qb_experiment *const *e = qb_experiments(); *e; e++) {
        struct qb_text inputs = {0}, options = {0}, metrics = {0};
        print_inputs((*e)->reads, &inputs);
        print_options((*e)->options, &options);
        for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
            if (strcmp((*m)->experiment, (*e)->name) == 0)
                qb_text_add(&metrics, "%s%s", metrics.size ? " " : "", (*m)->name);
        qb_listing_add(listing, (const char *[]){(*e)->name, (*e)->summary, inputs.data ? inputs.data : "",
                                                 options.data ? options.data : "", metrics.data ? metrics.data : ""});
        qb_text_free(&inputs);
        qb_text_free(&options);
        qb_text_free(&metrics);
    }
    return QB_OK;
}

static enum qb_status list_metrics(const struct qb_registry *registry, struct qb_listing *listing, struct qb_error *err)
{
    static const char *const columns[] = {"experiment", "metric", "unit", "better", "description", NULL};
    static const char *const better[] = {"higher", "lower", "-"};
    (void)registry, (void)err;
    listing->columns = columns;
    for (const struct qb_metric *const *m = qb_metrics(); *m; m++)
        qb_listing_add(listing, (const char *[]){(*m)->experiment, (*m)->name, (*m)->unit, better[(*m)->direction],
                                                 (*m)->description});
    return QB_OK;
}

static enum qb_status list_suites(const struct qb_registry *registry, struct qb_listing *listing, struct qb_error *err)
{
    static const char *const columns[] = {"suite", "file", "summary", NULL};
    char folder[4096], path[4400], name[256];
    struct dirent **entries = NULL;
    (void)registry;
    listing->columns = columns;
    if (!qb_suites_folder(folder))
        return qb_fail(err, QB_ERR_INPUT, "the shipped suites are not beside the program; set QINSBENCH_DATA");
    int n = entries_of(folder, is_suite, &entries);
    for (int i = 0; i < n; i++) {
        struct qb_yaml *root = NULL;
        struct qb_error cause = {0};
        struct qb_text shown = {0};
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        snprintf(name, sizeof name, "%.*s", (int)(strlen(entries[i]->d_name) - 5), entries[i]->d_name);
        const struct qb_yaml *summary = qb_yaml_load(path, &root, &cause) ? NULL : qb_yaml_get(root, "summary");
        print_path(path, &shown);
        qb_listing_add(listing, (const char *[]){name, shown.data, summary && summary->scalar ? summary->scalar : ""});
        qb_text_free(&shown);
        qb_yaml_free(root);
        free(entries[i]);
    }
    free(entries);
    return QB_OK;
}

static const struct {
    const char *name;
    enum qb_status (*list)(const struct qb_registry *, struct qb_listing *, struct qb_error *);
    bool codecs; /* needs the plugins */
    bool blocks; /* its values are long */
} kinds[] = {{"codecs", list_codecs, true, false},           {"variants", list_variants, true, false},
             {"models", list_models, false, false},          {"families", list_families, false, false},
             {"experiments", list_experiments, false, true}, {"metrics", list_metrics, false, false},
             {"suites", list_suites, false, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void print_listing(size_t kind, const struct qb_listing *listing, enum qb_output output, struct qb_text *out)
{
    if (output == QB_OUTPUT_CONSOLE && kinds[kind].blocks)
        qb_listing_blocks(listing, qb_columns(STDOUT_FILENO), out);
    else
        qb_listing_print(listing, output, out);
}

static int print_list(size_t kind, const char *const *codecs, enum qb_output output)
{
    struct qb_registry *registry = NULL;
    struct qb_listing listing = {0};
    struct qb_error err = {0};
    struct qb_text out = {0};
    if (codecs[0] && !kinds[kind].codecs)
        qb_tell("note: --codec says nothing about %s", kinds[kind].name);
    if (kinds[kind].codecs)
        qb_open_registry(codecs, &registry, &err);
    if (!err.status && !kinds[kind].list(registry, &listing, &err))
        print_listing(kind, &listing, output, &out);
    int code = err.status ? qb_complain_error(&err) : qb_print(&out);
    qb_text_free(&out);
    if (listing.columns)
        qb_listing_free(&listing);
    qb_registry_free(registry);
    return code;
}

int qb_command_list(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_error err = {0};
    enum qb_output output = QB_OUTPUT_CONSOLE;
    const char *codecs[33] = {0}, *names[KINDS + 1] = {0};
    size_t codec_count = 0;
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == CODEC && codec_count < 32)
            codecs[codec_count++] = optarg;
        else if (flag == OUTPUT && qb_parse_output(optarg, &output, &err))
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc)
        return qb_complain("list: expected one of codecs, variants, models, families, experiments, metrics, suites");
    for (size_t i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(argv[optind], kinds[i].name) == 0)
            return print_list(i, codecs, output);
    }
    const char *nearest = qb_nearest(argv[optind], names);
    return qb_complain(
        "list: expected one of codecs, variants, models, families, experiments, metrics, suites, found '%s'%s%s%s",
        argv[optind], nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}
