/* Which tensors a variant encodes: by role, and restricted by name. */
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "codec/variant_parts.h"

enum qb_status variant_read_roles(const struct qb_yaml *list, uint32_t *mask, struct qb_error *err)
{
    const char *const names[] = {"attn.q", "attn.k",   "attn.v", "attn.o", "mlp.gate",
                                 "mlp.up", "mlp.down", "embed",  "head",   NULL};
    if (qb_yaml_expect(list, QB_YAML_LIST, err) != QB_OK)
        return err->status;
    for (size_t i = 0; i < list->count; i++) {
        const char *pattern;
        uint32_t found = 0;
        if (qb_yaml_text(list->children[i], &pattern, err) != QB_OK)
            return err->status;
        bool any = qb_role_parse(pattern, &found);
        for (uint32_t bit = 1; bit <= QB_ROLE_POSITION; bit <<= 1)
            if (!qb_role_covered(bit, bit))
                found &= ~bit;
        if (found) {
            *mask |= found;
            continue;
        }
        const char *near = qb_nearest(pattern, names);
        if (any)
            return qb_yaml_fail(list->children[i], err,
                                "role '%s' is never encoded, expected attn.{q,k,v,o}, "
                                "mlp.{gate,up,down}, embed or head",
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
    if (qb_yaml_expect(list, QB_YAML_LIST, err) != QB_OK)
        return err->status;
    if (list->count == 0)
        return qb_yaml_fail(list, err, "an empty list names nothing, expected names of tensors or globs");
    *names = qb_alloc(list->count + 1, sizeof **names, "tensor names", err);
    for (size_t i = 0; *names && i < list->count && err->status == QB_OK; i++)
        if (qb_yaml_text(list->children[i], &text, err) == QB_OK)
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
    static const uint32_t blocks[] = {QB_ROLE_ATTN_Q, QB_ROLE_ATTN_K, QB_ROLE_ATTN_V, QB_ROLE_MLP_GATE, QB_ROLE_MLP_UP};
    uint32_t covered = 0, fused = 0;
    if ((variant->tensors && !matches(variant->tensors, name)) || (variant->except && matches(variant->except, name)))
        return 0;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fused |= roles & blocks[i];
    if (!fused || roles & ~fused)
        return qb_role_covered(mask, roles) ? roles : 0;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (qb_role_covered(mask, roles & blocks[i]))
            covered |= blocks[i];
    return covered;
}

bool qb_variant_stores(const struct qb_variant *variant)
{
    return variant->encoded &&
           (variant->path == QB_PATH_DECODE || variant->domain != QB_DOMAIN_ACTIVATIONS || variant->stored);
}
