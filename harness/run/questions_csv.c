/* Questions from CSV (RFC 4180): MMLU's form. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "run/questions.h"

enum { FIELDS_MAX = 64 };

/* One row: fields cut out of a copy of the data, which reading changes in place. */
struct rows {
    const char *path;
    char *at, *end;
    size_t line, begins; /* where reading is; where the row began */
    char *field[FIELDS_MAX];
    size_t count;
};

/* One field: its text without quotes, NUL behind. *last: it ends the row. */
static enum qb_status read_field(struct rows *r, char **field, bool *last, struct qb_error *err)
{
    char *to = *field = r->at;
    const bool quoted = r->at < r->end && *r->at == '"';
    r->at += quoted;
    for (; r->at < r->end; r->at++) {
        if (quoted && *r->at == '"' && (r->at[1] != '"' || ++r->at >= r->end))
            break;
        if (!quoted && (*r->at == ',' || *r->at == '\n'))
            break;
        r->line += *r->at == '\n';
        *to++ = *r->at;
    }
    if (quoted && r->at >= r->end)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: a quoted field has no end", r->path, r->begins);
    r->at += quoted;
    const bool cr = r->at + 1 < r->end && r->at[0] == '\r' && r->at[1] == '\n'; /* behind a quoted field */
    r->at += cr;
    if (r->at < r->end && *r->at != ',' && *r->at != '\n')
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected a comma or the row's end behind a quoted field", r->path,
                       r->line);
    *last = r->at >= r->end || *r->at == '\n';
    if (!quoted && *last && to > *field && to[-1] == '\r')
        to--;
    r->line += r->at < r->end && *r->at == '\n';
    r->at += r->at < r->end;
    *to = '\0';
    return QB_OK;
}

static enum qb_status read_row(struct rows *r, struct qb_error *err)
{
    bool last = false;
    r->begins = r->line;
    for (r->count = 0; !last; r->count++) {
        if (r->count == FIELDS_MAX)
            return qb_fail(err, QB_ERR_INPUT, "%s:%zu: a row of more than %d fields", r->path, r->begins, FIELDS_MAX);
        if (read_field(r, &r->field[r->count], &last, err))
            return err->status;
    }
    return QB_OK;
}

/* Which field is what. */
struct columns {
    size_t fields, question, answer, subject, choice[QB_CHOICES_MAX], choices; /* subject == fields: none */
};

static struct columns by_place(size_t fields)
{
    struct columns c = {
        .fields = fields, .answer = fields - 1, .subject = fields, .choices = fields > 2 ? fields - 2 : 0};
    for (size_t i = 0; i < c.choices && i < QB_CHOICES_MAX; i++)
        c.choice[i] = i + 1;
    return c;
}

/* Does the row name the columns? */
static bool by_name(const struct rows *r, struct columns *c)
{
    *c = (struct columns){r->count, r->count, r->count, r->count, {0}, 0};
    for (size_t i = 0; i < r->count; i++) {
        const char *name = r->field[i];
        if (strcasecmp(name, "question") == 0)
            c->question = i;
        else if (strcasecmp(name, "answer") == 0)
            c->answer = i;
        else if (strcasecmp(name, "subject") == 0)
            c->subject = i;
    }
    for (bool found = true; found && c->choices < QB_CHOICES_MAX; c->choices += found) {
        const char letter[] = {(char)('A' + c->choices), '\0'};
        found = false;
        for (size_t i = 0; i < r->count && !found; i++)
            if ((found = strcmp(r->field[i], letter) == 0))
                c->choice[c->choices] = i;
    }
    return c->question < r->count && c->answer < r->count;
}

/* "abstract_algebra" of ".../abstract_algebra_test.csv". */
static void subject_of(const char *path, char out[256])
{
    static const char *const ends[] = {"_test", "_dev", "_val", "_validation", "_train"};
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    size_t n = strlen(name) - strlen(".csv");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t e = strlen(ends[i]);
        if (n == e - 1 && strncmp(name, ends[i] + 1, n) == 0)
            n = 0;
        else if (n > e && strncmp(name + n - e, ends[i], e) == 0)
            n -= e;
    }
    snprintf(out, 256, "%.*s", (int)(n < 255 ? n : 255), name);
}

static enum qb_status take(const struct rows *r, const struct columns *c, char *subject, struct qb_questions *out,
                           struct qb_error *err)
{
    char *choices[QB_CHOICES_MAX];
    if (r->count != c->fields)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected %zu fields as in the first row, found %zu", r->path,
                       r->begins, c->fields, r->count);
    for (size_t i = 0; i < c->choices && i < QB_CHOICES_MAX; i++)
        choices[i] = r->field[c->choice[i]];
    const char *answer = r->field[c->answer];
    if (answer[0] < 'A' || answer[0] > 'Z' || answer[1])
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: expected a letter as the answer, one of %zu choices", r->path,
                       r->begins, c->choices);
    const struct qb_question q = {r->field[c->question],
                                  c->subject < c->fields ? r->field[c->subject] : subject,
                                  choices,
                                  c->choices,
                                  (size_t)(answer[0] - 'A'),
                                  r->begins};
    return qb_questions_add(out, r->path, &q, err);
}

enum qb_status qb_questions_csv(const char *path, const char *data, size_t size, struct qb_questions *out,
                                struct qb_error *err)
{
    char subject[256], *copy = qb_alloc(size + 2, 1, "CSV", err);
    struct columns columns = {0};
    if (!copy)
        return err->status;
    memcpy(copy, data, size);
    subject_of(path, subject);
    struct rows r = {.path = path, .at = copy, .end = copy + size, .line = 1};
    for (bool first = true; r.at < r.end && !read_row(&r, err);) {
        if (r.count == 1 && r.field[0][0] == '\0')
            continue; /* a blank line */
        if (first && !by_name(&r, &columns))
            columns = by_place(r.count);
        else if (first) {
            first = false;
            continue;
        }
        first = false;
        if (take(&r, &columns, subject, out, err))
            break;
    }
    qb_free(copy);
    return err->status;
}
