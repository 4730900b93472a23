/* Metrics of `memory` along a generation and within a budget. */
#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

/* The reason that a text array of one line gives, or NULL. */
static const char *reason(const struct qb_record *record, const char *name)
{
    const struct qb_array *note = qb_record_get(record, name, QB_TEXT, 1);
    return note && note->count == 1 ? ((char *const *)note->data)[0] : NULL;
}

/* ---- along a generation ---- */

struct series {
    size_t n;
    const int64_t *position, *cache, *scratch, *rss;
    double block, pages; /* positions that are encoded at once; bytes of the pages that pieces may have begun */
};

static bool series(const struct qb_record *record, struct series *s)
{
    const struct qb_array *position = qb_record_get(record, "generation_position", QB_I64, 1);
    s->n = position ? position->count : 0;
    s->position = qb_shaped(record, "generation_position", QB_I64, s->n, 0);
    s->cache = qb_shaped(record, "generation_cache_bytes", QB_I64, s->n, 0);
    s->scratch = qb_shaped(record, "generation_scratch_bytes", QB_I64, s->n, 0);
    s->rss = qb_shaped(record, "generation_rss", QB_I64, s->n, 0);
    return s->position && s->cache && s->scratch && s->rss && qb_scalar(record, "generation_block", &s->block) &&
           s->block >= 1 && qb_scalar(record, "generation_page_bytes", &s->pages);
}

/* The cache's growth between the first and the last sample of the second half whose blocks are all full. */
static bool memory_growth(const struct qb_record *record, struct qb_value *value)
{
    struct series s;
    const char *why = reason(record, "generation_note");
    size_t first = SIZE_MAX, last = 0;
    if (why)
        return qb_absent(value, "%s", why);
    if (!series(record, &s))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.position[i] % (int64_t)s.block == 0 && 2 * s.position[i] >= s.position[s.n - 1]) {
            first = first == SIZE_MAX ? i : first;
            last = i;
        }
    if (last <= first)
        return qb_absent(value,
                         "no two samples of the second half are at full blocks of %.0f positions: `every` is to be a "
                         "multiple of it, and `steps` 4 times as long",
                         s.block);
    return qb_exact(value, (double)(s.cache[last] - s.cache[first]) / (double)(s.position[last] - s.position[first]),
                    2);
}

/* How much the resident set less what `counted` says of it grew a token, over those intervals between samples, the
 * first left out, in which working memory stayed as it was: where it is made anew, the heap keeps or fills holes. */
static bool growth(const struct qb_record *record, bool less_cache, struct qb_value *value, double *known_to)
{
    enum { LEAST = 3 };
    struct series s;
    const char *why = reason(record, "generation_note");
    double bytes = 0, tokens = 0, runs = 0;
    size_t intervals = 0;
    if (why)
        return qb_absent(value, "%s", why);
    if (!series(record, &s))
        return false;
    for (size_t i = 2; i < s.n; i++) {
        if (s.rss[i] <= 0 || s.rss[i - 1] <= 0)
            return qb_absent(value, "the system does not tell how much memory the process has");
        if (s.scratch[i] != s.scratch[i - 1])
            continue;
        bytes += (double)(s.rss[i] - s.rss[i - 1]) - (less_cache ? (double)(s.cache[i] - s.cache[i - 1]) : 0);
        tokens += (double)(s.position[i] - s.position[i - 1]);
        runs += i == 2 || s.scratch[i - 1] != s.scratch[i - 2];
        intervals++;
    }
    if (intervals < LEAST || tokens <= 0)
        return qb_absent(value,
                         "in %zu intervals between samples working memory stayed as it was, at least %d are needed",
                         intervals, LEAST);
    *known_to = runs * s.pages / tokens;
    value->value = bytes / tokens;
    value->n = intervals;
    qb_no_interval(value, "one generation; whole pages come: known to %.3g bytes a token", *known_to);
    return true;
}

static bool memory_growth_measured(const struct qb_record *record, struct qb_value *value)
{
    double known_to;
    return growth(record, false, value, &known_to);
}

static bool memory_growth_beyond(const struct qb_record *record, struct qb_value *value)
{
    double known_to = 0;
    if (!growth(record, true, value, &known_to))
        return false;
    if (!(value->flags & QB_FLAG_ABSENT))
        qb_note(value, value->value > known_to ? "more than that: something grows that is not counted"
                                               : "no growth beyond what is counted is seen");
    return true;
}

/* ---- within a budget ---- */

enum { CONTEXT, BATCH, ROWS };

struct budget {
    const int64_t *batch, *context, *cache, *working, *next, *peak;
    const char *note[ROWS];
    double bytes, weights, block, model_context, trained;
};

