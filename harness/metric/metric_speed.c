/* Metrics of `speed`. Repeats are interleaved: repeat r of the variant, of the reference and of the ceilings ran side
 * by side, so ratios are taken within a repeat and then their median, with its order-statistics interval. A second FP32
 * net runs beside them: FP32 over FP32 is 1, or the turns were not fair and what they measured is flagged. */
#include <math.h>
#include "base/mem.h"
#include "metric/parts.h"

/* Median over repeats of factor * over[r] / under[r] / under_too[r]; a NULL name stands for 1. */
static bool paired(const struct qb_record *record, double factor, const char *over, const char *under,
                   const char *under_too, struct qb_value *value)
{
    const struct qb_array *first = qb_record_get(record, under ? under : over, QB_F64, 1);
    size_t n = first ? first->count : 0;
    const double *a = over ? qb_shaped(record, over, QB_F64, n, 0) : NULL;
    const double *b = under ? qb_shaped(record, under, QB_F64, n, 0) : NULL;
    const double *c = under_too ? qb_shaped(record, under_too, QB_F64, n, 0) : NULL;
    if (n == 0 || (over && !a) || (under && !b) || (under_too && !c))
        return false;
    struct qb_error err = {0};
    double *x = qb_alloc(n, sizeof *x, "repeats", &err);
    if (!x)
        return qb_no_memory(value);
    for (size_t r = 0; r < n; r++)
        x[r] = factor * (a ? a[r] : 1) / (b ? b[r] : 1) / (c ? c[r] : 1);
    qb_median_value(value, x, n, "repeats");
    qb_free(x);
    return true;
}

/* amount / time of each repeat, `scale` units; absent where the amount is missing or 0 (nothing to decode). */
static bool rate(const struct qb_record *record, const char *amount, double scale, const char *time,
                 const char *ceiling, struct qb_value *value)
{
    double units;
    if (!qb_scalar(record, amount, &units) || units <= 0)
        return false;
    return paired(record, units / scale, NULL, time, ceiling, value);
}

/* A metric that is paired(...) or rate(...) of these. */
#define PAIRED(name, ...)                                                                                              \
    static bool name(const struct qb_record *record, struct qb_value *value)                                           \
    {                                                                                                                  \
        return paired(record, __VA_ARGS__, value);                                                                     \
    }
#define RATE(name, ...)                                                                                                \
    static bool name(const struct qb_record *record, struct qb_value *value)                                           \
    {                                                                                                                  \
        return rate(record, __VA_ARGS__, value);                                                                       \
    }

RATE(decode_tok_s, "decode_tokens", 1, "decode_s", NULL)
RATE(prefill_tok_s, "prefill_tokens", 1, "prefill_s", NULL)
RATE(reference_decode_tok_s, "decode_tokens", 1, "reference_decode_s", NULL)
RATE(reference_prefill_tok_s, "prefill_tokens", 1, "reference_prefill_s", NULL)
PAIRED(decode_overhead, 1, "decode_s", "reference_decode_s", NULL)
PAIRED(prefill_overhead, 1, "prefill_s", "reference_prefill_s", NULL)
PAIRED(self_decode_overhead, 1, "self_decode_s", "reference_decode_s", NULL)
PAIRED(self_prefill_overhead, 1, "self_prefill_s", "reference_prefill_s", NULL)
RATE(weight_decode_gbs, "weight_decode_bytes", 1e9, "weight_decode_s", NULL)
RATE(weight_encode_gbs, "weight_encode_bytes", 1e9, "weight_encode_s", NULL)

/* Both sides are measured next to each other in a repeat, so the machine's drift cancels. memcpy bounds no decoding: it
 * reads four bytes where a codec of 8-bit codes reads one. */
RATE(weight_decode_fraction, "weight_decode_bytes", 1e9, "weight_decode_s", "store_gbs")

/* The lookup is what an 8-bit codec does at best, and it slows down as a codec does: over eight runs of one program on
 * a shared machine, some of them throttled, this ratio varied by 2.2%, that to sgemm by 7.3%, that to memcpy by more.
 */
RATE(weight_decode_lookup_fraction, "weight_decode_bytes", 1e9, "weight_decode_s", "lookup_gbs")
PAIRED(lookup_gbs, 1, "lookup_gbs", NULL, NULL)
PAIRED(read_gbs, 1, "read_gbs", NULL, NULL)
PAIRED(store_gbs, 1, "store_gbs", NULL, NULL)
PAIRED(memcpy_gbs, 1, "memcpy_gbs", NULL, NULL)
PAIRED(sgemm_gflops, 1, "sgemm_gflops", NULL, NULL)

