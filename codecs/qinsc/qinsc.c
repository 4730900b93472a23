/* qinsc: sign and logarithm of the magnitude, over some octaves under the greatest magnitude of a scope. Code 1 is that
 * magnitude, higher codes are lower, geometric first and, as an option, equally spaced near zero; code 0, as an option,
 * is zero. */
#include "codec_scaled.h"

enum { SCOPE, LEVELS, OCTAVES, LINEAR, ZERO, RANGE, FIT };
enum { FP32, FP16, BF16 };
enum { CLOSE = 8 };                           /* |x| / a is rounded to a float for the tables, and is a double below */
enum { HALVES_LEAST = 2, HALVES_MOST = 128 }; /* octaves that `fit` tries are counted in halves */

/* The magnitudes under a scale of 1, for one number of octaves. */
struct range {
    struct qb_levels levels; /* without edges: codes are computed */
    unsigned count;          /* N */
    unsigned linear;         /* L */
    double octaves;          /* K */
    double low;              /* 2^-K */
    bool zero;
};

/* T[c] = float32(2^(-K (c - 1) / (N - L - 1))) down to 2^-K, then float32(2^-K (L + 1 - j) / (L + 1)), j = 1 ... L. */
static void fill(struct range *range)
{
    const unsigned last = range->count - range->linear; /* the code of 2^-K */
    range->low = exp2(-range->octaves);
    qb_levels_begin(&range->levels, range->count == 127 ? 0x80 : 0x100, false);
    if (range->zero)
        qb_levels_add(&range->levels, 0, 0, 0);
    for (unsigned c = 1; c <= last; c++)
        qb_levels_add(&range->levels, 0, c, (float)exp2(-range->octaves * (c - 1) / (last - 1)));
    for (unsigned j = 1; j <= range->linear; j++)
        qb_levels_add(&range->levels, 0, last + j, (float)(range->low * (range->linear + 1 - j) / (range->linear + 1)));
}

static inline double nearest(double x) /* integer, ties to even */
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* The code of a magnitude under a > 0; depth = log2(a / magnitude), infinite for 0. */
static inline unsigned code_at(const struct range *range, double a, double magnitude, double depth)
{
    const unsigned last = range->count - range->linear;
    const double low = a * range->low;
    if (magnitude < low && (range->linear > 0 || range->zero)) {
        const unsigned left = (unsigned)nearest(magnitude / low * (range->linear + 1));
        return left > 0 ? last + (range->linear + 1 - left) : range->zero ? 0 : range->count;
    }
    const double steps = last - 1, c = depth * steps / range->octaves;
    return 1 + (unsigned)nearest(c < 0 ? 0 : c < steps ? c : steps);
}

static inline unsigned lowest(const struct range *range)
{
    return range->zero ? 0 : range->count;
}

static void code(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    const struct range *range = (const struct range *)scaled->levels; /* its first field */
    const double a = (double)scale;
    for (size_t i = 0; i < n; i++) {
        const double magnitude = fabs((double)x[i]);
        const unsigned whole = a > 0 ? code_at(range, a, magnitude, log2(a / magnitude)) : lowest(range);
        codes[i] = (uint16_t)(whole | (signbit(x[i]) ? scaled->levels->sign : 0));
    }
}

/* Of the options and so many halves of an octave; 0: of as many octaves as the option says. Kept for this thread's next
 * calls, which mostly have the same options. */
static const struct range *range_of(const union qb_option_value *options, unsigned halves)
{
    static _Thread_local struct range kept[HALVES_MOST + 1];
    static _Thread_local struct qb_tables tables; /* of kept[0] */
    struct range *range = &kept[halves];
    const struct range due = {.count = options[LEVELS].i == 0 ? 127 : 254,
                              .linear = (unsigned)options[LINEAR].i,
                              .octaves = halves ? 0.5 * halves : options[OCTAVES].f,
                              .zero = options[ZERO].i};
    if (range->count == due.count && range->linear == due.linear && range->octaves == due.octaves &&
        range->zero == due.zero)
        return range;
    *range = due;
    fill(range);
    if (halves == 0)
        qb_levels_find(&range->levels, code, CLOSE, &tables);
    return range;
}

