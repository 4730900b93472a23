/* attribution: Shapley shares of a variant's mean KL as a waterfall up to the measured total, a panel a model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "figure.h"

static const struct part {
    const char *metric, *label;
} parts[] = {{"shapley_storage", "store"},
             {"shapley_domain", "domain"},
             {"shapley_scale", "S"},
             {"shapley_alpha", "alpha"},
             {"shapley_fp16", "FP16"}};
enum { PARTS = sizeof parts / sizeof *parts };

static const struct qb_value *part(const struct qb_result *result, const char *model, const char *variant, size_t k)
{
    const struct qb_value *v = qb_result_value(result, model, variant, "attribute", parts[k].metric);
    return v && isfinite(v->value) ? v : NULL;
}

static size_t parts_of(const struct qb_result *result, const char *model, const char *variant)
{
    size_t n = 0;
    for (size_t k = 0; k < PARTS; k++)
        n += part(result, model, variant, k) != NULL;
    return n;
}

/* The variant with most parts; the first of several. NULL: none has any. */
static const char *fullest(const struct qb_result *result, const struct qb_selection *s, const char *model)
{
    const char *best = NULL;
    size_t most = 0;
    for (size_t v = 0; v < s->variant_count; v++) {
        size_t n = parts_of(result, model, s->variants[v]);
        if (n > most) {
            most = n;
            best = s->variants[v];
        }
    }
    return best;
}

static bool has_interval(const struct qb_value *v)
{
    return !(v->flags & QB_FLAG_NO_INTERVAL) && isfinite(v->lo) && isfinite(v->hi);
}

/* A number in at most five characters where it is below 1000: "+125", "-20.9", "+2.71", "+4e-4"; what is under 1e-9 of
 * the axis' unit is rounding and prints as 0. */
static void print_short(double v, char out[16])
{
    double size = fabs(v);
    const char *format = size >= 99.5 ? "%+.0f" : size >= 9.95 ? "%+.1f" : "%+.2f";
    bool small = size < 0.0995 && size >= 1e-9;
    snprintf(out, 16, small ? "%+.0e" : format, v);
    char *zero = small ? strstr(out, "e-0") : NULL;
    if (zero)
        memmove(zero + 2, zero + 3, strlen(zero + 3) + 1);
}

/* Bar `at`: from `start` over v; its label and, in `unit`, its size go under the axis. Unresolved: smaller than the
 * arithmetic floor. */
static void add_bar(struct qb_figure *figure, size_t at, double start, const struct qb_value *v, double floor,
                    double unit, const char *label)
{
    char number[16];
    bool total = strcmp(label, "total") == 0, interval = has_interval(v),
         unresolved = isfinite(floor) && fabs(v->value) <= floor;
    print_short(v->value / unit, number);
    qb_text_add(&figure->data, "%zu \"%s\" %.6g %.6g %.6g %.6g %d %d %.6g \"%s\"\n", at, label, start, start + v->value,
                interval ? start + v->lo : NAN, interval ? start + v->hi : NAN, total, unresolved, v->value, number);
}

/* The panel's axis counts in 1, 1e-3, 1e-6 ... nat, by its largest share. */
static double set_unit(const struct qb_result *result, const char *model, const char *variant, struct qb_figure *figure,
                       size_t m)
{
    double most = 0, unit = 1;
    char name[64] = "mean KL (nat)";
    for (size_t k = 0; k < PARTS; k++) {
        const struct qb_value *v = part(result, model, variant, k);
        most = v ? fmax(most, fabs(v->value)) : most;
    }
    if (most > 0 && most < 0.1) {
        int exponent = 3 * (int)floor(log10(most) / 3);
        unit = pow(10, exponent);
        snprintf(name, sizeof name, "mean KL (1e%d nat)", exponent);
    }
    qb_figure_set_number(figure, "units", m + 1, unit);
    qb_figure_set(figure, "unit_names", m + 1, name);
    return unit;
}

