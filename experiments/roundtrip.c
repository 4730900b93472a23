/* roundtrip: what storing a tensor in the variant's format does to its values, on the model's own placed tensors and on
 * generated inputs of known shape. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "common.h"

enum { OPTION_ROWS, OPTION_COLS };
static const struct qb_codec_option options[] = {
    {"rows", QB_OPTION_INT, "256", 1, 65536, NULL, "rows of each generated input"},
    {"cols", QB_OPTION_INT, "256", 1, 65536, NULL, "columns of each generated input"},
    {0}};

/* Error statistics of one matrix; arrays of struct stats_arrays hold one entry a matrix. */
struct stats_arrays {
    double *signal, *error, *max_abs, *abs_max, *max_relative;
};

static void measure(const float *x, const float *decoded, size_t n, struct stats_arrays *to, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        double v = x[i], e = fabs((double)decoded[i] - v);
        to->signal[at] += v * v;
        to->error[at] += e * e;
        to->max_abs[at] = fmax(to->max_abs[at], e);
        to->abs_max[at] = fmax(to->abs_max[at], fabs(v));
        if (v != 0)
            to->max_relative[at] = fmax(to->max_relative[at], e / fabs(v));
    }
}

static enum qb_status add_stats(const char *prefix, size_t n, struct stats_arrays *to, struct qb_record *out,
                                struct qb_error *err)
{
    struct {
        const char *name, *unit, *description;
        double **data;
    } list[] = {{"signal_power", "1", "sum of squared values", &to->signal},
                {"error_power", "1", "sum of squared errors", &to->error},
                {"max_abs_error", "1", "largest |decoded - x|", &to->max_abs},
                {"abs_max", "1", "largest |x|", &to->abs_max},
                {"max_relative_error", "1", "largest |decoded - x| / |x| over x != 0", &to->max_relative}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, list[i].name);
        *list[i].data = qb_record_add(out, name, QB_F64, 1, &n, list[i].unit, list[i].description, err);
        if (!*list[i].data)
            return err->status;
    }
    return QB_OK;
}

/* Distinct code values and how often each occurred: an open hash table over the bits of a float, given up on when it
 * holds more than CODES_MAX values. */
#define CODES_MAX 4096
#define CODES_SLOTS (4 * CODES_MAX)
struct codes {
    float value[CODES_SLOTS];
    int64_t count[CODES_SLOTS]; /* 0: the slot is free */
    size_t used;
    bool overflow;
};

static void count_codes(struct codes *c, const float *coordinates, size_t n)
{
    for (size_t i = 0; i < n && !c->overflow; i++) {
        float v = coordinates[i] + 0.0f; /* -0 counts as 0 */
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        size_t slot = (bits * 2654435761u >> 16) % CODES_SLOTS;
        while (c->count[slot] && c->value[slot] != v)
            slot = (slot + 1) % CODES_SLOTS;
        c->value[slot] = v;
        c->used += c->count[slot]++ == 0;
        c->overflow = c->used > CODES_MAX;
    }
}

#define PANEL ((size_t)1 << 18) /* values that exist decoded at once */

/* What came out of encoded, rows [row, row + encoded->rows) of source that were encoded under the conditioning, added
 * at index `at`; with codes != NULL counts them, too. In panels, whose sums go on from one to the next. */
static enum qb_status measure_block(const struct qb_matrix *source, size_t row, const struct qb_matrix *encoded,
                                    const struct qb_conditioning *conditioning, struct stats_arrays *to, size_t at,
                                    struct codes *codes, struct qb_error *err)
{
    const struct qb_format *format = encoded->format;
    const size_t rows = encoded->rows, cols = encoded->cols, fit = PANEL / cols ? PANEL / cols : 1;
    const bool count = codes && format->plugin->codec->coordinates;
    float *x = qb_alloc(fit * cols, sizeof *x, "rows of a tensor", err);
    float *decoded = qb_alloc(fit * cols, sizeof *decoded, "decoded rows", err);
    for (size_t r = 0, n; !err->status && r < rows; r += n) {
        n = rows - r < fit ? rows - r : fit;
        if (qb_matrix_rows(source, row + r, n, x, err) ||
            qb_decode(format, rows, cols, encoded->bytes, encoded->size, r, n, decoded, err))
            break;
        qb_restore_weights(conditioning, decoded, n, cols);
        measure(x, decoded, n * cols, to, at);
        if (count && !codes->overflow &&
            !qb_coordinates(format, rows, cols, encoded->bytes, encoded->size, r, n, decoded, err))
            count_codes(codes, decoded, n * cols);
    }
    qb_free(decoded);
    qb_free(x);
    return err->status;
}

