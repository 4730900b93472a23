/* Where the loss comes from: for each model the parts of one variant's mean KL, their sums, and what they say in words.
 * The numbers are those of the attribute experiment (metric_attribute.c); only the sums are formed here. */
#include "report_content.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"

static const struct part {
    const char *name, *words;
} parts[] = {{"storage", "weights rounded for storage"},
             {"domain", "products computed on codes"},
             {"scale", "channel scale S"},
             {"alpha", "logit scale alpha"},
             {"fp16", "Q and K kept in FP16"}};
enum { PARTS = sizeof parts / sizeof *parts };

const char *qb_attribution_meaning(void)
{
    return "Mean KL(FP32 || variant) of the variant with most parts, over every combination of the parts. \"Alone\" is "
           "a part switched on by itself; an interaction is what two or more parts cost together beyond that. Together "
           "they sum to total_kl, measured with all parts on, which must agree with kl_mean of the teacher-forced "
           "cell, "
           "measured in a run of its own. A Shapley share is a part's effect averaged over all orders of switching "
           "the parts on; the shares sum to the same total and are negative where a part mends. S, alpha and FP16 are "
           "the calibration. Brackets: 95% "
           "intervals over chunks, each for itself; a share whose interval holds 0 is "
           "not shown to do anything. Sums are formed "
           "from unrounded numbers.";
}

/* ---- the table ---- */

static const struct qb_value *value_of(const struct qb_report *report, const struct qb_attribution *a,
                                       const char *metric)
{
    const struct qb_value *v = qb_result_value(report->result, a->model, a->variant, "attribute", metric);
    return v && isfinite(v->value) ? v : NULL;
}

/* "storage_domain" -> "weights rounded for storage x products computed on codes"; false: not our parts' names. */
static bool pair_words(const char *pair, char out[96])
{
    for (size_t i = 0; i < PARTS; i++)
        for (size_t j = 0; j < PARTS; j++) {
            char name[32];
            snprintf(name, sizeof name, "%s_%s", parts[i].name, parts[j].name);
            if (strcmp(name, pair) == 0) {
                snprintf(out, 96, "interaction: %s, %s", parts[i].words, parts[j].words);
                return true;
            }
        }
    return false;
}

static const char *part_words(const char *name)
{
    for (size_t i = 0; i < PARTS; i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i].words;
    return name; /* a part that this program does not know */
}

static void describe(const char *metric, char out[96])
{
    if (strncmp(metric, "alone_", 6) == 0)
        snprintf(out, 96, "alone: %s", part_words(metric + 6));
    else if (strncmp(metric, "shapley_", 8) == 0)
        snprintf(out, 96, "share: %s", part_words(metric + 8));
    else if (strcmp(metric, "interactions_higher") == 0)
        snprintf(out, 96, "interactions of three and more parts");
    else if (strncmp(metric, "interaction_", 12) != 0 || !pair_words(metric + 12, out))
        qb_utf8_print(out, 96, "%s", metric);
}

static struct qb_attribution_row *add_row(struct qb_attribution *a, enum qb_attribution_kind kind, const char *label,
                                          double value)
{
    if (a->row_count == QB_ATTRIBUTION_ROWS)
        return NULL;
    struct qb_attribution_row *row = &a->rows[a->row_count++];
    *row = (struct qb_attribution_row){.kind = kind, .value = value, .lo = NAN, .hi = NAN};
    snprintf(row->label, sizeof row->label, "%s", label);
    return row;
}

