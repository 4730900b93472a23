#include "base/choice.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"

enum { LISTED_BYTES = 400, WORD_MAX = 64 };

void qb_choice_add(struct qb_choice *choice, const char *name)
{
    struct qb_error ignored = {0};
    for (size_t i = 0; i < choice->count; i++)
        if (strcmp(choice->names[i], name) == 0)
            return;
    const char **grown = qb_grow(choice->names, choice->count + 2, sizeof *grown, "names", &ignored);
    if (!grown) {
        choice->failed = true;
        return;
    }
    choice->names = grown;
    choice->names[choice->count++] = name;
    choice->names[choice->count] = NULL;
}

void qb_choice_free(struct qb_choice *choice)
{
    qb_free(choice->names);
    *choice = (struct qb_choice){0};
}

bool qb_choice_has(const struct qb_choice *choice, const char *glob)
{
    for (size_t i = 0; i < choice->count; i++)
        if (qb_glob(glob, choice->names[i]))
            return true;
    return false;
}

/* The name that was meant: the glob is read without its wildcards, "kl_men*" as "kl_men". */
static const char *nearest(const struct qb_choice *choice, const char *glob)
{
    char word[WORD_MAX];
    size_t n = 0;
    for (; *glob && n + 1 < sizeof word; glob++)
        if (*glob != '*' && *glob != '?')
            word[n++] = *glob;
    word[n] = '\0';
    return *glob || choice->count == 0 ? NULL : qb_nearest(word, choice->names);
}

void qb_choice_miss(const struct qb_choice *choice, const char *what, const char *glob, struct qb_text *out)
{
    const char *meant = nearest(choice, glob);
    qb_text_add(out, "no %s matches '%s'", what, glob);
    if (meant)
        qb_text_add(out, ", did you mean '%s'?", meant);
    if (choice->count == 0) {
        qb_text_add(out, "; there is none");
        return;
    }
    qb_text_add(out, "%s there %s ", meant ? "" : ";", choice->count == 1 ? "is" : "are");
    size_t i = 0, start = out->size;
    for (; i < choice->count && out->size - start < LISTED_BYTES; i++)
        qb_text_add(out, "%s%s", i ? ", " : "", choice->names[i]);
    if (i < choice->count)
        qb_text_add(out, " and %zu more", choice->count - i);
}

enum qb_status qb_choice_check(const struct qb_choice *choice, const char *flag, const char *what, const char *glob,
                               struct qb_error *err)
{
    struct qb_text said = {0};
    if (qb_choice_has(choice, glob))
        return QB_OK;
    qb_choice_miss(choice, what, glob, &said);
    qb_fail(err, QB_ERR_INPUT, "%s: %s", flag, said.data ? said.data : "nothing matches");
    qb_text_free(&said);
    return err->status;
}

enum qb_status qb_globs_add(struct qb_globs *globs, const char *flag, const char *glob, struct qb_error *err)
{
    if (globs->count == QB_GLOBS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s: at most %d of them", flag, QB_GLOBS_MAX);
    globs->any[globs->count++] = glob;
    return QB_OK;
}

bool qb_globs_match(const struct qb_globs *globs, const char *name)
{
    bool matches = globs->count == 0;
    for (size_t i = 0; i < globs->count && !matches; i++)
        matches = qb_glob(globs->any[i], name);
    return matches;
}

enum qb_status qb_globs_check(const struct qb_globs *globs, const struct qb_choice *choice, const char *flag,
                              const char *what, struct qb_error *err)
{
    for (size_t i = 0; i < globs->count && !err->status; i++)
        qb_choice_check(choice, flag, what, globs->any[i], err);
    return err->status;
}
