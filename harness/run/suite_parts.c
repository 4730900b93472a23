#include "run/suite_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/data_path.h"
#include "base/file.h"
#include "base/utf8.h"

enum qb_status qb_suite_name(const struct qb_yaml *node, const char *name, const char *what, struct qb_error *err)
{
    size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    if (length == 0 || length > 63 || name[length] || name[0] == '.')
        return qb_yaml_fail(node, err, "expected %s of 1 to 63 letters, digits, '-', '_' or '.', found '%.*s'", what,
                            QB_UPTO(80, name));
    return QB_OK;
}

enum qb_status qb_suite_count(const struct qb_yaml *map, const char *key, int64_t min, int64_t max, bool required,
                              size_t *value, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    int64_t number = 0;
    if (!node)
        return required ? qb_yaml_fail(map, err, "expected the key '%s'", key) : QB_OK;
    if (qb_yaml_int(node, min, max, &number, err))
        return err->status;
    *value = (size_t)number;
    return QB_OK;
}

enum qb_status qb_suite_list(const struct qb_yaml *node, const char *key, const struct qb_yaml **list,
                             struct qb_error *err)
{
    const char *text;
    *list = qb_yaml_get(node, key);
    if (!*list)
        return QB_OK;
    if (qb_yaml_expect(*list, QB_YAML_LIST, err))
        return err->status;
    for (size_t i = 0; i < (*list)->count; i++)
        if (qb_yaml_text((*list)->children[i], &text, err))
            return err->status;
    return (*list)->count ? QB_OK : qb_yaml_fail(*list, err, "expected at least one name");
}

/* "<folder>/<relative>" exists? An absolute path stands for itself. */
static bool lookup(const char *folder, const char *relative, char out[4096])
{
    int n = relative[0] == '/' ? snprintf(out, 4096, "%s", relative) : snprintf(out, 4096, "%s/%s", folder, relative);
    return n > 0 && n < 4096 && qb_file_exists(out);
}

enum qb_status qb_suite_file(const struct qb_suite *suite, const struct qb_yaml *node, char out[4096],
                             struct qb_error *err)
{
    const char *text = NULL;
    struct qb_error ignored = {0};
    if (qb_yaml_text(node, &text, err))
        return err->status;
    if (lookup(suite->folder, text, out) || lookup(".", text, out))
        return QB_OK;
    bool fetched = false; /* what is not in the repository: its size is a model's */
    if (text[0] != '/') {
        while (strncmp(text, "../", 3) == 0)
            text += 3;
        fetched = strncmp(text, "models/", 7) == 0;
        if (strncmp(text, "data/", 5) == 0)
            text += 5;
        if (!qb_data_path(text, out, &ignored))
            return QB_OK;
    }
    return qb_yaml_fail(node, err, "no such file '%s'; looked in %s, the current folder and the shipped data%s",
                        node->scalar, suite->folder,
                        fetched ? "; run `make models`, or name a model file of your own" : "");
}

enum qb_status qb_suite_read_plugins(struct qb_suite *suite, const struct qb_yaml *node, struct qb_error *err)
{
    char path[4096];
    if (!node)
        return QB_OK;
    if (qb_yaml_expect(node, QB_YAML_LIST, err))
        return err->status;
    if (node->count == 0)
        return qb_yaml_fail(node, err, "expected codec plugins: files, or folders of them");
    for (size_t i = 0; i < node->count; i++) {
        if (qb_suite_file(suite, node->children[i], path, err))
            return err->status;
        if (qb_registry_add(suite->registry, path, err))
            return qb_wrap(err, "%s:%u: key 'plugins'", suite->path, node->children[i]->line);
    }
    return QB_OK;
}
