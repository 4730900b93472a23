/* --set key=value */
#include <string.h>

#include "run/suite_parts.h"

static bool generator_key(const char *key)
{
    static const char *const keys[] = {"vocab", "hidden", "layers", "seed", NULL};
    size_t length = strcspn(key, ".");
    for (size_t i = 0; keys[i]; i++)
        if (strlen(keys[i]) == length && strncmp(keys[i], key, length) == 0)
            return true;
    return false;
}

/* models.*.seed and its like mean the generated models: a file has no such key. */
static enum qb_status set_generated(struct qb_yaml *root, const char *rest, const char *value, struct qb_error *err)
{
    const struct qb_yaml *models = qb_yaml_get(root, "models");
    size_t reached = 0;
    for (size_t i = 0; models && models->kind == QB_YAML_MAP && i < models->count; i++) {
        if (!qb_yaml_get(models->children[i], "generator"))
            continue;
        struct qb_text path = {0};
        qb_text_add(&path, "models.%s.%s", models->children[i]->key, rest);
        qb_yaml_set(root, path.data, value, err);
        qb_text_free(&path);
        if (err->status)
            return err->status;
        reached++;
    }
    return reached ? QB_OK : qb_fail(err, QB_ERR_INPUT, "--set models.*.%s: the suite has no generated model", rest);
}

enum qb_status qb_suite_set(struct qb_yaml *root, const char *setting, struct qb_error *err)
{
    char path[512];
    const char *equals = strchr(setting, '=');
    if (!equals || equals == setting || (size_t)(equals - setting) >= sizeof path)
        return qb_fail(err, QB_ERR_INPUT, "--set '%s': expected key=value, such as models.source-chain.seed=7",
                       setting);
    memcpy(path, setting, (size_t)(equals - setting));
    path[equals - setting] = '\0';
    if (strncmp(path, "models.*.", 9) == 0 && generator_key(path + 9))
        return set_generated(root, path + 9, equals + 1, err);
    return qb_yaml_set(root, path, equals + 1, err);
}
