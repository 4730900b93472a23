/* predict: what storing does to each weight that is multiplied, by measures that may tell the KL before it is measured:
 * the error of the values, the same weighted by what the FP32 model feeds each input channel on the calibration text,
 * and the error of the products themselves. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "common.h"

enum { OPTION_POSITIONS };
static const struct qb_codec_option options[] = {
    {"positions", QB_OPTION_INT, "512", 1, 65536, NULL,
     "of the calibration text, at most; whole contexts, the first one at least"},
    {0}};

#define PANEL ((size_t)1 << 18) /* weights, and outputs, that exist as FP32 at once */

/* Sums over one weight W[rows, cols], its stored form V, and inputs x[n, cols] of the FP32 model. */
struct sums {
    double *signal, *error; /* of w^2, (v - w)^2 over values */
    double *relative;       /* of ((v - w) / w)^2 over values w != 0 */
    int64_t *nonzero;       /* how many these are */
    double *weighted_signal,
        *weighted_error;           /* of m_j w_ij^2, m_j (v_ij - w_ij)^2; m_j: mean of x_j^2 over positions */
    double *output, *output_error; /* of |W x|^2 and |y - W x|^2 over positions, y as the variant computes */
};

struct predict {
    const struct qb_cell_env *env;
    struct qb_net *fp32;
    struct sums sums;
    const char **names;
    size_t *entry; /* of each operator in these arrays; NONE: nothing of it comes under the variant */
    bool *seen;    /* each operator */
    size_t operators;
};
#define NONE ((size_t)-1)

/* Values of `count` rows: w[count, cols], v likewise, moment[cols]. */
static void add_values(const struct sums *s, size_t at, const float *w, const float *v, const double *moment,
                       size_t count, size_t cols)
{
    for (size_t i = 0; i < count * cols; i++) {
        const double m = moment[i % cols], x = w[i], e = (double)v[i] - x;
        s->signal[at] += x * x;
        s->error[at] += e * e;
        s->weighted_signal[at] += m * x * x;
        s->weighted_error[at] += m * e * e;
        if (w[i] != 0) {
            s->relative[at] += e / x * (e / x);
            s->nonzero[at]++;
        }
    }
}

static void add_outputs(const struct sums *s, size_t at, const float *y, const float *other, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double e = (double)other[i] - (double)y[i];
        s->output[at] += (double)y[i] * (double)y[i];
        s->output_error[at] += e * e;
    }
}

/* Mean of x_j^2 over x[n, cols], for qb_free; NULL with err set. */
static double *second_moments(const float *x, size_t n, size_t cols, struct qb_error *err)
{
    double *moment = qb_alloc(cols, sizeof *moment, "second moments", err);
    for (size_t i = 0; moment && i < n * cols; i++)
        moment[i % cols] += (double)x[i] * (double)x[i] / (double)n;
    return moment;
}

/* One operator, in panels of rows: both arms the same, so that equal weights give equal bits. */
static enum qb_status measure(struct predict *p, size_t index, const float *x, size_t n, struct qb_error *err)
{
    const struct qb_tensor *tensor;
    struct qb_linear *plain = qb_net_linear(p->fp32, index, &tensor);
    struct qb_linear *stored = qb_net_linear(p->env->prepared->net, index, NULL);
    struct qb_pool *pool = p->env->pool;
    const size_t at = p->entry[index], rows = tensor->rows, cols = tensor->cols, most = cols > n ? cols : n;
    const size_t fit = PANEL / most ? PANEL / most : 1;
    double *moment = second_moments(x, n, cols, err);
    float *a = qb_alloc(fit * most, sizeof *a, "rows of a weight, and outputs", err);
    float *b = qb_alloc(fit * most, sizeof *b, "rows of a stored weight, and outputs", err);
    for (size_t r = 0, count; !err->status && r < rows; r += count) {
        count = rows - r < fit ? rows - r : fit;
        if (qb_linear_rows(plain, r, count, a, err) || qb_linear_rows(stored, r, count, b, err))
            break;
        add_values(&p->sums, at, a, b, moment, count, cols);
        if (qb_linear_apply_rows(plain, pool, x, n, r, count, a, count, false, err) ||
            qb_linear_apply_rows(stored, pool, x, n, r, count, b, count, false, err))
            break;
        add_outputs(&p->sums, at, a, b, n * count);
    }
    qb_free(moment);
    qb_free(a);
    qb_free(b);
    return err->status ? qb_wrap(err, "tensor '%s'", tensor->name) : QB_OK;
}

/* A fused operator is seen at each of its products, with the same input: the first counts. */
static enum qb_status observe(void *context, size_t index, const float *x, size_t n, struct qb_error *err)
{
    struct predict *p = context;
    if (p->entry[index] == NONE || p->seen[index])
        return QB_OK;
    p->seen[index] = true;
    return measure(p, index, x, n, err);
}

