/* linearity: is decode(encode(.)) linear up to its own rounding, and are the bare coordinates? Additivity and
 * homogeneity apart. The documents' test (root cause analysis, "Test for linearity") with the yardstick that it lacks:
 * every quantizer fails |Q(x+y) - Q(x) - Q(y)| == 0 by its rounding alone. */
#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "common.h"

enum { OPTION_TRIALS, OPTION_LENGTH };
static const struct qb_codec_option options[] = {
    {"trials", QB_OPTION_INT, "200", 1, 1000000, NULL, "vector pairs"},
    {"length", QB_OPTION_INT, "1024", 2, 1048576, NULL, "elements of a vector (standard normal entries)"},
    {0}};

static const char *skip(const struct qb_cell_env *env)
{
    return env->variant->encoded ? NULL : "the variant encodes no weights";
}

/* The format whose linearity matters to the variant: that of the activations where these are encoded. */
static const struct qb_format *format_of(const struct qb_variant *v)
{
    return v->activations.plugin ? &v->activations : &v->weights;
}

struct work {
    const struct qb_format *format;
    size_t n, bytes;
    void *encoded;
    float *x[4]; /* x, y, x + y, a x */
    float *q[4]; /* decoded */
    float *c[4]; /* coordinates, mapped to values by the best single factor of each vector */
    bool coordinates;
};

static enum qb_status work_open(const struct qb_cell_env *env, struct work *w, struct qb_error *err)
{
    w->format = format_of(env->variant);
    w->n = (size_t)env->options[OPTION_LENGTH].i;
    w->coordinates = w->format->plugin->codec->coordinates != NULL;
    if (qb_encoded_size(w->format, 1, w->n, &w->bytes, err))
        return err->status;
    w->encoded = qb_alloc(w->bytes, 1, "encoded vector", err);
    for (int i = 0; i < 4 && w->encoded; i++) {
        w->x[i] = qb_alloc(w->n, sizeof(float), "vector", err);
        w->q[i] = qb_alloc(w->n, sizeof(float), "decoded vector", err);
        w->c[i] = qb_alloc(w->n, sizeof(float), "coordinates", err);
        if (!w->x[i] || !w->q[i] || !w->c[i])
            return err->status;
    }
    return err->status;
}

static void work_close(struct work *w)
{
    for (int i = 0; i < 4; i++) {
        qb_free(w->x[i]);
        qb_free(w->q[i]);
        qb_free(w->c[i]);
    }
    qb_free(w->encoded);
}

/* Least-squares factor k of value ~ k * coordinate, applied in place. */
static void map_to_values(float *c, const float *x, size_t n)
{
    double cx = 0, cc = 0;
    for (size_t i = 0; i < n; i++) {
        cx += (double)c[i] * (double)x[i];
        cc += (double)c[i] * (double)c[i];
    }
    double k = cc > 0 ? cx / cc : 0;
    for (size_t i = 0; i < n; i++)
        c[i] = (float)(k * (double)c[i]);
}

static enum qb_status code(struct work *w, int i, struct qb_error *err)
{
    if (qb_encode(w->format, 1, w->n, w->x[i], w->encoded, w->bytes, err) ||
        qb_decode(w->format, 1, w->n, w->encoded, w->bytes, 0, 1, w->q[i], err))
        return err->status;
    if (w->coordinates && !qb_coordinates(w->format, 1, w->n, w->encoded, w->bytes, 0, 1, w->c[i], err))
        map_to_values(w->c[i], w->x[i], w->n);
    return err->status;
}

/* |f0 u + f1 v + f2 w| over n elements. */
static double norm3(double f0, const float *u, double f1, const float *v, double f2, const float *w, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = f0 * (double)u[i] + f1 * (double)v[i] + f2 * (double)w[i];
        sum += d * d;
    }
    return sqrt(sum);
}

/* additivity, homogeneity and rounding of one trial on images z (decoded values or mapped coordinates). */
static void errors(const struct work *w, float *const z[4], double a, double *additivity, double *homogeneity)
{
    double sum = norm3(1, w->x[2], 0, w->x[2], 0, w->x[2], w->n), ax = norm3(1, w->x[3], 0, w->x[3], 0, w->x[3], w->n);
    *additivity = norm3(1, z[2], -1, z[0], -1, z[1], w->n) / sum;
    *homogeneity = norm3(1, z[3], -a, z[0], 0, z[0], w->n) / ax;
}

/* What no linear map could avoid: the codec's rounding of the three vectors, and FP32's of the sum and the multiple,
 * which is all that a lossless codec has. */
static double rounding(const struct work *w, double a)
{
    double sum = norm3(1, w->x[2], -1, w->x[0], -1, w->x[1], w->n);
    double multiple = norm3(1, w->x[3], -a, w->x[0], 0, w->x[0], w->n);
    double total = sum * sum + multiple * multiple;
    for (int i = 0; i < 3; i++) {
        double e = norm3(1, w->q[i], -1, w->x[i], 0, w->x[i], w->n);
        total += e * e;
    }
    return sqrt(total) / norm3(1, w->x[2], 0, w->x[2], 0, w->x[2], w->n);
}

static enum qb_status trial(struct work *w, struct qb_rng *rng, double *results[6], size_t t, struct qb_error *err)
{
    qb_rng_normal(rng, 0, 1, w->x[0], w->n);
    qb_rng_normal(rng, 0, 1, w->x[1], w->n);
    float a;
    qb_rng_uniform(rng, 0.25f, 4, &a, 1);
    for (size_t i = 0; i < w->n; i++) {
        w->x[2][i] = w->x[0][i] + w->x[1][i];
        w->x[3][i] = a * w->x[0][i];
    }
    for (int i = 0; i < 4; i++)
        if (code(w, i, err))
            return qb_wrap(err, "trial %zu", t);
    errors(w, w->q, (double)a, &results[0][t], &results[1][t]);
    results[2][t] = rounding(w, (double)a);
    if (w->coordinates) {
        errors(w, w->c, (double)a, &results[3][t], &results[4][t]);
        results[5][t] = results[2][t];
    }
    return QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    static const char *const names[6][2] = {
        {"additivity_error", "|Q(x+y) - Q(x) - Q(y)| / |x+y|, Q = decode(encode(.))"},
        {"homogeneity_error", "|Q(ax) - aQ(x)| / |ax|"},
        {"rounding_noise",
         "the codec's rounding of x, y and x+y and FP32's of x+y and ax, squared and summed, its root "
         "over |x+y|: the yardstick"},
        {"coord_additivity_error", "the same on coordinates, each vector mapped to values by its best single factor"},
        {"coord_homogeneity_error", "likewise"},
        {"coord_rounding_noise", "rounding_noise, the yardstick here too"}};
    size_t trials = (size_t)env->options[OPTION_TRIALS].i;
    double *results[6] = {0};
    struct work w = {0};
    struct qb_rng rng;
    work_open(env, &w, err);
    for (int i = 0; i < (w.coordinates ? 6 : 3) && !err->status; i++)
        results[i] = qb_record_add(out, names[i][0], QB_F64, 1, &trials, "1", names[i][1], err);
    qb_rng_seed(&rng, env->seed);
    for (size_t t = 0; t < trials && !err->status; t++)
        trial(&w, &rng, results, t, err);
    work_close(&w);
    return err->status;
}

const struct qb_experiment qb_experiment_linearity = {
    .name = "linearity",
    .summary = "additivity and homogeneity of the format, in values and on coordinates, against its own rounding",
    .options = options,
    .skip = skip,
    .run = run,
};
