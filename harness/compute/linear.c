#include "compute/linear.h"

#include <string.h>
#include "base/mem.h"
#include "compute/compensate.h"
#include "compute/linear_parts.h"

static enum treatment treatment_of(const struct qb_variant *variant, const char *name, uint32_t roles)
{
    if (!variant)
        return TREAT_AS_IT_IS;
    if (variant->reversed)
        return TREAT_REVERSED;
    if (qb_variant_covers(variant, variant->calibration.fp16_roles, name, roles))
        return TREAT_FP16;
    if (qb_variant_other(variant, name, roles))
        return TREAT_OTHER;
    if (!qb_variant_covers(variant, variant->placement, name, roles))
        return TREAT_AS_IT_IS;
    return qb_variant_stores(variant) ? TREAT_STORED : TREAT_CODED;
}

static size_t cut_segments(const struct qb_variant *variant, const struct qb_matrix *matrix,
                           struct segment segments[QB_CUT_MAX])
{
    size_t count = qb_role_blocks(matrix->roles);
    bool alike = true;
    for (size_t i = 0; i < count; i++) {
        segments[i].rows = qb_role_rows(matrix->roles, matrix->rows, matrix->block_rows, i, &segments[i].row);
        segments[i].roles = qb_role_of_block(matrix->roles, i);
        segments[i].treatment = treatment_of(variant, matrix->name, segments[i].roles);
        segments[i].format = segments[i].treatment == TREAT_OTHER
                                 ? &qb_variant_other(variant, matrix->name, segments[i].roles)->format
                                 : NULL;
        alike = alike && segments[i].treatment == segments[0].treatment && segments[i].format == segments[0].format;
    }
    count = alike ? 1 : count;
    if (alike)
        segments[0] = (struct segment){.roles = matrix->roles,
                                       .treatment = segments[0].treatment,
                                       .rows = matrix->rows,
                                       .format = segments[0].format};
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = &segments[i];
        if (segment->treatment == TREAT_STORED)
            segment->format = qb_variant_format(variant, segment->rows, matrix->cols);
        else if (segment->treatment == TREAT_FP16)
            segment->format = &variant->fp16;
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

/* Lets products read the bytes as they lie, where there is a kernel for their layout. */
static enum qb_status fuse(struct segment *segment, enum qb_fusing fusing, struct qb_error *err)
{
    struct qb_matrix *m = &segment->matrix;
    struct qb_codec_layout layout = {.kind = QB_LAYOUT_FLOAT, .row_bytes = m->cols * sizeof(float)};
    bool known = !m->format;
    if (m->format && qb_layout_of(m->format, m->rows, m->cols, m->bytes, m->size, &layout, &known, err))
        return err->status;
    if (known && (fusing == QB_FUSED_ALL || qb_fused_pays(layout.kind)) &&
        !qb_fused_make(&layout, m->bytes, segment->first, segment->rows, m->cols, &segment->fused, err))
        m->fused = segment->fused;
    return err->status;
}

/* Lets products add the codes as logarithms. */
static enum qb_status prepare_logs(struct segment *segment, const struct qb_log_options *options, struct qb_error *err)
{
    struct qb_matrix *m = &segment->matrix;
    struct qb_codec_layout layout = {0};
    bool known = false;
    if (qb_layout_of(m->format, m->rows, m->cols, m->bytes, m->size, &layout, &known, err))
        return err->status;
    if (!known || layout.kind != QB_LAYOUT_CODES)
        return qb_fail(err, QB_ERR_INPUT, "codec '%s' has no codes of magnitudes here, which path domain-exact adds",
                       m->format->plugin->codec->id);
    if (!qb_log_product_make(&layout, m->bytes, m->cols, options, m->name, &segment->logs, err))
        m->logs = segment->logs;
    return err->status;
}

/* Makes what the segment's products multiply: the source's rows as they are, or encoded. */
static enum qb_status store(struct segment *segment, const struct qb_variant *variant, const struct qb_matrix *source,
                            const struct qb_conditioning *conditioning, const struct qb_seen *seen,
                            struct qb_error *err)
{
    struct qb_matrix changed = *source;
    enum qb_reading reading = segment->treatment == TREAT_REVERSED ? QB_READ_REVERSED : QB_READ_VALUES;
    bool stored = segment->treatment == TREAT_STORED, domain = stored && variant->path == QB_PATH_DOMAIN;
    if (domain && variant->domain != QB_DOMAIN_ACTIVATIONS)
        reading = QB_READ_COORDINATES;
    if (stored && variant->path == QB_PATH_DOMAIN_EXACT)
        reading = QB_READ_LOGARITHMS;
    segment->coded_input = segment->treatment == TREAT_CODED || (domain && variant->domain != QB_DOMAIN_WEIGHTS);
    segment->matrix = *source;
    segment->first = segment->row;
    if (segment->format) {
        segment->keep = variant->cache && reading == QB_READ_VALUES;
        changed.conditioning = segment->conditioned ? conditioning : NULL;
        if (variant->compensate && seen
                ? qb_matrix_encode_compensated(&changed, segment->row, segment->rows, segment->format, seen,
                                               &segment->matrix, err)
                : qb_matrix_encode(&changed, segment->row, segment->rows, segment->format, &segment->matrix, err))
            return err->status;
        segment->bytes = (void *)(uintptr_t)segment->matrix.bytes;
        segment->first = 0;
        if (qb_matrix_check(&segment->matrix, reading, err))
            return err->status;
    }
    if (variant && variant->fused && reading == QB_READ_VALUES && !segment->keep && fuse(segment, variant->fused, err))
        return err->status;
    if (reading == QB_READ_LOGARITHMS && prepare_logs(segment, &variant->logs, err))
        return err->status;
    if (variant && variant->split && reading == QB_READ_VALUES)
        reading = variant->split == 2 ? QB_READ_SPLIT2 : QB_READ_SPLIT;
    segment->ops = qb_matrix_ops(&segment->matrix, reading);
    return QB_OK;
}

/* Says which segments are conditioned, and finds s for them. */
static enum qb_status condition(struct qb_linear *linear, const struct qb_variant *variant,
                                const struct qb_matrix *matrix, const struct qb_seen *seen, struct qb_error *err)
{
    struct qb_scaled_block blocks[QB_CUT_MAX];
    size_t count = 0;
    if (!variant || (!variant->rotate && !variant->input_scale))
        return QB_OK;
    for (size_t i = 0; i < linear->segment_count; i++) {
        struct segment *segment = &linear->segments[i];
        segment->conditioned = segment->format != NULL;
        if (segment->conditioned)
            blocks[count++] = (struct qb_scaled_block){segment->row, segment->rows, segment->format};
    }
    linear->conditioning.rotate = variant->rotate;
    if (!variant->input_scale || !seen || count == 0)
        return QB_OK;
    linear->input_scale = qb_alloc(matrix->cols, sizeof *linear->input_scale, "scales of inputs", err);
    linear->conditioning.scale = linear->input_scale;
    return linear->input_scale
               ? qb_input_scale(variant, matrix, blocks, count, seen, linear->input_scale, &linear->input_alpha, err)
               : err->status;
}

/* Do the row blocks make the matrix, none of them empty? */
static bool blocks_fit(const struct qb_matrix *matrix)
{
    size_t left = matrix->rows, first;
    for (size_t i = 0; i < qb_role_blocks(matrix->roles); i++) {
        size_t rows = qb_role_rows(matrix->roles, matrix->rows, matrix->block_rows, i, &first);
        if (rows == 0 || rows > left)
            return false;
        left -= rows;
    }
    return left == 0;
}

enum qb_status qb_linear_create(const struct qb_variant *variant, const struct qb_matrix *matrix, const float *bias,
                                struct qb_linear **linear, struct qb_error *err)
{
    return qb_linear_create_seen(variant, matrix, bias, NULL, linear, err);
}

enum qb_status qb_linear_create_seen(const struct qb_variant *variant, const struct qb_matrix *matrix,
                                     const float *bias, const struct qb_seen *seen, struct qb_linear **linear,
                                     struct qb_error *err)
{
    size_t rows = matrix->rows, cols = matrix->cols;
    if (rows == 0 || cols == 0 || !blocks_fit(matrix))
        return qb_fail(err, QB_ERR_INPUT, "a weight matrix of %zu x %zu cannot be cut into its %zu row blocks", rows,
                       cols, qb_role_blocks(matrix->roles));
    struct qb_linear *new = qb_alloc(1, sizeof *new, "linear operator", err);
    if (!new)
        return err->status;
    new->bias = bias;
    new->rows = rows;
    new->cols = cols;
    new->scratch = &new->own;
    new->activations = variant ? &variant->activations : NULL;
    new->transport = variant && variant->path == QB_PATH_TRANSPORT ? &variant->transport : NULL;
    new->segment_count = cut_segments(variant, matrix, new->segments);
    condition(new, variant, matrix, seen, err);
    for (size_t i = 0; i < new->segment_count && !err->status; i++)
        store(&new->segments[i], variant, matrix, &new->conditioning, seen, err);
    if (err->status) {
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
        qb_fused_free(linear->segments[i].fused);
        qb_log_product_free(linear->segments[i].logs);
    }
    qb_free(linear->scale);
    qb_free(linear->input_scale);
    qb_free(linear->point);
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

enum qb_status qb_linear_set_point(struct qb_linear *linear, const float *point, struct qb_error *err)
{
    if (!linear->point && !(linear->point = qb_alloc(linear->cols, sizeof(float), "a mean point", err)))
        return err->status;
    memcpy(linear->point, point, linear->cols * sizeof(float));
    return QB_OK;
}

size_t qb_linear_point_bytes(const struct qb_linear *linear)
{
    return qb_size_of(linear->point);
}

const float *qb_linear_scale(const struct qb_linear *linear)
{
    return linear->scale;
}

const float *qb_linear_input_scale(const struct qb_linear *linear, double *alpha)
{
    *alpha = linear->input_alpha;
    return linear->input_scale;
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
    info.product = segment->ops->name;
    info.format = segment->bytes ? segment->format : NULL;
    info.encoded = segment->bytes;
    info.bytes = qb_size_of(segment->bytes);
    info.logical_bytes = segment->bytes ? info.bytes : segment->rows * linear->cols * sizeof(float);
    info.cache_bytes = qb_size_of(segment->cache) + qb_log_table_bytes(segment->logs);
    info.held_bytes = info.bytes + info.cache_bytes;
    if (!info.held_bytes)
        info.held_bytes = segment->matrix.size / segment->matrix.rows * segment->rows;
    return info;
}

size_t qb_linear_foreign_bytes(const struct qb_linear *linear)
{
    size_t bytes = 0;
    for (size_t i = 0; i < linear->segment_count; i++)
        if (segment_is_foreign(&linear->segments[i]))
            bytes += linear->segments[i].rows * linear->cols * sizeof(float);
    return bytes;
}

size_t qb_linear_decoded_bytes(const struct qb_linear *linear)
{
    size_t bytes = 0;
    for (size_t i = 0; i < linear->segment_count; i++)
        if (linear->segments[i].ops->decodes)
            bytes += linear->segments[i].rows * linear->cols * sizeof(float);
    return bytes;
}

void qb_linear_keep_decoded(struct qb_linear *linear)
{
    for (size_t i = 0; i < linear->segment_count; i++)
        linear->segments[i].keep = linear->segments[i].ops->decodes;
}

bool qb_linear_fused(const struct qb_linear *linear)
{
    for (size_t i = 0; i < linear->segment_count; i++)
        if (linear->segments[i].matrix.fused)
            return true;
    return false;
}

size_t qb_linear_lacks_copies(const struct qb_linear *linear)
{
    size_t count = 0;
    for (size_t i = 0; i < linear->segment_count; i++) {
        const struct qb_fused *fused = linear->segments[i].matrix.fused;
        count += fused && qb_fused_lacks_copy(fused);
    }
    return count;
}

bool qb_linear_encoded(const struct qb_linear *linear)
{
    for (size_t i = 0; i < linear->segment_count; i++)
        if (under_variant(&linear->segments[i]))
            return true;
    return false;
}

enum qb_status qb_linear_rows(struct qb_linear *linear, size_t row, size_t count, float *out, struct qb_error *err)
{
    if (row > linear->rows || count > linear->rows - row)
        return qb_fail(err, QB_ERR_INTERNAL, "rows [%zu, %zu) of a matrix of %zu rows", row, row + count, linear->rows);
    for (size_t i = 0; i < linear->segment_count && count > 0; i++) {
        const struct segment *segment = &linear->segments[i];
        size_t end = segment->row + segment->rows, part = end - row < count ? end - row : count;
        if (row >= end)
            continue;
        if (qb_matrix_rows(&segment->matrix, segment->first + row - segment->row, part, out, err))
            return err->status;
        if (segment->conditioned)
            qb_restore_weights(&linear->conditioning, out, part, linear->cols);
        row += part;
        count -= part;
        out += part * linear->cols;
    }
    return QB_OK;
}
