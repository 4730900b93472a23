#include "figure.h"

#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "base/utf8.h"

void qb_figure_block(struct qb_figure *figure, const char *comment)
{
    struct qb_text clean = {0};
    qb_clean_bytes(&clean, comment, strlen(comment), QB_CLEAN_LINE);
    qb_text_add(&figure->data, "%s# block %zu: %s\n", figure->blocks ? "\n\n" : "", figure->blocks,
                clean.data ? clean.data : "");
    qb_text_free(&clean);
    figure->blocks++;
}

/* A clean text (base/utf8.h) as gnuplot's string in double quotes. Letters, digits, a few signs and what is not ASCII
 * stand as they are; anything else is octal. So nothing of the text is left that gnuplot knows: it expands @macros also
 * in strings, where it has lost count of the quotes before them. A digit behind an octal is octal too, for gnuplot
 * reads three or four digits. */
static void quoted(struct qb_text *out, const char *text)
{
    struct qb_text clean = {0};
    bool plain = true;
    qb_clean_bytes(&clean, text, strlen(text), QB_CLEAN_LINE);
    qb_text_add(out, "\"");
    for (const char *at = clean.data ? clean.data : ""; *at; at++) {
        unsigned char c = (unsigned char)*at;
        plain = c >= 0x80 || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr(" ._-+:,()[]/", c) ||
                (plain && c >= '0' && c <= '9');
        qb_text_add(out, plain ? "%c" : "\\%03o", c);
    }
    qb_text_add(out, "\"");
    out->failed = out->failed || clean.failed;
    qb_text_free(&clean);
}

void qb_figure_number(struct qb_figure *figure, const char *name, double value)
{
    qb_text_add(&figure->variables, "%s = %.9g\n", name, value);
}

void qb_figure_array(struct qb_figure *figure, const char *name, size_t count)
{
    qb_text_add(&figure->variables, "array %s[%zu]\n", name, count ? count : 1);
}

void qb_figure_set(struct qb_figure *figure, const char *name, size_t index, const char *text)
{
    qb_text_add(&figure->variables, "%s[%zu] = ", name, index);
    quoted(&figure->variables, text);
    qb_text_add(&figure->variables, "\n");
}

void qb_figure_set_number(struct qb_figure *figure, const char *name, size_t index, double value)
{
    qb_text_add(&figure->variables, "%s[%zu] = %.9g\n", name, index, value);
}

static bool listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool drawable(const struct qb_cell *cell, const char *experiment)
{
    return cell->state == QB_CELL_DONE && strcmp(cell->experiment, experiment) == 0 &&
           strcmp(cell->variant, "reference") != 0;
}

static bool was_run(const struct qb_result *result, const char *experiment, const char *variant)
{
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (drawable(cell, experiment) && strcmp(cell->variant, variant) == 0)
            return true;
    }
    return false;
}

/* Names that were run and are not drawn, each once. */
static void leave_out(struct qb_selection *s, const char *name, const char *kind)
{
    char word[160];
    int n = snprintf(word, sizeof word, "%s%s", kind, name);
    for (const char *at = s->left_out.data; at && (at = strstr(at, word)); at++)
        if ((at == s->left_out.data || at[-1] == ' ') && (at[n] == ',' || at[n] == '\0'))
            return;
    qb_text_add(&s->left_out, "%s%s", s->left_out.size ? ", " : "", word);
}

static void find_floors(const struct qb_result *result, struct qb_selection *s)
{
    for (size_t i = 0; i < qb_result_count(result); i++)
        for (size_t v = 0; v < s->variant_count; v++)
            if (strcmp(qb_result_cell(result, i)->variant, s->variants[v]) == 0)
                s->floors[v] = qb_result_cell(result, i)->floor;
}

void qb_select(const struct qb_result *result, const char *experiment, const char *const *wanted, size_t most,
               struct qb_selection *s)
{
    *s = (struct qb_selection){.experiment = experiment};
    for (; *wanted && s->variant_count < most; wanted++)
        if (was_run(result, experiment, *wanted))
            s->variants[s->variant_count++] = *wanted;
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (!drawable(cell, experiment) || listed(s->variants, s->variant_count, cell->variant))
            continue;
        if (!qb_figure_builtin(cell->variant) && s->variant_count < most)
            s->variants[s->variant_count++] = cell->variant;
        else
            leave_out(s, cell->variant, "");
    }
    find_floors(result, s);
    for (size_t i = 0; i < qb_result_count(result); i++) {
        const struct qb_cell *cell = qb_result_cell(result, i);
        if (!drawable(cell, experiment) || !listed(s->variants, s->variant_count, cell->variant) ||
            listed(s->models, s->model_count, cell->model))
            continue;
        if (s->model_count < QB_FIGURE_MODELS)
            s->models[s->model_count++] = cell->model;
        else
            leave_out(s, cell->model, "model ");
    }
}

void qb_select_text(const struct qb_result *result, const char *const *wanted, size_t most,
                    struct qb_selection *selection)
{
    qb_select(result, "teacher-forced", wanted, most, selection);
    if (selection->model_count && selection->variant_count)
        return;
    qb_text_free(&selection->left_out);
    qb_select(result, "kl", wanted, most, selection);
}

void qb_selection_lacks(struct qb_selection *s, const char *model, const char *why)
{
    qb_text_add(&s->left_out, "%smodel %s (%s)", s->left_out.size ? ", " : "", model, why);
}

void qb_selection_drop(struct qb_selection *s, size_t m, const char *why)
{
    qb_selection_lacks(s, s->models[m], why);
    memmove(&s->models[m], &s->models[m + 1], (s->model_count - m - 1) * sizeof s->models[0]);
    s->model_count--;
}

bool qb_figure_begins_model(const struct qb_result *result, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(qb_result_cell(result, i)->model, qb_result_cell(result, at)->model) == 0)
            return false;
    return true;
}

void qb_selection_end(struct qb_selection *s, struct qb_figure *figure)
{
    if (s->left_out.size)
        qb_text_add(&figure->caption, " Run and not drawn: %s.", s->left_out.data);
    qb_text_free(&s->left_out);
    s->left_out = (struct qb_text){0};
}

bool qb_figure_record(const struct qb_result *result, const char *model, const char *variant, const char *experiment,
                      struct qb_record *record, struct qb_error *err)
{
    size_t at = qb_result_find(result, model, variant, experiment);
    *record = (struct qb_record){0};
    if (at == SIZE_MAX || qb_result_cell(result, at)->state != QB_CELL_DONE)
        return false;
    if (qb_result_record(result, at, record, err)) {
        qb_wrap(err, "%s/%s/%s", model, variant, experiment);
        qb_record_free(record);
        return false;
    }
    return true;
}
