#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Cuts a message that ends inside a UTF-8 sequence back to the last whole character. */
static void cut_broken_utf8(char *text)
{
    size_t size = strlen(text), tail = 0;
    while (tail < 4 && tail < size && ((unsigned char)text[size - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail == size)
        return;
    unsigned char lead = (unsigned char)text[size - 1 - tail];
    size_t due = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (due > tail)
        text[size - 1 - tail] = '\0';
}

/* The arguments may point into err->message, so the text is made beside it. */
enum qb_status qb_fail(struct qb_error *err, enum qb_status status, const char *format, ...)
{
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (length < 0)
        snprintf(message, sizeof message, "%s", format);
    else if ((size_t)length >= sizeof message)
        cut_broken_utf8(message);
    err->status = status;
    memcpy(err->message, message, sizeof message);
    return status;
}

enum qb_status qb_wrap(struct qb_error *err, const char *format, ...)
{
    char place[sizeof err->message], message[sizeof place + 2 + sizeof err->message];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(place, sizeof place, format, args);
    va_end(args);
    if (length < 0)
        return err->status;
    length = snprintf(message, sizeof message, "%s: %s", place, err->message);
    message[sizeof err->message - 1] = '\0';
    if (length >= (int)sizeof err->message)
        cut_broken_utf8(message);
    memcpy(err->message, message, strlen(message) + 1);
    return err->status;
}

const char *qb_status_name(enum qb_status status)
{
    switch (status) {
    case QB_OK:
        return "ok";
    case QB_ERR_INPUT:
        return "input";
    case QB_ERR_IO:
        return "io";
    case QB_ERR_MEMORY:
        return "memory";
    case QB_ERR_NUMERIC:
        return "numeric";
    case QB_ERR_CODEC:
        return "codec";
    case QB_ERR_CANCELLED:
        return "cancelled";
    case QB_ERR_INTERNAL:
        return "internal";
    }
    return "unknown";
}
