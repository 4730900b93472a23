#include "base/only.h"

#include <string.h>

#include "base/text.h"

enum qb_status qb_only_parse(const char *text, struct qb_only *only, struct qb_error *err)
{
    for (size_t i = 0; i < 3; i++)
        strcpy(only->part[i], "*");
    for (size_t i = 0; text; i++) {
        size_t length = strcspn(text, "/");
        if (i == 3 || length == 0 || length >= sizeof only->part[0])
            return qb_fail(err, QB_ERR_INPUT,
                           "--only: expected one to three globs MODEL/VARIANT/EXPERIMENT, found '%s'", text);
        memcpy(only->part[i], text, length);
        only->part[i][length] = '\0';
        text = text[length] ? text + length + 1 : NULL;
    }
    return QB_OK;
}

bool qb_only_matches(const struct qb_only *only, const char *model, const char *variant, const char *experiment)
{
    return qb_glob(only->part[0], model) && qb_glob(only->part[1], variant) && qb_glob(only->part[2], experiment);
}

static const char *const words[3] = {"model", "variant", "experiment"};

void qb_only_see(struct qb_only_cells *cells, const struct qb_only *only, const char *model, const char *variant,
                 const char *experiment)
{
    const char *names[3] = {model, variant, experiment};
    for (size_t i = 0; i < 3; i++)
        qb_choice_add(&cells->names[i], names[i]);
    cells->chosen += qb_only_matches(only, model, variant, experiment);
}

void qb_only_cells_free(struct qb_only_cells *cells)
{
    for (size_t i = 0; i < 3; i++)
        qb_choice_free(&cells->names[i]);
}

enum qb_status qb_only_check(const struct qb_only *only, const struct qb_only_cells *cells, struct qb_error *err)
{
    struct qb_text said = {0};
    if (cells->chosen)
        return QB_OK;
    for (size_t i = 0; i < 3; i++)
        if (!qb_choice_has(&cells->names[i], only->part[i])) {
            qb_text_add(&said, "%s", said.size ? "; " : "");
            qb_choice_miss(&cells->names[i], words[i], only->part[i], &said);
        }
    if (said.size)
        qb_fail(err, QB_ERR_INPUT, "--only: %s", said.data);
    else
        qb_fail(err, QB_ERR_INPUT,
                "--only: each part matches something, but no cell is of model '%s', variant '%s' and experiment '%s' "
                "together",
                only->part[0], only->part[1], only->part[2]);
    qb_text_free(&said);
    return err->status;
}
