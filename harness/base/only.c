#include "base/only.h"

#include <string.h>

#include "base/text.h"

enum qb_status qb_only_add(struct qb_only *only, const char *text, struct qb_error *err)
{
    struct qb_only_globs globs = {{"*", "*", "*"}};
    const char *rest = text;
    for (size_t i = 0; rest; i++) {
        size_t length = strcspn(rest, "/");
        if (i == 3 || length == 0 || length >= sizeof globs.part[0])
            return qb_fail(err, QB_ERR_INPUT,
                           "--only: expected one to three globs MODEL/VARIANT/EXPERIMENT, found '%s'", rest);
        memcpy(globs.part[i], rest, length);
        globs.part[i][length] = '\0';
        rest = rest[length] ? rest + length + 1 : NULL;
    }
    if (only->count == QB_GLOBS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "--only: at most %d of them", QB_GLOBS_MAX);
    only->any[only->count++] = globs;
    return QB_OK;
}

static bool takes(const struct qb_only_globs *globs, const char *const names[3])
{
    return qb_glob(globs->part[0], names[0]) && qb_glob(globs->part[1], names[1]) && qb_glob(globs->part[2], names[2]);
}

bool qb_only_matches(const struct qb_only *only, const char *model, const char *variant, const char *experiment)
{
    bool taken = only->count == 0;
    for (size_t i = 0; i < only->count && !taken; i++)
        taken = takes(&only->any[i], (const char *[]){model, variant, experiment});
    return taken;
}

bool qb_only_model(const struct qb_only *only, const char *model)
{
    bool taken = only->count == 0;
    for (size_t i = 0; i < only->count && !taken; i++)
        taken = qb_glob(only->any[i].part[0], model);
    return taken;
}

void qb_only_print(const struct qb_only *only, struct qb_text *out)
{
    for (size_t i = 0; i < only->count; i++)
        qb_text_add(out, "%s%s/%s/%s", i ? ", " : "", only->any[i].part[0], only->any[i].part[1], only->any[i].part[2]);
}

static const char *const words[3] = {"model", "variant", "experiment"};

void qb_only_see(struct qb_only_cells *cells, const struct qb_only *only, const char *model, const char *variant,
                 const char *experiment)
{
    const char *names[3] = {model, variant, experiment};
    for (size_t i = 0; i < 3; i++)
        qb_choice_add(&cells->names[i], names[i]);
    for (size_t i = 0; i < only->count; i++)
        cells->chosen[i] += takes(&only->any[i], names);
}

void qb_only_cells_free(struct qb_only_cells *cells)
{
    for (size_t i = 0; i < 3; i++)
        qb_choice_free(&cells->names[i]);
}

enum qb_status qb_only_check(const struct qb_only *only, const struct qb_only_cells *cells, struct qb_error *err)
{
    struct qb_text said = {0};
    size_t miss = 0;
    while (miss < only->count && cells->chosen[miss])
        miss++;
    if (miss == only->count)
        return QB_OK;
    const struct qb_only_globs *globs = &only->any[miss];
    for (size_t i = 0; i < 3; i++)
        if (!qb_choice_has(&cells->names[i], globs->part[i])) {
            qb_text_add(&said, "%s", said.size ? "; " : "");
            qb_choice_miss(&cells->names[i], words[i], globs->part[i], &said);
        }
    if (said.size)
        qb_fail(err, QB_ERR_INPUT, "--only: %s", said.data);
    else
        qb_fail(err, QB_ERR_INPUT,
                "--only: each part matches something, but no cell is of model '%s', variant '%s' and experiment '%s' "
                "together",
                globs->part[0], globs->part[1], globs->part[2]);
    qb_text_free(&said);
    return err->status;
}
