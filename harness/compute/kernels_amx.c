/* What AMX does: products of BF16 terms. A tile register holds 16 rows of 64 bytes. */
#define QB_VECTOR_BYTES 64
#include <immintrin.h>
#include "compute/kernels.h"
#include "compute/lanes.h"

enum { TILES = 8, REGISTER_ROWS = 16, REGISTER_BYTES = 64 };

/* What LDTILECFG reads (Intel SDM vol. 1, 18.2). In static memory: gcc 12 takes the intrinsic to read eight bytes, and
 * would leave the rest of one on the stack unwritten. */
#define EACH(VALUE)                                                                                                    \
    {                                                                                                                  \
        VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE, VALUE                                                         \
    }
static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} config = {.palette = 1, .bytes = EACH(REGISTER_BYTES), .rows = EACH(REGISTER_ROWS)};

/* Does not let gcc move what writes or reads memory past the intrinsics, which do not say that they do. */
INLINE void keep_order(void)
{
    __asm__ volatile("" ::: "memory");
}

/* 16 x 16 words, in place: pairs of rows are interleaved by words, then by two words, then by 128 bits twice. */
INLINE void turn_words(__m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int k = 0; k < 4; k++) {
        t[k] = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x88);
        t[4 + k] = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xdd);
        t[8 + k] = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x88);
        t[12 + k] = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xdd);
    }
    for (int k = 0; k < 8; k++) {
        r[k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0x88);
        r[8 + k] = _mm512_shuffle_i32x4(t[k], t[8 + k], 0xdd);
    }
}

INLINE void turn_tiles(uint16_t *tiles, size_t count)
{
    for (; count > 0; count--, tiles += QB_SPLIT_TILE) {
        __m512i r[16];
        for (size_t i = 0; i < 16; i++)
            r[i] = _mm512_loadu_si512(tiles + i * QB_SPLIT_COLS);
        turn_words(r);
        for (size_t i = 0; i < 16; i++)
            _mm512_storeu_si512(tiles + i * QB_SPLIT_COLS, r[i]);
    }
}

/* ---- splitting ---- */

INLINE __m512 nearest_bfloat(__m512 x)
{
    const __m512i bits = _mm512_castps_si512(x), down = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
    const __mmask16 odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
    const __m512i rounded = _mm512_mask_add_epi32(down, odd, bits, _mm512_set1_epi32(0x8000));
    return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32((int)0xffff0000u)));
}

/* The same of what is left where nothing comes behind it. */
INLINE __m512 last_bfloat(__m512 x)
{
    return _mm512_mask_mov_ps(nearest_bfloat(x), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}

/* The upper halves of 32 floats. */
INLINE void store_upper(uint16_t *to, __m512 low, __m512 high)
{
    const __m512i upper = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                                           25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(_mm512_castps_si512(low), upper, _mm512_castps_si512(high)));
}

INLINE __mmask16 first_lanes(size_t n)
{
    return n < 16 ? (__mmask16)((1u << n) - 1) : 0xffff;
}

/* The tiles of `left` columns, at most 32, that a line of cols has from x on. Rows lie too far apart to be read ahead
 * by the processor itself: it is asked for the next tiles' columns. */
INLINE void split_columns(size_t terms, const float *x, size_t rows, size_t cols, size_t left, uint16_t *to)
{
    const __mmask16 low = first_lanes(left), high = left < 16 ? 0 : first_lanes(left - 16);
    for (size_t r = 0; r < QB_SPLIT_ROWS; r++, to += QB_SPLIT_COLS) {
        const float *from = x + (r < rows ? r : 0) * cols;
        _mm_prefetch((const char *)(from + QB_SPLIT_COLS), _MM_HINT_T0);
        _mm_prefetch((const char *)(from + QB_SPLIT_COLS + 16), _MM_HINT_T0);
        __m512 a = _mm512_maskz_loadu_ps(r < rows ? low : 0, from);
        __m512 b = _mm512_maskz_loadu_ps(r < rows ? high : 0, from + (high ? 16 : 0));
        for (size_t t = 0; t < terms - 1; t++) {
            const __m512 near_a = nearest_bfloat(a), near_b = nearest_bfloat(b);
            store_upper(to + t * QB_SPLIT_TILE, near_a, near_b);
            a = _mm512_sub_ps(a, near_a);
            b = _mm512_sub_ps(b, near_b);
        }
        if (terms == 2)
            store_upper(to + QB_SPLIT_TILE, last_bfloat(a), last_bfloat(b));
        else
            store_upper(to + 2 * QB_SPLIT_TILE, a, b); /* all of it */
    }
}

