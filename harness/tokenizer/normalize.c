#include "tokenizer/normalize.h"

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
                              size_t size, size_t most, struct qb_text *out, struct qb_error *err)
{
    struct qb_cut cut = {.pattern = step->pattern, .matcher = matcher, .text = text, .size = size};
    size_t from, to;
    bool match;
    while (out->size <= most && !qb_cut_next(&cut, &from, &to, &match, err) && to > from)
        match ? qb_text_bytes(out, step->content, step->size) : qb_text_bytes(out, text + from, to - from);
    return err->status;
}

/* ---- normal forms: as utf8proc_map, which takes time quadratic in the length of a run of marks ---- */

/* The decomposed form of valid UTF-8 in code points, not yet in canonical order; room 0: only how many they are. */
static size_t decompose(const char *text, size_t size, int form, utf8proc_int32_t *points, size_t room)
{
    size_t count = 0;
    int boundary = 0;
    for (size_t at = 0; at < size;) {
        utf8proc_int32_t point;
        at += (size_t)utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(size - at), &point);
        count += (size_t)utf8proc_decompose_char(point, room ? points + count : NULL,
                                                 room ? (utf8proc_ssize_t)(room - count) : 0, (utf8proc_option_t)form,
                                                 &boundary);
    }
    return count;
}

static size_t combining_class(utf8proc_int32_t point)
{
    return (size_t)utf8proc_get_property(point)->combining_class;
}

/* Marks by their class; of one class they keep their order. */
static void order_marks(utf8proc_int32_t *points, size_t count, utf8proc_int32_t *ordered)
{
    size_t place[256 + 1] = {0};
    for (size_t i = 0; i < count; i++)
        place[combining_class(points[i]) + 1]++;
    for (size_t class = 1; class <= 256; class ++)
        place[class] += place[class - 1];
    for (size_t i = 0; i < count; i++)
        ordered[place[combining_class(points[i])]++] = points[i];
    memcpy(points, ordered, count * sizeof *points);
}

static void order(utf8proc_int32_t *points, size_t count, utf8proc_int32_t *scratch)
{
    for (size_t from = 0, to; from < count; from = to) {
        bool ordered = true;
        to = from + 1;
        if (combining_class(points[from]) == 0)
            continue;
        for (size_t class; to < count && (class = combining_class(points[to])) > 0; to++)
            ordered = ordered && combining_class(points[to - 1]) <= class;
        if (!ordered)
            order_marks(points + from, to - from, scratch);
    }
}

static enum qb_status map(const char *text, size_t size, int form, struct qb_text *out, struct qb_error *err)
{
    const size_t count = decompose(text, size, form, NULL, 0);
    utf8proc_int32_t *points = qb_alloc(count + 1, sizeof *points, "a text's normal form", err);
    utf8proc_int32_t *scratch = qb_alloc(count + 1, sizeof *scratch, "a text's normal form", err);
    if (points && scratch) {
        decompose(text, size, form, points, count);
        order(points, count, scratch);
        const utf8proc_ssize_t made = utf8proc_reencode(points, (utf8proc_ssize_t)count, (utf8proc_option_t)form);
        if (made < 0)
            qb_fail(err, QB_ERR_INTERNAL, "normal form of %zu bytes of text: %s", size, utf8proc_errmsg(made));
        else
            qb_text_bytes(out, (const char *)points, (size_t)made);
    }
    qb_free(points);
    qb_free(scratch);
    return err->status;
}

/* Bytes that are no UTF-8 stay. */
static enum qb_status to_form(const struct qb_normal_step *step, const char *text, size_t size, struct qb_text *out,
                              struct qb_error *err)
{
    for (size_t at = 0; at < size;) {
        size_t run = qb_valid_upto(text + at, size - at);
        if (run > 0 && map(text + at, run, step->form, out, err))
            return err->status;
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
                            size_t size, size_t most, struct qb_text *out, struct qb_error *err)
{
    size_t skip = 0;
    switch (step->kind) {
    case QB_NORMAL_PREPEND:
        if (size > 0)
            qb_text_bytes(out, step->content, step->size);
        qb_text_bytes(out, text, size);
        break;
    case QB_NORMAL_REPLACE:
        replace(step, matcher, text, size, most, out, err);
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
        qb_charsmap_apply(step, text, size, most, out);
        break;
    case QB_NORMAL_BLANKS:
        blanks(step, text, size, out);
        break;
    }
    if (!err->status && out->failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a normalised text");
    if (!err->status && out->size > most)
        qb_fail(err, QB_ERR_INPUT, "the tokenizer's normalizer makes over %zu bytes of a text, more than %d for each",
                most, QB_NORMAL_GROWTH);
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