/* Rows of source as the net has them encoded, with the conditioning under which it does, or encoded here where it cuts
 * the tensor otherwise, which no conditioned one is: then encoded->bytes is the caller's, as *own. */
static enum qb_status find_encoded(const struct qb_cell_env *env, const struct qb_tensor *tensor,
                                   const struct qb_stored_block *block, struct qb_matrix *encoded,
                                   struct qb_conditioning *conditioning, void **own, struct qb_error *err)
{
    const struct qb_matrix source = qb_tensor_matrix(tensor);
    const struct qb_tensor *of = NULL;
    struct qb_linear *linear;
    double alpha;
    *own = NULL;
    *conditioning = (struct qb_conditioning){0};
    for (size_t i = 0; (linear = qb_net_linear(env->prepared->net, i, &of)); i++)
        for (size_t k = 0; of == tensor && k < qb_linear_segments(linear); k++) {
            const struct qb_segment_info s = qb_linear_segment(linear, k);
            if (s.format == block->format && s.row == block->row && s.rows == block->rows) {
                conditioning->rotate = env->variant->rotate;
                conditioning->scale = qb_linear_input_scale(linear, &alpha);
                *encoded = (struct qb_matrix){
                    .rows = s.rows, .cols = tensor->cols, .format = s.format, .bytes = s.encoded, .size = s.bytes};
                return QB_OK;
            }
        }
    if (qb_matrix_encode(&source, block->row, block->rows, block->format, encoded, err))
        return err->status;
    *own = (void *)(uintptr_t)encoded->bytes;
    return QB_OK;
}

/* Of each tensor. */
struct stored_values {
    int64_t *all, *fp16, *otherwise, *others; /* NULL where calibration keeps nothing in FP16; the variant has none */
};

static enum qb_status add_values(const struct qb_variant *variant, size_t n, struct stored_values *values,
                                 struct qb_record *out, struct qb_error *err)
{
    *values = (struct stored_values){0};
    values->all = qb_record_add(out, "tensor_values", QB_I64, 1, &n, "values", "stored values of each", err);
    if (values->all && variant->calibration.fp16_roles)
        values->fp16 = qb_record_add(out, "tensor_fp16_values", QB_I64, 1, &n, "values",
                                     "of these, kept in FP16 instead of the variant's codec", err);
    if (values->all && !err->status && variant->otherwise.plugin)
        values->otherwise =
            qb_record_add(out, "tensor_otherwise_values", QB_I64, 1, &n, "values",
                          "of these, in the variant's otherwise, whose shape its codec does not take", err);
    if (values->all && !err->status && variant->other_count > 0)
        values->others = qb_record_add(out, "tensor_other_values", QB_I64, 1, &n, "values",
                                       "of these, in the codecs of the variant's others", err);
    return err->status;
}

/* What storing does to a tensor: each row block in the format that the net stores it in. Codes are of the variant's
 * codec, not of what is kept in FP16 or stored otherwise. sha256: over the encoded bytes, block after block. */
