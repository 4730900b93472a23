#include "compute/linear.h"

#include <string.h>
#include "base/mem.h"
#include "compute/linear_parts.h"

static enum treatment treatment_of(const struct qb_variant *variant, const char *name, uint32_t roles)
{
    if (!variant)
        return TREAT_FLOAT;
    if (variant->reversed)
        return TREAT_REVERSED;
    if (qb_variant_covers(variant, variant->calibration.fp16_roles, name, roles))
        return TREAT_FP16;
    if (!qb_variant_covers(variant, variant->placement, name, roles))
        return TREAT_FLOAT;
    return qb_variant_stores(variant) ? TREAT_STORED : TREAT_CODED;
}

/* The row blocks' roles: a fused qkv has three, everything else one (a tied embedding is one block of two roles). */
static size_t blocks_of(uint32_t roles, uint32_t blocks[8])
{
    static const uint32_t fused[] = {QB_ROLE_ATTN_Q, QB_ROLE_ATTN_K, QB_ROLE_ATTN_V, QB_ROLE_MLP_GATE, QB_ROLE_MLP_UP};
    size_t count = 0;
    for (size_t i = 0; i < sizeof fused / sizeof *fused; i++)
        if (roles & fused[i])
            blocks[count++] = fused[i];
    if (count == 0)
        blocks[count++] = roles;
    return count;
}

static size_t cut_segments(const struct qb_variant *variant, const struct qb_matrix *matrix,
                           struct segment segments[QB_CUT_MAX])
{
    uint32_t blocks[8];
    size_t count = blocks_of(matrix->roles, blocks), rows = matrix->rows / count;
    enum treatment first = treatment_of(variant, matrix->name, blocks[0]);
    bool alike = true;
    for (size_t i = 1; i < count; i++)
        alike = alike && treatment_of(variant, matrix->name, blocks[i]) == first;
    count = alike ? 1 : count;
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = &segments[i];
        segment->treatment = treatment_of(variant, matrix->name, blocks[i]);
        segment->roles = alike ? matrix->roles : blocks[i];
        segment->row = i * rows;
        segment->rows = alike ? matrix->rows : rows;
        segment->format = segment->treatment == TREAT_STORED ? &variant->weights
                          : segment->treatment == TREAT_FP16 ? &variant->fp16
                                                             : NULL;
    }
    return count;
}

size_t qb_linear_cut(const struct qb_variant *variant, const struct qb_matrix *matrix, struct qb_cut cuts[QB_CUT_MAX])
{
    struct segment segments[QB_CUT_MAX] = {{0}};
    size_t count = cut_segments(variant, matrix, segments);
    for (size_t i = 0; i < count; i++)
        cuts[i] = (struct qb_cut){.roles = segments[i].roles,
                                  .rows = segments[i].rows,
                                  .under = segments[i].format || segments[i].treatment == TREAT_CODED,
                                  .stored = segments[i].format};
    return count;
}

static enum qb_status store(struct segment *segment, const struct qb_variant *variant, const float *weights,
                            size_t cols, struct qb_error *err)
{
    if (segment->treatment == TREAT_FLOAT || segment->treatment == TREAT_REVERSED)
        return QB_OK;
    bool domain = variant->path == QB_PATH_DOMAIN;
    if (segment->treatment == TREAT_CODED) {
        segment->coded_input = true;
        return QB_OK;
    }
    if (segment->treatment == TREAT_STORED) {
        segment->coordinates = domain && variant->domain != QB_DOMAIN_ACTIVATIONS;
        segment->coded_input = domain && variant->domain != QB_DOMAIN_WEIGHTS;
        segment->keep = variant->cache && !segment->coordinates;
    } else {
        segment->keep = variant->cache;
    }
    size_t size;
    if (qb_encoded_size(segment->format, segment->rows, cols, &size, err) != QB_OK)
        return err->status;
    segment->bytes = qb_alloc(size, 1, "encoded weights", err);
    if (!segment->bytes)
        return err->status;
    return qb_encode(segment->format, segment->rows, cols, weights + segment->row * cols, segment->bytes, size, err);
}

