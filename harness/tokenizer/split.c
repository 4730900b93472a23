#include "tokenizer/split.h"

#include <string.h>

/* What goes on to the next step. */
struct to {
    const struct qb_split_step *steps;
    size_t count;
    const struct qb_matcher *matcher;
    qb_piece piece;
    void *context;
};

static enum qb_status run(const struct to *to, const char *text, size_t size, bool first, struct qb_error *err);

/* Parts of a text, put together as a behaviour wants it: one waits until what follows it is known. */
struct parts {
    const char *text;
    size_t from, to; /* waiting; from == to: none */
    bool match;      /* the last part of what waits was one */
    bool first;
};

static enum qb_status flush(struct parts *parts, const struct to *to, struct qb_error *err)
{
    if (parts->to > parts->from)
        run(to, parts->text + parts->from, parts->to - parts->from, parts->first && parts->from == 0, err);
    parts->from = parts->to;
    return err->status;
}

static bool joins(const struct parts *parts, enum qb_split_behaviour behaviour, bool match)
{
    if (parts->to == parts->from)
        return false;
    switch (behaviour) {
    case QB_SPLIT_CONTIGUOUS:
        return match == parts->match;
    case QB_SPLIT_WITH_PREVIOUS:
        return match && !parts->match;
    case QB_SPLIT_WITH_NEXT:
        return !match && parts->match;
    default:
        return false;
    }
}

static enum qb_status by_pattern(const struct qb_split_step *step, const struct to *to, const char *text, size_t size,
                                 bool first, struct qb_error *err)
{
    struct qb_cut cut = {.pattern = step->pattern, .matcher = to->matcher, .text = text, .size = size};
    struct parts parts = {.text = text, .first = first};
    size_t from, end;
    bool match;
    while (!err->status && !qb_cut_next(&cut, &from, &end, &match, err) && end > from) {
        match ^= step->invert;
        if (match && step->behaviour == QB_SPLIT_REMOVED) {
            flush(&parts, to, err);
            continue;
        }
        if (!joins(&parts, step->behaviour, match)) {
            if (flush(&parts, to, err))
                break;
            parts.from = from;
        }
        parts.to = end;
        parts.match = match;
    }
    if (!err->status)
        flush(&parts, to, err);
    return err->status;
}

/* The piece with a blank before it where it has none. */
static enum qb_status with_prefix(const struct to *to, const char *text, size_t size, bool first, struct qb_error *err)
{
    struct qb_text own = {0};
    if (text[0] == ' ')
        return run(to, text, size, first, err);
    qb_text_bytes(&own, " ", 1);
    qb_text_bytes(&own, text, size);
    if (own.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a piece of text");
    else
        run(to, own.data, own.size, first, err);
    qb_text_free(&own);
    return err->status;
}

static enum qb_status blanks(const struct qb_split_step *step, const struct to *to, const char *text, size_t size,
                             bool first, struct qb_error *err)
{
    struct qb_text own = {0};
    size_t length = strlen(step->content);
    bool begins = text[0] == ' ' || (size >= length && memcmp(text, step->content, length) == 0);
    if (!begins && (step->prepend == QB_PREPEND_ALWAYS || (step->prepend == QB_PREPEND_FIRST && first)))
        qb_text_bytes(&own, step->content, length);
    for (size_t at = 0; at < size;) {
        const char *blank = memchr(text + at, ' ', size - at);
        size_t upto = blank ? (size_t)(blank - text) : size;
        qb_text_bytes(&own, text + at, upto - at);
        if (blank)
            qb_text_bytes(&own, step->content, length);
        at = upto + (blank != NULL);
    }
    if (own.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a piece of text");
    else if (step->pattern)
        by_pattern(step, to, own.data, own.size, first, err);
    else
        run(to, own.data, own.size, first, err);
    qb_text_free(&own);
    return err->status;
}

static enum qb_status run(const struct to *to, const char *text, size_t size, bool first, struct qb_error *err)
{
    if (size == 0)
        return QB_OK;
    if (to->count == 0)
        return to->piece(to->context, text, size, err);
    const struct qb_split_step *step = to->steps;
    const struct to next = {step + 1, to->count - 1, to->matcher, to->piece, to->context};
    switch (step->kind) {
    case QB_SPLIT_PATTERN:
        return by_pattern(step, &next, text, size, first, err);
    case QB_SPLIT_PREFIX:
        return with_prefix(&next, text, size, first, err);
    case QB_SPLIT_BLANKS:
        break;
    }
    return blanks(step, &next, text, size, first, err);
}

enum qb_status qb_split(const struct qb_split_step *steps, size_t count, const struct qb_matcher *matcher,
                        const char *text, size_t size, bool first, qb_piece piece, void *context, struct qb_error *err)
{
    const struct to to = {steps, count, matcher, piece, context};
    return run(&to, text, size, first, err);
}
