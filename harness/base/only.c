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