/* ---- what is stored for a scope: a, and behind all of these, with `fit`, a byte: the octaves in halves ---- */

static size_t width(const struct qb_scaled *scaled)
{
    const union qb_option_value *options = scaled->own;
    return options[RANGE].i == FP32 ? sizeof(float) : sizeof(uint16_t);
}

static bool fits(const struct qb_scaled *scaled)
{
    const union qb_option_value *options = scaled->own;
    return options[FIT].i;
}

static size_t scale_bytes(const struct qb_scaled *scaled)
{
    return scaled->scopes.count * (width(scaled) + fits(scaled));
}

/* To the nearest, ties to even, and no further than the greatest that is finite. */
static void store(const struct qb_scaled *scaled, float a, unsigned char *place)
{
    const union qb_option_value *options = scaled->own;
    uint32_t word;
    memcpy(&word, &a, sizeof word);
    if (options[RANGE].i == FP32) {
        memcpy(place, &a, sizeof a);
        return;
    }
    word = options[RANGE].i == FP16 ? qb_half_of(a) : (word + 0x7fff + (word >> 16 & 1)) >> 16;
    const uint32_t most = options[RANGE].i == FP16 ? 0x7bff : 0x7f7f;
    const uint16_t half = (uint16_t)(word < most ? word : most);
    memcpy(place, &half, sizeof half);
}

/* NaN: no encode stores that. */
static float stored(const struct qb_scaled *scaled, const unsigned char *place)
{
    const union qb_option_value *options = scaled->own;
    float a;
    uint16_t half;
    if (options[RANGE].i == FP32) {
        memcpy(&a, place, sizeof a);
    } else if (options[RANGE].i == FP16) {
        a = qb_half_read(place, &a) ? a : NAN;
    } else {
        memcpy(&half, place, sizeof half);
        const uint32_t word = (uint32_t)half << 16;
        memcpy(&a, &word, sizeof a);
    }
    return signbit(a) || !isfinite(a) ? NAN : a;
}

static unsigned most_halves(const struct qb_scaled *scaled)
{
    const union qb_option_value *options = scaled->own;
    return (unsigned)(2 * options[OCTAVES].f);
}

/* The halves of an octave, from 2 to twice the option, under which the squared error is least; the fewest of equal
 * ones. */
static unsigned fit(const struct qb_scaled *scaled, float scale, const float *x, size_t n)
{
    const unsigned most = most_halves(scaled);
    const double a = (double)scale;
    double error[HALVES_MOST + 1] = {0};
    unsigned best = HALVES_LEAST;
    for (size_t i = 0; a > 0 && i < n; i++) {
        const double magnitude = fabs((double)x[i]), depth = log2(a / magnitude);
        for (unsigned halves = HALVES_LEAST; halves <= most; halves++) {
            const struct range *range = range_of(scaled->own, halves);
            const float value = scale * range->levels.value[code_at(range, a, magnitude, depth)];
            error[halves] += (magnitude - (double)value) * (magnitude - (double)value);
        }
    }
    for (unsigned halves = HALVES_LEAST + 1; halves <= most; halves++)
        best = error[halves] < error[best] ? halves : best;
    return best;
}

static void learn(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count, const float *x,
                  unsigned char *out)
{
    const struct qb_scopes *scopes = &scaled->scopes;
    struct qb_span span = qb_scopes_from(scopes, row);
    size_t scope;
    (void)pass;
    while (qb_next_scope(scopes, row + count, &span, &scope)) {
        const float *from = x + (span.first - row * scaled->cols);
        unsigned char *place = out + scope * width(scaled);
        float a = qb_amax(scaled->isa, from, span.size);
        if (scopes->tall > 1 && span.first > 0) /* rounding keeps the order, so the greatest of rounded ones will do */
            a = fmaxf(a, stored(scaled, place));
        store(scaled, a, place);
        if (fits(scaled)) /* each scope lies in one row */
            out[scopes->count * width(scaled) + scope] =
                (unsigned char)fit(scaled, stored(scaled, place), from, span.size);
    }
}