/* Positions that a decode step computes; 1 in files of older programs. */
static double step_rows(const struct qb_record *record)
{
    double rows;
    return qb_scalar(record, "step_rows", &rows) ? rows : 1;
}

/* (decode_bytes / seconds a step) / read bandwidth of as many bytes: 1 would be a decode that does nothing but read. */
static bool roofline_fraction(const struct qb_record *record, struct qb_value *value)
{
    double bytes, tokens;
    if (!qb_scalar(record, "decode_bytes", &bytes) || !qb_scalar(record, "decode_tokens", &tokens) || bytes <= 0 ||
        tokens <= 0)
        return false;
    if (step_rows(record) > 1)
        return qb_absent(value, "a token reads its whole sequence anew: it is no step that could be bound by reading");
    return paired(record, bytes * tokens / 1e9, NULL, "decode_s", "read_gbs", value);
}

/* ---- decoding behind a long context: the arrays of a depth have its name in theirs ---- */

/* The depth was asked for, and the model cannot have it. */
static bool out_of_depth(const struct qb_record *record, double depth, struct qb_value *value)
{
    double asked, most;
    if (!qb_scalar(record, "depth", &asked) || asked < depth || !qb_scalar(record, "depth_most", &most) ||
        most >= depth)
        return false;
    return most > 0 ? qb_absent(value, "the model has %.0f positions", most)
                    : qb_absent(value, "the model keeps no keys and values: there is no context to decode behind");
}

