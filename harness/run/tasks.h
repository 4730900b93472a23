/* Multiple choice as sequences of tokens: what the experiment `choice` reads. Made by task_inputs.h. */
#ifndef QB_TASKS_H
#define QB_TASKS_H

#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

/* One choice of an item: the prompt and the choice as tokens, cut from the left to what the model can read. */
struct qb_task_choice {
    size_t first;              /* of its tokens in qb_tasks.tokens */
    int32_t length, scored;    /* tokens in all, 2 or more; how many of the last are the choice's, 1 to length - 1 */
    int32_t item;              /* index; choices of an item follow one another */
    int32_t bytes, characters; /* of the choice's text, 1 or more */
    int32_t occurrences;       /* how often that text stands in the prompt */
};

/* Items of a task, and within it of a subject, follow one another. */
struct qb_task_item {
    int32_t task, subject; /* indices */
    int32_t line;          /* of its file, from 1 */
    int32_t answer;        /* which of its choices is right, from 0 */
};

/* Items that something is to be said of; all but the first count. */
enum qb_task_count {
    QB_TASK_LEFT_OUT,  /* a choice does not fit the model's context, or has no token: not scored */
    QB_TASK_TRUNCATED, /* the prompt was cut from the left to fit */
    QB_TASK_MERGED,    /* tokens of the prompt alone are not those it has before a choice */
    QB_TASK_TWICE,     /* the right choice's text is a wrong one's, too: rules alone decide which is taken */
    QB_TASK_COUNTS
};

struct qb_task {
    char *name, *form;             /* form: the template and all that goes with it, as text */
    char sha256[QB_HASH_HEX];      /* of the files of questions and examples */
    char form_sha256[QB_HASH_HEX]; /* of `form` */
    int64_t counts[QB_TASK_COUNTS];
};

struct qb_tasks {
    int32_t *tokens;
    struct qb_task_choice *choices;
    struct qb_task_item *items;
    struct qb_task *tasks;
    char **subjects; /* "task" or "task/subject" */
    size_t token_count, choice_count, item_count, task_count, subject_count;
};
void qb_tasks_free(struct qb_tasks *tasks); /* NULL is fine; frees the struct, too */

#endif
