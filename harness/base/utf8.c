#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { SEQUENCE_MAX = 4 };

size_t qb_utf8_sequence(const char *bytes, size_t size, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *b = (const unsigned char *)bytes;
    *point = 0;
    if (size == 0)
        return 0;
    size_t n = b[0] < 0x80 ? 1 : b[0] < 0xC0 ? 0 : b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : b[0] < 0xF8 ? 4 : 0;
    if (n == 0 || n > size)
        return 0;
    uint32_t code = n == 1 ? b[0] : b[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (b[i] & 0x3Fu);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return 0;
    *point = code;
    return n;
}

/* Beside control characters: Default_Ignorable_Code_Point of Unicode 15 (DerivedCoreProperties.txt) without
 * U+FE00..FE0F, the line and paragraph separators, interlinear marks and the block of noncharacters. */
static const struct {
    uint32_t from, to;
} hidden[] = {{0x0000, 0x001F}, {0x007F, 0x009F},   {0x00AD, 0x00AD},   {0x034F, 0x034F},  {0x061C, 0x061C},
              {0x115F, 0x1160}, {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F},  {0x2028, 0x202E},
              {0x2060, 0x206F}, {0x3164, 0x3164},   {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},  {0xFFA0, 0xFFA0},
              {0xFFF0, 0xFFFB}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

bool qb_utf8_shows(uint32_t point)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && point >= hidden[i].from; i++)
        if (point <= hidden[i].to)
            return false;
    return (point & 0xFFFE) != 0xFFFE; /* the last two of every plane are noncharacters */
}

size_t qb_clean_one(const char *bytes, size_t size, enum qb_clean kind, char unit[QB_CLEAN_ONE], size_t *made)
{
    static const char digits[] = "0123456789abcdef"; /* not snprintf: a signal handler cleans, too */
    uint32_t point;
    size_t n = qb_utf8_sequence(bytes, size, &point);
    bool blank = point == '\t' || point == '\n' || (point == '\r' && size > 1 && bytes[1] == '\n');
    if (n == 1 && kind == QB_CLEAN_LINE && (blank || point == '\r')) {
        unit[0] = ' ';
        *made = 1;
    } else if (n > 0 && (qb_utf8_shows(point) || (blank && n == 1 && kind == QB_CLEAN_LINES))) {
        memcpy(unit, bytes, n);
        *made = n;
    } else {
        n = n ? n : 1;
        for (size_t i = 0; i < n; i++)
            memcpy(unit + 4 * i, (const char[]){'\\', 'x', digits[(unsigned char)bytes[i] >> 4], digits[bytes[i] & 15]},
                   4);
        *made = 4 * n;
    }
    return n;
}

void qb_clean_into(char *out, size_t room, const char *bytes, size_t size)
{
    char unit[QB_CLEAN_ONE];
    size_t used = 0, made;
    size = strnlen(bytes, size);
    for (size_t at = 0; at < size;) {
        at += qb_clean_one(bytes + at, size - at, QB_CLEAN_LINE, unit, &made);
        if (made >= room - used)
            break;
        memcpy(out + used, unit, made);
        used += made;
    }
    out[used] = '\0';
}

/* The size without a sequence at its end that has begun and is not whole. */
static size_t whole(const char *text, size_t size)
{
    for (size_t back = 1; back < SEQUENCE_MAX && back <= size; back++) {
        unsigned char c = (unsigned char)text[size - back];
        size_t due = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        if ((c & 0xC0) != 0x80)
            return due > back ? size - back : size;
    }
    return size;
}

size_t qb_utf8_upto(const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    return size < most ? size : whole(text, size);
}

bool qb_utf8_vprint(char *out, size_t room, const char *format, va_list args)
{
    int size = vsnprintf(out, room, format, args);
    if (size >= 0 && (size_t)size < room)
        return true;
    out[size < 0 ? 0 : whole(out, strlen(out))] = '\0';
    return false;
}

bool qb_utf8_print(char *out, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool fits = qb_utf8_vprint(out, room, format, args);
    va_end(args);
    return fits;
}
