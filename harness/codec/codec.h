/* codec.h - the public plugin ABI of qinsbench, version 4. Apache-2.0.
 *
 * A codec is a number format for storage: a float matrix (rows x cols, row-major, C order) <-> bytes. It is
 * stateless: everything a decode needs is in the encoded bytes, the shape and the parsed options. A plugin is one
 * shared object that includes this file and nothing else of the harness (beside it codec_util.h, codec_block.h and
 * codec_scaled.h have what most codecs share, for those who want them), and exports one function:
 *
 *     const struct qb_codec *qb_codec_entry(void);
 *
 * The host checks struct_size and abi_version first and refuses a mismatch naming both versions. Codecs are
 * identified by their string id everywhere. All functions must be callable from several threads at once on different
 * buffers. The host owns every buffer. A plugin never prints, exits, or keeps a pointer after it returns.
 */
#ifndef QB_CODEC_H
#define QB_CODEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QB_CODEC_ABI_VERSION 4u

/* Instruction set levels, each including those before it. The host passes the level to use in qb_codec_config.isa;
 * it never passes a level that the CPU lacks. A codec without SIMD ignores it. Results must be bitwise the same at
 * every level, but for gemv and gemm_tile. */
#ifndef QB_ISA_H
#define QB_ISA_H
enum qb_isa {
    QB_ISA_PORTABLE = 0, /* C that any machine runs: the reference */
    QB_ISA_AVX2 = 1,     /* AVX2, FMA, F16C */
    QB_ISA_AVX512 = 2,   /* AVX-512 F, CD, BW, DQ, VL */
    QB_ISA_AMX = 3       /* AMX TILE and BF16, too */
};
#endif

/* What a codec function returns; the message for the user goes into qb_codec_error. */
enum qb_codec_status {
    QB_CODEC_OK = 0,
    QB_CODEC_BAD_INPUT = 1,  /* a value of x that the format cannot hold (NaN, Inf); `index` says which */
    QB_CODEC_BAD_BYTES = 2,  /* encoded bytes that no encode of this shape and options can have produced */
    QB_CODEC_BAD_SIZE = 3,   /* a buffer smaller than the size that the shape needs, or a shape out of range */
    QB_CODEC_UNSUPPORTED = 4 /* options, or options and a number of columns, that the codec does not know */
};

struct qb_codec_error {
    size_t index;      /* the element (row * cols + col) or byte at fault, where there is one; else SIZE_MAX */
    char message[256]; /* NUL-terminated, without newline */
};

/* Options are data: the host parses, checks and documents them, and hands the codec an array of values in the order
 * of the codec's option list. */
enum qb_option_type {
    QB_OPTION_INT,    /* integer in [min, max] */
    QB_OPTION_FLOAT,  /* finite double in [min, max] */
    QB_OPTION_BOOL,   /* 0 or 1 */
    QB_OPTION_CHOICE, /* one of `choices`, a list separated by '|'; the value is its index */
    QB_OPTION_SCOPE,  /* "tensor", "row" or "group:N" (N consecutive elements of a row, 1 <= N <= 2^20, the last group
                         of a row may be shorter): over what a range or scale is shared */
    QB_OPTION_SIZE    /* bytes in [min, max], 1 <= min, max <= 2^60: "4GiB", "512MiB", "1048576"; or "none", which is
                         the value 0 */
};

struct qb_codec_option {
    const char *name; /* [a-z_]+ ; NULL ends the list */
    enum qb_option_type type;
    const char *default_value; /* as the user would write it */
    double min, max;           /* INT, FLOAT and SIZE */
    const char *choices;       /* CHOICE */
    const char *help;          /* one line */
};

enum qb_scope_kind { QB_SCOPE_TENSOR = 0, QB_SCOPE_ROW = 1, QB_SCOPE_GROUP = 2 };
struct qb_scope {
    int32_t kind;   /* enum qb_scope_kind */
    uint32_t group; /* QB_SCOPE_GROUP: N; else 0 */
};

