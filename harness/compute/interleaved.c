#include "compute/interleaved.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"
#include "codec/layout.h"

enum {
    ROWS = QB_INTERLEAVED_ROWS,
    BLOCK = 32,
    STEP = 4, /* columns of a row that lie together */
    SIGNS = ROWS * BLOCK / 8
};

static bool goes_up_by_one(const float values[16])
{
    if (!(values[0] >= -15 && values[0] <= 0))
        return false;
    for (int code = 0; code < 16; code++)
        if (values[code] != (float)((int)values[0] + code))
            return false;
    return true;
}

/* Of 256 values by a code: is the upper bit the sign of a magnitude? */
static bool is_signed(const float values[256])
{
    enum { APART = 8 }; /* units */
    float most = 0;
    for (int code = 0; code < 128; code++) {
        if (!(values[code] >= 0) || values[code | 128] != -values[code])
            return false;
        most = values[code] > most ? values[code] : most;
    }
    const double least = (double)most * APART / QB_FIXED_CODE_MOST;
    for (int a = 0; a < 128; a++)
        for (int b = 0; b < a; b++)
            if (values[a] != values[b] && fabs((double)values[a] - (double)values[b]) < least)
                return false;
    return most > 0;
}

bool qb_interleaved_magnitudes(const struct qb_codec_layout *l)
{
    return l->kind == QB_LAYOUT_CODES || (l->kind == QB_LAYOUT_TABLE8 && is_signed(l->values));
}

bool qb_interleaved_suits(const struct qb_codec_layout *l)
{
    if (qb_interleaved_magnitudes(l))
        return true;
    return l->group && (l->kind == QB_LAYOUT_INT8 || (l->kind == QB_LAYOUT_TABLE4 && goes_up_by_one(l->values) &&
                                                      l->scale != QB_LAYOUT_SCALE_POWER));
}

/* The codes of n <= 32 columns from c on, integers biased so that none is negative; the others 0. */
static void read_codes(const struct qb_codec_layout *l, const unsigned char *line, size_t c, size_t n,
                       uint8_t codes[BLOCK])
{
    memset(codes, 0, BLOCK);
    if (l->kind == QB_LAYOUT_INT8) {
        const unsigned char *from = line + (l->block_bytes ? c / BLOCK * l->block_bytes : c);
        for (size_t k = 0; k < n; k++)
            codes[k] = from[k] ^ 128;
        return;
    }
    if (l->kind == QB_LAYOUT_CODES || l->kind == QB_LAYOUT_TABLE8) {
        for (size_t k = 0; k < n; k++)
            codes[k] = line[c + k] ^ (l->kind == QB_LAYOUT_CODES ? QB_CODE_FLIP : 0);
        return;
    }
    const unsigned char *from = line + c / BLOCK * (l->block_bytes ? l->block_bytes : BLOCK / 2);
    for (size_t k = 0; k < n; k++)
        codes[k] = l->block_bytes ? (k < 16 ? from[k] & 15 : from[k - 16] >> 4)
                                  : (uint8_t)(k % 2 ? from[k / 2] >> 4 : from[k / 2] & 15);
}

static bool is_minus(const struct qb_codec_layout *l, const unsigned char *signs, size_t c)
{
    return l->sign_bits ? signs[c / 8] >> c % 8 & 1 : signs[c] >> 7;
}

/* The signs of n <= 32 columns from c on, for the row of that lane. */
static void put_signs(const struct qb_codec_layout *l, const unsigned char *signs, size_t c, size_t n, size_t lane,
                      unsigned char to[SIGNS])
{
    for (size_t k = 0; k < n; k++) {
        const bool minus = is_minus(l, signs, c + k);
        const size_t bit = k / STEP * ROWS * STEP + lane * STEP + k % STEP;
        to[bit / 8] |= (unsigned char)(minus << bit % 8);
    }
}

static void put_block(struct qb_interleaved *w, const struct qb_codec_layout *l, const unsigned char *bytes, size_t row,
                      size_t place, size_t block, size_t cols)
{
    uint8_t codes[BLOCK];
    const size_t c = block * BLOCK, at = place / ROWS * w->blocks + block, lane = place % ROWS;
    const size_t n = cols - c < BLOCK ? cols - c : BLOCK;
    read_codes(l, bytes + l->first + row * l->row_bytes, c, n, codes);
    unsigned char *to = w->codes + at * w->block + lane * STEP;
    for (size_t k = 0; k < BLOCK; k++)
        if (w->four_bits)
            to[k / 8 * ROWS * STEP + k % STEP] |= (uint8_t)(codes[k] << (k % 8 < 4 ? 0 : 4));
        else
            to[k / STEP * ROWS * STEP + k % STEP] = codes[k];
    if (l->kind == QB_LAYOUT_CODES) {
        put_signs(l, bytes + l->signs + row * l->sign_row, c, n, lane, w->codes + at * w->block + ROWS * BLOCK);
        return;
    }
    if (!w->scales)
        return;
    const unsigned char *scale = bytes + l->scales + row * l->scale_row + c / l->group * l->scale_group;
    if (w->halves) {
        memcpy(w->scales + (at * ROWS + lane) * 2, scale, 2);
    } else {
        const float value = qb_layout_scale(l->scale, scale);
        memcpy(w->scales + (at * ROWS + lane) * sizeof value, &value, sizeof value);
    }
}

int32_t qb_interleaved_bias(const struct qb_codec_layout *l)
{
    return l->kind == QB_LAYOUT_TABLE4 ? -(int32_t)l->values[0] : 128;
}

