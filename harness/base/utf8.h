/* The border for foreign text: what plugins, models, suites, baselines, result files, child processes and file names
 * say becomes printable, valid UTF-8 before it is stored or shown. Paths that are opened stay the bytes they are.
 *
 * Kept: valid UTF-8 (Unicode 15, table 3-7: no overlong form, no surrogate, nothing over U+10FFFF) of characters that
 * show. Everything else is written byte by byte as \xNN: bytes that are no UTF-8, control characters (ESC, DEL, C1),
 * noncharacters, separators U+2028 and U+2029, and what Unicode calls default-ignorable (direction marks and overrides,
 * zero-width and filler characters, tags), except the variation selectors of emoji. \xNN and not U+FFFD, because it
 * says what stood there, keeps names apart that differ in such bytes, and is ASCII that every font and terminal has.
 * A text grows to at most four times its size, and cleaning it again changes nothing. */
#ifndef QB_UTF8_H
#define QB_UTF8_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qb_clean {
    QB_CLEAN_LINE, /* one line: tab, CR and LF become blanks */
    QB_CLEAN_LINES /* a text of lines: tab, LF and CR LF stay */
};
#define QB_CLEAN_ONE 16 /* a character of four bytes as \xNN */

/* Bytes of the valid UTF-8 sequence at the start of bytes[size], and its code point; 0 when none starts there. */
size_t qb_utf8_sequence(const char *bytes, size_t size, uint32_t *point);

/* Does the character stand for itself in clean text? */
bool qb_utf8_shows(uint32_t point);

/* The clean form of the first character, or byte, of bytes[size], size > 0: written to unit, not NUL-terminated, its
 * size to *made. Returns how many bytes it stands for. A signal handler may call it. */
size_t qb_clean_one(const char *bytes, size_t size, enum qb_clean kind, char unit[QB_CLEAN_ONE], size_t *made);
/* Into out[room]: bytes[size] up to its first NUL as one clean line, cut before the first character or \xNN that does
 * not fit, and NUL-terminated. room >= 1; out and bytes may not overlap. */
void qb_clean_into(char *out, size_t room, const char *bytes, size_t size);

/* Bytes of the longest start of text, at most `most`, that ends between characters: for "%.*s", as QB_UPTO(most, text).
 */
size_t qb_utf8_upto(const char *text, size_t most);
#define QB_UPTO(most, text) (int)qb_utf8_upto((text), (most)), (text)

/* snprintf, but what does not fit is cut between characters. False when something was cut. */
bool qb_utf8_print(char *out, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool qb_utf8_vprint(char *out, size_t room, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

#endif
