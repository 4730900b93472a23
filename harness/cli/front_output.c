#include "front_output.h"

#include <math.h>
#include <string.h>

#include "base/text_format.h"
#include "gate_output.h"

/* ---- for a reader ---- */

static void add_number(struct qb_text *out, const char *format, double value)
{
    if (isnan(value))
        qb_text_add(out, "-");
    else if (isinf(value))
        qb_text_add(out, "exact"); /* no error at all: an infinite ratio */
    else
        qb_text_add(out, format, value);
}

/* Columns of a format: variant, bits, SQNR, KL with interval, top-1, what it is to the placed one. */
enum { COLUMNS = 6 };
static void describe(const struct qb_front_format *f, struct qb_text texts[COLUMNS])
{
    qb_text_add(&texts[0], "%s", f->variant);
    add_number(&texts[1], "%.3f", f->bits);
    add_number(&texts[2], "%.2f", f->sqnr);
    add_number(&texts[3], "%.4g", f->kl);
    if (!isnan(f->lo))
        qb_text_add(&texts[3], " [%.4g, %.4g]", f->lo, f->hi);
    add_number(&texts[4], "%.2f", f->top1);
    qb_text_add(&texts[5], "%s", qb_front_relation_name(f->relation));
    if (!isnan(f->p))
        qb_text_add(&texts[5], "; its KL %+.3g [%.3g, %.3g], p %.2g", f->difference.value, f->difference.lo,
                    f->difference.hi, f->p);
    if (f->why[0])
        qb_text_add(&texts[5], "; %s", f->why);
}

static void names(const struct qb_front *front, enum qb_front_relation relation, bool no_more_bits, struct qb_text *out)
{
    const struct qb_front_format *placed = &front->formats[front->placed];
    size_t count = 0;
    for (size_t i = 0; i < front->count; i++)
        if (front->formats[i].relation == relation && (!no_more_bits || front->formats[i].bits <= placed->bits))
            qb_text_add(out, "%s%s", count++ ? ", " : " ", front->formats[i].variant);
}

static void verdict(const struct qb_front *front, struct qb_text *out)
{
    const struct qb_front_format *placed = &front->formats[front->placed];
    qb_text_add(out, "%s on %s (%s): ", placed->variant, front->model, front->experiment);
    if (front->verdict == QB_FRONT_NONE)
        qb_text_add(out, "not placed: %s", placed->why);
    else
        qb_text_add(out, "%s",
                    front->verdict == QB_FRONT_UNDER ? "dominated by"
                    : front->verdict == QB_FRONT_ON
                        ? "on the Pareto front: each format of as many or fewer bits is shown to have more KL"
                        : "neither shown to be dominated nor to be on the Pareto front: not told apart from");
    if (front->verdict == QB_FRONT_UNDER)
        names(front, QB_FRONT_DOMINATED, false, out);
    else if (front->verdict == QB_FRONT_OPEN)
        names(front, QB_FRONT_LEVEL, true, out);
    qb_text_add(out, "\n");
}

enum part { PLACED, BESIDE, CORNERS, OUT, PARTS };
static bool belongs(const struct qb_front_format *f, enum part part)
{
    const enum qb_front_relation r = f->relation;
    return part == PLACED    ? r == QB_FRONT_SELF
           : part == BESIDE  ? r == QB_FRONT_DOMINATED || r == QB_FRONT_DOMINATES || r == QB_FRONT_LEVEL
           : part == CORNERS ? f->corner
                             : r == QB_FRONT_OUT;
}

static void table(const struct qb_front *front, enum part part, enum qb_output output, struct qb_text *out)
{
    static const char *const heads[] = {"\n",
                                        "\nThose that it dominates, is dominated by or is not told apart from:\n\n",
                                        "\nThe Pareto front with it (by the values):\n\n", "\nLeft out:\n\n"};
    static const char *const columns[] = {"format", "bits", "SQNR, dB", "mean KL, nat", "top-1, %", "the placed one is",
                                          NULL};
    static const bool numeric[] = {0, 1, 1, 0, 1, 0};
    struct qb_listing listing = {.columns = columns, .numeric = numeric};
    for (size_t i = 0; i < front->count; i++) {
        struct qb_text texts[COLUMNS] = {0};
        if (!belongs(&front->formats[i], part))
            continue;
        describe(&front->formats[i], texts);
        const char *values[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++)
            values[k] = texts[k].data ? texts[k].data : "";
        qb_listing_add(&listing, values);
        for (size_t k = 0; k < COLUMNS; k++) {
            listing.failed = listing.failed || texts[k].failed;
            qb_text_free(&texts[k]);
        }
    }
    if (listing.rows) {
        qb_text_add(out, "%s", heads[part]);
        qb_listing_print(&listing, output, out);
    }
    qb_listing_free(&listing);
}