/* Which operators there are entries of: those that are multiplied, of which the variant stores a row at least. An
 * embedding that is not the head is only looked up: no input is known for its columns. */
static enum qb_status find_operators(struct predict *p, size_t *count, struct qb_error *err)
{
    const struct qb_tensor *tensor;
    struct qb_net *net = p->env->prepared->net;
    while (qb_net_linear(net, p->operators, NULL))
        p->operators++;
    p->entry = qb_alloc(p->operators, sizeof *p->entry, "entries of operators", err);
    p->seen = qb_alloc(p->operators, sizeof *p->seen, "operators seen", err);
    p->names = qb_alloc(p->operators, sizeof *p->names, "names of tensors", err);
    *count = 0;
    for (size_t i = 0; !err->status && i < p->operators; i++) {
        const bool stored = qb_linear_encoded(qb_net_linear(net, i, &tensor)) && (i > 0 || qb_net_head(net) == 0);
        p->entry[i] = stored ? *count : NONE;
        if (stored)
            p->names[(*count)++] = tensor->name;
    }
    if (!err->status && *count == 0)
        qb_fail(err, QB_ERR_INPUT, "no weight that is multiplied comes under the variant");
    return err->status;
}

static enum qb_status add_arrays(struct predict *p, size_t n, struct qb_record *out, struct qb_error *err)
{
    struct {
        const char *name, *description;
        double **data;
    } list[] = {
        {"signal_power", "sum of squared weights", &p->sums.signal},
        {"error_power", "sum of squared errors of the stored weights", &p->sums.error},
        {"relative_power", "sum of squared relative errors over weights != 0", &p->sums.relative},
        {"weighted_signal_power", "signal_power, each column times the mean of its input's square",
         &p->sums.weighted_signal},
        {"weighted_error_power", "error_power, each column times the mean of its input's square",
         &p->sums.weighted_error},
        {"output_power", "sum of squared outputs in FP32 over the positions, without bias", &p->sums.output},
        {"output_error_power", "sum of squared differences of the variant's outputs from these", &p->sums.output_error},
    };
    if (qb_record_text(out, "tensor", p->names, n, "the weights of products that the variant stores", err))
        return err->status;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (!(*list[i].data = qb_record_add(out, list[i].name, QB_F64, 1, &n, "1", list[i].description, err)))
            return err->status;
    p->sums.nonzero = qb_record_add(out, "nonzero_values", QB_I64, 1, &n, "values", "weights that are not 0", err);
    return err->status;
}

/* The FP32 model reads the text once and hands each operator's input to observe(); the head's, too, which no forward
 * pass applies. */
static enum qb_status read_text(struct predict *p, size_t contexts, size_t length, struct qb_error *err)
{
    const size_t n = contexts * length;
    float *hidden = qb_alloc(n * p->env->model->arch.hidden, sizeof *hidden, "hidden states", err);
    qb_net_observe(p->fp32, observe, p);
    if (hidden && !qb_net_forward(p->fp32, p->env->inputs->calibration, contexts, length, hidden, err))
        observe(p, qb_net_head(p->fp32), hidden, n, err);
    for (size_t i = 0; !err->status && i < p->operators; i++)
        if (p->entry[i] != NONE && !p->seen[i])
            qb_fail(err, QB_ERR_INTERNAL, "tensor '%s' was not multiplied", p->names[p->entry[i]]);
    qb_free(hidden);
    return err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    struct predict p = {.env = env};
    size_t count, contexts = (size_t)env->options[OPTION_POSITIONS].i / in->calibration_length;
    contexts = contexts < 1 ? 1 : contexts < in->calibration_contexts ? contexts : in->calibration_contexts;
    if (!find_operators(&p, &count, err) && !add_arrays(&p, count, out, err) &&
        !qb_record_i64(out, "positions", (int64_t)(contexts * in->calibration_length), "positions",
                       "of calibration text that were read", err) &&
        !qb_cell_fp32(env, &p.fp32, err))
        read_text(&p, contexts, in->calibration_length, err);
    qb_net_free(p.fp32);
    qb_free(p.names);
    qb_free(p.seen);
    qb_free(p.entry);
    return err->status;
}

static const char *skip(const struct qb_cell_env *env)
{
    const char *why = qb_cell_stores_nothing(env);
    return why                                      ? why
           : env->inputs->calibration_contexts == 0 ? "the model has no calibration text (key 'calibration')"
                                                    : NULL;
}

const struct qb_experiment qb_experiment_predict = {
    .name = "predict",
    .summary =
        "errors that may tell the KL: of each weight, weighted by its inputs on calibration text, of its products",
    .reads = QB_READS_CALIBRATION,
    .options = options,
    .net = true,
    .skip = skip,
    .run = run,
};
