/* What a variant is by its definition, and which names are taken. */
#include <stdio.h>
#include <string.h>
#include "base/data_path.h"
#include "base/yaml.h"
#include "codec/options.h"
#include "codec/variant.h"

/* Stores every weight matrix, decodes it before use, and does nothing else. */
static bool stores_all(const struct qb_variant *v)
{
    return v->encoded && v->path == QB_PATH_DECODE && !v->calibrated && !v->tensors && !v->except &&
           v->placement == QB_ROLE_WEIGHTS;
}

enum qb_floor qb_variant_floor(const struct qb_variant *variant)
{
    if (variant->split || variant->kv_block || variant->act.plugin || qb_variant_conditions(variant))
        return QB_FLOOR_NONE;
    if (!variant->encoded)
        return variant->reversed ? QB_FLOOR_ARITHMETIC : QB_FLOOR_IDENTITY;
    /* A registry holds one codec of an id, so the id says which one it is. These two have no options. */
    const struct qb_codec *codec = variant->weights.plugin->codec;
    if (!stores_all(variant) || variant->fused || variant->otherwise.plugin || variant->other_count > 0 ||
        qb_options_count(codec->options) != 0)
        return QB_FLOOR_NONE;
    if (strcmp(codec->id, "fp16") == 0)
        return QB_FLOOR_FP16;
    return strcmp(codec->id, "bf16") == 0 ? QB_FLOOR_BF16 : QB_FLOOR_NONE;
}

enum qb_status qb_variant_check_name(const struct qb_variant *variant, const struct qb_yaml *node,
                                     const struct qb_registry *registry, enum qb_isa isa, struct qb_error *err)
{
    char relative[128], path[4096];
    struct qb_error missing = {0};
    struct qb_variant *shipped = NULL;
    snprintf(relative, sizeof relative, "variants/%s.yaml", variant->name);
    if (qb_data_path(relative, path, &missing))
        return QB_OK;
    if (qb_variant_builtin(variant->name, registry, isa, &shipped, err))
        return err->status;
    if (strcmp(shipped->canonical, variant->canonical) != 0)
        qb_yaml_fail(node, err,
                     "the name '%s' is taken by the shipped data/%s, which is another variant (%s): choose another",
                     variant->name, relative, shipped->canonical);
    qb_variant_free(shipped);
    return err->status;
}