INLINE void split_terms(size_t terms, const float *x, size_t rows, size_t cols, bool turned, uint16_t *tiles)
{
    for (size_t c = 0; c < cols; c += QB_SPLIT_COLS, tiles += terms * QB_SPLIT_TILE) {
        if (rows == QB_SPLIT_ROWS && cols - c >= QB_SPLIT_COLS) /* without masks */
            split_columns(terms, x + c, QB_SPLIT_ROWS, cols, QB_SPLIT_COLS, tiles);
        else
            split_columns(terms, x + c, rows, cols, cols - c, tiles);
        if (turned)
            turn_tiles(tiles, terms);
    }
}

static void split(size_t terms, const float *x, size_t rows, size_t cols, bool turned, uint16_t *tiles)
{
    if (terms == 2)
        split_terms(2, x, rows, cols, turned, tiles);
    else
        split_terms(3, x, rows, cols, turned, tiles);
}

/* ---- products ---- */

/* Registers: 0 to 3 sums (rows' tile, then inputs' tile), 4 and 5 of rows, 6 and 7 of inputs. */
#define LOAD_ROWS(TERM)                                                                                                \
    do {                                                                                                               \
        _tile_loadd(4, w + (TERM)*QB_SPLIT_TILE, REGISTER_BYTES);                                                      \
        if (two_rows)                                                                                                  \
            _tile_loadd(5, w + block + (TERM)*QB_SPLIT_TILE, REGISTER_BYTES);                                          \
    } while (0)
#define LOAD_INPUTS(TERM)                                                                                              \
    do {                                                                                                               \
        _tile_loadd(6, x + (TERM)*QB_SPLIT_TILE, REGISTER_BYTES);                                                      \
        if (two_inputs)                                                                                                \
            _tile_loadd(7, x + block + (TERM)*QB_SPLIT_TILE, REGISTER_BYTES);                                          \
    } while (0)
#define MULTIPLY(PART, PARTS)                                                                                          \
    do {                                                                                                               \
        _tile_dpbf16ps(0, 4, 6);                                                                                       \
        ask_for(next, 4 * (PART), 4 * (PARTS), terms);                                                                 \
        if (two_inputs)                                                                                                \
            _tile_dpbf16ps(1, 4, 7);                                                                                   \
        ask_for(next, 4 * (PART) + 1, 4 * (PARTS), terms);                                                             \
        if (two_rows)                                                                                                  \
            _tile_dpbf16ps(2, 5, 6);                                                                                   \
        ask_for(next, 4 * (PART) + 2, 4 * (PARTS), terms);                                                             \
        if (two_rows && two_inputs)                                                                                    \
            _tile_dpbf16ps(3, 5, 7);                                                                                   \
        ask_for(next, 4 * (PART) + 3, 4 * (PARTS), terms);                                                             \
    } while (0)

/* Asks for part `part` of `parts` of the lines of so many terms of four tiles. */
INLINE void ask_for(const uint16_t *const tiles[4], size_t part, size_t parts, size_t terms)
{
    const size_t lines = terms * QB_SPLIT_ROWS, count = (4 * lines + parts - 1) / parts, first = part * count;
#pragma GCC unroll 16
    for (size_t i = 0; i < count; i++)
        if (first + i < 4 * lines)
            _mm_prefetch((const char *)(tiles[(first + i) / lines] + (first + i) % lines * QB_SPLIT_COLS), _MM_HINT_T0);
}

/* Lines that are needed much later, to be brought into the second-level cache: `each` at a time of inputs from the
 * third level, then, of `left` lines, from memory. */
struct later {
    const char *inputs, *next;
    size_t inputs_each, next_each, left;
};

INLINE void ask_later(struct later *later)
{
    for (size_t i = 0; i < later->inputs_each; i++, later->inputs += REGISTER_BYTES)
        _mm_prefetch(later->inputs, _MM_HINT_T1);
    for (size_t i = 0; i < later->next_each && later->left > 0; i++, later->left--, later->next += REGISTER_BYTES)
        _mm_prefetch(later->next, _MM_HINT_T1);
}

/* The order of qb_split_orders: what two neighbours share is not loaded again. Loads do not wait for products only
 * where they find their lines in the first-level cache: those of the tiles that come next are asked for between
 * products, a few at a time. */
