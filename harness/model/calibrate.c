/* S and alpha as the source estimated them (source-protocols 3): S for each linear by itself, on the inputs that the
 * FP32 reference gives it; alpha at the end. */
#include "model/calibrate.h"

#include <math.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/probability.h"
#include "model/net_parts.h"

struct work {
    const struct qb_variant *variant;
    struct qb_variant trial;  /* the variant with the format that S is estimated under */
    struct qb_net *net;       /* to be calibrated */
    struct qb_net *reference; /* FP32 */
    struct qb_pool *pool;
    struct qb_net_calibration found;
    const struct qb_tensor *read; /* whose pages the reference has */
};

/* Unbiased standard deviation of column `column` of x[n, cols], in double. */
static double column_std(const float *x, size_t n, size_t cols, size_t column)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i * cols + column];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i * cols + column] - mean;
        square += d * d;
    }
    return sqrt(square / (double)(n - 1));
}

static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

/* The operator whose output S corrects: the variant's own, or one made with the trial's format (*made). */
static enum qb_status trial_linear(const struct work *work, size_t index, struct qb_linear **made,
                                   struct qb_linear **linear, struct qb_error *err)
{
    const struct qb_tensor *tensor;
    *linear = qb_net_linear(work->net, index, &tensor);
    if (!work->variant->calibration.own_format)
        return QB_OK;
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    if (qb_linear_create(&work->trial, &matrix, NULL, made, err))
        return err->status;
    *linear = *made;
    return QB_OK;
}

static void note_scale(struct qb_net_calibration *calibration, const float *scale, size_t rows)
{
    size_t at = calibration->linears++;
    if (at >= sizeof calibration->scale_min / sizeof *calibration->scale_min)
        return;
    calibration->scale_min[at] = calibration->scale_max[at] = scale[0];
    for (size_t i = 1; i < rows; i++) {
        calibration->scale_min[at] = fminf(calibration->scale_min[at], scale[i]);
        calibration->scale_max[at] = fmaxf(calibration->scale_max[at], scale[i]);
    }
}

/* S of one linear from the reference's input to it. */
static enum qb_status estimate_scale(struct work *work, size_t index, const float *x, size_t n, struct qb_error *err)
{
    const struct qb_calibration *options = &work->variant->calibration;
    const struct qb_tensor *tensor;
    struct qb_linear *plain = qb_net_linear(work->reference, index, &tensor), *made = NULL, *trial;
    struct qb_linear *linear = qb_net_linear(work->net, index, NULL);
    size_t rows = tensor->rows;
    n = n < options->rows ? n : options->rows;
    float *y = qb_alloc(2 * n * rows, sizeof *y, "calibration outputs", err);
    float *scale = y ? qb_alloc(rows, sizeof *scale, "channel scales", err) : NULL;
    if (!scale || trial_linear(work, index, &made, &trial, err) ||
        qb_linear_apply(plain, work->pool, x, n, y, false, err) ||
        qb_linear_apply(trial, work->pool, x, n, y + n * rows, false, err))
        goto out;
    for (size_t i = 0; i < rows; i++)
        scale[i] = (float)clamp(column_std(y, n, rows, i) / (column_std(y + n * rows, n, rows, i) + 1e-8),
                                options->scale_min, options->scale_max);
    if (!qb_linear_set_scale(linear, scale, err))
        note_scale(&work->found, qb_linear_scale(linear), rows);
out:
    if (err->status)
        qb_wrap(err, "calibrating tensor %s", tensor->name);
    qb_linear_free(made);
    qb_free(scale);
    qb_free(y);
    return err->status;
}

/* The mean input of one linear, in double. */
static enum qb_status find_point(struct work *work, size_t index, const float *x, size_t n, struct qb_error *err)
{
    const struct qb_tensor *tensor;
    struct qb_linear *linear = qb_net_linear(work->net, index, &tensor);
    n = n < work->variant->calibration.rows ? n : work->variant->calibration.rows;
    float *point = qb_alloc(tensor->cols, sizeof *point, "a mean point", err);
    for (size_t j = 0; point && j < tensor->cols; j++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)x[i * tensor->cols + j];
        point[j] = (float)(sum / (double)n);
    }
    if (point)
        qb_linear_set_point(linear, point, err);
    qb_free(point);
    return err->status;
}