union qb_option_value {
    int64_t i; /* INT, BOOL, CHOICE, SIZE */
    double f;  /* FLOAT */
    struct qb_scope scope;
};

/* Made by the host, constant while it is used. */
struct qb_codec_config {
    uint32_t struct_size;                 /* sizeof(struct qb_codec_config) of the host */
    int32_t isa;                          /* enum qb_isa */
    const union qb_option_value *options; /* one for each entry of the codec's option list, in its order */
};

/* What the codec promises on the conformance suite's standard inputs (Gaussian, sigma 0.02, 64 x 256, default
 * options; the suite scales nothing). Mandatory; a promise is tested, never assumed. */
struct qb_codec_tolerance {
    double relative_error; /* max |decoded - x| / |x| over |x| >= floor_fraction * max|x|; 0 = exact */
    double floor_fraction; /* below this share of the tensor's max|x| only absolute_error counts */
    double absolute_error; /* max |decoded - x| / max|x| over all elements */
    double bias;           /* |mean over elements of (|decoded| - |x|)| / mean |x| */
    double sqnr_db;        /* least 10 log10(sum x^2 / sum (decoded - x)^2); use 1e9 for lossless */
};

/* How the bytes of an encoded matrix lie, for a host that multiplies them as they are. The value of row r, column c, is
 * exactly what decode gives. Offsets are from the encoded matrix's first byte. */
enum qb_layout_kind {
    QB_LAYOUT_HALF = 1,   /* binary16 */
    QB_LAYOUT_BFLOAT = 2, /* the upper halves of binary32 */
    QB_LAYOUT_INT8 = 3,   /* scale * an int8 */
    QB_LAYOUT_TABLE8 = 4, /* scale * values[a code of 8 bits] */
    QB_LAYOUT_TABLE4 = 5, /* scale * values[a code of 4 bits] */
    QB_LAYOUT_CODES = 6,  /* a code of 8 bits for the magnitude and, apart from it, a sign */
    QB_LAYOUT_FLOAT = 7   /* binary32 */
};
/* How a scale is stored. Its product with a value is one binary32 multiplication. */
enum qb_layout_scale {
    QB_LAYOUT_SCALE_NONE = 0,  /* there is none; the value is the code's own */
    QB_LAYOUT_SCALE_FLOAT = 1, /* binary32 */
    QB_LAYOUT_SCALE_HALF = 2,  /* binary16 */
    QB_LAYOUT_SCALE_POWER = 3  /* a byte e: 2^(e - 127) */
};
struct qb_codec_layout {
    int32_t kind;            /* enum qb_layout_kind */
    int32_t sign_bits;       /* CODES: 1: bit c % 8 of byte c / 8 of a row's signs is 1 for minus; 0: an int8 each, -1
                                or 1 */
    size_t first, row_bytes; /* row 0's values, blocks or codes; from a row's to the next one's */
    size_t signs, sign_row;  /* CODES: likewise the signs */
    /* INT8, TABLE8 and TABLE4: row r's first scale lies at scales + r * scale_row (0: all rows have row 0's), that of
     * its column c c / group * scale_group bytes on. */
    int32_t scale; /* enum qb_layout_scale */
    size_t scales, scale_row;
    size_t group, scale_group; /* columns that share a scale, a multiple of 32; 0: all of a row */
    /* Codes of a row follow each other, those of 4 bits two a byte, the lower half first. Or, of
     * INT8 and TABLE4, they lie in blocks: those of columns [32 b, 32 b + 32), of a whole number of blocks, from
     * block_bytes * b on, and of 4 bits those of a block's first 16 columns in the lower halves of its 16 bytes. */
    size_t block_bytes; /* 0: not in blocks */
    float values[256];  /* CODES: magnitudes; TABLE8, TABLE4: values; those of codes that do not occur 0 */
};

