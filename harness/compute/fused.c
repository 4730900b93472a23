#include "compute/fused.h"

#include <math.h>
#include <string.h>
#include "base/cpu.h"
#include "base/mem.h"

struct qb_fused {
    struct qb_codec_layout layout;
    const unsigned char *bytes;
    size_t cols;
    struct qb_code_table table; /* of codes of magnitudes */
};

bool qb_fused_pays(int32_t kind)
{
    if (qb_kernels() == qb_kernels_at(QB_ISA_PORTABLE))
        return false;
    return kind != QB_LAYOUT_CODES || (qb_cpu()->byte_permutes && qb_kernels() == qb_kernels_at(QB_ISA_AVX512));
}

static void make_table(const float magnitudes[256], struct qb_code_table *table)
{
    float most = 0;
    for (int code = 0; code < 256; code++)
        most = magnitudes[code] > most ? magnitudes[code] : most;
    const double scale = most > 0 ? QB_FIXED_CODE_MOST / (double)most : 0;
    table->unit = (double)most / QB_FIXED_CODE_MOST;
    for (int code = 0; code < 256; code++) {
        long units = lrint((double)magnitudes[code] * scale);
        table->high[code] = (uint8_t)(units / QB_FIXED_BASE);
        table->low[code] = (uint8_t)(units % QB_FIXED_BASE);
    }
}

enum qb_status qb_fused_make(const struct qb_codec_layout *layout, const void *bytes, size_t cols,
                             struct qb_fused **fused, struct qb_error *err)
{
    struct qb_fused *new = *fused = qb_alloc(1, sizeof *new, "a fused product", err);
    if (!new)
        return err->status;
    new->layout = *layout;
    new->bytes = bytes;
    new->cols = cols;
    if (layout->kind == QB_LAYOUT_CODES)
        make_table(layout->magnitudes, &new->table);
    return QB_OK;
}

void qb_fused_free(struct qb_fused *fused)
{
    qb_free(fused);
}

static size_t stride_of(const struct qb_fused *fused)
{
    return (fused->cols + 63) / 64 * 64;
}

/* Of one input: its unit, and two digits of each value. */
size_t qb_fused_scratch(const struct qb_fused *fused, size_t n)
{
    return fused->layout.kind == QB_LAYOUT_CODES
               ? n * (sizeof(double) + 2 * stride_of(fused)) / sizeof(float) + sizeof(double) / sizeof(float)
               : 0;
}

struct qb_fused_inputs qb_fused_prepare(const struct qb_fused *fused, const float *x, size_t n, float *scratch)
{
    struct qb_fused_inputs in = {.x = x, .n = n};
    if (fused->layout.kind != QB_LAYOUT_CODES)
        return in;
    const size_t stride = stride_of(fused), cut = (uintptr_t)scratch % sizeof(double);
    double *unit = (double *)(void *)((unsigned char *)scratch + (cut ? sizeof(double) - cut : 0));
    int8_t *high = (int8_t *)(unit + n), *low = high + n * stride;
    for (size_t i = 0; i < n; i++)
        qb_kernels()->fix(x + i * fused->cols, fused->cols, stride, high + i * stride, low + i * stride, &unit[i]);
    in.fixed = (struct qb_fixed_inputs){.high = high, .low = low, .stride = stride, .unit = unit};
    return in;
}

static qb_dots *dots_of(int32_t kind)
{
    const struct qb_kernels *k = qb_kernels();
    return kind == QB_LAYOUT_FLOAT    ? k->float_dots
           : kind == QB_LAYOUT_HALF   ? k->half_dots
           : kind == QB_LAYOUT_BFLOAT ? k->bfloat_dots
           : kind == QB_LAYOUT_INT8   ? k->int8_dots
           : kind == QB_LAYOUT_Q8_0   ? k->q8_dots
                                      : k->q4_dots;
}

void qb_fused_multiply(const struct qb_fused *fused, size_t row, size_t count, const struct qb_fused_inputs *in,
                       float *y, size_t ld)
{
    const struct qb_codec_layout *l = &fused->layout;
    const struct qb_coded_rows rows = {.bytes = fused->bytes + l->first + row * l->row_bytes,
                                       .stride = l->row_bytes,
                                       .signs = fused->bytes + l->signs + row * l->sign_row,
                                       .sign_stride = l->sign_row,
                                       .sign_bits = l->sign_bits,
                                       .table = &fused->table};
    if (l->kind == QB_LAYOUT_CODES) {
        qb_kernels()->code_dots(&rows, count, fused->cols, &in->fixed, in->n, y, ld);
        return;
    }
    dots_of(l->kind)(&rows, count, fused->cols, in->x, in->n, y, ld);
    for (size_t r = 0; r < count && l->kind == QB_LAYOUT_INT8; r++) {
        float scale;
        memcpy(&scale, fused->bytes + l->scales + (row + r) * l->scale_row, sizeof scale);
        for (size_t i = 0; i < in->n; i++)
            y[i * ld + r] *= scale;
    }
}
