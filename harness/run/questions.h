/* Questions with choices, and the two forms that they are read from: JSON lines and CSV. */
#ifndef QB_QUESTIONS_H
#define QB_QUESTIONS_H

#include <stddef.h>
#include "base/error.h"

enum { QB_CHOICES_MAX = 26 }; /* letters of the alphabet */

struct qb_question {
    char *question, *subject; /* subject "": none. Valid UTF-8 without NUL, as the choices are */
    char **choices;           /* [count], none of them blank */
    size_t count, answer;     /* 2 to QB_CHOICES_MAX; answer < count */
    size_t line;              /* where it begins, from 1 */
};

struct qb_questions {
    struct qb_question *list;
    size_t count;
};

void qb_questions_free(struct qb_questions *questions);

/* The questions of one file's data[size], NUL behind; path is its name. Each appends to out. Forms: question_files.h */
enum qb_status qb_questions_json(const char *path, const char *data, size_t size, struct qb_questions *out,
                                 struct qb_error *err);
enum qb_status qb_questions_csv(const char *path, const char *data, size_t size, struct qb_questions *out,
                                struct qb_error *err);
/* A new question at the end of the list, with copies of the texts; checks them and the answer. */
enum qb_status qb_questions_add(struct qb_questions *out, const char *path, const struct qb_question *question,
                                struct qb_error *err);

#endif
