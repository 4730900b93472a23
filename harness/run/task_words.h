/* The words of a suite that stand for tasks of multiple choice. */
#ifndef QB_TASK_WORDS_H
#define QB_TASK_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/text.h"
#include "base/yaml.h"
#include "run/questions.h"

/* Is BOS put before a prompt: where the tokenizer puts it before a text, or always, or never? */
enum qb_task_bos { QB_BOS_TOKENIZER, QB_BOS_TRUE, QB_BOS_FALSE };

/* How a question becomes a prompt. Texts are borrowed from the suite, or constant. */
struct qb_task_form {
    const char *text;        /* of a question, with {question}, {choices} and {subject} */
    const char *description; /* before it all, with {subject} */
    const char *delimiter;   /* between a prompt and a choice */
    const char *separator;   /* behind an example */
    bool letters;            /* what is scored is a choice's letter, else its text */
    enum qb_task_bos bos;
    size_t shots; /* examples before the question */
};

struct qb_task_words {
    const struct qb_yaml *node; /* named by its key; borrowed from the suite */
    char *file, *examples;      /* paths, own; examples NULL: none */
    size_t items;               /* of the file's questions so many, spread evenly; 0: all */
    struct qb_task_form form;
};

struct qb_suite;
/* tasks: {NAME: FILE, NAME: {file: FILE, ...}}, strictly; node NULL: none. The caller frees words[count], also after a
 * failure. */
enum qb_status qb_task_words_read(const struct qb_suite *suite, const struct qb_yaml *node,
                                  struct qb_task_words **words, size_t *count, struct qb_error *err);
void qb_task_words_free(struct qb_task_words *words, size_t count);

/* Appends the form as a line of text, which its hash is of. */
void qb_task_form_print(const struct qb_task_form *form, struct qb_text *out);
/* Appends the prompt of a question behind the examples. {question} is without white space around it, {choices} are
 * lines "A. ...", in {subject} underscores are blanks; what is put in is not looked at again. */
void qb_task_prompt(const struct qb_task_form *form, const struct qb_question *const *examples, size_t count,
                    const struct qb_question *question, struct qb_text *out);
/* Appends what is scored of choice i, without the delimiter. */
void qb_task_answer(const struct qb_task_form *form, const struct qb_question *question, size_t i, struct qb_text *out);

#endif
