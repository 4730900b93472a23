/* qinsbench inspect: what is in a file. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cpu.h"
#include "base/layout.h"
#include "base/only.h"
#include "base/utf8.h"
#include "cli.h"
#include "codec/conformance.h"
#include "codec/options.h"
#include "inspect_model.h"
#include "reach_table.h"
#include "run/idle.h"
#include "run/plan.h"
#include "store/store.h"

enum { CONFORMANCE, SET, CODEC, ONLY, ISA };
static const struct qb_flag flags[] = {
    {"conformance", 0, NULL, "a codec plugin: run the conformance suite; exit 1 when a check fails"},
    {"set", 0, "KEY=VALUE", "a suite: set a key first; repeatable"},
    {"codec", 0, "PLUGIN.so", "a model, suite or variant: load a codec from outside; repeatable"},
    {"only", 0, "M/V/E", "a suite: as run's; a result file: its cells; repeatable"},
    {"isa", 0, "LEVEL", "a codec, model, suite or variant: portable, avx2, avx512 or amx"},
    {0}};
static const struct qb_usage usage = {
    "inspect", "FILE [options]",
    "Shows a model (.safetensors, .gguf or a Hugging Face folder), a result file (.h5), a codec\n"
    "plugin (.so), or a suite or variant (.yaml): its keys, variants and models are checked as run\n"
    "does, its texts and prompts are not read. A suite's plan is printed, one cell a line, and what\n"
    "each variant encodes of each model, which is opened for it.",
    flags,
    "  qinsbench inspect data/models/kjv-chain.safetensors\n"
    "  qinsbench inspect ./my-codec.so --conformance\n"
    "  qinsbench inspect experiments/suites/source.yaml --only 'kjv-*'"};

struct arguments {
    const char *path;
    struct qb_only only;
    const char *set[33], *codecs[33];
    size_t set_count, codec_count;
    bool conformance;
    enum qb_isa isa;
    unsigned given; /* bits of the flags that were given */
};

/* A text of the file as one clean line, padded to a width. */
static void add_line(struct qb_text *out, const char *text, size_t width)
{
    size_t from = out->size;
    qb_clean_bytes(out, text, strlen(text), QB_CLEAN_LINE);
    for (size_t n = out->data ? qb_width(out->data + from) : width; n < width; n++)
        qb_text_add(out, " ");
}

/* A flag that the kind of file has no use for is said, not swallowed. */
static void note_unused(const struct arguments *a, const char *kind, unsigned used)
{
    for (unsigned flag = 0; flags[flag].name; flag++)
        if (a->given & ~used & 1u << flag)
            qb_tell("note: --%s says nothing about a %s", flags[flag].name, kind);
}

static enum qb_status inspect_model(const struct arguments *a, struct qb_text *out, int *code, struct qb_error *err)
{
    struct qb_registry *registry = NULL;
    (void)code;
    note_unused(a, "model", 1u << CODEC | 1u << ISA);
    if (!qb_open_registry(a->codecs, &registry, err))
        qb_inspect_model(a->path, registry, a->isa, out, err);
    qb_registry_free(registry);
    return err->status;
}

/* What the run that measured a cell was other than the file's last one. */
static void add_facts(const struct qb_result *result, size_t index, struct qb_text *out)
{
    const struct qb_provenance *all = qb_result_provenance(result);
    const char *before = "; measured by another run: ";
    for (size_t i = 0; qb_cell_fact_names[i]; i++) {
        const char *own = qb_result_fact(result, index, qb_cell_fact_names[i]);
        const char *last = qb_provenance_get(all, qb_cell_fact_names[i]);
        if (!own || (last && strcmp(own, last) == 0))
            continue;
        qb_text_add(out, "%s%s %s", before, qb_cell_fact_names[i], own);
        before = ", ";
    }
}

