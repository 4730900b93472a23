/* A codec inside of the test program that counts what the host asks of it: bytes are q * 100 rounded, in [-100, 100],
 * and each optional function is offered or not as the test says. */
#ifndef QB_TEST_COUNTING_CODEC_H
#define QB_TEST_COUNTING_CODEC_H

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include "codec/registry.h"

static struct {
    atomic_int sizes, decodes, gemvs, gemms, parts;
    atomic_long rows_decoded, most_at_once; /* rows of all decodes; of the longest part */
    long next_row, next_pass;               /* which part is due */
    int wrong_order;                        /* parts that were not */
    int decode_status;                      /* what decode answers */
    size_t nan_row;                         /* decodes to NaN; SIZE_MAX: none */
} counted = {.nan_row = SIZE_MAX};

static int counting_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                         struct qb_codec_error *error)
{
    (void)config, (void)error;
    counted.sizes++;
    *bytes = rows * cols;
    return QB_CODEC_OK;
}

__attribute__((unused)) static int counting_part(const struct qb_codec_config *config, size_t rows, size_t cols,
                                                 unsigned pass, size_t row, size_t count, const float *x, void *out,
                                                 size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)out_bytes, (void)error;
    counted.parts++;
    counted.wrong_order += pass != (unsigned)counted.next_pass || row != (size_t)counted.next_row;
    counted.next_row = row + count == rows ? 0 : (long)(row + count);
    counted.next_pass = (long)pass + (row + count == rows);
    counted.most_at_once = counted.most_at_once > (long)count ? (long)counted.most_at_once : (long)count;
    for (size_t i = 0; pass == 1 && i < count * cols; i++)
        ((int8_t *)out)[row * cols + i] = (int8_t)lrintf(fminf(fmaxf(x[i] * 100, -100), 100));
    return QB_CODEC_OK;
}

static int counting_encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                           size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)out_bytes, (void)error;
    for (size_t i = 0; i < rows * cols; i++)
        ((int8_t *)out)[i] = (int8_t)lrintf(fminf(fmaxf(x[i] * 100, -100), 100));
    return QB_CODEC_OK;
}

static int counting_decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in,
                           size_t in_bytes, size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)in_bytes, (void)error;
    counted.decodes++;
    counted.rows_decoded += (long)count;
    for (size_t i = 0; i < count * cols; i++)
        out[i] = row + i / cols == counted.nan_row ? NAN : (float)((const int8_t *)in)[row * cols + i] / 100;
    return counted.decode_status;
}

static int counting_gemm(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in,
                         size_t in_bytes, size_t row, size_t count, const float *x, size_t n, float *y, size_t ldy,
                         struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)in_bytes, (void)error;
    counted.gemms++;
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < count; r++) {
            double sum = 0;
            for (size_t c = 0; c < cols; c++)
                sum += (double)x[i * cols + c] * ((const int8_t *)in)[(row + r) * cols + c];
            y[i * ldy + r] = (float)(sum / 100);
        }
    return QB_CODEC_OK;
}

static int counting_gemv(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in,
                         size_t in_bytes, size_t row, size_t count, const float *x, float *y,
                         struct qb_codec_error *error)
{
    counted.gemvs++;
    counted.gemms--;
    return counting_gemm(config, rows, cols, in, in_bytes, row, count, x, 1, y, count, error);
}

/* Its formats; a test sets the optional functions of counting_codec. */
static struct qb_codec counting_codec = {
    .id = "counting", .encoded_size = counting_size, .encode = counting_encode, .decode = counting_decode};
static const struct qb_plugin counting_plugin = {.codec = &counting_codec, .path = "counting.so"};
static const struct qb_format counting_format = {.plugin = &counting_plugin,
                                                 .config = {.struct_size = sizeof(struct qb_codec_config)}};

#endif
