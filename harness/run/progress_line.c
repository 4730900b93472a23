#include "run/progress_line.h"

#include <stdio.h>
#include <string.h>

#include "base/layout.h"

enum { BAR = 24, LABELS_LEAST = 24 /* columns of labels that a bar and a clock give way to */ };

static void clock_text(double seconds, struct qb_text *out)
{
    const unsigned long s = seconds > 0 && seconds < 1e9 ? (unsigned long)(seconds + 0.5) : 0;
    if (s >= 3600)
        qb_text_add(out, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        qb_text_add(out, "%lu:%02lu", s / 60, s % 60);
}

static void add_left(const struct qb_forecast *left, struct qb_text *out)
{
    const bool narrow = left->most <= 1.5 * left->least || left->most < 2;
    if (left->open) {
        if (left->least >= 1) {
            qb_text_add(out, "over ");
            clock_text(left->least, out);
            qb_text_add(out, " left, ");
        }
        qb_text_add(out, "%zu cell%s unknown", left->open, left->open == 1 ? "" : "s");
        return;
    }
    if (narrow) {
        qb_text_add(out, "about ");
    } else {
        clock_text(left->least, out);
        qb_text_add(out, " to ");
    }
    clock_text(narrow ? (left->least + left->most) / 2 : left->most, out);
    qb_text_add(out, " left");
}

/* Each label in its share of `width` columns. */
static void add_labels(const char *labels, size_t width, struct qb_text *out)
{
    size_t count = 1;
    for (const char *at = labels; (at = strstr(at, ", ")); at += 2)
        count++;
    const size_t between = 2 * (count - 1);
    const size_t each = qb_width(labels) <= width ? width : width > between ? (width - between) / count : 0;
    if (each == 0)
        return;
    for (const char *at = labels; at; at = strstr(at, ", ") ? strstr(at, ", ") + 2 : NULL) {
        const char *end = strstr(at, ", ");
        struct qb_text label = {0};
        qb_text_bytes(&label, at, end ? (size_t)(end - at) : strlen(at));
        if (at != labels)
            qb_text_add(out, ", ");
        if (!label.failed)
            qb_column_end(out, label.data, each);
        qb_text_free(&label);
    }
}

/* The parts before the labels. */
static void add_counts(const struct qb_progress_state *state, bool bar, bool elapsed, struct qb_text *out)
{
    const size_t filled = state->total ? state->done * BAR / state->total : BAR;
    for (size_t i = 0; bar && i < BAR + 2; i++)
        qb_text_add(out, "%s", i == 0 ? "[" : i == BAR + 1 ? "] " : i <= filled ? "#" : ".");
    qb_text_add(out, "%zu/%zu", state->done, state->total);
    if (elapsed) {
        qb_text_add(out, "  ");
        clock_text(state->elapsed, out);
    }
    if (state->left) {
        qb_text_add(out, "  ");
        add_left(state->left, out);
    }
}

void qb_progress_line(const struct qb_progress_state *state, size_t width, struct qb_text *out)
{
    const size_t wanted = qb_width(state->labels) < LABELS_LEAST ? qb_width(state->labels) : LABELS_LEAST;
    struct qb_text line = {0};
    for (int less = 0; less < 3; less++) {
        qb_text_free(&line);
        add_counts(state, less < 1, less < 2, &line);
        if (!line.failed && qb_width(line.data) + 2 + wanted <= width)
            break;
    }
    if (!line.failed && wanted > 0 && qb_width(line.data) + 2 < width) {
        const size_t used = qb_width(line.data) + 2;
        qb_text_add(&line, "  ");
        add_labels(state->labels, width - used, &line);
    }
    if (line.failed)
        out->failed = true;
    else if (qb_width(line.data) <= width)
        qb_text_add(out, "%s", line.data);
    else
        qb_column(out, line.data, width);
    qb_text_free(&line);
}
