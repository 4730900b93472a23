#include "tokenizer/normalize.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "base/mem.h"

/* The property White_Space of the Unicode database, PropList.txt. */
static bool is_white_space(uint32_t point)
{
    return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85 || point == 0xa0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 || point == 0x202f ||
           point == 0x205f || point == 0x3000;
}

size_t qb_white_at_start(const char *text, size_t size)
{
    size_t at = 0, length;
    uint32_t point;
    while (at < size && (length = qb_utf8_sequence(text + at, size - at, &point)) && is_white_space(point))
        at += length;
    return at;
}

size_t qb_white_at_end(const char *text, size_t size)
{
    size_t end = size;
    while (end > 0) {
        size_t start = end - 1;
        uint32_t point;
        while (start > 0 && end - start < 4 && ((unsigned char)text[start] & 0xc0) == 0x80)
            start--;
        if (qb_utf8_sequence(text + start, end - start, &point) != end - start || !is_white_space(point))
            break;
        end = start;
    }
    return size - end;
}

static enum qb_status replace(const struct qb_normal_step *step, const struct qb_matcher *matcher, const char *text,
                              size_t size, struct qb_text *out, struct qb_error *err)
{
    struct qb_cut cut = {.pattern = step->pattern, .matcher = matcher, .text = text, .size = size};
    size_t from, to;
    bool match;
    while (!qb_cut_next(&cut, &from, &to, &match, err) && to > from)
        match ? qb_text_bytes(out, step->content, step->size) : qb_text_bytes(out, text + from, to - from);
    return err->status;
}

static enum qb_status to_form(const struct qb_normal_step *step, const char *text, size_t size, struct qb_text *out,
                              struct qb_error *err)
{
    for (size_t at = 0; at < size;) {
        size_t run = qb_valid_upto(text + at, size - at);
        utf8proc_uint8_t *made = NULL;
        utf8proc_ssize_t length = run == 0 ? 0
                                           : utf8proc_map((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)run,
                                                          &made, (utf8proc_option_t)step->form);
        if (length < 0)
            return qb_fail(err, QB_ERR_MEMORY, "normal form of %zu bytes of text: %s", run, utf8proc_errmsg(length));
        qb_text_bytes(out, (const char *)made, (size_t)length);
        free(made);
        at += run;
        if (at < size)
            qb_text_bytes(out, text + at++, 1);
    }
    return QB_OK;
}

/* Only U+0020 counts: the table of replacements has made blanks of what else is one. */
static void blanks(const struct qb_normal_step *step, const char *text, size_t size, struct qb_text *out)
{
    static const char blank[] = "\xe2\x96\x81";
    bool in_word = false, begun = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ') {
            in_word = false;
            if (!step->right)
                qb_text_bytes(out, blank, 3);
            continue;
        }
        if (!in_word && ((step->left && !begun) || (step->right && begun)))
            qb_text_bytes(out, blank, 3);
        in_word = begun = true;
        qb_text_bytes(out, text + i, 1);
    }
}

enum qb_status qb_normalize(const struct qb_normal_step *step, const struct qb_matcher *matcher, const char *text,
                            size_t size, struct qb_text *out, struct qb_error *err)
{
    size_t skip = 0;
    switch (step->kind) {
    case QB_NORMAL_PREPEND:
        if (size > 0)
            qb_text_bytes(out, step->content, step->size);
        qb_text_bytes(out, text, size);
        break;
    case QB_NORMAL_REPLACE:
        replace(step, matcher, text, size, out, err);
        break;
    case QB_NORMAL_FORM:
        to_form(step, text, size, out, err);
        break;
    case QB_NORMAL_STRIP:
        skip = step->left ? qb_white_at_start(text, size) : 0;
        size -= step->right ? qb_white_at_end(text + skip, size - skip) : 0;
        qb_text_bytes(out, text + skip, size - skip);
        break;
    case QB_NORMAL_CHARSMAP:
        qb_charsmap_apply(step, text, size, out);
        break;
    case QB_NORMAL_BLANKS:
        blanks(step, text, size, out);
        break;
    }
    if (!err->status && out->failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a normalised text");
    return err->status;
}

struct qb_normal_step qb_normal_form_c(void)
{
    return (struct qb_normal_step){.kind = QB_NORMAL_FORM, .form = UTF8PROC_COMPOSE | UTF8PROC_STABLE};
}

void qb_normal_free(struct qb_normal_step *step)
{
    qb_pattern_free(step->pattern);
    qb_free(step->content);
}