INLINE void multiply(size_t all, const uint16_t *w, const uint16_t *x, size_t tiles, bool two_rows, bool two_inputs,
                     struct later *later)
{
    const uint16_t *const first_w = w, *const first_x = x;
    const struct qb_split_order *const order = &qb_split_orders[all];
    const size_t step = all * QB_SPLIT_TILE, block = tiles * step, second_w = two_rows ? block : 0,
                 second_x = two_inputs ? block : 0;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t t = 0, terms = all; t < tiles; t++, w += step, x += step) {
        const uint16_t *const next[4] = {x + step, x + step + second_x, w + step, w + step + second_w};
#pragma GCC unroll 5
        for (size_t p = 0; p < order->count; p++) {
            const uint8_t *const now = order->products[p], *const last = p ? now - 2 : NULL;
            if (!last || now[0] != last[0])
                LOAD_ROWS(now[0]);
            if (!last || now[1] != last[1])
                LOAD_INPUTS(now[1]);
            MULTIPLY(p, order->count);
            ask_later(later);
        }
    }
    if (!order->first_apart)
        return;
    w = first_w;
    x = first_x;
    for (size_t t = 0, terms = 1; t < tiles; t++, w += step, x += step) {
        const uint16_t *const next[4] = {x + 2 * step, x + 2 * step + second_x, w + 2 * step, w + 2 * step + second_w};
        LOAD_ROWS(0);
        LOAD_INPUTS(0);
        MULTIPLY(0, 1);
    }
}

/* Sums [rows][inputs] into y, rows <= 16 and n <= 16 of them. */
INLINE void put(const float sums[REGISTER_ROWS * 16], size_t rows, size_t n, float *y, size_t ld)
{
    const __mmask16 wanted = rows < 16 ? (__mmask16)((1u << rows) - 1) : 0xffff;
    __m512i r[16];
    for (size_t i = 0; i < 16; i++)
        r[i] = _mm512_loadu_si512(sums + i * 16);
    turn_words(r);
    for (size_t i = 0; i < 16; i++) /* -0 is 0 */
        if (i < n)
            _mm512_mask_storeu_ps(y + i * ld, wanted, _mm512_add_ps(_mm512_castsi512_ps(r[i]), _mm512_setzero_ps()));
}

INLINE size_t at_most_16(size_t n)
{
    return n < 16 ? n : 16;
}

INLINE void split_dots_of(size_t terms, const uint16_t *w, size_t rows, const uint16_t *x, size_t n, size_t cols,
                          float *y, size_t ld, const void *next, size_t next_bytes)
{
    const size_t tiles = (cols + QB_SPLIT_COLS - 1) / QB_SPLIT_COLS, block = tiles * terms * QB_SPLIT_TILE;
    float sums[4][REGISTER_ROWS * 16] __attribute__((aligned(64)));
    const size_t lines = 2 * terms * QB_SPLIT_ROWS, parts = (rows + 31) / 32 * qb_split_orders[terms].count;
    const size_t calls = (n + 31) / 32 * parts * tiles;
    struct later later = {.next = next, .left = (next_bytes + REGISTER_BYTES - 1) / REGISTER_BYTES};
    later.next_each = calls ? (later.left + calls - 1) / calls : 0;
    keep_order();
    _tile_loadconfig(&config);
    for (size_t i = 0; i < n; i += 32, x += 2 * block) {
        later.inputs = (const char *)(x + 2 * block);
        later.inputs_each = n - i > 32 ? (lines + parts - 1) / parts : 0;
        for (size_t r = 0; r < rows; r += 32) {
            const uint16_t *from = w + r / QB_SPLIT_ROWS * block;
            const bool two_rows = rows - r > 16, two_inputs = n - i > 16;
            if (two_rows && two_inputs)
                multiply(terms, from, x, tiles, true, true, &later);
            else if (two_rows)
                multiply(terms, from, x, tiles, true, false, &later);
            else if (two_inputs)
                multiply(terms, from, x, tiles, false, true, &later);
            else
                multiply(terms, from, x, tiles, false, false, &later);
            _tile_stored(0, sums[0], REGISTER_BYTES);
            _tile_stored(1, sums[1], REGISTER_BYTES);
            _tile_stored(2, sums[2], REGISTER_BYTES);
            _tile_stored(3, sums[3], REGISTER_BYTES);
            keep_order();
            for (size_t s = 0; s < 4; s++) {
                const size_t row = r + s / 2 * 16, input = i + s % 2 * 16;
                if (row < rows && input < n)
                    put(sums[s], at_most_16(rows - row), at_most_16(n - input), y + input * ld + row, ld);
            }
        }
    }
    _tile_release();
}

static void split_dots(size_t terms, const uint16_t *w, size_t rows, const uint16_t *x, size_t n, size_t cols, float *y,
                       size_t ld, const void *next, size_t next_bytes)
{
    if (terms == 2)
        split_dots_of(2, w, rows, x, n, cols, y, ld, next, next_bytes);
    else
        split_dots_of(3, w, rows, x, n, cols, y, ld, next, next_bytes);
}

void qb_kernels_amx(struct qb_kernels *kernels)
{
    kernels->split = split;
    kernels->split_dots = split_dots;
}
