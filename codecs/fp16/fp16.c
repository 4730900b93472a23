/* fp16: IEEE 754 binary16, rounded to nearest even. A value that would become Inf is refused, never stored. */
#include "codec_util.h"
#include "fp16.h"

enum { VALUE_BYTES = 2 };

static void narrow(const float *x, size_t n, unsigned char *bytes)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half = qb_half_of(x[i]);
        memcpy(bytes + 2 * i, &half, sizeof half);
    }
}

static void widen(const unsigned char *bytes, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        const float value = qb_half_value(half);
        const bool finite = (half & 0x7c00u) != 0x7c00u; /* what is refused shows what it is */
        out[i] = finite ? value : half & 0x3ffu ? NAN : copysignf(INFINITY, value);
    }
}

const struct fp16_kernels fp16_portable = {.narrow = narrow, .widen = widen};

static struct fp16_kernels kernels_for(const struct qb_codec_config *config)
{
    struct fp16_kernels kernels = fp16_portable;
    if (config->isa >= QB_ISA_AVX2)
        fp16_avx2(&kernels);
    return kernels;
}

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    (void)config;
    *bytes = rows * cols * VALUE_BYTES;
    return qb_check_shape(rows, cols, sizeof(float), error);
}

static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    (void)pass;
    int status = qb_check_values(out_bytes, VALUE_BYTES, rows, cols, row, count, error);
    if (status)
        return status;
    for (size_t i = 0; i < count * cols; i++)
        if (!(fabsf(x[i]) < FP16_LIMIT)) /* NaN fails the comparison too */
            return qb_refuse(error, QB_CODEC_BAD_INPUT, row * cols + i,
                             "%g cannot be stored, the largest value is 65504", (double)x[i]);
    kernels_for(config).narrow(x, count * cols, (unsigned char *)out + row * cols * VALUE_BYTES);
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    return encode_part(config, rows, cols, 0, 0, rows, x, out, out_bytes, error);
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    int status = qb_check_values(in_bytes, VALUE_BYTES, rows, cols, row, count, error);
    if (status)
        return status;
    const unsigned char *bytes = (const unsigned char *)in + row * cols * VALUE_BYTES;
    kernels_for(config).widen(bytes, count * cols, out);
    uint32_t seen = 0; /* gets its top bit from an exponent of all ones */
    for (size_t i = 0; i < count * cols; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * VALUE_BYTES, sizeof half);
        seen |= (half & 0x7c00u) + 0x0400u;
    }
    for (size_t i = 0; seen >> 15 && i < count * cols; i++)
        if (!(fabsf(out[i]) < FP16_LIMIT))
            return qb_refuse(error, QB_CODEC_BAD_BYTES, (row * cols + i) * VALUE_BYTES, "byte %zu starts a NaN or Inf",
                             (row * cols + i) * VALUE_BYTES);
    return QB_CODEC_OK;
}

static int layout(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error)
{
    (void)config, (void)in;
    *layout = (struct qb_codec_layout){.kind = QB_LAYOUT_HALF, .row_bytes = cols * VALUE_BYTES};
    return qb_check_values(in_bytes, VALUE_BYTES, rows, cols, 0, rows, error);
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "fp16",
        .version = "1",
        .summary = "IEEE 754 binary16, rounded to nearest even: 16 bits a weight",
        .flags = QB_CODEC_KEEPS_ZERO,
        /* A relative error of 2^-11 follows from 11 significant bits, down to the denormals below 6.1e-5; the rest is
         * measured plus a margin. */
        .tolerance =
            {.relative_error = 0.00049, .floor_fraction = 0.001, .absolute_error = 0.0004, .bias = 1e-5, .sqnr_db = 73},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .encode_passes = 1,
        .encode_part = encode_part,
        .layout = layout,
    };
    return &codec;
}
