/* What the variant's net stores encoded, row block by row block: borrowed from its operators. */
#include "base/mem.h"
#include "speed_parts.h"

/* Rows [row, row + count) of one encoded block. */
struct piece {
    struct qb_segment_info block;
    size_t cols, row, count;
};

/* The first rows of the largest block, as FP32 has them, and room for their code. */
struct sample {
    const struct qb_format *format;
    size_t rows, cols, bytes;
    float *values;
    void *encoded;
};

struct qb_stored {
    struct piece *pieces;
    size_t count, bytes, decoded;
    float *out; /* room for the largest */
    struct sample sample;
};

/* In pieces that decode into a working set within bounds. */
static enum qb_status add_block(struct qb_stored *st, const struct qb_segment_info *block, size_t cols,
                                struct qb_error *err)
{
    size_t fit = qb_beyond_caches() / sizeof(float) / cols;
    for (size_t row = 0, n; row < block->rows; row += n) {
        n = block->rows - row < fit ? block->rows - row : fit ? fit : 1;
        struct piece *grown = qb_grow(st->pieces, st->count + 1, sizeof *grown, "stored tensors", err);
        if (!grown)
            return err->status;
        st->pieces = grown;
        st->pieces[st->count++] = (struct piece){*block, cols, row, n};
    }
    st->bytes += block->bytes;
    st->decoded += sizeof(float) * block->rows * cols;
    return QB_OK;
}

/* fp32: the same operator of the FP32 net. */
static enum qb_status take_sample(struct sample *s, const struct qb_segment_info *block, size_t cols,
                                  struct qb_linear *fp32, struct qb_error *err)
{
    s->rows = qb_panel_rows(block->rows, cols);
    s->cols = cols;
    if (qb_encoded_size(block->format, s->rows, cols, &s->bytes, err))
        return err->status;
    s->format = block->format;
    s->values = qb_alloc(s->rows * cols, sizeof *s->values, "weights to encode", err);
    s->encoded = qb_alloc(s->bytes, 1, "encoded weights", err);
    return s->values && s->encoded ? qb_linear_rows(fp32, block->row, s->rows, s->values, err) : err->status;
}

enum qb_status qb_stored_create(struct qb_net *net, struct qb_net *fp32, struct qb_stored **stored,
                                struct qb_error *err)
{
    const struct qb_tensor *tensor = NULL, *same;
    struct qb_linear *linear, *fp32_of_most = NULL;
    struct qb_segment_info most = {0};
    size_t largest = 1, cols_of_most = 0;
    struct qb_stored *st = *stored = qb_alloc(1, sizeof *st, "stored tensors", err);
    if (!st)
        return err->status;
    for (size_t i = 0; (linear = qb_net_linear(net, i, &tensor)); i++)
        for (size_t k = 0; k < qb_linear_segments(linear); k++) {
            const struct qb_segment_info block = qb_linear_segment(linear, k);
            if (!block.encoded)
                continue;
            if (add_block(st, &block, tensor->cols, err))
                return err->status;
            if (block.rows * tensor->cols > most.rows * cols_of_most) {
                most = block;
                cols_of_most = tensor->cols;
                fp32_of_most = qb_net_linear(fp32, i, &same);
            }
        }
    for (size_t i = 0; i < st->count; i++)
        largest = qb_stored_values(st, i) > largest ? qb_stored_values(st, i) : largest;
    st->out = qb_alloc(largest, sizeof(float), "decoded tensor", err);
    return st->out && fp32_of_most ? take_sample(&st->sample, &most, cols_of_most, fp32_of_most, err) : err->status;
}

void qb_stored_free(struct qb_stored *stored)
{
    if (!stored)
        return;
    qb_free(stored->pieces);
    qb_free(stored->out);
    qb_free(stored->sample.values);
    qb_free(stored->sample.encoded);
    qb_free(stored);
}

size_t qb_stored_count(const struct qb_stored *stored)
{
    return stored->count;
}

size_t qb_stored_values(const struct qb_stored *stored, size_t i)
{
    return stored->pieces[i].count * stored->pieces[i].cols;
}

size_t qb_stored_bytes(const struct qb_stored *stored)
{
    return stored->bytes;
}

size_t qb_stored_decoded(const struct qb_stored *stored)
{
    return stored->decoded;
}

void qb_stored_decode(void *stored)
{
    const struct qb_stored *st = stored;
    struct qb_codec_error error;
    for (size_t i = 0; i < st->count; i++) {
        const struct piece *p = &st->pieces[i];
        const struct qb_segment_info *b = &p->block;
        b->format->plugin->codec->decode(&b->format->config, b->rows, p->cols, b->encoded, b->bytes, p->row, p->count,
                                         st->out, &error);
    }
}

size_t qb_stored_sample_bytes(const struct qb_stored *stored)
{
    return sizeof(float) * stored->sample.rows * stored->sample.cols;
}

void qb_stored_encode(void *stored)
{
    const struct sample *s = &((const struct qb_stored *)stored)->sample;
    struct qb_codec_error error;
    s->format->plugin->codec->encode(&s->format->config, s->rows, s->cols, s->values, s->encoded, s->bytes, &error);
}
