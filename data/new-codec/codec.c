/* @NAME@: 4-bit integers times a scale, one scale for each group of neighbouring values in a row. README.md draws the
 * bytes. To make a format of your own, change the four parts marked FORMAT; what stands around them (sizes, bounds,
 * NaN, errors) is what every codec owes its host. codec.h is the contract, codec_util.h has the checks. */
#include "codec_util.h"

/* FORMAT 1: the numbers that four bits stand for. A value is code * scale, code in [LOWEST, HIGHEST]; stored is
 * code + ZERO, in [0, 15]. LOWEST is the code of a group's largest magnitude, so |LOWEST| >= HIGHEST. */
enum { LOWEST = -7, HIGHEST = 7, ZERO = 8 };

/* ---- what the host is told: options, and the promise that the conformance suite tests ---- */

enum { OPTION_GROUP };
static const struct qb_codec_option options[] = {
    [OPTION_GROUP] = {.name = "group",
                      .type = QB_OPTION_INT,
                      .default_value = "64",
                      .min = 1,
                      .max = 65536,
                      .help = "values of a row that share a scale; the last group of a row may be shorter"},
    {.name = NULL},
};

/* ---- FORMAT 2: where things are. A row is its scales (float32), then its codes, two a byte ---- */

struct layout {
    size_t group;     /* values that share a scale */
    size_t scales;    /* in a row */
    size_t row_bytes; /* scales and codes of a row */
    size_t bytes;     /* of the matrix */
};

/* For rows [row, row + count) in a buffer of `have` bytes. */
static int lay_out(const struct qb_codec_config *config, size_t rows, size_t cols, size_t have, size_t row,
                   size_t count, struct layout *layout, struct qb_codec_error *error)
{
    int status = qb_check_shape(rows, cols, 8, error); /* 8 bytes a value are more than any layout takes */
    if (status)
        return status;
    layout->group = (size_t)config->options[OPTION_GROUP].i;
    layout->scales = (cols - 1) / layout->group + 1;
    layout->row_bytes = layout->scales * sizeof(float) + (cols - 1) / 2 + 1;
    layout->bytes = rows * layout->row_bytes;
    return qb_check_part(have, layout->bytes, rows, row, count, error);
}

/* ---- FORMAT 3: from values to codes ---- */

/* The scale under which the value of largest magnitude gets the code LOWEST. It is negative where that value is
 * positive; 0 for a group of zeros. */
static float scale_of(const float *x, size_t n)
{
    float extreme = 0;
    for (size_t i = 0; i < n; i++)
        extreme = fabsf(x[i]) > fabsf(extreme) ? x[i] : extreme;
    float scale = extreme == 0 ? 0 : extreme / (float)LOWEST;
    return isfinite(scale * (float)LOWEST) ? scale : nextafterf(scale, 0); /* near FLT_MAX the quotient may round up */
}

/* The stored code, in [0, 15], of a value. */
static unsigned quantise(float x, float scale)
{
    float code = scale == 0 ? 0 : rintf(x / scale); /* to the nearest, ties to even */
    code = code < (float)LOWEST ? (float)LOWEST : code > (float)HIGHEST ? (float)HIGHEST : code;
    return (unsigned)((int)code + ZERO);
}

static void encode_row(const struct layout *layout, size_t cols, const float *x, unsigned char *out)
{
    unsigned char *codes = out + layout->scales * sizeof(float);
    memset(codes, 0, layout->row_bytes - layout->scales * sizeof(float));
    for (size_t k = 0; k < layout->scales; k++) {
        size_t start = k * layout->group, left = cols - start, n = left < layout->group ? left : layout->group;
        float scale = scale_of(x + start, n);
        memcpy(out + k * sizeof scale, &scale, sizeof scale); /* no address in the encoded bytes is aligned */
        for (size_t i = start; i < start + n; i++)
            codes[i / 2] |= (unsigned char)(quantise(x[i], scale) << (i % 2 ? 4 : 0));
    }
}

/* ---- FORMAT 4: from codes to values. Any bytes may come in: what no encode can have written is refused ---- */

static int decode_row(const struct layout *layout, size_t cols, const unsigned char *in, size_t at, float *out,
                      struct qb_codec_error *error)
{
    const unsigned char *codes = in + at + layout->scales * sizeof(float);
    for (size_t k = 0; k < layout->scales; k++) {
        size_t start = k * layout->group, left = cols - start, n = left < layout->group ? left : layout->group;
        float scale;
        memcpy(&scale, in + at + k * sizeof scale, sizeof scale);
        if (!isfinite(scale * (float)LOWEST))
            return qb_refuse(error, QB_CODEC_BAD_BYTES, at + k * sizeof scale, "a scale of %g, no encode gives that",
                             (double)scale);
        for (size_t i = start; i < start + n; i++) {
            int code = (codes[i / 2] >> (i % 2 ? 4 : 0) & 15) - ZERO;
            if (code < LOWEST || code > HIGHEST)
                return qb_refuse(error, QB_CODEC_BAD_BYTES, (size_t)(codes - in) + i / 2,
                                 "a code of %d, codes are in [%d, %d]", code, LOWEST, HIGHEST);
            out[i] = (float)code * scale;
        }
    }
    return QB_CODEC_OK;
}

/* ---- the functions that the host calls; a new format leaves them as they are ---- */

static int encoded_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, SIZE_MAX, 0, rows, &layout, error);
    *bytes = layout.bytes;
    return status;
}

/* Rows [row, row + count) of the matrix: the host need not hold all of it as FP32. One pass is enough, for a row needs
 * to know of no other. */
static int encode_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    (void)pass;
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, out_bytes, row, count, &layout, error);
    if (!status)
        status = qb_check_finite(x, count * cols, row * cols, error);
    for (size_t r = 0; !status && r < count; r++)
        encode_row(&layout, cols, x + r * cols, (unsigned char *)out + (row + r) * layout.row_bytes);
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    return encode_part(config, rows, cols, 0, 0, rows, x, out, out_bytes, error);
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    struct layout layout = {0};
    int status = lay_out(config, rows, cols, in_bytes, row, count, &layout, error);
    for (size_t r = 0; !status && r < count; r++)
        status = decode_row(&layout, cols, in, (row + r) * layout.row_bytes, out + r * cols, error);
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void);
QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {
        .struct_size = sizeof codec,
        .abi_version = QB_CODEC_ABI_VERSION,
        .id = "@NAME@",
        .version = "1", /* a change of stored bytes or decoded values changes it: a gate holds you to that */
        .summary = "4-bit integers times a scale, one scale for each group of a row",
        .flags = QB_CODEC_KEEPS_ZERO,
        .options = options,
        /* On the standard input (codec.h). The error is at most half a step, max|x| / 14, so 1/7 of a value that is at
         * least half of max|x|; bias and SQNR are measured, with a margin. */
        .tolerance =
            {.relative_error = 0.143, .floor_fraction = 0.5, .absolute_error = 0.072, .bias = 0.008, .sqnr_db = 19},
        .encoded_size = encoded_size,
        .encode = encode,
        .decode = decode,
        .encode_passes = 1,
        .encode_part = encode_part,
        /* Optional too, see codec.h: coordinates, gemv, gemm_tile. */
    };
    return &codec;
}