static enum qb_status check_only(const struct qb_result *result, const struct qb_only *only, struct qb_error *err)
{
    struct qb_only_cells cells = {0};
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        qb_only_see(&cells, only, cell->model, cell->variant, cell->experiment);
    }
    qb_only_check(only, &cells, err);
    qb_only_cells_free(&cells);
    return err->status;
}

static enum qb_status inspect_result(const struct arguments *a, struct qb_text *out, int *code, struct qb_error *err)
{
    static const char *const states[] = {"done", "failed", "skipped"};
    struct qb_result *result = NULL;
    (void)code;
    note_unused(a, "result file", 1u << ONLY);
    if (qb_result_open(a->path, &result, err))
        return err->status;
    if (check_only(result, &a->only, err)) {
        qb_result_close(result);
        return err->status;
    }
    const struct qb_provenance *p = qb_result_provenance(result);
    qb_text_add(out, "provenance\n");
    for (size_t i = 0; i < p->count; i++) {
        size_t length = strcspn(p->pairs[i].value, "\n");
        bool cut = length > 200 || p->pairs[i].value[length];
        qb_text_add(out, "  %-24s %.*s%s\n", p->pairs[i].name,
                    (int)(length > 200 ? qb_utf8_upto(p->pairs[i].value, 200) : length), p->pairs[i].value,
                    cut ? " ..." : "");
    }
    qb_text_add(out, "cells\n");
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (!qb_only_matches(&a->only, cell->model, cell->variant, cell->experiment))
            continue;
        qb_text_add(out, "  %-8s %s/%s/%s  %.2f s, %.2f s CPU, %.0f MiB, %zu metrics, key %.12s%s", states[cell->state],
                    cell->model, cell->variant, cell->experiment, cell->seconds, cell->cpu_seconds,
                    (double)cell->peak_rss / 1048576.0, cell->value_count, cell->key, *cell->message ? ": " : "");
        add_line(out, cell->message, 0);
        qb_text_add(out, "%s", *cell->warnings ? "; warning: " : "");
        add_line(out, cell->warnings, 0);
        add_facts(result, i, out);
        qb_text_add(out, "\n");
    }
    qb_reach_of_result(result, out);
    qb_result_close(result);
    return QB_OK;
}

/* ---- codecs ---- */

static void describe_codec(const struct qb_plugin *plugin, struct qb_text *out)
{
    const struct qb_codec *c = plugin->codec;
    qb_text_add(out, "codec        %s %s: %s\nsha256       %s\nABI          %u\nflags        %s%s%s\n", c->id,
                c->version, c->summary, plugin->sha256, c->abi_version, c->flags & QB_CODEC_LOSSLESS ? "lossless " : "",
                c->flags & QB_CODEC_RESCALES ? "rescales " : "", c->flags & QB_CODEC_KEEPS_ZERO ? "keeps-zero" : "");
    qb_text_add(out, "offers       encode decode%s%s%s%s%s\n", c->encode_part ? " encode_part" : "",
                c->coordinates ? " coordinates" : "", c->gemv ? " gemv" : "", c->gemm_tile ? " gemm_tile" : "",
                c->layout ? " layout" : "");
    qb_text_add(out, "tolerance    relative %g (over %g of max), absolute %g of max, bias %g, SQNR %g dB\n",
                c->tolerance.relative_error, c->tolerance.floor_fraction, c->tolerance.absolute_error,
                c->tolerance.bias, c->tolerance.sqnr_db);
    for (size_t i = 0; i < qb_options_count(c->options); i++) {
        qb_text_add(out, "option       %s=%s  ", c->options[i].name, c->options[i].default_value);
        qb_option_domain(&c->options[i], out);
        qb_text_add(out, ": %s\n", c->options[i].help);
    }
}

/* What was skipped, and over how many combinations of options. */
struct skipped {
    char check[32], why[128];
    size_t count;
};
struct checks {
    struct qb_text *out;
    struct skipped skipped[32];
};