static bool read_budget(const struct qb_record *record, struct budget *b)
{
    const struct qb_array *note = qb_record_get(record, "budget_note", QB_TEXT, 1);
    struct {
        const char *name;
        const int64_t **data;
    } arrays[] = {{"budget_batch", &b->batch},     {"budget_context", &b->context}, {"budget_cache", &b->cache},
                  {"budget_working", &b->working}, {"budget_next", &b->next},       {"budget_peak", &b->peak}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (!(*arrays[i].data = qb_shaped(record, arrays[i].name, QB_I64, ROWS, 0)))
            return false;
    for (size_t r = 0; note && r < ROWS && r < note->count; r++)
        b->note[r] = ((char *const *)note->data)[r];
    return note && note->count == ROWS && qb_scalar(record, "budget_bytes", &b->bytes) &&
           qb_scalar(record, "budget_weight_bytes", &b->weights) && qb_scalar(record, "budget_block", &b->block) &&
           qb_scalar(record, "budget_model_context", &b->model_context) &&
           qb_scalar(record, "budget_trained_context", &b->trained);
}

static bool too_small(const struct budget *b, size_t row, struct qb_value *value)
{
    if (b->weights > b->bytes)
        return qb_absent(value, "the weights alone take %.0f bytes, over the budget of %.0f", b->weights, b->bytes);
    return qb_absent(value,
                     "weights, and cache and working memory of the least %s, take %.0f bytes, over the budget of "
                     "%.0f",
                     row == CONTEXT ? "context" : "batch", (double)b->next[row], b->bytes);
}

/* What is beside the value: that it is within the budget and the next is not, and what the run showed. */
static void say_count(const struct budget *b, size_t row, struct qb_value *value)
{
    qb_note(value, "%.0f of %.0f bytes", b->weights + (double)b->cache[row] + (double)b->working[row], b->bytes);
    if (b->next[row] > 0)
        qb_note(value, "%.0f with %.0f more", (double)b->next[row], row == CONTEXT ? b->block : 1);
    if (*b->note[row])
        qb_note(value, "%s", b->note[row]);
    else
        qb_note(value, "run at its end: peak RSS %.0f", (double)b->peak[row]);
}

/* False: there is no budget to read, and the metric is *given: absent, for the reason that is recorded, or not at all.
 */
static bool open_budget(const struct qb_record *record, struct budget *b, struct qb_value *value, bool *given)
{
    const char *why = reason(record, "budget_none");
    *given = why && qb_absent(value, "%s", why);
    return !why && read_budget(record, b);
}

static bool context_at_budget(const struct qb_record *record, struct qb_value *value)
{
    struct budget b = {0};
    bool given;
    if (!open_budget(record, &b, value, &given))
        return given;
    if (b.context[CONTEXT] <= 0)
        return too_small(&b, CONTEXT, value);
    const double context = (double)b.context[CONTEXT];
    if (b.next[CONTEXT] == 0 && b.model_context <= 0)
        return qb_absent(value, "%.0f positions fit, more were not looked at", context);
    qb_exact(value, context, 1);
    if (b.next[CONTEXT] == 0)
        qb_note(value, "all that the model has");
    if (b.trained > 0 && context > b.trained)
        qb_note(value, "trained for %.0f", b.trained);
    say_count(&b, CONTEXT, value);
    return true;
}

static bool batch_at_budget(const struct qb_record *record, struct qb_value *value)
{
    struct budget b = {0};
    bool given;
    if (!open_budget(record, &b, value, &given))
        return given;
    if (b.context[BATCH] <= 0)
        return qb_absent(value, "%s", b.note[BATCH]);
    if (b.batch[BATCH] <= 0)
        return too_small(&b, BATCH, value);
    if (b.next[BATCH] == 0)
        return qb_absent(value, "%.0f sequences fit, more were not looked at", (double)b.batch[BATCH]);
    qb_exact(value, (double)b.batch[BATCH], 1);
    qb_note(value, "of %.0f positions each", (double)b.context[BATCH]);
    say_count(&b, BATCH, value);
    return true;
}

static bool budget_peak_rss_bytes(const struct qb_record *record, struct qb_value *value)
{
    struct budget b = {0};
    bool given;
    if (!open_budget(record, &b, value, &given))
        return given;
    value->value = 0;
    for (size_t r = 0; r < ROWS; r++) {
        value->value = (double)b.peak[r] > value->value ? (double)b.peak[r] : value->value;
        value->n += b.peak[r] > 0;
    }
    if (value->n == 0)
        return qb_absent(value, "context %s; batch %s", b.note[CONTEXT], b.note[BATCH]);
    qb_no_interval(value, "the larger of %d run%s", (int)value->n, value->n == 1 ? "" : "s");
    if (value->value > b.bytes)
        qb_note(value, "%.2g%% over the budget of %.0f, which does not count the program itself",
                100 * (value->value / b.bytes - 1), b.bytes);
    else
        qb_note(value, "within the budget of %.0f", b.bytes);
    return true;
}

#define OF(id, in, good, says)                                                                                         \
    {                                                                                                                  \
        .name = #id, .experiment = "memory", .unit = in, .direction = good, .description = says, .compute = id         \
    }
const struct qb_metric qb_metrics_memory_growth[] = {
    OF(memory_growth, "bytes/token", QB_LOWER_IS_BETTER, "growth of the KV cache along a generation, counted"),
    OF(memory_growth_measured, "bytes/token", QB_LOWER_IS_BETTER,
       "growth of the resident set along it, where working memory stays as it is"),
    OF(memory_growth_beyond, "bytes/token", QB_LOWER_IS_BETTER,
       "that growth less the cache's: what grows and is not counted"),
    OF(context_at_budget, "positions", QB_HIGHER_IS_BETTER,
       "largest context of one sequence whose weights, cache and working memory are within the budget"),
    OF(batch_at_budget, "sequences", QB_HIGHER_IS_BETTER,
       "largest batch at a context whose weights, cache and working memory are within the budget"),
    OF(budget_peak_rss_bytes, "bytes", QB_LOWER_IS_BETTER, "largest resident set of the runs at these"),
    {0},
};
