/* What a filter chooses among, and what to say when it chooses nothing: the nearest name, and what there is. */
#ifndef QB_CHOICE_H
#define QB_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/text.h"

/* Distinct names in the order in which they were added; zero-initialise, free with qb_choice_free. */
struct qb_choice {
    const char **names; /* borrowed, NULL at the end */
    size_t count;
    bool failed; /* memory ran out: some are left out */
};
void qb_choice_add(struct qb_choice *choice, const char *name);
void qb_choice_free(struct qb_choice *choice);

/* Does the glob match one of the names? */
bool qb_choice_has(const struct qb_choice *choice, const char *glob);

/* Appends "no metric matches 'kl_men', did you mean 'kl_mean'? there are kl_mean, kl_max"; `what` is the word for one
 * name. Of many names the first are listed and the rest counted. */
void qb_choice_miss(const struct qb_choice *choice, const char *what, const char *glob, struct qb_text *out);

/* QB_OK when the glob matches, else QB_ERR_INPUT with "<flag>: no metric matches ..." */
enum qb_status qb_choice_check(const struct qb_choice *choice, const char *flag, const char *what, const char *glob,
                               struct qb_error *err);

/* Globs of which one has to match; none: everything does. Zero-initialise; they are borrowed. */
#define QB_GLOBS_MAX 16
struct qb_globs {
    const char *any[QB_GLOBS_MAX];
    size_t count;
};
/* QB_ERR_INPUT with "<flag>: at most ..." when there is no room. */
enum qb_status qb_globs_add(struct qb_globs *globs, const char *flag, const char *glob, struct qb_error *err);
bool qb_globs_match(const struct qb_globs *globs, const char *name);
/* qb_choice_check of each. */
enum qb_status qb_globs_check(const struct qb_globs *globs, const struct qb_choice *choice, const char *flag,
                              const char *what, struct qb_error *err);

#endif
