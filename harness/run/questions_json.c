/* Questions from JSON lines. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "run/questions.h"

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* "answer": an index from 0, or a letter. */
static bool read_answer(const json_t *answer, size_t *index)
{
    const char *letter = json_string_value(answer);
    if (json_is_integer(answer) && json_integer_value(answer) >= 0 && json_integer_value(answer) < QB_CHOICES_MAX)
        *index = (size_t)json_integer_value(answer);
    else if (letter && letter[0] >= 'A' && letter[0] <= 'Z' && !letter[1])
        *index = (size_t)(letter[0] - 'A');
    else
        return false;
    return true;
}

static enum qb_status read_choices(const char *path, const json_t *object, char **choices, struct qb_question *q,
                                   struct qb_error *err)
{
    const json_t *list = json_object_get(object, "choices");
    if (!json_is_array(list))
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected \"choices\", a list of texts", path, q->line);
    q->count = json_array_size(list);
    for (size_t i = 0; i < q->count && i < QB_CHOICES_MAX; i++) /* how many there may be is checked later */
        if (!(choices[i] = (char *)(uintptr_t)json_string_value(json_array_get(list, i))))
            return qb_fail(err, QB_ERR_INPUT, "%s:%zu: choice %c is not a text", path, q->line, (char)('A' + i));
    q->choices = choices;
    return QB_OK;
}

static enum qb_status read_object(const char *path, size_t line, const json_t *object, struct qb_questions *out,
                                  struct qb_error *err)
{
    char *choices[QB_CHOICES_MAX] = {0};
    struct qb_question q = {.line = line};
    const json_t *subject = json_object_get(object, "subject");
    if (!json_is_object(object))
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected an object {\"question\": ...}", path, line);
    if (!text_of(object, "question"))
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected \"question\", a text", path, line);
    if (subject && !json_is_string(subject))
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: \"subject\" is not a text", path, line);
    if (read_choices(path, object, choices, &q, err))
        return err->status;
    if (!read_answer(json_object_get(object, "answer"), &q.answer))
        return qb_fail(err, QB_ERR_INPUT,
                       "%s:%zu: expected \"answer\", an index from 0 or a capital letter, of %zu choices", path, line,
                       q.count);
    q.question = (char *)(uintptr_t)text_of(object, "question");
    q.subject = subject ? (char *)(uintptr_t)json_string_value(subject) : (char[]){""};
    return qb_questions_add(out, path, &q, err);
}

enum qb_status qb_questions_json(const char *path, const char *data, size_t size, struct qb_questions *out,
                                 struct qb_error *err)
{
    const char *const end = data + size;
    for (size_t line = 1; data < end && !err->status; line++) {
        const size_t length = strcspn(data, "\n");
        json_error_t cause;
        if (strspn(data, " \t\r") < length) {
            json_t *object = qb_json_load(data, length, JSON_REJECT_DUPLICATES, &cause);
            if (object)
                read_object(path, line, object, out, err);
            else
                qb_fail(err, QB_ERR_INPUT, "%s:%zu: no JSON: %s", path, line, cause.text);
            json_decref(object);
        }
        data += length + 1;
    }
    return err->status;
}
