#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "codec/variant_parts.h"

static void print_format(const char *label, const struct qb_format *format, struct qb_text *out)
{
    if (!format->plugin)
        return;
    qb_text_add(out, " %s=%s/%s(", label, format->plugin->codec->id, format->plugin->codec->version);
    qb_format_print(format, out);
    qb_text_add(out, ")");
}

static void print_calibration(const struct qb_calibration *c, struct qb_text *out)
{
    qb_text_add(out, " calibration(scale=%d alpha=%d fp16=", c->scale, c->alpha);
    qb_role_print(c->fp16_roles, out);
    qb_text_add(out, " scale_range=%.17g,%.17g alpha_range=%.17g,%.17g rows=%zu alpha_contexts=%zu alpha_on=%s",
                c->scale_min, c->scale_max, c->alpha_min, c->alpha_max, c->rows, c->alpha_contexts,
                c->alpha_on_model ? "model" : "head");
    print_format("format", &c->scale_format, out);
    qb_text_add(out, ")");
}

static void print_names(const char *key, char *const *names, struct qb_text *out)
{
    if (!names)
        return;
    qb_text_add(out, " %s=", key);
    for (size_t i = 0; names[i]; i++)
        qb_text_add(out, "%s'%s'", i ? "," : "", names[i]);
}

static void print_conditioning(const struct qb_variant *v, struct qb_text *out)
{
    if (v->rotate)
        qb_text_add(out, " rotate=hadamard");
    if (v->input_scale) {
        qb_text_add(out, " input_scale=%s alpha=", v->input_scale == QB_INPUT_SCALE_AWQ ? "awq" : "smoothquant");
        if (v->input_search)
            qb_text_add(out, "search");
        else
            qb_text_add(out, "%.17g", v->input_alpha);
    }
    if (v->compensate)
        qb_text_add(out, " compensate=gptq");
}

