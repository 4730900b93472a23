#include "compute/fused.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "codec/layout.h"
#include "compute/gemm.h"
#include "compute/interleaved.h"

struct qb_fused {
    struct qb_codec_layout layout;
    const unsigned char *bytes;
    size_t cols;
    struct qb_code_table table;         /* by_codes */
    struct qb_value_table values;       /* of other codes */
    bool by_codes;                      /* codes of magnitudes, inputs in fixed point */
    bool by_digits;                     /* integers, inputs in digits */
    struct qb_interleaved *interleaved; /* NULL: no kernel of it, or no room, and the bytes are read as they lie */
};

bool qb_fused_pays(int32_t kind)
{
    if (qb_kernels() == qb_kernels_at(QB_ISA_PORTABLE))
        return false;
    return kind != QB_LAYOUT_FLOAT || !qb_gemm_streams();
}

static void make_values(const float values[256], struct qb_value_table *table)
{
    table->mirrored = table->narrow = true;
    for (size_t code = 0; code < 256; code++) {
        uint32_t word, other;
        memcpy(&word, &values[code], sizeof word);
        memcpy(&other, &values[code ^ 128], sizeof other);
        table->value[code] = values[code];
        for (int b = 0; b < 4; b++)
            table->plane[b][code] = (uint8_t)(word >> 8 * b);
        table->mirrored = table->mirrored && word == (other ^ 0x80000000u);
        table->narrow = table->narrow && (word & 0xffff) == 0;
    }
}

/* Of the magnitudes of `count` codes, 256 or, of signed ones, 128. */
static void make_table(const float *magnitudes, int count, struct qb_code_table *table)
{
    const int flip = count == 256 ? QB_CODE_FLIP : 0;
    float most = 0;
    for (int code = 0; code < count; code++)
        most = magnitudes[code] > most ? magnitudes[code] : most;
    const double scale = most > 0 ? QB_FIXED_CODE_MOST / (double)most : 0;
    table->unit = (double)most / QB_FIXED_CODE_MOST;
    table->high_begin = 256;
    for (int lies = count - 1; lies >= 0; lies--) {
        long units = lrint((double)magnitudes[lies ^ flip] * scale);
        table->high[lies] = (uint8_t)(units / QB_FIXED_BASE);
        table->low[lies] = (uint8_t)(units % QB_FIXED_BASE);
        if (table->high[lies])
            table->high_begin = (size_t)lies;
    }
}

enum qb_status qb_fused_make(const struct qb_codec_layout *layout, const void *bytes, size_t row, size_t rows,
                             size_t cols, struct qb_fused **fused, struct qb_error *err)
{
    struct qb_fused *new = *fused = qb_alloc(1, sizeof *new, "a fused product", err);
    if (!new)
        return err->status;
    new->layout = *layout;
    if (!qb_layout_scaled(layout->kind)) {
        new->layout.scale = QB_LAYOUT_SCALE_NONE;
        new->layout.group = 0;
    }
    layout = &new->layout;
    new->bytes = bytes;
    new->cols = cols;
    new->by_codes = qb_interleaved_magnitudes(layout);
    if (new->by_codes)
        make_table(layout->values, layout->kind == QB_LAYOUT_CODES ? 256 : 128, &new->table);
    else
        make_values(layout->values, &new->values);
    if (!qb_interleaved_suits(layout))
        return QB_OK;
    new->by_digits = !new->by_codes;
    const enum qb_status status = qb_interleaved_make(layout, bytes, row, rows, cols, &new->interleaved, err);
    if (status) {
        qb_fused_free(new);
        *fused = NULL;
    }
    return status;
}

void qb_fused_free(struct qb_fused *fused)
{
    if (fused)
        qb_interleaved_free(fused->interleaved);
    qb_free(fused);
}

bool qb_fused_lacks_copy(const struct qb_fused *fused)
{
    return !fused->interleaved && qb_interleaved_suits(&fused->layout);
}

/* Columns of a prepared input: a whole number of every kernel's blocks. */
static size_t stride_of(const struct qb_fused *fused)
{
    return (fused->cols + 63) / 64 * 64;
}

/* Blocks of digits of a prepared input. */
static size_t blocks_of(const struct qb_fused *fused)
{
    return (fused->cols + 31) / 32;
}

/* The order in which the matrix's kernel takes an input's columns. */
static enum qb_order order_of(const struct qb_fused *fused)
{
    const struct qb_codec_layout *l = &fused->layout;
    if (l->kind == QB_LAYOUT_TABLE8)
        return QB_ORDER_SQUARES;
    if (l->kind == QB_LAYOUT_TABLE4 && !l->block_bytes)
        return QB_ORDER_PAIRS;
    return l->kind == QB_LAYOUT_TABLE4 && fused->cols % 32 ? QB_ORDER_FILLED : QB_ORDER_PLAIN;
}

/* Of one input: in fixed point its unit, and two digits of each value; or blocks of digits. */
size_t qb_fused_scratch(const struct qb_fused *fused, size_t n)
{
    if (fused->by_codes)
        return n * (sizeof(double) + 2 * stride_of(fused)) / sizeof(float) + sizeof(double) / sizeof(float);
    if (fused->by_digits)
        return n * blocks_of(fused) * (sizeof(struct qb_digits) + sizeof(struct qb_wide_digits)) / sizeof(float);
    return order_of(fused) == QB_ORDER_PLAIN ? 0 : n * stride_of(fused);
}