static void readable(const struct qb_front *front, enum qb_output output, struct qb_text *out)
{
    struct qb_text said = {0};
    verdict(front, &said);
    if (output == QB_OUTPUT_MARKDOWN)
        qb_lines_markdown(out, &said);
    else
        qb_text_bytes(out, said.data ? said.data : "", said.size);
    for (int part = 0; part < PARTS; part++)
        table(front, (enum part)part, output, out);
    qb_text_add(out,
                "\nIts KL: the other's less %s's, in nat, with its 95%% interval, paired by chunks; p two-sided, "
                "adjusted by Holm over %zu formats; shown: p at most %g\n",
                front->formats[front->placed].variant, front->tested, front->alpha);
    qb_text_free(&said);
}

/* ---- for a program ---- */

static void add_rows(const struct qb_front *front, struct qb_listing *listing)
{
    static const char *const verdicts[] = {"not placed", "front", "not told apart", "dominated"};
    for (size_t i = 0; i < front->count; i++) {
        const struct qb_front_format *f = &front->formats[i];
        const bool tested = !isnan(f->p) || f->difference.identical;
        const double numbers[] = {f->bits,
                                  f->sqnr,
                                  f->kl,
                                  f->lo,
                                  f->hi,
                                  f->top1,
                                  tested ? f->difference.value : NAN,
                                  tested ? f->difference.lo : NAN,
                                  tested ? f->difference.hi : NAN,
                                  f->p};
        enum { NUMBERS = sizeof numbers / sizeof *numbers };
        struct qb_text texts[NUMBERS] = {0};
        for (size_t k = 0; k < NUMBERS; k++)
            qb_csv_number(&texts[k], numbers[k], !isnan(numbers[k]));
        const char *values[] = {front->model,
                                front->experiment,
                                front->formats[front->placed].variant,
                                verdicts[front->verdict],
                                f->variant,
                                f->from_baseline ? "yes" : "no",
                                f->corner ? "yes" : "no",
                                qb_front_relation_name(f->relation),
                                texts[0].data,
                                texts[1].data,
                                texts[2].data,
                                texts[3].data,
                                texts[4].data,
                                texts[5].data,
                                texts[6].data,
                                texts[7].data,
                                texts[8].data,
                                texts[9].data,
                                f->why};
        for (size_t k = 8; k < 18; k++)
            values[k] = values[k] ? values[k] : "";
        qb_listing_add(listing, values);
        for (size_t k = 0; k < NUMBERS; k++) {
            listing->failed = listing->failed || texts[k].failed;
            qb_text_free(&texts[k]);
        }
    }
}

void qb_front_print(struct qb_front *const *fronts, size_t count, enum qb_output output, struct qb_text *out)
{
    static const char *const columns[] = {
        "model",         "experiment", "placed",  "verdict", "variant", "from_baseline",  "corner",     "relation",
        "bits",          "sqnr_db",    "kl_mean", "lo",      "hi",      "top1_agreement", "difference", "difference_lo",
        "difference_hi", "p_holm",     "why",     NULL};
    static const bool numeric[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0};
    struct qb_listing listing = {.columns = columns, .numeric = numeric};
    for (size_t i = 0; i < count; i++) {
        if (output == QB_OUTPUT_CONSOLE || output == QB_OUTPUT_MARKDOWN) {
            qb_text_add(out, "\n");
            readable(fronts[i], output, out);
        } else {
            add_rows(fronts[i], &listing);
        }
    }
    if (output == QB_OUTPUT_CSV || output == QB_OUTPUT_JSON)
        qb_listing_print(&listing, output, out);
    qb_listing_free(&listing);
}
