/* hqq: integers times a scale with a float32 zero point, found by HQQ's half-quadratic iteration. */
#include "affine.h"

enum { SCOPE, BITS };
enum { ROUNDS = 20 };

static float highest(const struct affine *affine)
{
    return (float)((1 << affine->bits) - 1);
}

/* HQQ's own scale counts codes a unit: the inverse of what is stored. */
static float code_under(const struct affine *affine, float inverse, float zero, float x)
{
    const float t = x * inverse + zero, top = highest(affine);
    return affine_round(t < 0 ? 0 : t > top ? top : t);
}

static void codes_of(const struct affine *affine, struct affine_fit fit, const float *x, size_t n, unsigned char *codes)
{
    for (size_t i = 0; i < n; i++)
        codes[i] = (unsigned char)code_under(affine, fit.inverse, fit.zero, x[i]);
}

/* Shrinks an error to what an l_p norm with p = 0.7 leaves of it. */
static float shrink(float error, float weight)
{
    const float magnitude = fabsf(error);
    const float left = magnitude - weight * (float)pow((double)magnitude, 0.7 - 1);
    return left > 0 ? copysignf(left, error) : 0;
}

static bool fit_zero(const struct affine *affine, const float *x, size_t n, struct affine_fit *fit)
{
    float low = x[0], high = x[0];
    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float range = high - low;
    if (!isfinite(range))
        return false;
    const float inverse = range <= 1e-4f ? 1 : fminf(highest(affine) / range, 2e4f);
    if (!isfinite(1 / inverse))
        return false;
    float zero = -low * inverse;
    if (affine->bits == 4 && fabsf(zero) < 0x1p22f)
        zero = affine_round(zero);
    double beta = 10, best = 1e4;
    for (int round = 0; round < ROUNDS; round++, beta *= 1.01) {
        double error = 0, sum = 0;
        for (size_t i = 0; i < n; i++) {
            const float q = code_under(affine, inverse, zero, x[i]);
            const float rest = x[i] - (q - zero) / inverse;
            error += (double)fabsf(rest);
            sum += (double)(q - (x[i] - shrink(rest, (float)(1 / beta))) * inverse);
        }
        zero = (float)(sum / (double)n);
        if (!(error / (double)n < best))
            break;
        best = error / (double)n;
    }
    *fit = (struct affine_fit){.scale = 1 / inverse, .inverse = inverse, .zero = zero};
    return isfinite(zero);
}

static struct affine describe(const struct qb_codec_config *config)
{
    return (struct affine){.scope = config->options[SCOPE].scope,
                           .bits = (unsigned)config->options[BITS].i,
                           .zero = AFFINE_FLOAT,
                           .fit = fit_zero,
                           .codes = codes_of};
}

static const struct qb_codec_option options[] = {
    [SCOPE] = QB_SCOPE_OPTION("group:64"),
    [BITS] = {.name = "bits", .type = QB_OPTION_INT, .default_value = "4", .min = 2, .max = 8, .help = "of a code"},
    {.name = NULL},
};

AFFINE_CODEC(
    describe, .id = "hqq", .version = "1",
    .summary =
        "HQQ, integers under a scale and a float32 zero point of half-quadratic fit for 64 values: 5 bits a weight",
    .flags = QB_CODEC_RESCALES, .options = options,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.11, .floor_fraction = 0.5, .absolute_error = 0.065, .bias = 0.0029, .sqnr_db = 21})