enum {                                /* qb_codec.flags */
       QB_CODEC_LOSSLESS = 1u << 0,   /* decode(encode(x)) == x bit for bit, for finite x */
       QB_CODEC_KEEPS_ZERO = 1u << 1, /* 0 decodes to 0 */
       QB_CODEC_RESCALES = 1u << 2    /* values that were decoded once may get another scale when encoded again */
};

struct qb_codec {
    uint32_t struct_size; /* sizeof(struct qb_codec) of the plugin */
    uint32_t abi_version; /* QB_CODEC_ABI_VERSION of the plugin */
    const char *id;       /* [a-z0-9_-]+, unique */
    const char *version;  /* of the format's implementation; a change of stored bytes or decoded values changes it */
    const char *summary;  /* one line */
    uint32_t flags;
    const struct qb_codec_option *options; /* ended by a NULL name; NULL: none */
    struct qb_codec_tolerance tolerance;

    /* Bytes that an encoded rows x cols matrix takes, ranges and scales included. rows, cols >= 1. */
    int (*encoded_size)(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                        struct qb_codec_error *error);

    /* Encodes x[rows * cols] into out[out_bytes], out_bytes >= encoded_size (more is fine, the rest is untouched).
     * NaN and Inf are refused with their index. */
    int (*encode)(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error);

    /* Decodes rows [row, row + count) of an encoded rows x cols matrix into out[count * cols]. Any range of rows gives
     * the same values as the whole. Any bytes may come in: a decode reads no byte outside in[0, in_bytes) and either
     * refuses or returns finite values. */
    int (*decode)(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error);

    /* Optional functions: NULL means the host's default or "not offered". */

    /* The code values read as numbers, c(x), for rows [row, row + count): what a path that computes without decoding
     * sees (qins8: sign * stored / 255; int8: the integer code). Same contract as decode. */
    int (*coordinates)(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, float *out, struct qb_codec_error *error);

    /* y[count] = rows [row, row + count) of W x, for an encoded W (rows x cols) that decode would read and x[cols],
     * without materialising W. Each y is within 1e-5 * sum |w x| of the product with the decoded weights, the sum over
     * its terms; levels may differ by as much. A row's y is the same bits in every range of rows. Default: decode a
     * tile, then BLAS. */
    int (*gemv)(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                size_t row, size_t count, const float *x, float *y, struct qb_codec_error *error);

    /* y[n, count] (rows of y lie ldy >= count apart; what is between stays untouched) = x[n, cols] times the transpose
     * of rows [row, row + count) of an encoded W. All else as gemv's. */
    int (*gemm_tile)(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                     size_t row, size_t count, const float *x, size_t n, float *y, size_t ldy,
                     struct qb_codec_error *error);

    /* Encoding without the whole matrix at once (0 and NULL: not offered). The host calls encode_part for consecutive
     * ranges of rows from 0 to the end, once for each pass in [0, encode_passes); x[count * cols] is the range's
     * values, the same in every pass; out[out_bytes] is the whole encoded matrix, out_bytes >= encoded_size. What a
     * pass learns it keeps in out; after the last pass out holds bitwise what encode gives, however the rows were cut.
     * encode_passes is the most that any option needs: a pass with nothing to do does nothing. NaN and Inf are refused
     * in the first pass, with their index in the matrix (row * cols + col). */
    uint32_t encode_passes;
    int (*encode_part)(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                       size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error);

    /* How an encoded matrix that decode would read lies in its bytes (not offered: NULL). Options under which no kind
     * of layout fits are QB_CODEC_UNSUPPORTED. */
    int (*layout)(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  struct qb_codec_layout *layout, struct qb_codec_error *error);
};

typedef const struct qb_codec *(*qb_codec_entry_fn)(void);
#define QB_CODEC_ENTRY_NAME "qb_codec_entry"
#if defined(__GNUC__)
#define QB_CODEC_EXPORT __attribute__((visibility("default")))
#else
#define QB_CODEC_EXPORT
#endif

#ifdef __cplusplus
}
#endif

#endif