/* The reference reads weights that the net may have encoded: it keeps the pages of one operator at a time. */
static enum qb_status pass(void *context, size_t index, const float *x, size_t n, struct qb_error *err)
{
    struct work *work = context;
    const struct qb_tensor *before = work->read;
    (void)x, (void)n, (void)err;
    qb_net_linear(work->reference, index, &work->read);
    if (before && before != work->read && before->mapped)
        qb_map_drop(before->bytes, before->size);
    return QB_OK;
}

static enum qb_status observe(void *context, size_t index, const float *x, size_t n, struct qb_error *err)
{
    struct work *work = context;
    pass(context, index, x, n, err);
    if (!qb_linear_encoded(qb_net_linear(work->net, index, NULL)))
        return QB_OK;
    return work->variant->transport.mean ? find_point(work, index, x, n, err) : estimate_scale(work, index, x, n, err);
}

/* Runs the reference over enough contexts for the positions of S or of a mean point and sees every operator's input;
 * the head's too. */
static enum qb_status observe_inputs(struct work *work, const struct qb_calibration_data *data, struct qb_error *err)
{
    const struct qb_model *model = qb_net_model(work->net);
    size_t contexts = (work->variant->calibration.rows + data->length - 1) / data->length;
    contexts = contexts < data->contexts ? contexts : data->contexts;
    size_t n = contexts * data->length;
    if (n < 2)
        return qb_fail(err, QB_ERR_INPUT, "model %s: %s needs at least 2 calibration positions", model->name,
                       work->variant->transport.mean ? "a mean point" : "S");
    float *hidden = qb_alloc(n * model->arch.hidden, sizeof *hidden, "hidden states", err);
    if (!hidden)
        return err->status;
    qb_net_observe(work->reference, observe, work);
    if (!qb_net_forward(work->reference, data->tokens, contexts, data->length, hidden, err))
        observe(work, qb_net_head(work->net), hidden, n, err);
    qb_net_observe(work->reference, pass, work);
    qb_free(hidden);
    return err->status;
}

/* The tokens that the reference gives no probability at a position (base/probability.h): masked[n, vocab]. Where a
 * model masks some, their logits are no measure of scale in either arm; where it masks none, masked is left NULL. */
static enum qb_status find_masked(struct qb_net *reference, const float *hidden, size_t n, uint8_t **masked,
                                  struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(reference)->arch;
    size_t vocab = arch->vocab, width = arch->hidden, block = 32;
    float *logits = qb_alloc(block * vocab, sizeof *logits, "calibration logits", err);
    uint8_t *row = logits ? qb_alloc(vocab, 1, "a mask of calibration logits", err) : NULL;
    *masked = NULL;
    for (size_t i = 0; row && i < n && !err->status; i += block) {
        size_t count = n - i < block ? n - i : block;
        if (qb_net_logits(reference, hidden + i * width, count, logits, err))
            break;
        for (size_t j = 0; j < count && !err->status; j++) {
            if (qb_mask_improbable(logits + j * vocab, vocab, row) == 0)
                continue;
            if (!*masked)
                *masked = qb_alloc(n, vocab, "masks of calibration logits", err);
            if (*masked)
                memcpy(*masked + (i + j) * vocab, row, vocab);
        }
    }
    qb_free(row);
    qb_free(logits);
    return err->status;
}

/* Unbiased standard deviation over a net's logits on hidden[n], those masked[n, vocab] left out (NULL: none), position
 * by position so that the memory stays small: one pass for the mean, one for the squares. */