void qb_stored_digit_dots(const struct qb_codec_layout *l, const unsigned char *bytes, size_t row, size_t count,
                          size_t cols, const struct qb_digit_inputs *x, size_t n, float *y, size_t ld)
{
    const size_t blocks = (cols + BLOCK - 1) / BLOCK;
    for (size_t r = 0; r < count; r++) {
        const unsigned char *line = bytes + l->first + (row + r) * l->row_bytes;
        const unsigned char *scales = bytes + l->scales + (row + r) * l->scale_row;
        for (size_t i = 0; i < n; i++)
            y[i * ld + r] = 0;
        for (size_t block = 0; block < blocks; block++) {
            const size_t c = block * BLOCK;
            uint8_t codes[BLOCK];
            read_codes(l, line, c, cols - c < BLOCK ? cols - c : BLOCK, codes);
            const float scale = qb_layout_scale(l->scale, scales + c / l->group * l->scale_group);
            for (size_t i = 0; i < n; i++) {
                const struct qb_digits *d = &x->digits[i * blocks + block];
                const struct qb_wide_digits *wide = &x->wide[i * blocks + block];
                int32_t upper = d->correction[0], rest = d->correction[1];
                for (size_t k = 0; k < BLOCK; k++) {
                    upper += codes[k] * wide->part[0][k];
                    rest += codes[k] * wide->part[1][k];
                }
                float *sum = &y[i * ld + r];
                *sum = fmaf(scale, fmaf((float)upper, QB_DIGITS_UPPER, (float)rest) * d->unit, *sum);
            }
        }
    }
}

void qb_stored_code_dots(const struct qb_codec_layout *l, const unsigned char *bytes, const struct qb_code_table *table,
                         size_t row, size_t count, size_t cols, const struct qb_fixed_inputs *x, size_t n, float *y,
                         size_t ld)
{
    for (size_t at = 0; at < count * n; at++) {
        const size_t r = at / n, i = at % n;
        const unsigned char *line = bytes + l->first + (row + r) * l->row_bytes;
        const unsigned char *signs = bytes + l->signs + (row + r) * l->sign_row;
        const unsigned char *scales = bytes + l->scales + (row + r) * l->scale_row;
        const int8_t *high = x->high + i * x->stride, *low = x->low + i * x->stride;
        int64_t whole = 0;
        float scaled = 0;
        for (size_t c = 0; c < cols; c += BLOCK) {
            const size_t count_here = cols - c < BLOCK ? cols - c : BLOCK;
            uint8_t codes[BLOCK];
            struct qb_digit_sums sums = {0};
            read_codes(l, line, c, count_here, codes);
            for (size_t k = 0; k < count_here; k++) {
                const bool apart = l->kind == QB_LAYOUT_CODES;
                const bool minus = apart ? is_minus(l, signs, c + k) : codes[k] >> 7;
                qb_digit_sums_add(&sums, table, apart ? codes[k] : codes[k] & 127u, minus, high[c + k], low[c + k]);
            }
            if (l->group)
                scaled = fmaf(qb_layout_scale(l->scale, scales + c / l->group * l->scale_group),
                              qb_from_digit_sums(sums, table->unit, x->unit[i]), scaled);
            else
                whole += qb_digit_sums_whole(sums);
        }
        y[i * ld + r] = l->group ? scaled : qb_from_fixed(whole, table->unit, x->unit[i]);
    }
}

enum qb_status qb_interleaved_make(const struct qb_codec_layout *l, const unsigned char *bytes, size_t row, size_t rows,
                                   size_t cols, struct qb_interleaved **out, struct qb_error *err)
{
    const size_t blocks = (cols + BLOCK - 1) / BLOCK, groups = (rows + ROWS - 1) / ROWS;
    const bool four = l->kind == QB_LAYOUT_TABLE4, halves = l->scale == QB_LAYOUT_SCALE_HALF;
    const size_t block_bytes = four ? ROWS * BLOCK / 2 : ROWS * BLOCK + (l->kind == QB_LAYOUT_CODES ? SIGNS : 0);
    const size_t scale_bytes = l->group ? ROWS * (halves ? 2 : sizeof(float)) : 0;
    *out = NULL;
    if (!qb_mem_spares(groups * blocks * (block_bytes + scale_bytes)))
        return QB_OK;
    struct qb_interleaved *w = *out = qb_alloc(1, sizeof *w, "an interleaved matrix", err);
    if (!w)
        return err->status;
    *w = (struct qb_interleaved){.row = row,
                                 .blocks = blocks,
                                 .block = block_bytes,
                                 .four_bits = four,
                                 .halves = halves,
                                 .signed_codes = l->kind == QB_LAYOUT_TABLE8,
                                 .bias = qb_interleaved_bias(l)};
    w->codes = qb_alloc(groups * blocks, block_bytes, "interleaved codes", err);
    if (w->codes && scale_bytes)
        w->scales = qb_alloc(groups * blocks, scale_bytes, "their scales", err);
    if (!w->codes || (scale_bytes && !w->scales)) {
        qb_interleaved_free(w);
        *out = NULL;
        return err->status;
    }
    for (size_t place = 0; place < rows; place++)
        for (size_t block = 0; block < blocks; block++)
            put_block(w, l, bytes, row + place, place, block, cols);
    return QB_OK;
}

void qb_interleaved_free(struct qb_interleaved *w)
{
    if (!w)
        return;
    qb_free(w->codes);
    qb_free(w->scales);
    qb_free(w);
}
