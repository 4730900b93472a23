#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
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

static enum qb_status print_canonical(struct qb_variant *v, struct qb_error *err)
{
    static const char *const domains[] = {"activations", "weights", "both"};
    struct qb_text out = {0};
    qb_text_add(&out, "variant %s", v->name);
    print_format("codec", &v->weights, &out);
    if (v->encoded) {
        bool domain = v->path == QB_PATH_DOMAIN;
        qb_text_add(&out, " path=%s%s%s cache=%d placement=", domain ? "domain" : "decode", domain ? " domain=" : "",
                    domain ? domains[v->domain] : "", v->cache);
        qb_role_print(v->placement, &out);
        print_names("tensors", v->tensors, &out);
        print_names("except", v->except, &out);
        if (v->stored)
            qb_text_add(&out, " stored=1");
        print_format("activations", &v->activations, &out);
    }
    if (v->reversed)
        qb_text_add(&out, " arithmetic=reversed");
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

static bool name_fits(const char *name)
{
    return *name && strlen(name) <= 64 && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0' &&
           *name != '.';
}

enum qb_status qb_variant_read(const struct qb_yaml *map, const char *name, const struct qb_registry *registry,
                               enum qb_isa isa, struct qb_variant **variant, struct qb_error *err)
{
    if (!name_fits(name))
        return qb_yaml_fail(map, err, "'%.*s' is no name for a variant, expected [a-z0-9-_.], at most 64",
                            QB_UPTO(64, name));
    struct variant_bases bases = {0};
    const struct qb_yaml *whole, *summary;
    const char *text = "";
    struct qb_variant *v = qb_alloc(1, sizeof *v, "variant", err);
    if (!v || variant_resolve(map, &bases, &whole, err) != QB_OK)
        goto out;
    v->name = qb_strdup(name, err);
    v->file = qb_strdup(map->file ? map->file : "", err);
    v->line = map->line;
    if (!v->name || !v->file)
        goto out;
    summary = qb_yaml_get(whole, "summary");
    if (summary && qb_yaml_text(summary, &text, err) != QB_OK)
        goto out;
    v->summary = qb_clean_copy(text, QB_CLEAN_LINE, err);
    if (v->summary && variant_fill(whole, registry, isa, v, err) == QB_OK)
        print_canonical(v, err);
out:
    variant_bases_free(&bases);
    if (err->status != QB_OK) {
        qb_variant_free(v);
        return err->status;
    }
    *variant = v;
    return QB_OK;
}

void qb_variant_free(struct qb_variant *variant)
{
    if (!variant)
        return;
    struct qb_format *formats[] = {&variant->weights, &variant->activations, &variant->fp16,
                                   &variant->calibration.scale_format};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        qb_format_free(formats[i]);
    qb_free(variant->name);
    qb_free(variant->summary);
    qb_free(variant->canonical);
    char **lists[] = {variant->tensors, variant->except, variant->asked, variant->asked_fp16};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        variant_free_names(lists[i]);
    qb_free((void *)(uintptr_t)variant->file);
    qb_free(variant);
}

/* ---- built-ins ---- */

static enum qb_status unknown_variant(const char *name, struct qb_error *err)
{
    char **names = NULL;
    if (qb_variant_names(&names, err) != QB_OK)
        return err->status;
    const char *near = qb_nearest(name, (const char *const *)names);
    qb_fail(err, QB_ERR_INPUT, "no variant '%.*s'%s%s%s", QB_UPTO(64, name),
            near ? ", did you mean '" : ", `qinsbench list variants` shows them", near ? near : "", near ? "'?" : "");
    for (size_t i = 0; names[i]; i++)
        qb_free(names[i]);
    qb_free(names);
    return err->status;
}

enum qb_status variant_load(const char *name, struct qb_yaml **root, struct qb_error *err)
{
    char relative[128], path[4096];
    struct qb_error missing = {0};
    if (!name_fits(name))
        return unknown_variant(name, err);
    snprintf(relative, sizeof relative, "variants/%s.yaml", name);
    if (qb_data_path(relative, path, &missing) != QB_OK)
        return unknown_variant(name, err);
    if (qb_yaml_load(path, root, err) != QB_OK)
        return err->status;
    const struct qb_yaml *own = qb_yaml_get(*root, "name");
    const char *text = "";
    if (!own)
        qb_yaml_fail(*root, err, "expected a map with the key 'name'");
    else if (qb_yaml_text(own, &text, err) == QB_OK && strcmp(text, name) != 0)
        qb_yaml_fail(own, err, "'%s', expected '%s' as the file is named", text, name);
    if (err->status != QB_OK) {
        qb_yaml_free(*root);
        *root = NULL;
    }
    return err->status;
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
    if (!name || variant_load(name, &root, err) != QB_OK)
        return err->status;
    enum qb_status status = qb_variant_read(root, name, registry, isa, variant, err);
    qb_yaml_free(root);
    return status;
}

struct entry {
    char *name;
    int64_t order;
};

static int by_order(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int is_variant(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 5 && size < 70 && strcmp(entry->d_name + size - 5, ".yaml") == 0 && entry->d_name[0] != '.';
}

static enum qb_status read_entry(const char *file, struct entry *entry, struct qb_error *err)
{
    char name[72];
    struct qb_yaml *root = NULL;
    snprintf(name, sizeof name, "%.*s", (int)strlen(file) - 5, file);
    if (variant_load(name, &root, err) != QB_OK)
        return err->status;
    const struct qb_yaml *order = qb_yaml_get(root, "order");
    if (!order)
        qb_yaml_fail(root, err, "expected the key 'order': the place in lists");
    else if (qb_yaml_int(order, 0, 1000000, &entry->order, err) == QB_OK)
        entry->name = qb_strdup(name, err);
    qb_yaml_free(root);
    return err->status;
}

enum qb_status qb_variant_names(char ***names, struct qb_error *err)
{
    char folder[4096];
    struct dirent **files = NULL;
    struct entry *entries = NULL;
    char **list = NULL;
    size_t read = 0;
    if (qb_data_path("variants", folder, err) != QB_OK)
        return err->status;
    int found = scandir(folder, &files, is_variant, alphasort);
    if (found < 0)
        return qb_fail(err, QB_ERR_IO, "%s: %s", folder, strerror(errno));
    size_t count = (size_t)found;
    entries = qb_alloc(count, sizeof *entries, "variant list", err);
    list = entries ? qb_alloc(count + 1, sizeof *list, "variant list", err) : NULL;
    while (list && read < count && read_entry(files[read]->d_name, &entries[read], err) == QB_OK)
        read++;
    if (err->status == QB_OK) {
        qsort(entries, count, sizeof *entries, by_order);
        for (size_t i = 0; i < count; i++)
            list[i] = entries[i].name;
        *names = list;
    } else {
        for (size_t i = 0; i < read; i++)
            qb_free(entries[i].name);
        qb_free(list);
    }
    for (size_t i = 0; i < count; i++)
        free(files[i]);
    free(files);
    qb_free(entries);
    return err->status;
}
