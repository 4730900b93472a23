#include "base/error.h"

#include <stdio.h>
#include "base/utf8.h"

/* The arguments may point into err->message, so the text is made beside it. What they quote is foreign more often than
 * not: every message is cleaned here, whoever shows or stores it. */
enum qb_status qb_fail(struct qb_error *err, enum qb_status status, const char *format, ...)
{
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(message, sizeof message, format, args);
    va_end(args);
    err->status = status;
    qb_clean_into(err->message, sizeof err->message, message, sizeof message);
    return status;
}

enum qb_status qb_wrap(struct qb_error *err, const char *format, ...)
{
    char place[sizeof err->message], message[sizeof place + 2 + sizeof err->message];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(place, sizeof place, format, args);
    va_end(args);
    snprintf(message, sizeof message, "%s: %s", place, err->message);
    qb_clean_into(err->message, sizeof err->message, message, sizeof message);
    return err->status;
}