static enum qb_status print_canonical(struct qb_variant *v, struct qb_error *err)
{
    static const char *const domains[] = {"activations", "weights", "both"};
    struct qb_text out = {0};
    qb_text_add(&out, "variant %s", v->name);
    print_format("codec", &v->weights, &out);
    print_format("otherwise", &v->otherwise, &out);
    if (v->encoded) {
        bool domain = v->path == QB_PATH_DOMAIN;
        qb_text_add(&out, " path=%s%s%s", qb_path_name(v->path), domain ? " domain=" : "",
                    domain ? domains[v->domain] : "");
        if (v->path == QB_PATH_DOMAIN_EXACT)
            qb_text_add(&out, " fraction=%u multiply=%s", v->logs.fraction, v->logs.decoded ? "decoded" : "added");
        if (v->path == QB_PATH_TRANSPORT)
            qb_text_add(&out, " point=%s form=%s", v->transport.mean ? "mean" : "position",
                        v->transport.linear ? "linear" : "tangent");
        qb_text_add(&out, " cache=%d placement=", v->cache);
        qb_role_print(v->placement, &out);
        print_names("tensors", v->tensors, &out);
        print_names("except", v->except, &out);
        for (size_t i = 0; i < v->other_count; i++) {
            print_format("other", &v->others[i].format, &out);
            qb_text_add(&out, " placement=");
            qb_role_print(v->others[i].roles, &out);
        }
        if (v->stored)
            qb_text_add(&out, " stored=1");
        print_format("activations", &v->activations, &out);
        print_conditioning(v, &out);
    }
    if (v->reversed)
        qb_text_add(&out, " arithmetic=reversed");
    if (v->split)
        qb_text_add(&out, v->split == 2 ? " arithmetic=split2" : " arithmetic=split");
    if (v->fused)
        qb_text_add(&out, " arithmetic=fused");
    if (v->kv_block) {
        qb_text_add(&out, " kv(block=%zu rotate=%d", v->kv_block, v->kv_rotate);
        print_format("keys", &v->kv[0], &out);
        print_format("values", &v->kv[1], &out);
        qb_text_add(&out, ")");
    }
    print_format("act", &v->act, &out);
    if (v->calibrated)
        print_calibration(&v->calibration, &out);
    print_format("fp16", &v->fp16, &out);
    if (out.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the description of variant %s", v->name);
    else
        v->canonical = qb_strdup(out.data, err);
    qb_text_free(&out);
    return err->status;
}

enum qb_status qb_variant_read(const struct qb_yaml *map, const char *name, const struct qb_registry *registry,
                               enum qb_isa isa, struct qb_variant **variant, struct qb_error *err)
{
    if (!variant_name_fits(name))
        return qb_yaml_fail(map, err, "'%.*s' is no name for a variant, expected [a-z0-9-_.], at most 64",
                            QB_UPTO(64, name));
    struct variant_bases bases = {0};
    const struct qb_yaml *whole, *summary;
    const char *text = "";
    struct qb_variant *v = qb_alloc(1, sizeof *v, "variant", err);
    if (!v || variant_resolve(map, &bases, &whole, err))
        goto out;
    v->name = qb_strdup(name, err);
    v->file = qb_strdup(map->file ? map->file : "", err);
    v->line = map->line;
    if (!v->name || !v->file)
        goto out;
    summary = qb_yaml_get(whole, "summary");
    if (summary && qb_yaml_text(summary, &text, err))
        goto out;
    v->summary = qb_clean_copy(text, QB_CLEAN_LINE, err);
    if (v->summary && !variant_fill(whole, registry, isa, v, err))
        print_canonical(v, err);
out:
    variant_bases_free(&bases);
    if (err->status) {
        qb_variant_free(v);
        return err->status;
    }
    *variant = v;
    return QB_OK;
}

void qb_variant_formats(const struct qb_variant *v, const struct qb_format *formats[QB_VARIANT_FORMATS])
{
    const struct qb_format *const single[] = {
        &v->weights, &v->otherwise, &v->activations, &v->fp16, &v->calibration.scale_format,
        &v->kv[0],   &v->kv[1],     &v->act};
    enum { SINGLE = sizeof single / sizeof *single };
    _Static_assert(SINGLE + QB_OTHERS_MAX == QB_VARIANT_FORMATS, "every format of a variant");
    for (size_t i = 0; i < QB_VARIANT_FORMATS; i++)
        formats[i] = i < SINGLE ? single[i] : &v->others[i - SINGLE].format;
}

void qb_variant_free(struct qb_variant *variant)
{
    const struct qb_format *formats[QB_VARIANT_FORMATS];
    if (!variant)
        return;
    qb_variant_formats(variant, formats);
    for (size_t i = 0; i < QB_VARIANT_FORMATS; i++)
        qb_format_free((struct qb_format *)(uintptr_t)formats[i]);
    qb_free(variant->name);
    qb_free(variant->summary);
    qb_free(variant->canonical);
    char **lists[] = {variant->tensors, variant->except, variant->asked, variant->asked_fp16};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        variant_free_names(lists[i]);
    for (size_t i = 0; i < variant->other_count; i++)
        variant_free_names(variant->others[i].asked);
    qb_free((void *)(uintptr_t)variant->file);
    qb_free(variant);
}

/* The documents' feature flag: "qins" alone follows it, any other name says itself which path it takes. */
static const char *resolve_qins(const char *name, struct qb_error *err)
{
    if (strcmp(name, "qins") != 0)
        return name;
    const char *flag = getenv("QINS_CODEC_AT_REST");
    if (!flag || !*flag || strcmp(flag, "1") == 0)
        return "pattern-a";
    if (strcmp(flag, "0") == 0)
        return "legacy";
    qb_fail(err, QB_ERR_INPUT, "QINS_CODEC_AT_REST is '%.*s', expected 1 (pattern-a, the default) or 0 (legacy)",
            QB_UPTO(32, flag));
    return NULL;
}

enum qb_status qb_variant_builtin(const char *name, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_variant **variant, struct qb_error *err)
{
    struct qb_yaml *root = NULL;
    name = resolve_qins(name, err);
    if (!name || variant_load(name, &root, err))
        return err->status;
    qb_variant_read(root, name, registry, isa, variant, err);
    qb_yaml_free(root);
    return err->status;
}
