/* Which tensors a variant encodes: by role, and restricted by name. */
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "codec/variant_parts.h"

enum qb_status variant_read_roles(const struct qb_yaml *list, uint32_t *mask, struct qb_error *err)
{
    const char *names[33] = {NULL};
    size_t count = 0;
    for (uint32_t bit = 1; bit <= QB_ROLE_WEIGHTS; bit <<= 1)
        if (bit & QB_ROLE_WEIGHTS)
            names[count++] = qb_role_name(bit);
    if (qb_yaml_expect(list, QB_YAML_LIST, err))
        return err->status;
    for (size_t i = 0; i < list->count; i++) {
        const char *pattern;
        uint32_t found = 0;
        if (qb_yaml_text(list->children[i], &pattern, err))
            return err->status;
        bool any = qb_role_parse(pattern, &found);
        found &= QB_ROLE_WEIGHTS;
        if (found) {
            *mask |= found;
            continue;
        }
        const char *near = qb_nearest(pattern, names);
        if (any)
            return qb_yaml_fail(list->children[i], err,
                                "role '%s' is never encoded here, expected attn.{q,k,v,o}, mlp.{gate,up,down}, embed "
                                "or head (keys and values have the key 'kv', activations between layers 'act')",
                                pattern);
        return qb_yaml_fail(
            list->children[i], err,
            "no role matches '%s', expected attn.{q,k,v,o}, mlp.{gate,up,down}, embed, head or a glob%s%s%s", pattern,
            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return QB_OK;
}

enum qb_status variant_read_names(const struct qb_yaml *list, char ***names, struct qb_error *err)
{
    const char *text;
    if (!list)
        return QB_OK;
    if (qb_yaml_expect(list, QB_YAML_LIST, err))
        return err->status;
    if (list->count == 0)
        return qb_yaml_fail(list, err, "an empty list names nothing, expected names of tensors or globs");
    *names = qb_alloc(list->count + 1, sizeof **names, "tensor names", err);
    for (size_t i = 0; *names && i < list->count && !err->status; i++)
        if (!qb_yaml_text(list->children[i], &text, err))
            (*names)[i] = qb_strdup(text, err);
    return err->status;
}

void variant_free_names(char **names)
{
    for (size_t i = 0; names && names[i]; i++)
        qb_free(names[i]);
    qb_free(names);
}

static bool matches(char *const *globs, const char *name)
{
    for (size_t i = 0; globs[i]; i++)
        if (qb_glob(globs[i], name))
            return true;
    return false;
}

uint32_t qb_variant_covers(const struct qb_variant *variant, uint32_t mask, const char *name, uint32_t roles)
{
    const uint32_t blocks = roles & QB_ROLE_BLOCKS;
    if ((variant->tensors && !matches(variant->tensors, name)) || (variant->except && matches(variant->except, name)))
        return 0;
    if (blocks && blocks == roles)
        return blocks & mask;
    return qb_role_covered(mask, roles) ? roles : 0;
}

const struct qb_other *qb_variant_other(const struct qb_variant *variant, const char *name, uint32_t roles)
{
    for (size_t i = 0; i < variant->other_count; i++)
        if (qb_variant_covers(variant, variant->others[i].roles, name, roles))
            return &variant->others[i];
    return NULL;
}

uint32_t qb_variant_roles(const struct qb_variant *variant)
{
    uint32_t roles = variant->placement;
    for (size_t i = 0; i < variant->other_count; i++)
        roles |= variant->others[i].roles;
    return roles;
}

const struct qb_format *qb_variant_format(const struct qb_variant *variant, size_t rows, size_t cols)
{
    const bool falls_back = variant->otherwise.plugin && !qb_format_takes(&variant->weights, rows, cols) &&
                            qb_format_takes(&variant->otherwise, rows, cols);
    return falls_back ? &variant->otherwise : &variant->weights;
}

bool qb_variant_stores(const struct qb_variant *variant)
{
    return variant->encoded && variant->path != QB_PATH_TRANSPORT &&
           (variant->path != QB_PATH_DOMAIN || variant->domain != QB_DOMAIN_ACTIVATIONS || variant->stored);
}
