#include "run/questions.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static void free_question(struct qb_question *q)
{
    for (size_t i = 0; q->choices && i < q->count; i++)
        qb_free(q->choices[i]);
    qb_free(q->choices);
    qb_free(q->question);
    qb_free(q->subject);
}

void qb_questions_free(struct qb_questions *questions)
{
    for (size_t i = 0; i < questions->count; i++)
        free_question(&questions->list[i]);
    qb_free(questions->list);
    *questions = (struct qb_questions){0};
}

static bool valid(const char *text)
{
    uint32_t point;
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n)
        if (!(n = qb_utf8_sequence(text, left, &point)))
            return false;
    return true;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

static enum qb_status check(const char *path, const struct qb_question *q, struct qb_error *err)
{
    if (q->count < 2 || q->count > QB_CHOICES_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected 2 to %d choices, found %zu", path, q->line, QB_CHOICES_MAX,
                       q->count);
    if (q->answer >= q->count)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: the answer is choice %c, of %zu choices", path, q->line,
                       (char)('A' + (q->answer < QB_CHOICES_MAX ? q->answer : QB_CHOICES_MAX - 1)), q->count);
    if (!valid(q->question) || !valid(q->subject))
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: the question or its subject is not UTF-8", path, q->line);
    for (size_t i = 0; i < q->count; i++)
        if (blank(q->choices[i]) || !valid(q->choices[i]))
            return qb_fail(err, QB_ERR_INPUT, "%s:%zu: choice %c is %s", path, q->line, (char)('A' + i),
                           blank(q->choices[i]) ? "empty" : "not UTF-8");
    return QB_OK;
}

enum qb_status qb_questions_add(struct qb_questions *out, const char *path, const struct qb_question *question,
                                struct qb_error *err)
{
    if (check(path, question, err))
        return err->status;
    struct qb_question *list = qb_grow(out->list, out->count + 1, sizeof *list, "questions", err);
    if (!list)
        return err->status;
    out->list = list;
    struct qb_question *q = &list[out->count++];
    *q = *question;
    q->question = qb_strdup(question->question, err);
    q->subject = q->question ? qb_strdup(question->subject, err) : NULL;
    q->choices = q->subject ? qb_alloc(q->count, sizeof *q->choices, "choices", err) : NULL;
    for (size_t i = 0; q->choices && i < q->count && !err->status; i++)
        q->choices[i] = qb_strdup(question->choices[i], err);
    return err->status;
}