/* 64 columns in an order. */
static void put_in_order(enum qb_order order, const float x[64], float out[64])
{
    if (order == QB_ORDER_PAIRS)
        for (size_t block = 0; block < 64; block += 32)
            for (size_t k = 0; k < 16; k++) {
                out[block + k] = x[block + 2 * k];
                out[block + 16 + k] = x[block + 2 * k + 1];
            }
    else if (order == QB_ORDER_SQUARES)
        for (size_t a = 0; a < 4; a++)
            for (size_t k = 0; k < 4; k++)
                memcpy(out + 16 * k + 4 * a, x + 16 * a + 4 * k, 4 * sizeof *x);
    else
        memcpy(out, x, 64 * sizeof *x);
}

static struct qb_fixed_inputs prepare_fixed(const struct qb_fused *fused, const float *x, size_t n, float *scratch)
{
    const size_t stride = stride_of(fused), cut = (uintptr_t)scratch % sizeof(double);
    double *unit = (double *)(void *)((unsigned char *)scratch + (cut ? sizeof(double) - cut : 0));
    int8_t *high = (int8_t *)(unit + n), *low = high + n * stride;
    for (size_t i = 0; i < n; i++)
        qb_kernels()->fix(x + i * fused->cols, fused->cols, stride, high + i * stride, low + i * stride, &unit[i]);
    return (struct qb_fixed_inputs){.high = high, .low = low, .stride = stride, .unit = unit};
}

static struct qb_digit_inputs prepare_digits(const struct qb_fused *fused, const float *x, size_t n, float *scratch)
{
    const size_t blocks = blocks_of(fused);
    const int32_t bias = qb_interleaved_bias(&fused->layout);
    struct qb_digits *digits = (struct qb_digits *)(void *)scratch;
    struct qb_wide_digits *wide = (struct qb_wide_digits *)(void *)(digits + n * blocks);
    for (size_t i = 0; i < n; i++)
        qb_kernels()->digits(x + i * fused->cols, fused->cols, bias, digits + i * blocks, wide + i * blocks);
    return (struct qb_digit_inputs){digits, wide};
}

struct qb_fused_inputs qb_fused_prepare(const struct qb_fused *fused, const float *x, size_t n, float *scratch)
{
    struct qb_fused_inputs in = {.x = x, .n = n, .stride = fused->cols};
    const enum qb_order order = order_of(fused);
    if (fused->by_codes)
        in.fixed = prepare_fixed(fused, x, n, scratch);
    else if (fused->by_digits)
        in.digits = prepare_digits(fused, x, n, scratch);
    else if (order != QB_ORDER_PLAIN) {
        in.x = scratch;
        in.stride = stride_of(fused);
        for (size_t i = 0; i < n; i++, x += fused->cols, scratch += in.stride)
            for (size_t c = 0; c < in.stride; c += 64) {
                float last[64] = {0};
                if (fused->cols - c < 64)
                    memcpy(last, x + c, (fused->cols - c) * sizeof *x);
                put_in_order(order, fused->cols - c < 64 ? last : x + c, scratch + c);
            }
    }
    return in;
}

static qb_dots *dots_of(const struct qb_codec_layout *l)
{
    const struct qb_kernels *k = qb_kernels();
    switch (l->kind) {
    case QB_LAYOUT_FLOAT:
        return k->float_dots;
    case QB_LAYOUT_HALF:
        return k->half_dots;
    case QB_LAYOUT_BFLOAT:
        return k->bfloat_dots;
    case QB_LAYOUT_TABLE8:
        return k->table8_dots;
    case QB_LAYOUT_TABLE4:
        return k->table4_dots;
    default:
        return k->int8_dots;
    }
}

void qb_fused_multiply(const struct qb_fused *fused, size_t row, size_t count, const struct qb_fused_inputs *in,
                       float *y, size_t ld)
{
    const struct qb_codec_layout *l = &fused->layout;
    const struct qb_coded_rows rows = {.bytes = fused->bytes + l->first + row * l->row_bytes,
                                       .stride = l->row_bytes,
                                       .block = l->block_bytes                ? l->block_bytes
                                                : l->kind == QB_LAYOUT_TABLE4 ? 16
                                                                              : 32,
                                       .scale = l->scale,
                                       .scales = fused->bytes + l->scales + row * l->scale_row,
                                       .scale_stride = l->scale_row,
                                       .scale_step = l->group ? l->scale_group : 0,
                                       .scale_blocks = l->group / 32,
                                       .values = &fused->values};
    if (fused->by_codes && fused->interleaved)
        qb_kernels()->code_dots(fused->interleaved, &fused->table, row, count, &in->fixed, in->n, y, ld);
    else if (fused->by_codes)
        qb_stored_code_dots(l, fused->bytes, &fused->table, row, count, fused->cols, &in->fixed, in->n, y, ld);
    else if (fused->by_digits && fused->interleaved)
        qb_kernels()->digit_dots(fused->interleaved, row, count, &in->digits, in->n, y, ld);
    else if (fused->by_digits)
        qb_stored_digit_dots(l, fused->bytes, row, count, fused->cols, &in->digits, in->n, y, ld);
    else
        dots_of(l)(&rows, count, fused->cols, in->x, in->stride, in->n, y, ld);
    if (l->group || l->scale == QB_LAYOUT_SCALE_NONE)
        return;
    for (size_t r = 0; r < count; r++) {
        const float scale = qb_layout_scale(l->scale, fused->bytes + l->scales + (row + r) * l->scale_row);
        for (size_t i = 0; i < in->n; i++)
            y[i * ld + r] *= scale;
    }
}