static size_t load(const struct qb_scaled *scaled, const unsigned char *in, size_t scope, float *scale)
{
    const size_t at = scope * width(scaled), octaves = scaled->scopes.count * width(scaled) + scope;
    *scale = stored(scaled, in + at);
    if (isnan(*scale))
        return at;
    return fits(scaled) && (in[octaves] < HALVES_LEAST || in[octaves] > most_halves(scaled)) ? octaves : SIZE_MAX;
}

static const struct qb_levels *fitted(const struct qb_scaled *scaled, const unsigned char *in, size_t scope)
{
    const unsigned halves = fits(scaled) ? in[scaled->scopes.count * width(scaled) + scope] : 0;
    return &range_of(scaled->own, halves)->levels;
}

/* A fitted scope has levels of its own, and no product reads BF16 scales. */
static enum qb_layout_scale read_as(const struct qb_scaled *scaled)
{
    const union qb_option_value *options = scaled->own;
    return fits(scaled) || options[RANGE].i == BF16 ? QB_LAYOUT_SCALE_NONE
           : options[RANGE].i == FP16               ? QB_LAYOUT_SCALE_HALF
                                                    : QB_LAYOUT_SCALE_FLOAT;
}

static const struct qb_scales scales = {
    .passes = 1, .bytes = scale_bytes, .learn = learn, .load = load, .levels = fitted, .read = read_as};

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    const union qb_option_value *set = config->options;
    const struct range *range = range_of(set, 0);
    return (struct qb_scaled){.scope = set[SCOPE].scope,
                              .bits = range->count == 127 ? 8 : 9,
                              .kind = QB_SCALE_AMAX,
                              .levels = &range->levels,
                              .scales = &scales,
                              .code = code,
                              .own = set,
                              .unsupported =
                                  set[FIT].i && set[SCOPE].scope.kind == QB_SCOPE_TENSOR
                                      ? "fit: mse takes scope row or group:N; of a whole tensor choose octaves"
                                      : NULL};
}

static void prepare(void)
{
}

static const struct qb_codec_option options[] = {
    [SCOPE] = QB_SCOPE_OPTION("row"),
    [LEVELS] = {.name = "levels",
                .type = QB_OPTION_CHOICE,
                .default_value = "127",
                .choices = "127|254",
                .help = "magnitudes: 127, 8 bits a weight with the sign, or 254, 9 bits"},
    [OCTAVES] = {.name = "octaves",
                 .type = QB_OPTION_FLOAT,
                 .default_value = "7",
                 .min = 1,
                 .max = 64,
                 .help =
                     "how far the geometric magnitudes reach under the greatest, in powers of two; with fit the most"},
    [LINEAR] = {.name = "linear",
                .type = QB_OPTION_INT,
                .default_value = "0",
                .min = 0,
                .max = 125,
                .help = "how many of the magnitudes are equally spaced between the geometric ones and zero"},
    [ZERO] = {.name = "zero",
              .type = QB_OPTION_BOOL,
              .default_value = "false",
              .help = "whether code 0 is zero, for magnitudes up to half of the lowest"},
    [RANGE] = {.name = "range",
               .type = QB_OPTION_CHOICE,
               .default_value = "fp32",
               .choices = "fp32|fp16|bf16",
               .help = "as what the greatest magnitude of a scope is stored"},
    [FIT] = {.name = "fit",
             .type = QB_OPTION_CHOICE,
             .default_value = "none",
             .choices = "none|mse",
             .help = "mse: each row's or group's own octaves, in halves, of the least squared error: a byte more"},
    {.name = NULL},
};

QB_SCALED_CODEC(
    prepare, describe, 2, .id = "qinsc", .version = "1",
    .summary = "sign and log magnitude over some octaves under the greatest: 8 or 9 bits a weight and the scales",
    .flags = QB_CODEC_RESCALES, .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.02, .floor_fraction = 0.5, .absolute_error = 0.014, .bias = 0.00055, .sqnr_db = 39})
