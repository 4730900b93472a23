#include "codec/layout.h"

#include <string.h>
#include "codec/codec_util.h" /* halves */

enum { BLOCK = 32, HALF_BLOCK = BLOCK / 2 };

/* `rows` lines of `line` bytes, `stride` apart, from `first` on. */
static bool lines_fit(size_t first, size_t rows, size_t stride, size_t line, size_t bytes)
{
    size_t last;
    return first <= bytes && line <= bytes - first && !__builtin_mul_overflow(rows - 1, stride, &last) &&
           last <= bytes - first - line;
}

bool qb_layout_scaled(int32_t kind)
{
    return kind == QB_LAYOUT_INT8 || kind == QB_LAYOUT_TABLE8 || kind == QB_LAYOUT_TABLE4;
}

/* Bytes of a row of cols values, blocks or codes; 0: no such row. */
static size_t line_of(const struct qb_codec_layout *l, size_t cols)
{
    const size_t in_block = l->kind == QB_LAYOUT_TABLE4 ? HALF_BLOCK : BLOCK;
    size_t blocks;
    switch (l->kind) {
    case QB_LAYOUT_FLOAT:
        return 4 * cols;
    case QB_LAYOUT_HALF:
    case QB_LAYOUT_BFLOAT:
        return 2 * cols;
    case QB_LAYOUT_CODES:
        return cols;
    case QB_LAYOUT_INT8:
    case QB_LAYOUT_TABLE8:
    case QB_LAYOUT_TABLE4:
        if (!l->block_bytes)
            return l->kind == QB_LAYOUT_TABLE4 ? cols / 2 + cols % 2 : cols;
        if (l->kind == QB_LAYOUT_TABLE8 || cols % BLOCK ||
            __builtin_mul_overflow(cols / BLOCK - 1, l->block_bytes, &blocks) ||
            __builtin_add_overflow(blocks, in_block, &blocks))
            return 0;
        return blocks;
    default:
        return 0;
    }
}

static size_t scale_bytes(int32_t scale)
{
    return scale == QB_LAYOUT_SCALE_FLOAT   ? sizeof(float)
           : scale == QB_LAYOUT_SCALE_HALF  ? sizeof(uint16_t)
           : scale == QB_LAYOUT_SCALE_POWER ? 1
                                            : 0;
}

static bool scales_fit(const struct qb_codec_layout *l, size_t rows, size_t cols, size_t bytes)
{
    size_t line;
    if (l->scale == QB_LAYOUT_SCALE_NONE)
        return true;
    if (scale_bytes(l->scale) == 0 || l->group % BLOCK ||
        __builtin_mul_overflow(l->group ? (cols - 1) / l->group : 0, l->scale_group, &line) ||
        __builtin_add_overflow(line, scale_bytes(l->scale), &line))
        return false;
    return lines_fit(l->scales, rows, l->scale_row, line, bytes);
}

bool qb_layout_fits(const struct qb_codec_layout *layout, size_t rows, size_t cols, size_t bytes)
{
    size_t line = line_of(layout, cols);
    if (line == 0 || !lines_fit(layout->first, rows, layout->row_bytes, line, bytes))
        return false;
    if (qb_layout_scaled(layout->kind) && !scales_fit(layout, rows, cols, bytes))
        return false;
    for (size_t code = 0; code < 256; code++)
        if (!isfinite(layout->values[code]) || (layout->kind == QB_LAYOUT_CODES && !(layout->values[code] >= 0)))
            return false;
    return layout->kind != QB_LAYOUT_CODES ||
           lines_fit(layout->signs, rows, layout->sign_row, layout->sign_bits ? (cols + 7) / 8 : cols, bytes);
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

/* The value of column c of a row that begins at `line`, without its scale. */
static float unscaled(const struct qb_codec_layout *l, const unsigned char *line, size_t c)
{
    const size_t block = c / BLOCK, in = c % BLOCK;
    if (l->kind != QB_LAYOUT_TABLE4) {
        unsigned char code = line[l->block_bytes ? block * l->block_bytes + in : c];
        return l->kind == QB_LAYOUT_INT8 ? (float)(signed char)code : l->values[code];
    }
    if (l->block_bytes)
        return l->values[line[block * l->block_bytes + in % HALF_BLOCK] >> (in < HALF_BLOCK ? 0 : 4) & 15];
    return l->values[line[c / 2] >> 4 * (c % 2) & 15];
}

float qb_layout_scale(int32_t scale, const unsigned char *at)
{
    return scale == QB_LAYOUT_SCALE_NONE    ? 1
           : scale == QB_LAYOUT_SCALE_FLOAT ? float_at(at)
           : scale == QB_LAYOUT_SCALE_HALF  ? half_at(at)
                                            : ldexpf(1, *at - 127);
}

void qb_layout_row(const struct qb_codec_layout *layout, const void *in, size_t row, size_t cols, float *out)
{
    const unsigned char *bytes = in, *line = bytes + layout->first + row * layout->row_bytes;
    const unsigned char *signs = bytes + layout->signs + row * layout->sign_row;
    const unsigned char *scales = bytes + layout->scales + row * layout->scale_row;
    for (size_t c = 0; c < cols; c++)
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
        case QB_LAYOUT_CODES:
            out[c] = is_negative(layout, signs, c) ? -layout->values[line[c]] : layout->values[line[c]];
            break;
        default:
            out[c] = unscaled(layout, line, c);
            out[c] *=
                qb_layout_scale(layout->scale, scales + (layout->group ? c / layout->group * layout->scale_group : 0));
        }
}
