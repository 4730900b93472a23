#include "base/text.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"

/* What .data shows before anything could be allocated: nobody's to free. */
static char nothing[1];

/* Makes room for `more` bytes and the NUL. */
static bool grow(struct qb_text *text, size_t more)
{
    if (!text->data)
        text->data = nothing;
    if (text->failed)
        return false;
    struct qb_error err = {0};
    size_t count = more < SIZE_MAX / 2 ? text->size + more + 1 : SIZE_MAX;
    char *data = qb_grow(text->data == nothing ? NULL : text->data, count, 1, "text", &err);
    text->failed = !data;
    if (!data)
        qb_mem_lose_text();
    text->data = data ? data : text->data;
    return data;
}

void qb_text_bytes(struct qb_text *text, const char *data, size_t size)
{
    if (!grow(text, size) || size == 0)
        return;
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void qb_text_add(struct qb_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        text->failed = true;
        length = 0;
    }
    if (!grow(text, (size_t)length))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->size, (size_t)length + 1, format, args);
    va_end(args);
    text->size += (size_t)length;
}

void qb_text_free(struct qb_text *text)
{
    if (text->data != nothing)
        qb_free(text->data);
    *text = (struct qb_text){0};
}

void qb_clean_bytes(struct qb_text *out, const char *bytes, size_t size, enum qb_clean kind)
{
    char unit[QB_CLEAN_ONE];
    size_t made, from = 0, at = 0;
    while (at < size) { /* whole stretches that stay, for there are few others */
        size_t n = qb_clean_one(bytes + at, size - at, kind, unit, &made);
        if (made != n || memcmp(unit, bytes + at, n) != 0) {
            qb_text_bytes(out, bytes + from, at - from);
            qb_text_bytes(out, unit, made);
            from = at + n;
        }
        at += n;
    }
    qb_text_bytes(out, bytes + from, size - from);
}

char *qb_clean_copy(const char *text, enum qb_clean kind, struct qb_error *err)
{
    struct qb_text out = {0};
    qb_text_bytes(&out, "", 0);
    if (text)
        qb_clean_bytes(&out, text, strlen(text), kind);
    char *copy = NULL;
    if (out.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory to copy a text");
    else
        copy = qb_strdup(out.data, err);
    qb_text_free(&out);
    return copy;
}

bool qb_glob(const char *pattern, const char *text)
{
    return fnmatch(pattern, text, 0) == 0;
}

enum { WORD_MAX = 64, NEAR = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance with one row of the table; both words shorter than WORD_MAX. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX], n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(replaced, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[n];
}

const char *qb_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t best = NEAR + 1, length = strlen(word);
    if (length >= WORD_MAX)
        return NULL;
    for (; *names; names++) {
        size_t other = strlen(*names);
        if (other >= WORD_MAX)
            continue;
        size_t distance = edit_distance(word, *names);
        const size_t longer = length > other ? length : other;
        if (distance < best && distance < longer && (distance < NEAR || 2 * distance <= longer)) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}