static void note_skipped(struct checks *checks, const struct qb_conformance_result *r)
{
    for (struct skipped *s = checks->skipped; s < checks->skipped + 32; s++) {
        if (s->count && (strcmp(s->check, r->check) != 0 || strcmp(s->why, r->message) != 0))
            continue;
        if (s->count++ == 0) {
            snprintf(s->check, sizeof s->check, "%s", r->check);
            snprintf(s->why, sizeof s->why, "%s", r->message);
        }
        return;
    }
}

/* Passing checks are counted, and what they measured is printed; failures are printed; skipped ones at the end. */
static void report_check(void *context, const struct qb_conformance_result *r)
{
    struct checks *checks = context;
    if (r->verdict == QB_VERDICT_FAIL)
        qb_text_add(checks->out, "FAIL  %s%s%s%s: %s\n", r->check, *r->options ? " (" : "", r->options,
                    *r->options ? ")" : "", r->message);
    else if (r->verdict == QB_VERDICT_SKIP)
        note_skipped(checks, r);
    else if (*r->message)
        qb_text_add(checks->out, "measured     %s\n", r->message);
}

static enum qb_status inspect_codec(const struct arguments *a, struct qb_text *out, int *code, struct qb_error *err)
{
    static const char *const nowhere[] = {NULL};
    char path[4200];
    const char *extra[2] = {path, NULL};
    struct qb_registry *registry = NULL;
    struct qb_conformance_summary summary = {0};
    note_unused(a, "codec", 1u << CONFORMANCE | 1u << ISA);
    snprintf(path, sizeof path, "%s%s", strchr(a->path, '/') ? "" : "./", a->path); /* dlopen searches bare names */
    if (!qb_registry_open(nowhere, extra, &registry, err))
        describe_codec(qb_registry_at(registry, 0), out);
    if (!err->status && a->conformance) {
        struct checks checks = {.out = out};
        qb_conformance(qb_registry_at(registry, 0), a->isa, NULL, report_check, &checks, &summary, err);
        for (size_t i = 0; i < 32 && checks.skipped[i].count; i++)
            qb_text_add(out, "skipped      %s: %s (%zu)\n", checks.skipped[i].check, checks.skipped[i].why,
                        checks.skipped[i].count);
        qb_text_add(out, "conformance  %zu passed, %zu failed, %zu skipped\n", summary.passed, summary.failed,
                    summary.skipped);
        *code = summary.failed ? QB_EXIT_SHORT : QB_EXIT_DONE;
    }
    qb_registry_free(registry);
    return err->status;
}

/* ---- YAML ---- */

static void add_idle(void *out, const char *text)
{
    qb_text_add(out, "note: ");
    add_line(out, text, 0);
    qb_text_add(out, "\n");
}

static enum qb_status inspect_suite(const struct arguments *a, struct qb_registry *registry, struct qb_text *out,
                                    struct qb_error *err)
{
    struct qb_suite_options options = {registry, a->isa, a->set, &a->only};
    struct qb_suite *suite = NULL;
    struct qb_plan plan = {0};
    note_unused(a, "suite", 1u << SET | 1u << CODEC | 1u << ONLY | 1u << ISA);
    if (!qb_suite_load(a->path, &options, &suite, err) && !qb_plan_make(suite, &a->only, &plan, err)) {
        qb_text_add(out, "suite %s: %zu models, %zu variants, %zu experiments, %zu cells%s\n", suite->name,
                    suite->model_count, suite->variant_count, suite->experiment_count, plan.selected,
                    a->only.count ? " selected" : "");
        for (size_t i = 0; i < plan.count; i++) {
            if (!plan.cells[i].selected)
                continue;
            qb_text_add(out, "  ");
            qb_plan_label(suite, &plan.cells[i], out);
            const char *chosen =
                qb_suite_experiment_of(suite, plan.cells[i].model, plan.cells[i].experiment)->canonical;
            qb_text_add(out, "%s%s\n", *chosen ? "  " : "", chosen);
        }
        qb_reach_of_suite(suite, &plan, out, err);
        qb_idle_requests(suite, &plan, add_idle, out);
    }
    qb_plan_free(&plan);
    qb_suite_free(suite);
    return err->status;
}

