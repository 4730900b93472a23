#include "codec/layout.h"

#include <string.h>
#include "codec/codec_util.h" /* halves */

enum { BLOCK = 32, HALF_BLOCK = BLOCK / 2, Q8_0_BYTES = 34, Q4_0_BYTES = 18, BLOCK_CODES = 2 };

/* `rows` lines of `line` bytes, `stride` apart, from `first` on. */
static bool lines_fit(size_t first, size_t rows, size_t stride, size_t line, size_t bytes)
{
    size_t last;
    return first <= bytes && line <= bytes - first && !__builtin_mul_overflow(rows - 1, stride, &last) &&
           last <= bytes - first - line;
}

/* Bytes of a row of cols values, blocks or codes; 0: no such row. */
static size_t line_of(int32_t kind, size_t cols)
{
    switch (kind) {
    case QB_LAYOUT_FLOAT:
        return 4 * cols;
    case QB_LAYOUT_HALF:
    case QB_LAYOUT_BFLOAT:
        return 2 * cols;
    case QB_LAYOUT_INT8:
    case QB_LAYOUT_CODES:
        return cols;
    case QB_LAYOUT_Q8_0:
        return cols % BLOCK ? 0 : cols / BLOCK * Q8_0_BYTES;
    case QB_LAYOUT_Q4_0:
        return cols % BLOCK ? 0 : cols / BLOCK * Q4_0_BYTES;
    default:
        return 0;
    }
}

bool qb_layout_fits(const struct qb_codec_layout *layout, size_t rows, size_t cols, size_t bytes)
{
    size_t line = line_of(layout->kind, cols);
    if (line == 0 || !lines_fit(layout->first, rows, layout->row_bytes, line, bytes))
        return false;
    if (layout->kind == QB_LAYOUT_INT8)
        return lines_fit(layout->scales, rows, layout->scale_row, sizeof(float), bytes);
    if (layout->kind != QB_LAYOUT_CODES)
        return true;
    for (size_t code = 0; code < 256; code++)
        if (!(layout->magnitudes[code] >= 0 && isfinite(layout->magnitudes[code])))
            return false;
    return lines_fit(layout->signs, rows, layout->sign_row, layout->sign_bits ? (cols + 7) / 8 : cols, bytes);
}

static float upper_half(const unsigned char *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    uint32_t word = (uint32_t)half << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static float half_at(const unsigned char *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return qb_half_value(half);
}

static float float_at(const unsigned char *at)
{
    float value;
    memcpy(&value, at, sizeof value);
    return value;
}

static bool is_negative(const struct qb_codec_layout *layout, const unsigned char *signs, size_t c)
{
    return layout->sign_bits ? signs[c / 8] >> c % 8 & 1 : signs[c] >> 7;
}

void qb_layout_row(const struct qb_codec_layout *layout, const void *in, size_t row, size_t cols, float *out)
{
    const unsigned char *bytes = in, *line = bytes + layout->first + row * layout->row_bytes;
    const unsigned char *signs = bytes + layout->signs + row * layout->sign_row;
    const float scale = layout->kind == QB_LAYOUT_INT8 ? float_at(bytes + layout->scales + row * layout->scale_row) : 0;
    for (size_t c = 0; c < cols; c++) {
        const unsigned char *q8 = line + c / BLOCK * Q8_0_BYTES, *q4 = line + c / BLOCK * Q4_0_BYTES;
        switch (layout->kind) {
        case QB_LAYOUT_FLOAT:
            out[c] = float_at(line + 4 * c);
            break;
        case QB_LAYOUT_HALF:
            out[c] = half_at(line + 2 * c);
            break;
        case QB_LAYOUT_BFLOAT:
            out[c] = upper_half(line + 2 * c);
            break;
        case QB_LAYOUT_INT8:
            out[c] = scale * (float)(signed char)line[c];
            break;
        case QB_LAYOUT_Q8_0:
            out[c] = half_at(q8) * (float)(signed char)q8[BLOCK_CODES + c % BLOCK];
            break;
        case QB_LAYOUT_Q4_0:
            out[c] =
                half_at(q4) * (float)((q4[BLOCK_CODES + c % HALF_BLOCK] >> (c % BLOCK < HALF_BLOCK ? 0 : 4) & 15) - 8);
            break;
        default:
            out[c] = is_negative(layout, signs, c) ? -layout->magnitudes[line[c]] : layout->magnitudes[line[c]];
        }
    }
}