#define AT_DEPTH(id, depth)                                                                                            \
    static bool decode_tok_s_##id(const struct qb_record *record, struct qb_value *value)                              \
    {                                                                                                                  \
        return out_of_depth(record, depth, value) ||                                                                   \
               rate(record, "decode_tokens", 1, "decode_" #id "_s", NULL, value);                                      \
    }                                                                                                                  \
    static bool decode_overhead_##id(const struct qb_record *record, struct qb_value *value)                           \
    {                                                                                                                  \
        return out_of_depth(record, depth, value) ||                                                                   \
               paired(record, 1, "decode_" #id "_s", "reference_decode_" #id "_s", NULL, value);                       \
    }                                                                                                                  \
    static bool self_decode_overhead_##id(const struct qb_record *record, struct qb_value *value)                      \
    {                                                                                                                  \
        return out_of_depth(record, depth, value) ||                                                                   \
               paired(record, 1, "self_decode_" #id "_s", "reference_decode_" #id "_s", NULL, value);                  \
    }                                                                                                                  \
    static bool roofline_fraction_##id(const struct qb_record *record, struct qb_value *value)                         \
    {                                                                                                                  \
        double bytes, tokens;                                                                                          \
        if (out_of_depth(record, depth, value))                                                                        \
            return true;                                                                                               \
        return qb_scalar(record, "decode_" #id "_bytes", &bytes) && qb_scalar(record, "decode_tokens", &tokens) &&     \
               bytes > 0 && tokens > 0 &&                                                                              \
               paired(record, bytes * tokens / 1e9, NULL, "decode_" #id "_s", "read_" #id "_gbs", value);              \
    }
AT_DEPTH(512, 512)
AT_DEPTH(2k, 2048)
AT_DEPTH(8k, 8192)
AT_DEPTH(32k, 32768)

RATE(prefill_flop_fraction, "prefill_flop", 1e9, "prefill_s", "sgemm_gflops")

/* ---- how far a value can be read ---- */

typedef bool self_ratio(const struct qb_record *record, struct qb_value *value);

/* The interval of the median self-ratio holds 1 in at least 95% of fair runs (96.1% at 12 repeats), whatever their
 * spread: one fair pass in 20 is flagged at most. An interval that holds 1 may still be wide: with `always` the note
 * says what is known of the turns where they are not found unfair, too. */
static void check_self(self_ratio *self, const char *what, bool always, const struct qb_record *record,
                       struct qb_value *value)
{
    struct qb_value ratio = {0};
    if (!qb_value_there(value->flags) || !self(record, &ratio))
        return;
    if (ratio.flags & QB_FLAG_NO_INTERVAL || isnan(ratio.lo)) {
        qb_note(value, "the turns are unchecked: FP32 over FP32 has no interval");
        return;
    }
    bool biased = ratio.lo > 1 || ratio.hi < 1;
    value->flags |= biased ? QB_FLAG_BIASED : 0;
    if (biased)
        qb_note(value, "biased: %s of FP32 over FP32 is %.3f [%.3f, %.3f]", what, ratio.value, ratio.lo, ratio.hi);
    else if (always)
        qb_note(value, "FP32 over FP32 here %.3f [%.3f, %.3f]", ratio.value, ratio.lo, ratio.hi);
}

static void remark_step(const struct qb_record *record, struct qb_value *value)
{
    if (step_rows(record) > 1 && qb_value_there(value->flags))
        qb_note(value, "a token reads its whole sequence of %.0f anew", step_rows(record));
}

static void remark_decode(const struct qb_record *record, struct qb_value *value)
{
    check_self(self_decode_overhead, "decode", false, record, value);
    remark_step(record, value);
}

static void remark_prefill(const struct qb_record *record, struct qb_value *value)
{
    check_self(self_prefill_overhead, "prefill", false, record, value);
}

/* An overhead is read against 1: what FP32 itself came to in its place, and whether the two can be told apart. */
static void remark_overhead(self_ratio *self, const char *what, const struct qb_record *record, struct qb_value *value)
{
    double held = 1;
    if (value->lo <= 1 && value->hi >= 1) /* false without an interval */
        qb_note(value, "no difference from 1 can be seen");
    if (qb_scalar(record, "held", &held) && held < 1 && qb_value_there(value->flags))
        qb_note(value, "against an FP32 that decodes the file's weights at every product");
    check_self(self, what, true, record, value);
}

static void remark_decode_overhead(const struct qb_record *record, struct qb_value *value)
{
    remark_overhead(self_decode_overhead, "decode", record, value);
    remark_step(record, value);
}

static void remark_prefill_overhead(const struct qb_record *record, struct qb_value *value)
{
    remark_overhead(self_prefill_overhead, "prefill", record, value);
}

/* A ceiling that is passed is none: it was disturbed, or what it stands for does more than the work it bounds. */
static void remark_share(const struct qb_record *record, struct qb_value *value)
{
    (void)record;
    if (value->value > 1)
        qb_note(value, "over 1: faster than its ceiling, which is none here");
}

static void remark_decode_share(const struct qb_record *record, struct qb_value *value)
{
    remark_decode(record, value);
    remark_share(record, value);
}

static void remark_prefill_share(const struct qb_record *record, struct qb_value *value)
{
    remark_prefill(record, value);
    remark_share(record, value);
}

#define REMARKS_AT_DEPTH(id)                                                                                           \
    static void remark_decode_##id(const struct qb_record *record, struct qb_value *value)                             \
    {                                                                                                                  \
        check_self(self_decode_overhead_##id, "decode", false, record, value);                                         \
    }                                                                                                                  \
    static void remark_decode_overhead_##id(const struct qb_record *record, struct qb_value *value)                    \
    {                                                                                                                  \
        remark_overhead(self_decode_overhead_##id, "decode", record, value);                                           \
    }                                                                                                                  \
    static void remark_decode_share_##id(const struct qb_record *record, struct qb_value *value)                       \
    {                                                                                                                  \
        remark_decode_##id(record, value);                                                                             \
        remark_share(record, value);                                                                                   \
    }
REMARKS_AT_DEPTH(512)
REMARKS_AT_DEPTH(2k)
REMARKS_AT_DEPTH(8k)
REMARKS_AT_DEPTH(32k)

#define METRICS_AT_DEPTH(id, positions)                                                                                \
    {.name = "decode_tok_s_" #id,                                                                                      \
     .experiment = "speed",                                                                                            \
     .unit = "tok/s",                                                                                                  \
     .direction = QB_HIGHER_IS_BETTER,                                                                                 \
     .description = "tokens a second, one at a time, the last of " positions " positions",                             \
     .compute = decode_tok_s_##id,                                                                                     \
     .remark = remark_decode_##id},                                                                                    \
        {.name = "decode_overhead_" #id,                                                                               \
         .experiment = "speed",                                                                                        \
         .unit = "ratio",                                                                                              \
         .direction = QB_LOWER_IS_BETTER,                                                                              \
         .description = "decode time over FP32's, the last of " positions " positions, paired by repeat",              \
         .compute = decode_overhead_##id,                                                                              \
         .remark = remark_decode_overhead_##id,                                                                        \
         .has_identity = true,                                                                                         \
         .identity = 1},                                                                                               \
        {.name = "self_decode_overhead_" #id,                                                                          \
         .experiment = "speed",                                                                                        \
         .unit = "ratio",                                                                                              \
         .direction = QB_NEUTRAL,                                                                                      \
         .description = "the same of a second FP32 net: 1 when the turns are fair",                                    \
         .compute = self_decode_overhead_##id,                                                                         \
         .remark = remark_decode_##id,                                                                                 \
         .has_identity = true,                                                                                         \
         .identity = 1},                                                                                               \
    {                                                                                                                  \
        .name = "roofline_fraction_" #id, .experiment = "speed", .unit = "ratio", .direction = QB_HIGHER_IS_BETTER,    \
        .description = "bytes of weights, keys and values read a step at " positions                                   \
                       " positions over its time, as a share of the read rate",                                        \
        .compute = roofline_fraction_##id, .remark = remark_decode_share_##id                                          \
    }

const struct qb_metric qb_metrics_speed[] = {
    {.name = "decode_tok_s",
     .experiment = "speed",
     .unit = "tok/s",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "tokens a second, one at a time",
     .compute = decode_tok_s,
     .remark = remark_decode},
    {.name = "prefill_tok_s",
     .experiment = "speed",
     .unit = "tok/s",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "prompt tokens a second",
     .compute = prefill_tok_s,
     .remark = remark_prefill},
    {.name = "decode_overhead",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "decode time over FP32's, paired by repeat in the same process",
     .compute = decode_overhead,
     .remark = remark_decode_overhead,
     .has_identity = true,
     .identity = 1},
    {.name = "prefill_overhead",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_LOWER_IS_BETTER,
     .description = "prefill time over FP32's, paired by repeat",
     .compute = prefill_overhead,
     .remark = remark_prefill_overhead,
     .has_identity = true,
     .identity = 1},
    {.name = "self_decode_overhead",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_NEUTRAL,
     .description = "decode time of a second FP32 net over FP32's, paired by repeat: 1 when the turns are fair",
     .compute = self_decode_overhead,
     .remark = remark_decode,
     .has_identity = true,
     .identity = 1},
    {.name = "self_prefill_overhead",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_NEUTRAL,
     .description = "prefill time of a second FP32 net over FP32's, paired by repeat: 1 when the turns are fair",
     .compute = self_prefill_overhead,
     .remark = remark_prefill,
     .has_identity = true,
     .identity = 1},
    {.name = "roofline_fraction",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "stored bytes read a decode step over its time, as a share of read_gbs",
     .compute = roofline_fraction,
     .remark = remark_decode_share},
    {.name = "prefill_flop_fraction",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "prefill's floating-point rate as a share of sgemm_gflops",
     .compute = prefill_flop_fraction,
     .remark = remark_prefill_share},
    {.name = "weight_decode_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "FP32 bytes that decoding all weights writes a second",
     .compute = weight_decode_gbs},
    {.name = "weight_decode_fraction",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "weight_decode_gbs as a share of store_gbs, paired by repeat",
     .compute = weight_decode_fraction,
     .remark = remark_share},
    {.name = "weight_decode_lookup_fraction",
     .experiment = "speed",
     .unit = "ratio",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "weight_decode_gbs as a share of a plain table lookup's rate in the same run",
     .compute = weight_decode_lookup_fraction},
    {.name = "weight_encode_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_HIGHER_IS_BETTER,
     .description = "FP32 bytes of weights that are encoded a second, one thread, on rows of the largest matrix",
     .compute = weight_encode_gbs},
    {.name = "reference_decode_tok_s",
     .experiment = "speed",
     .unit = "tok/s",
     .direction = QB_NEUTRAL,
     .description = "decode_tok_s of FP32",
     .compute = reference_decode_tok_s,
     .remark = remark_decode},
    {.name = "reference_prefill_tok_s",
     .experiment = "speed",
     .unit = "tok/s",
     .direction = QB_NEUTRAL,
     .description = "prefill_tok_s of FP32",
     .compute = reference_prefill_tok_s,
     .remark = remark_prefill},
    {.name = "read_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_NEUTRAL,
     .description = "reading as many bytes as a decode step does (at most 256 MiB), same run: the ceiling of decode",
     .compute = read_gbs},
    {.name = "store_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_NEUTRAL,
     .description = "writing what decoding writes, into as much room, same run: the ceiling of weight_decode_gbs",
     .compute = store_gbs},
    {.name = "memcpy_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_NEUTRAL,
     .description = "copying into as much room as decoding writes to, from as many bytes as are stored, same run",
     .compute = memcpy_gbs},
    {.name = "lookup_gbs",
     .experiment = "speed",
     .unit = "GB/s",
     .direction = QB_NEUTRAL,
     .description =
         "FP32 bytes written by looking 8-bit codes up in a table of 256, same run: the yardstick of decoding",
     .compute = lookup_gbs},
    {.name = "sgemm_gflops",
     .experiment = "speed",
     .unit = "GFLOP/s",
     .direction = QB_NEUTRAL,
     .description = "FP32 rate of a prefill's products alone, same run: the ceiling of prefill",
     .compute = sgemm_gflops},
    METRICS_AT_DEPTH(512, "512"),
    METRICS_AT_DEPTH(2k, "2,048"),
    METRICS_AT_DEPTH(8k, "8,192"),
    METRICS_AT_DEPTH(32k, "32,768"),
    {0},
};