static enum qb_status one_tensor(const struct qb_cell_env *env, const struct qb_tensor *tensor, struct stats_arrays *to,
                                 size_t at, const struct stored_values *values, struct codes *codes,
                                 char sha256[QB_HASH_HEX], struct qb_error *err)
{
    const struct qb_variant *variant = env->variant;
    const struct qb_matrix source = qb_tensor_matrix(tensor);
    struct qb_stored_block blocks[QB_CUT_MAX];
    size_t count = qb_cell_stored(variant, tensor, blocks);
    struct qb_hash *hash = qb_hash_new();
    if (!hash)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a hash");
    for (size_t i = 0; i < count && !err->status; i++) {
        const struct qb_stored_block *b = &blocks[i];
        struct qb_matrix encoded;
        struct qb_conditioning conditioning;
        void *own;
        values->all[at] += (int64_t)(b->rows * tensor->cols);
        if (b->format == &variant->fp16)
            values->fp16[at] += (int64_t)(b->rows * tensor->cols);
        if (b->format == &variant->otherwise)
            values->otherwise[at] += (int64_t)(b->rows * tensor->cols);
        for (size_t k = 0; k < variant->other_count; k++)
            if (b->format == &variant->others[k].format)
                values->others[at] += (int64_t)(b->rows * tensor->cols);
        if (!find_encoded(env, tensor, b, &encoded, &conditioning, &own, err) &&
            !measure_block(&source, b->row, &encoded, &conditioning, to, at,
                           b->format == &variant->weights ? codes : NULL, err))
            qb_hash_bytes(hash, encoded.bytes, encoded.size);
        qb_free(own);
    }
    qb_hash_hex(hash, sha256);
    if (!err->status && !sha256[0])
        qb_fail(err, QB_ERR_INTERNAL, "the encoded bytes cannot be hashed");
    return err->status ? qb_wrap(err, "tensor '%s'", tensor->name) : QB_OK;
}

static enum qb_status on_tensors(const struct qb_cell_env *env, struct codes *codes, struct qb_record *out,
                                 struct qb_error *err)
{
    const struct qb_model *m = env->model;
    const struct qb_tensor *stored[4096];
    struct qb_stored_block blocks[QB_CUT_MAX];
    const char *names[4096], *hashes[4096];
    size_t n = 0;
    for (size_t i = 0; i < m->tensor_count && n < 4096; i++)
        if (qb_cell_stored(env->variant, &m->tensors[i], blocks)) {
            stored[n] = &m->tensors[i];
            names[n++] = m->tensors[i].name;
        }
    struct stats_arrays stats;
    struct stored_values values;
    if (qb_record_text(out, "tensor", names, n, "the tensors stored encoded or in FP16", err) ||
        add_stats("", n, &stats, out, err) || add_values(env->variant, n, &values, out, err))
        return err->status;
    char(*hex)[QB_HASH_HEX] = qb_alloc(n, sizeof *hex, "hashes of tensors", err);
    for (size_t i = 0; i < n && !err->status; i++) {
        hashes[i] = hex[i];
        one_tensor(env, stored[i], &stats, i, &values, codes, hex[i], err);
    }
    if (!err->status)
        qb_record_text(out, "encoded_sha256", hashes, n, "SHA-256 of each tensor's encoded bytes", err);
    qb_free(hex);
    return err->status;
}

/* Generated inputs, all scaled to about the size of trained weights (sigma 0.02). */
static double draw_unit(struct qb_rng *rng)
{
    return ((double)qb_rng_u32(rng) + 0.5) / 4294967296.0;
}