enum qb_status qb_linear_create(const struct qb_variant *variant, const struct qb_matrix *matrix, const float *bias,
                                struct qb_linear **linear, struct qb_error *err)
{
    uint32_t blocks[8];
    size_t count = blocks_of(matrix->roles, blocks), rows = matrix->rows, cols = matrix->cols;
    if (rows == 0 || cols == 0 || rows % count)
        return qb_fail(err, QB_ERR_INPUT, "a weight matrix of %zu x %zu cannot be cut into %zu equal row blocks", rows,
                       cols, count);
    struct qb_linear *new = qb_alloc(1, sizeof *new, "linear operator", err);
    if (!new)
        return err->status;
    new->weights = matrix->bytes;
    if (matrix->format) {
        /* TEMPORARY, until products read any format: the matrix as FP32. */
        float *copy = qb_alloc(rows * cols, sizeof *copy, "decoded weights", err);
        if (!copy || qb_decode(matrix->format, rows, cols, matrix->bytes, matrix->size, 0, rows, copy, err)) {
            qb_free(copy);
            qb_linear_free(new);
            return err->status;
        }
        new->weights = new->decoded = copy;
    }
    new->bias = bias;
    new->rows = rows;
    new->cols = cols;
    new->scratch = &new->own;
    new->activations = variant ? &variant->activations : NULL;
    new->segment_count = cut_segments(variant, matrix, new->segments);
    for (size_t i = 0; i < new->segment_count; i++)
        if (store(&new->segments[i], variant, new->weights, cols, err) != QB_OK) {
            qb_linear_free(new);
            return err->status;
        }
    *linear = new;
    return QB_OK;
}

void qb_linear_free(struct qb_linear *linear)
{
    if (!linear)
        return;
    for (size_t i = 0; i < linear->segment_count; i++) {
        qb_free(linear->segments[i].bytes);
        qb_free(linear->segments[i].cache);
    }
    qb_free(linear->scale);
    qb_free(linear->decoded);
    qb_scratch_free(&linear->own);
    qb_free(linear);
}

void qb_linear_share_scratch(struct qb_linear *linear, struct qb_scratch *scratch)
{
    qb_scratch_free(&linear->own);
    linear->scratch = scratch;
}

static bool under_variant(const struct segment *segment)
{
    return segment->treatment == TREAT_STORED || segment->treatment == TREAT_CODED;
}

enum qb_status qb_linear_set_scale(struct qb_linear *linear, const float *scale, struct qb_error *err)
{
    if (!linear->scale && !(linear->scale = qb_alloc(linear->rows, sizeof(float), "channel scales", err)))
        return err->status;
    for (size_t i = 0; i < linear->segment_count; i++) {
        const struct segment *segment = &linear->segments[i];
        for (size_t r = segment->row; r < segment->row + segment->rows; r++)
            linear->scale[r] = under_variant(segment) ? scale[r] : 1.0f;
    }
    return QB_OK;
}

const float *qb_linear_scale(const struct qb_linear *linear)
{
    return linear->scale;
}

size_t qb_linear_rows_out(const struct qb_linear *linear)
{
    return linear->rows;
}

size_t qb_linear_cols_in(const struct qb_linear *linear)
{
    return linear->cols;
}

size_t qb_linear_segments(const struct qb_linear *linear)
{
    return linear->segment_count;
}

struct qb_segment_info qb_linear_segment(const struct qb_linear *linear, size_t index)
{
    const struct segment *segment = &linear->segments[index];
    struct qb_segment_info info = {.row = segment->row, .rows = segment->rows, .roles = segment->roles};
    info.store = segment->bytes ? segment->format->plugin->codec->id : "fp32";
    info.bytes = qb_size_of(segment->bytes);
    info.logical_bytes = segment->bytes ? info.bytes : segment->rows * linear->cols * sizeof(float);
    info.cache_bytes = qb_size_of(segment->cache);
    return info;
}

bool qb_linear_encoded(const struct qb_linear *linear)
{
    for (size_t i = 0; i < linear->segment_count; i++)
        if (under_variant(&linear->segments[i]))
            return true;
    return false;
}

struct qb_linear_counters qb_linear_counters(const struct qb_linear *linear)
{
    struct qb_linear_counters counters = linear->counters;
    size_t stored = 0;
    for (size_t i = 0; i < linear->segment_count; i++)
        stored += linear->segments[i].bytes ? linear->segments[i].rows : 0;
    counters.decodes = stored ? linear->rows_decoded / stored : 0;
    return counters;
}

enum qb_status qb_linear_rows(struct qb_linear *linear, size_t row, size_t count, float *out, struct qb_error *err)
{
    if (row > linear->rows || count > linear->rows - row)
        return qb_fail(err, QB_ERR_INTERNAL, "rows [%zu, %zu) of a matrix of %zu rows", row, row + count, linear->rows);
    for (size_t i = 0; i < linear->segment_count && count > 0; i++) {
        const struct segment *segment = &linear->segments[i];
        if (row >= segment->row + segment->rows)
            continue;
        size_t part = segment->row + segment->rows - row;
        part = part < count ? part : count;
        const float *floats = segment->cache   ? segment->cache + (row - segment->row) * linear->cols
                              : segment->bytes ? NULL
                                               : linear->weights + row * linear->cols;
        if (floats)
            memcpy(out, floats, part * linear->cols * sizeof *out);
        else if (qb_decode(segment->format, segment->rows, linear->cols, segment->bytes, qb_size_of(segment->bytes),
                           row - segment->row, part, out, err) != QB_OK)
            return err->status;
        row += part;
        count -= part;
        out += part * linear->cols;
    }
    return QB_OK;
}