/* False when the table is full: then the parts cannot be shown to sum. */
static bool add_value(struct qb_attribution *a, enum qb_attribution_kind kind, const char *experiment,
                      const struct qb_value *v, const char *label)
{
    struct qb_attribution_row *row = add_row(a, kind, label, v->value);
    if (!row)
        return false;
    row->experiment = experiment;
    row->metric = v->metric;
    if (isfinite(v->lo) && isfinite(v->hi)) {
        row->lo = v->lo;
        row->hi = v->hi;
    }
    return true;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The cell's metrics that begin so, then their sum. Those that are exactly 0 at every position are only named. */
static bool add_parts(struct qb_attribution *a, const struct qb_cell *cell, enum qb_attribution_kind kind,
                      const char *const *prefixes, const char *sum_label)
{
    double sum = 0;
    bool room = true;
    for (size_t p = 0; prefixes[p]; p++)
        for (size_t i = 0; i < cell->value_count && room; i++) {
            const struct qb_value *v = &cell->values[i];
            char label[96];
            if (!begins(v->metric, prefixes[p]) || !isfinite(v->value))
                continue;
            describe(v->metric, label);
            sum += v->value;
            size_t used = strlen(a->zeros);
            if (v->value == 0 && v->lo == 0 && v->hi == 0)
                snprintf(a->zeros + used, sizeof a->zeros - used, "%s%s", used ? ", " : "", v->metric);
            else
                room = add_value(a, kind, "attribute", v, label);
        }
    return room && add_row(a, QB_ATTRIBUTION_SUM, sum_label, sum);
}

static bool fill_rows(const struct qb_report *report, const struct qb_cell *cell, struct qb_attribution *a)
{
    static const char *const effects[] = {"alone_", "interaction_", "interactions_", NULL};
    static const char *const shares[] = {"shapley_", NULL};
    const struct qb_value *total = value_of(report, a, "total_kl");
    const struct qb_value *forced = qb_result_value(report->result, a->model, a->variant, "teacher-forced", "kl_mean");
    a->total = total->value;
    a->n = total->n;
    a->note = total->note;
    a->empty = qb_value_void(total) || (forced && qb_value_void(forced));
    return add_parts(a, cell, QB_ATTRIBUTION_PART, effects, "sum of effects alone and interactions") &&
           add_value(a, QB_ATTRIBUTION_LOSS, "attribute", total, "measured: all parts on") &&
           (!forced || !isfinite(forced->value) ||
            add_value(a, QB_ATTRIBUTION_LOSS, "teacher-forced", forced, "measured: teacher-forced run of its own")) &&
           add_parts(a, cell, QB_ATTRIBUTION_SHARE, shares, "sum of Shapley shares");
}

struct qb_value_format qb_attribution_format(const struct qb_attribution *a, double x)
{
    int decimals = a->total > 0 ? 4 - (int)floor(log10(a->total)) : 5; /* five digits of the total */
    decimals = decimals < 0 ? 0 : decimals;
    if (decimals > 12 || (x != 0 && fabs(x) < 9.5 * pow(10, -decimals))) /* fewer than two digits would be left */
        return (struct qb_value_format){QB_STYLE_SCIENTIFIC, decimals > 12 ? 4 : 1};
    return (struct qb_value_format){QB_STYLE_FIXED, decimals};
}

void qb_attribution_interval(const struct qb_attribution *a, const struct qb_attribution_row *row,
                             void (*number)(const struct qb_attribution *, double, struct qb_text *), const char *none,
                             struct qb_text *out)
{
    const bool there = isfinite(row->lo) && isfinite(row->hi);
    qb_text_add(out, "%s", there ? "[" : none);
    if (!there)
        return;
    number(a, row->lo, out);
    qb_text_add(out, ", ");
    number(a, row->hi, out);
    qb_text_add(out, "]");
}

/* ---- in words ---- */

static bool has_interval(const struct qb_attribution_row *row)
{
    return isfinite(row->lo) && isfinite(row->hi);
}

/* "0.68 nat [0.65, 0.70]", without the sign where only the size is meant. */
static void print_share(const struct qb_attribution *a, const struct qb_attribution_row *row, bool size,
                        struct qb_text *out)
{
    double sign = size && row->value < 0 ? -1 : 1;
    qb_value_plain(out, qb_attribution_format(a, row->value), sign * row->value);
    qb_text_add(out, " nat");
    if (!has_interval(row))
        return;
    qb_text_add(out, " [");
    qb_value_plain(out, qb_attribution_format(a, row->lo), sign < 0 ? -row->hi : row->lo);
    qb_text_add(out, ", ");
    qb_value_plain(out, qb_attribution_format(a, row->hi), sign < 0 ? -row->lo : row->hi);
    qb_text_add(out, "]");
}

/* Where a share's interval lies: +1 above 0, -1 below, 0 on both sides or without interval. NaN is on no side. */
static int side(const struct qb_attribution_row *row)
{
    return row->lo > 0 ? 1 : row->hi < 0 ? -1 : 0;
}

/* The shares on one side, by words and size: true when there was one. */
static bool list_shares(struct qb_attribution *a, int wanted, const char *before)
{
    size_t listed = 0;
    for (size_t i = 0; i < a->row_count; i++) {
        const struct qb_attribution_row *row = &a->rows[i];
        if (row->kind != QB_ATTRIBUTION_SHARE || side(row) != wanted)
            continue;
        qb_text_add(&a->sentence, "%s%s ", listed++ ? "; " : before, part_words(row->metric + strlen("shapley_")));
        print_share(a, row, wanted < 0, &a->sentence);
        if (wanted && a->total > 0)
            qb_text_add(&a->sentence, " (%.1f%% of the total)", 100 * fabs(row->value) / a->total);
    }
    return listed > 0;
}

/* Loss that is left beside what rounding the weights alone costs. */
static void say_beside_storage(struct qb_attribution *a)
{
    for (size_t i = 0; i < a->row_count; i++)
        if (a->rows[i].metric && strcmp(a->rows[i].metric, "alone_storage") == 0) {
            qb_text_add(&a->sentence, " Rounding the weights alone, with nothing else on, costs ");
            print_share(a, &a->rows[i], false, &a->sentence);
            qb_text_add(&a->sentence, ".");
        }
}

static void say(struct qb_attribution *a)
{
    const struct qb_attribution_row *total = NULL;
    for (size_t i = 0; i < a->row_count && !total; i++)
        total = a->rows[i].kind == QB_ATTRIBUTION_LOSS ? &a->rows[i] : NULL;
    if (!total)
        return;
    qb_text_add(&a->sentence, "%s, %s: the loss is ", a->model, a->variant);
    print_share(a, total, false, &a->sentence);
    qb_text_add(&a->sentence, " (n %llu positions, %s). ", (unsigned long long)a->n, a->note);
    if (a->empty)
        qb_text_add(&a->sentence, "The loss is void (degenerate), and so are its parts. ");
    if (!has_interval(total)) {
        qb_text_add(&a->sentence, "Without intervals no part is shown to make or mend it; the table describes these "
                                  "positions only.");
        say_beside_storage(a);
        return;
    }
    if (!list_shares(a, 1, "Shown to make it: "))
        qb_text_add(&a->sentence, "No part is shown to make it");
    if (!list_shares(a, -1, ". Shown to mend it: "))
        qb_text_add(&a->sentence, ". No part is shown to mend it");
    list_shares(a, 0, ". Not shown either way (the interval holds 0): ");
    qb_text_add(&a->sentence, ".");
    say_beside_storage(a);
}

/* ---- filling ---- */

static size_t shares_of(const struct qb_cell *cell)
{
    size_t n = 0;
    for (size_t i = 0; i < cell->value_count && cell->state == QB_CELL_DONE; i++)
        n += begins(cell->values[i].metric, "shapley_") && isfinite(cell->values[i].value);
    return n;
}

/* The table's cell with most parts; NULL: none has two, and one part is the whole loss. */
static const struct qb_cell *fullest(const struct qb_report *report, const struct qb_report_table *table)
{
    const struct qb_cell *best = NULL;
    size_t most = 1;
    for (size_t r = 0; r < table->row_count; r++) {
        const struct qb_cell *cell = qb_report_cell(report, table, r);
        const struct qb_value *total =
            qb_result_value(report->result, cell->model, cell->variant, "attribute", "total_kl");
        if (shares_of(cell) > most && total && isfinite(total->value)) {
            most = shares_of(cell);
            best = cell;
        }
    }
    return best;
}

enum qb_status qb_report_attributions(struct qb_report *report, struct qb_error *err)
{
    report->attributions = qb_alloc(report->table_count, sizeof *report->attributions, "a report's attributions", err);
    if (!report->attributions)
        return err->status;
    for (size_t t = 0; t < report->table_count; t++) {
        const struct qb_report_table *table = &report->tables[t];
        const struct qb_cell *cell = strcmp(table->experiment, "attribute") == 0 ? fullest(report, table) : NULL;
        struct qb_attribution *a = &report->attributions[report->attribution_count];
        if (!cell)
            continue;
        *a = (struct qb_attribution){.model = cell->model, .variant = cell->variant};
        if (!fill_rows(report, cell, a))
            continue; /* more parts than a page can show */
        report->attribution_count++;
        say(a);
        if (a->sentence.failed)
            return qb_fail(err, QB_ERR_MEMORY, "no memory for the report's attributions");
    }
    return QB_OK;
}

void qb_attributions_free(struct qb_report *report)
{
    for (size_t i = 0; i < report->attribution_count; i++)
        qb_text_free(&report->attributions[i].sentence);
    qb_free(report->attributions);
}