static double draw_normal(struct qb_rng *rng)
{
    double u = draw_unit(rng), v = draw_unit(rng);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double draw_laplace(struct qb_rng *rng)
{
    double u = draw_unit(rng) - 0.5;
    return (u < 0 ? 1 : -1) * log(1 - 2 * fabs(u)) / sqrt(2);
}

static double draw_t5(struct qb_rng *rng)
{
    double z = draw_normal(rng), chi2 = 0;
    for (int i = 0; i < 5; i++) {
        double g = draw_normal(rng);
        chi2 += g * g;
    }
    return z / sqrt(chi2 / 5);
}

static double draw_log_uniform(struct qb_rng *rng)
{
    double sign = qb_rng_u32(rng) & 1 ? 1 : -1;
    return sign * exp(log(1e-4) * draw_unit(rng)) * 50; /* four decades up to 50 sigma */
}

static double draw_uniform(struct qb_rng *rng)
{
    return (2 * draw_unit(rng) - 1) * sqrt(3);
}

static const struct {
    const char *name;
    double (*draw)(struct qb_rng *);
} inputs[] = {{"gaussian", draw_normal},
              {"laplace", draw_laplace},
              {"student_t5", draw_t5},
              {"log_uniform", draw_log_uniform},
              {"uniform", draw_uniform}};
#define INPUTS (sizeof inputs / sizeof *inputs)

/* They are rotated as weights are; nothing takes them, so that they have no input scales. */
static enum qb_status on_generated(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    size_t rows = (size_t)env->options[OPTION_ROWS].i, cols = (size_t)env->options[OPTION_COLS].i;
    const char *names[INPUTS];
    struct stats_arrays stats;
    struct qb_rng rng;
    for (size_t i = 0; i < INPUTS; i++)
        names[i] = inputs[i].name;
    if (qb_record_text(out, "input", names, INPUTS, "generated inputs, sigma 0.02", err) ||
        add_stats("input_", INPUTS, &stats, out, err))
        return err->status;
    float *x = qb_alloc(rows * cols, sizeof *x, "generated input", err);
    if (!x)
        return err->status;
    const struct qb_conditioning rotation = {.rotate = env->variant->rotate};
    const struct qb_matrix source = {
        .name = "generated input", .rows = rows, .cols = cols, .bytes = x, .size = rows * cols * sizeof *x};
    struct qb_matrix rotated = source;
    rotated.conditioning = &rotation;
    for (size_t i = 0; i < INPUTS && !err->status; i++) {
        qb_rng_seed(&rng, env->seed + (uint32_t)i);
        for (size_t j = 0; j < rows * cols; j++)
            x[j] = (float)(0.02 * inputs[i].draw(&rng));
        struct qb_matrix encoded;
        if (!qb_matrix_encode(rotation.rotate ? &rotated : &source, 0, rows,
                              qb_variant_format(env->variant, rows, cols), &encoded, err)) {
            measure_block(&source, 0, &encoded, &rotation, &stats, i, NULL, err);
            qb_free((void *)(uintptr_t)encoded.bytes);
        }
        if (err->status)
            qb_wrap(err, "input '%s'", inputs[i].name);
    }
    qb_free(x);
    return err->status;
}

struct code_row {
    float value;
    int64_t count;
};

static int compare_rows(const void *a, const void *b)
{
    float x = ((const struct code_row *)a)->value, y = ((const struct code_row *)b)->value;
    return (x > y) - (x < y);
}

static enum qb_status add_histogram(const struct codes *codes, struct qb_record *out, struct qb_error *err)
{
    size_t n = 0;
    if (codes->overflow || codes->used == 0)
        return QB_OK;
    struct code_row *rows = qb_alloc(codes->used, sizeof *rows, "code histogram", err);
    if (!rows)
        return err->status;
    for (size_t i = 0; i < CODES_SLOTS; i++)
        if (codes->count[i])
            rows[n++] = (struct code_row){codes->value[i], codes->count[i]};
    qsort(rows, n, sizeof *rows, compare_rows);
    float *value = qb_record_add(out, "code_value", QB_F32, 1, &n, "1", "coordinates that occur", err);
    int64_t *count =
        value ? qb_record_add(out, "code_count", QB_I64, 1, &n, "weights", "how often each occurs", err) : NULL;
    for (size_t i = 0; count && i < n; i++) {
        value[i] = rows[i].value;
        count[i] = rows[i].count;
    }
    qb_free(rows);
    return count ? QB_OK : err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct codes *codes = qb_alloc(1, sizeof *codes, "code histogram", err);
    if (!codes)
        return err->status;
    if (!on_tensors(env, codes, out, err) && !on_generated(env, out, err))
        add_histogram(codes, out, err);
    qb_free(codes);
    return err->status;
}

const struct qb_experiment qb_experiment_roundtrip = {
    .name = "roundtrip",
    .summary = "what storing does to values: SQNR, largest errors, code histogram, per tensor and on known inputs",
    .options = options,
    .net = true,
    .skip = qb_cell_stores_nothing,
    .run = run,
};
