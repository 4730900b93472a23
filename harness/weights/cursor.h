/* Reading a mapped file's little-endian numbers and texts one after the other, never beyond its end. */
#ifndef QB_CURSOR_H
#define QB_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_cursor {
    const uint8_t *bytes;
    size_t size, at;
};

static inline size_t qb_cursor_left(const struct qb_cursor *cursor)
{
    return cursor->size - cursor->at;
}

/* The next n bytes; NULL, and nothing is taken, where fewer are left. */
static inline const uint8_t *qb_cursor_take(struct qb_cursor *cursor, uint64_t n)
{
    if (n > qb_cursor_left(cursor))
        return NULL;
    const uint8_t *bytes = cursor->bytes + cursor->at;
    cursor->at += (size_t)n;
    return bytes;
}

/* A number of n <= 8 bytes. */
static inline bool qb_cursor_number(struct qb_cursor *cursor, size_t n, uint64_t *value)
{
    const uint8_t *bytes = qb_cursor_take(cursor, n);
    *value = 0;
    for (size_t i = 0; bytes && i < n; i++)
        *value |= (uint64_t)bytes[i] << (8 * i);
    return bytes != NULL;
}

/* GGUF's text: its length in 8 bytes, then its bytes, not terminated. */
static inline bool qb_cursor_text(struct qb_cursor *cursor, const char **text, size_t *size)
{
    const size_t begin = cursor->at;
    uint64_t length;
    const uint8_t *bytes = qb_cursor_number(cursor, 8, &length) ? qb_cursor_take(cursor, length) : NULL;
    *text = (const char *)bytes;
    *size = bytes ? (size_t)length : 0;
    if (!bytes)
        cursor->at = begin;
    return bytes != NULL;
}

#endif