static void add_panel(const struct qb_result *result, const char *model, const char *variant, double unit,
                      struct qb_figure *figure, size_t *bars, uint64_t *n)
{
    const struct qb_value *total = qb_result_value(result, model, variant, "attribute", "total_kl");
    double floors[QB_FIGURE_FLOORS], sum = 0;
    size_t at = 0;
    qb_figure_floors(result, model, "teacher-forced", "kl_mean", floors);
    qb_figure_block(figure, model);
    qb_text_add(&figure->data, "# bar, part, from, to, 95%% interval of the end, 1: the total, 1: under the arithmetic "
                               "floor, its KL in nat, the same in the axis' unit\n");
    for (size_t k = 0; k < PARTS; k++) {
        const struct qb_value *v = part(result, model, variant, k);
        if (!v)
            continue;
        add_bar(figure, ++at, sum, v, floors[0], unit, parts[k].label);
        sum += v->value;
        *n = v->n > *n ? v->n : *n;
    }
    if (total && isfinite(total->value))
        add_bar(figure, ++at, 0, total, floors[0], unit, "total");
    *bars = at;
}

static enum qb_status fill(const struct qb_result *result, struct qb_figure *figure, struct qb_error *err)
{
    static const char *const wanted[] = {"calibrated-stored", "calibrated",  "legacy", "calibrated-range-kept",
                                         "pattern-a",         "int8-tensor", NULL};
    struct qb_selection s;
    struct qb_text floors = {0};
    uint64_t n = 0;
    (void)err;
    qb_select(result, "attribute", wanted, QB_FIGURE_VARIANTS, &s);
    for (size_t m = s.model_count; m-- > 0;)
        if (!fullest(result, &s, s.models[m]))
            qb_selection_drop(&s, m, "no shapley_ metric");
    if (!s.model_count)
        snprintf(figure->missing, sizeof figure->missing, "no attribute cell with a factorial was run");
    qb_figure_axes(figure, &s);
    qb_figure_array(figure, "titles", s.model_count);
    qb_figure_array(figure, "bars", s.model_count);
    qb_figure_array(figure, "units", s.model_count);
    qb_figure_array(figure, "unit_names", s.model_count);
    for (size_t m = 0; m < s.model_count; m++) {
        const char *variant = fullest(result, &s, s.models[m]);
        char title[2 * QB_FIGURE_NAME + 4], model[QB_FIGURE_NAME], label[QB_FIGURE_NAME];
        size_t bars = 0;
        double floor[QB_FIGURE_FLOORS];
        qb_figure_short(figure, s.models[m], 19, model); /* two names share the title */
        qb_figure_short(figure, qb_figure_label(variant), QB_FIGURE_VARIANT_CHARS, label);
        snprintf(title, sizeof title, "%s: %s", model, label);
        qb_figure_set(figure, "titles", m + 1, title);
        double unit = set_unit(result, s.models[m], variant, figure, m);
        add_panel(result, s.models[m], variant, unit, figure, &bars, &n);
        qb_figure_set_number(figure, "bars", m + 1, (double)bars);
        qb_figure_floors(result, s.models[m], "teacher-forced", "kl_mean", floor);
        if (isfinite(floor[0]))
            qb_text_add(&floors, "%s%s %.2g nat", floors.size ? "; " : "", s.models[m], floor[0]);
    }
    qb_text_add(
        &figure->caption,
        "Where the loss comes from: mean KL(FP32 || variant) of each model's most composed variant (nat, linear, each "
        "panel its own range), taken apart over the full factorial of its parts into Shapley shares (a part's effect, "
        "averaged over all orders of adding the parts): weights rounded for storage (store), products computed on "
        "codes (domain), channel scale S, logit scale alpha, Q and K in FP16 (FP16). A bar starts where the one before "
        "ends; up: "
        "adds KL, down: mends; together they are the total; the numbers are the shares. Bars: 95%% cluster intervals "
        "of each share, drawn from "
        "its own start. n: up to %llu positions. Interactions are shared out and not drawn.",
        (unsigned long long)n);
    if (floors.size)
        qb_text_add(&figure->caption,
                    " A share no larger than what FP32 arithmetic in another order costs is hollow, not resolved; that "
                    "floor is too low to see on these axes: %s.",
                    floors.data);
    qb_selection_end(&s, figure);
    qb_text_free(&floors);
    return err->status;
}

const struct qb_figure_kind qb_figure_attribution = {"attribution", "Where the loss comes from", fill};