static enum qb_status logit_std(struct qb_net *net, const float *hidden, size_t n, const uint8_t *masked,
                                double *result, struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    size_t vocab = arch->vocab, block = 32, kept = 0;
    float *logits = qb_alloc(block * vocab, sizeof *logits, "calibration logits", err);
    if (!logits)
        return err->status;
    double mean = 0, sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        sum = 0;
        kept = 0;
        for (size_t i = 0; i < n; i += block) {
            size_t count = n - i < block ? n - i : block;
            if (qb_net_logits(net, hidden + i * arch->hidden, count, logits, err))
                goto out;
            for (size_t j = 0; j < count * vocab; j++) {
                if (masked && masked[i * vocab + j])
                    continue;
                sum += pass ? ((double)logits[j] - mean) * ((double)logits[j] - mean) : (double)logits[j];
                kept++;
            }
        }
        mean = pass ? mean : sum / (double)kept;
    }
    *result = sqrt(sum / (double)(kept - 1));
out:
    qb_free(logits);
    return err->status;
}

/* alpha: the head under the variant on the reference's hidden states, as the source did; or, with alpha_on_model, the
 * variant's own run (what a head that is not encoded needs: its alpha would be 1 whatever the layers do). */
static enum qb_status find_alpha(struct work *work, const struct qb_calibration_data *data, struct qb_error *err)
{
    const struct qb_calibration *options = &work->variant->calibration;
    struct qb_net_calibration *found = &work->found;
    size_t contexts = options->alpha_contexts < data->contexts ? options->alpha_contexts : data->contexts;
    size_t n = contexts * data->length;
    uint8_t *masked = NULL;
    float *hidden = qb_alloc(n * qb_net_model(work->net)->arch.hidden, sizeof *hidden, "hidden states", err);
    if (!hidden || qb_net_forward(work->reference, data->tokens, contexts, data->length, hidden, err) ||
        find_masked(work->reference, hidden, n, &masked, err) ||
        logit_std(work->reference, hidden, n, masked, &found->logit_std_fp, err) ||
        (options->alpha_on_model && qb_net_forward(work->net, data->tokens, contexts, data->length, hidden, err)) ||
        logit_std(work->net, hidden, n, masked, &found->logit_std_q, err))
        goto out;
    found->alpha_raw = found->logit_std_fp / (found->logit_std_q + 1e-8);
    found->alpha = clamp(found->alpha_raw, options->alpha_min, options->alpha_max);
out:
    qb_free(masked);
    qb_free(hidden);
    return err->status;
}

static enum qb_status calibrate(struct work *work, const struct qb_calibration_data *data, struct qb_error *err)
{
    const struct qb_model *model = qb_net_model(work->net);
    const struct qb_calibration *options = &work->variant->calibration;
    if (options->own_format)
        work->trial.weights = options->scale_format;
    if (qb_net_create(model, NULL, work->pool, &work->reference, err))
        return err->status;
    qb_net_observe(work->reference, pass, work);
    if (!((options->scale || work->variant->transport.mean) && observe_inputs(work, data, err)) &&
        !(options->alpha && find_alpha(work, data, err)))
        qb_net_set_calibration(work->net, &work->found);
    qb_net_free(work->reference);
    qb_weights_drop(model->weights);
    return err->status;
}

static enum qb_status check_data(const struct qb_model *model, const struct qb_calibration_data *data,
                                 struct qb_error *err)
{
    if (data && data->tokens && data->contexts > 0 && data->length > 0)
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT,
                   "model %s: a calibrated variant needs calibration contexts, and the model's entry has none",
                   model->name);
}

enum qb_status qb_net_prepare(const struct qb_model *model, const struct qb_variant *variant,
                              const struct qb_calibration_data *data, struct qb_pool *pool, struct qb_net **net,
                              struct qb_error *err)
{
    struct qb_net *new = NULL;
    const bool scales = variant && (variant->input_scale || variant->compensate);
    const bool corrects =
        variant && (variant->calibration.scale || variant->calibration.alpha || variant->transport.mean);
    if (net_create(model, variant, scales, pool, &new, err))
        return err->status;
    if ((scales || corrects) && !check_data(model, data, err)) {
        struct work work = {
            .variant = variant, .trial = *variant, .net = new, .pool = pool, .found = *qb_net_calibration(new)};
        (void)(scales ? net_condition(new, data, err) : calibrate(&work, data, err));
    }
    if (err->status) {
        qb_net_free(new);
        return variant ? qb_wrap(err, "variant %s", variant->name) : err->status;
    }
    *net = new;
    return QB_OK;
}