static enum qb_status inspect_variant(const struct arguments *a, const struct qb_yaml *root,
                                      const struct qb_registry *registry, struct qb_text *out, struct qb_error *err)
{
    struct qb_variant *variant = NULL;
    const struct qb_yaml *node = qb_yaml_get(root, "name");
    const char *name = "unnamed";
    note_unused(a, "variant", 1u << CODEC | 1u << ISA);
    if ((node && qb_yaml_text(node, &name, err)) || qb_variant_read(root, name, registry, a->isa, &variant, err))
        return err->status;
    if (qb_variant_check_name(variant, node ? node : root, registry, a->isa, err)) {
        qb_variant_free(variant);
        return err->status;
    }
    qb_text_add(out, "variant %s: %s\n%s\n", variant->name, variant->summary ? variant->summary : "",
                variant->canonical);
    qb_variant_free(variant);
    return QB_OK;
}

static enum qb_status inspect_yaml(const struct arguments *a, struct qb_text *out, int *code, struct qb_error *err)
{
    struct qb_registry *registry = NULL;
    struct qb_yaml *root = NULL;
    (void)code;
    if (qb_yaml_load(a->path, &root, err) || qb_open_registry(a->codecs, &registry, err))
        goto out;
    if (qb_yaml_get(root, "models") || !qb_yaml_get(root, "codec"))
        inspect_suite(a, registry, out, err);
    else
        inspect_variant(a, root, registry, out, err);
out:
    qb_yaml_free(root);
    qb_registry_free(registry);
    return err->status;
}

static const struct {
    const char *suffix;
    enum qb_status (*inspect)(const struct arguments *, struct qb_text *, int *, struct qb_error *);
} kinds[] = {{".safetensors", inspect_model}, {".gguf", inspect_model}, {".h5", inspect_result},
             {".so", inspect_codec},          {".yaml", inspect_yaml},  {".yml", inspect_yaml}};

static int inspect(const struct arguments *a)
{
    struct qb_error err = {0};
    struct qb_text out = {0};
    struct stat info;
    size_t length = strlen(a->path);
    const bool folder = stat(a->path, &info) == 0 && S_ISDIR(info.st_mode); /* a model's */
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t end = strlen(kinds[i].suffix);
        if (!folder && (length <= end || strcmp(a->path + length - end, kinds[i].suffix) != 0))
            continue;
        int code = QB_EXIT_DONE;
        int printed = QB_EXIT_DONE; /* of a model that is none, what could be told */
        if (!kinds[i].inspect(a, &out, &code, &err) || (kinds[i].inspect == inspect_model && out.size))
            printed = qb_print(&out);
        if (err.status)
            printed = qb_complain_error(&err);
        qb_text_free(&out);
        return printed ? printed : code;
    }
    return qb_complain("inspect %s: expected a folder or a name that ends in .safetensors, .gguf, .h5, .so or .yaml",
                       a->path);
}

int qb_command_inspect(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.isa = qb_cpu()->isa};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        a.given |= 1u << flag;
        if (flag == CONFORMANCE)
            a.conformance = true;
        else if (flag == SET && a.set_count < 32)
            a.set[a.set_count++] = optarg;
        else if (flag == CODEC && a.codec_count < 32)
            a.codecs[a.codec_count++] = optarg;
        else if (flag == ONLY  ? qb_only_add(&a.only, optarg, &err)
                 : flag == ISA ? qb_parse_isa(optarg, &a.isa, &err)
                               : QB_OK)
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc)
        return qb_complain("inspect: expected one file, found %d (qinsbench inspect --help)", argc - optind);
    a.path = argv[optind];
    return inspect(&a);
}
