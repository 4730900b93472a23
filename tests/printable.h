/* Is a text valid UTF-8 and printable? Written apart from the program's base/utf8.c, from tables alone: Unicode 15,
 * table 3-7 (well-formed sequences) as byte ranges, and what a terminal or reader must not meet as byte strings. */
#ifndef QB_TEST_PRINTABLE_H
#define QB_TEST_PRINTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The index of the first byte that begins no well-formed sequence; size when all do. */
static inline size_t first_malformed(const char *text, size_t size)
{
    static const struct {
        unsigned char first, last, low, high, more;
    } rows[] = {{0x00, 0x7F, 0, 0, 0},       {0xC2, 0xDF, 0x80, 0xBF, 1}, {0xE0, 0xE0, 0xA0, 0xBF, 2},
                {0xE1, 0xEC, 0x80, 0xBF, 2}, {0xED, 0xED, 0x80, 0x9F, 2}, {0xEE, 0xEF, 0x80, 0xBF, 2},
                {0xF0, 0xF0, 0x90, 0xBF, 3}, {0xF1, 0xF3, 0x80, 0xBF, 3}, {0xF4, 0xF4, 0x80, 0x8F, 3}};
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t at = 0; at < size;) {
        size_t r = 0, rest = size - at - 1;
        while (r < sizeof rows / sizeof *rows && !(bytes[at] >= rows[r].first && bytes[at] <= rows[r].last))
            r++;
        if (r == sizeof rows / sizeof *rows || rows[r].more > rest)
            return at;
        for (size_t i = 1; i <= rows[r].more; i++)
            if (bytes[at + i] < (i == 1 ? rows[r].low : 0x80) || bytes[at + i] > (i == 1 ? rows[r].high : 0xBF))
                return at;
        at += 1u + rows[r].more;
    }
    return size;
}

/* The index of the first byte of text that is no printable UTF-8 (with `lines`: tab, LF and CR LF are fine); size when
 * there is none. Of what does not show, the marks of direction, the zero-width ones and the byte order mark. */
static inline size_t first_unprintable(const char *text, size_t size, bool lines)
{
    size_t good = first_malformed(text, size);
    for (size_t i = 0; i < good; i++) {
        unsigned char a = (unsigned char)text[i], b = i + 1 < size ? (unsigned char)text[i + 1] : 0;
        unsigned char c = i + 2 < size ? (unsigned char)text[i + 2] : 0;
        bool line = a == '\n' || a == '\t' || (a == '\r' && b == '\n');
        if ((a < 0x20 && !(lines && line)) || a == 0x7F || (a == 0xC2 && b < 0xA0) ||
            (a == 0xE2 && b == 0x80 && ((c >= 0x8B && c <= 0x8F) || (c >= 0xA8 && c <= 0xAE))) ||
            (a == 0xE2 && b == 0x81 && c >= 0xA6 && c <= 0xA9) || (a == 0xEF && b == 0xBB && c == 0xBF))
            return i;
    }
    return good;
}

#endif
