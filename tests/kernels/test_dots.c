/* The products that read encoded weights: every level against the portable one, bit for bit, and that one against the
 * values that the layout's plain reader gives, summed in double, within the tolerance that kernels.h declares. Lengths
 * are odd, inputs and outputs end where a page does that cannot be touched. A failure names the seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "codec/guard.h"
#include "codec/layout.h"
#include "compute/fused.h"
#include "compute/interleaved.h"
#include "compute/kernels.h"

static uint32_t seed;
static struct qb_rng rng;

static void start(void)
{
    const char *set = getenv("SEED");
    seed = set ? (uint32_t)strtoul(set, NULL, 10) : 20261128;
    qb_rng_seed(&rng, seed);
}

static const char *const names[] = {NULL, "half", "bfloat", "int8", "table8", "table4", "codes", "float"};

/* A finite half, denormals and zeros among them. */
static uint16_t some_half(void)
{
    uint16_t half = (uint16_t)qb_rng_u32(&rng);
    return (half & 0x7c00u) == 0x7c00u ? (uint16_t)(half & 0x83ffu) : half;
}

/* Random bytes that decode to finite values; what they hold of codes and signs is anything. */
struct coded {
    struct qb_codec_layout layout;
    struct qb_guard bytes;
    size_t rows, cols;
};

static void put_half(unsigned char *at, uint16_t half)
{
    memcpy(at, &half, sizeof half);
}

/* What a kind of layout may vary in. */
struct form {
    int32_t kind;
    bool sign_bits;         /* codes */
    int32_t scale;          /* int8, table8, table4 */
    size_t group;           /* likewise */
    size_t block;           /* bytes of a block, that begins with its scale; 0: not in blocks */
    bool mirrored, bfloats; /* tables */
    bool by_one;            /* table4: values that go up by one */
    bool logs;              /* table8: magnitudes a 16th of an octave apart, and a sign; QINS in 8 bits */
    float slope;            /* codes: steps to a magnitude that is e times smaller; 0: 17 */
    bool rising;            /* codes: the largest last */
};

static size_t size_of_scale(int32_t scale)
{
    return scale == QB_LAYOUT_SCALE_FLOAT ? 4 : scale == QB_LAYOUT_SCALE_HALF ? 2 : scale == QB_LAYOUT_SCALE_POWER;
}

static float some_float(void)
{
    return ldexpf((float)(int32_t)qb_rng_u32(&rng), (int)qb_rng_randint(&rng, 40) - 60);
}

static void put_scale(int32_t scale, unsigned char *at)
{
    const float value = ldexpf(1 + (float)qb_rng_randint(&rng, 1000) / 1000, -9);
    if (scale == QB_LAYOUT_SCALE_FLOAT)
        memcpy(at, &value, sizeof value);
    else if (scale == QB_LAYOUT_SCALE_HALF)
        put_half(at, some_half());
    else if (scale == QB_LAYOUT_SCALE_POWER)
        *at = (unsigned char)qb_rng_randint(&rng, 200); /* 0, a denormal, too */
}

static void make_values(const struct form *form, float values[256])
{
    const size_t codes = form->kind == QB_LAYOUT_TABLE4 ? 16 : 256;
    for (size_t code = 0; code < codes; code++) {
        const size_t step = form->rising ? 255 - code : code;
        const float slope = form->slope > 0 ? form->slope : 17;
        values[code] = form->kind == QB_LAYOUT_CODES ? (step ? expf(-(float)step / slope) : 0) : some_float();
        if (form->by_one)
            values[code] = (float)code - 8;
        if (form->logs)
            values[code] = exp2f(-(float)code / 16);
        if (form->bfloats)
            memset(&values[code], 0, 2);
        if ((form->mirrored || form->logs) && code >= 128)
            values[code] = -values[code - 128];
    }
}

static struct coded make(const struct form *form, size_t rows, size_t cols)
{
    const int32_t kind = form->kind;
    struct coded m = {.layout = {.kind = kind, .sign_bits = form->sign_bits}, .rows = rows, .cols = cols};
    struct qb_codec_layout *l = &m.layout;
    const size_t scale = size_of_scale(form->scale), groups = form->group ? (cols - 1) / form->group + 1 : 1;
    l->scale = form->scale;
    l->group = form->group;
    l->block_bytes = form->block;
    l->row_bytes = form->block                ? cols / 32 * form->block
                   : kind == QB_LAYOUT_FLOAT  ? 4 * cols
                   : kind <= QB_LAYOUT_BFLOAT ? 2 * cols
                   : kind == QB_LAYOUT_TABLE4 ? (cols + 1) / 2
                                              : cols;
    l->first = form->block ? scale : rows * groups * scale;
    l->scale_group = form->block ? form->block : scale;
    l->scale_row = form->block ? l->row_bytes : groups * scale;
    l->signs = l->first + rows * l->row_bytes - (form->block ? scale : 0);
    l->sign_row = kind != QB_LAYOUT_CODES ? 0 : form->sign_bits ? (cols + 7) / 8 : cols;
    m.bytes = qb_guard_new("weights", l->signs + rows * l->sign_row, QB_GUARD_AFTER, 0);
    for (size_t i = 0; i < m.bytes.size; i++)
        m.bytes.data[i] = (unsigned char)qb_rng_u32(&rng);
    for (size_t r = 0; r < rows; r++) {
        unsigned char *line = m.bytes.data + l->first + r * l->row_bytes;
        for (size_t c = 0; c < cols && kind <= QB_LAYOUT_BFLOAT; c++) {
            float x = some_float();
            uint16_t upper;
            memcpy(&upper, (const unsigned char *)&x + 2, sizeof upper);
            put_half(line + 2 * c, kind == QB_LAYOUT_HALF ? some_half() : upper);
        }
        for (size_t c = 0; c < cols && kind == QB_LAYOUT_FLOAT; c++) {
            float x = some_float();
            memcpy(line + 4 * c, &x, sizeof x);
        }
        for (size_t g = 0; g < groups; g++)
            put_scale(form->scale, m.bytes.data + l->scales + r * l->scale_row + g * l->scale_group);
    }
    make_values(form, l->values);
    cr_assert(qb_layout_fits(l, rows, cols, m.bytes.size));
    return m;
}

/* Over blocks of 32 columns, the sum of the largest |x| times the sum of |w|. */
static double block_maxima(const float *w, const float *x, size_t cols)
{
    double all = 0;
    for (size_t first = 0; first < cols; first += 32) {
        double most = 0, sum = 0;
        for (size_t c = first; c < cols && c < first + 32; c++) {
            most = fmax(most, fabs((double)x[c]));
            sum += fabs((double)w[c]);
        }
        all += most * sum;
    }
    return all;
}

/* Over all columns, the sum of |x| times the largest magnitude under the column's scale. */
static double code_maxima(const struct coded *m, size_t row, const float *x)
{
    const struct qb_codec_layout *l = &m->layout;
    const unsigned char *scales = m->bytes.data + l->scales + row * l->scale_row;
    double most = 0, all = 0;
    for (int code = 0; code < 256; code++)
        most = fmax(most, (double)l->values[code]);
    for (size_t c = 0; c < m->cols; c++)
        all += most * fabs((double)x[c]) *
               fabs((double)qb_layout_scale(l->scale, scales + (l->group ? c / l->group * l->scale_group : 0)));
    return all;
}

/* Is y what the layout's values give, and within what was declared? */
static void is_product(const struct coded *m, size_t row, const float *x, float y, size_t n)
{
    float *w = calloc(m->cols, sizeof *w);
    double sum = 0, size = 0, rounding = 0, x_most = 0, w_sum = 0;
    qb_layout_row(&m->layout, m->bytes.data, row, m->cols, w);
    for (size_t c = 0; c < m->cols; c++) {
        sum += (double)w[c] * (double)x[c];
        size += fabs((double)w[c] * (double)x[c]);
        x_most = fmax(x_most, fabs((double)x[c]));
        w_sum += fabs((double)w[c]);
    }
    rounding = qb_interleaved_magnitudes(&m->layout)
                   ? QB_FIXED_TOLERANCE * (x_most * w_sum + code_maxima(m, row, x)) +
                         (m->layout.group ? (double)m->cols / 32 + 4 : 2) * 0x1p-23 * size
               : qb_interleaved_suits(&m->layout) ? QB_DIGITS_TOLERANCE * block_maxima(w, x, m->cols) +
                                                        ((double)m->cols / 32 + 4) * 0x1p-24 * size + 0x1p-126 * w_sum
                                                  : ((double)m->cols / 16 + 8) * 0x1p-23 * size;
    cr_assert(fabs((double)y - sum) <= rounding + 1e-37,
              "%s: row %zu of %zu x %zu, %zu inputs: %.9g, expected %.9g within %.3g (seed %u)", names[m->layout.kind],
              row, m->rows, m->cols, n, (double)y, sum, rounding, seed);
    free(w);
}

static void multiply(enum qb_isa isa, const struct coded *m, const float *x, size_t n, struct qb_guard *y, size_t ld)
{
    struct qb_error err = {0};
    struct qb_fused *fused = NULL;
    qb_kernels_use(isa);
    cr_assert_eq(qb_fused_make(&m->layout, m->bytes.data, 0, m->rows, m->cols, &fused, &err), QB_OK);
    struct qb_guard room = qb_guard_new("scratch", qb_fused_scratch(fused, n) * sizeof(float), QB_GUARD_AFTER, 0xa5);
    const struct qb_fused_inputs in = qb_fused_prepare(fused, x, n, (float *)(void *)room.data);
    float *out = (float *)(void *)y->data;
    size_t middle = m->rows / 3; /* rows are the same bits in every range of them */
    qb_fused_multiply(fused, 0, middle, &in, out, ld);
    qb_fused_multiply(fused, middle, m->rows - middle, &in, out + middle, ld);
    qb_fused_free(fused);
}

static void try_shape(const struct form *form, size_t rows, size_t cols, size_t n)
{
    struct coded m = make(form, rows, cols);
    struct qb_guard x = qb_guard_new("x", n * cols * sizeof(float), QB_GUARD_AFTER, 0), first = {0};
    float *in = (float *)(void *)x.data;
    size_t ld = rows + 3, floats = (n - 1) * ld + rows;
    qb_rng_normal(&rng, 0, 1, in, n * cols);
    for (size_t i = 5; i < n * cols; i += 37)
        in[i] *= 300; /* outliers, as activations have them */
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        struct qb_guard y = qb_guard_new("y", floats * sizeof(float), QB_GUARD_AFTER, 0xff);
        char why[200];
        multiply(isa, &m, in, n, &y, ld);
        cr_assert(qb_guard_intact(&y, why, sizeof why), "%s", why);
        const float *out = (const float *)(const void *)y.data;
        for (size_t i = 0; i < n; i++) {
            for (size_t r = 0; r < rows && isa == QB_ISA_PORTABLE; r++)
                is_product(&m, r, in + i * cols, out[i * ld + r], n);
            for (size_t k = i * ld + rows; k < floats && k < (i + 1) * ld; k++)
                cr_assert(isnan(out[k]), "%s wrote between the rows of y", names[form->kind]);
        }
        if (isa == QB_ISA_PORTABLE)
            first = y;
        for (size_t k = 0; k < floats; k++)
            cr_assert_eq(memcmp(first.data + 4 * k, y.data + 4 * k, 4), 0,
                         "%s of level %s differs from the portable one: %zu x %zu, %zu inputs, place %zu: %.9g, not "
                         "%.9g (seed %u)",
                         names[form->kind], qb_isa_name(isa), rows, cols, n, k, (double)out[k],
                         (double)((const float *)(const void *)first.data)[k], seed);
    }
}

static void try_form(struct form form)
{
    static const size_t rows[] = {1, 3, 4, 7, 8, 13, 21}, inputs[] = {1, 2, 3, 4, 5, 8};
    size_t turn = 0;
    start();
    for (size_t cols = 1; cols < 200; cols += cols < 20 ? 1 : 7)
        for (size_t k = 0; k < 2; k++, turn++)
            try_shape(&form, rows[turn % 7], form.block ? cols * 32 : cols, inputs[turn % 6]);
    try_shape(&form, 9, form.block ? 1088 : 1057, 1); /* more blocks than scales that are read at a time */
    try_shape(&form, 5, form.block ? 4128 : 4099, 3);
}

Test(dots, fp32)
{
    try_form((struct form){.kind = QB_LAYOUT_FLOAT});
}

Test(dots, half)
{
    try_form((struct form){.kind = QB_LAYOUT_HALF});
}

Test(dots, bfloat)
{
    try_form((struct form){.kind = QB_LAYOUT_BFLOAT});
}

Test(dots, int8)
{
    try_form((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_FLOAT});
}

Test(dots, int8_in_groups)
{
    try_form((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 64});
}

Test(dots, int8_in_blocks) /* Q8_0 */
{
    try_form((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 34});
}

Test(dots, int8_in_blocks_by_powers) /* MXINT8 */
{
    try_form((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_POWER, .group = 32, .block = 33});
}

Test(dots, integers_of_4_bits_in_blocks) /* Q4_0 */
{
    try_form((struct form){
        .kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 18, .by_one = true});
}

Test(dots, integers_of_4_bits_in_pairs)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 96, .by_one = true});
}

Test(dots, table4_in_blocks) /* IQ4_NL */
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 18});
}

Test(dots, table4_in_blocks_by_powers) /* MXFP4 */
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_POWER, .group = 32, .block = 17});
}

Test(dots, table4_in_pairs)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 96});
}

Test(dots, table4_without_a_scale)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE4});
}

Test(dots, table8_of_any_values)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8});
}

Test(dots, table8_of_magnitudes_and_a_sign)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_FLOAT, .mirrored = true});
}

Test(dots, table8_of_bfloats)
{
    try_form((struct form){
        .kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_POWER, .group = 32, .mirrored = true, .bfloats = true});
}

Test(dots, table8_of_bfloats_without_a_sign)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_HALF, .group = 160, .bfloats = true});
}

Test(dots, logarithms_in_8_bits)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_FLOAT, .logs = true});
}

Test(dots, logarithms_in_8_bits_in_groups)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 96, .logs = true});
}

Test(dots, logarithms_in_8_bits_in_groups_under_halves)
{
    try_form((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .logs = true});
}

/* Which tables of signed magnitudes are multiplied in fixed point: those whose neighbours are 8 units apart. */
Test(dots, tables_whose_magnitudes_fixed_point_tells_apart)
{
    struct qb_codec_layout l = {.kind = QB_LAYOUT_TABLE8};
    make_values(&(struct form){.kind = QB_LAYOUT_TABLE8, .logs = true}, l.values);
    cr_assert(qb_interleaved_magnitudes(&l));
    l.values[127] = l.values[126] - 7.9f / QB_FIXED_CODE_MOST;
    l.values[255] = -l.values[127];
    cr_assert_not(qb_interleaved_magnitudes(&l));
    l.values[127] = l.values[126] - 8.1f / QB_FIXED_CODE_MOST;
    cr_assert_not(qb_interleaved_magnitudes(&l)); /* the other sign has another magnitude */
    l.values[255] = -l.values[127];
    cr_assert(qb_interleaved_magnitudes(&l));
    l.values[5] = -l.values[5];
    l.values[133] = -l.values[133];
    cr_assert_not(qb_interleaved_magnitudes(&l));
    l.kind = QB_LAYOUT_INT8;
    cr_assert_not(qb_interleaved_magnitudes(&l));
}

Test(dots, codes_with_sign_bits)
{
    try_form((struct form){.kind = QB_LAYOUT_CODES, .sign_bits = true});
}

Test(dots, codes_with_sign_bytes)
{
    try_form((struct form){.kind = QB_LAYOUT_CODES});
}

/* Magnitudes that need both digits: up to code 94 above, here up to 166, all, and the last ones. */
Test(dots, codes_of_a_narrower_range)
{
    try_form((struct form){.kind = QB_LAYOUT_CODES, .sign_bits = true, .slope = 30});
}

Test(dots, codes_of_a_narrow_range)
{
    try_form((struct form){.kind = QB_LAYOUT_CODES, .sign_bits = true, .slope = 100});
}

Test(dots, codes_that_rise)
{
    try_form((struct form){.kind = QB_LAYOUT_CODES, .rising = true});
}

/* Digits are the nearest fixed point that there is, at every level the same, and their sums are those that correct the
 * bias of codes. */
Test(dots, digits_of_inputs)
{
    enum { COLS = 75, BLOCKS = 3, BIAS = 128 };
    static const float sizes[] = {1, 3e-39f, 1e-30f, 1e30f, 3.4e38f};
    start();
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++)
        for (size_t t = 0; t < 100; t++) {
            float x[COLS];
            struct qb_digits d[BLOCKS];
            struct qb_wide_digits wide[BLOCKS];
            for (size_t c = 0; c < COLS; c++)
                x[c] = (float)((double)(int32_t)qb_rng_u32(&rng) * 0x1p-31) * sizes[t % 5];
            qb_kernels_at(isa)->digits(x, COLS, BIAS, d, wide);
            for (size_t b = 0; b < BLOCKS; b++) {
                int64_t sums[2] = {0};
                for (size_t k = 0; k < 32; k++) {
                    const double exact = 32 * b + k < COLS ? (double)x[32 * b + k] : 0;
                    const int32_t rest = 256 * d[b].digit[1][k] + d[b].digit[2][k];
                    const double value = (65280.0 * d[b].digit[0][k] + rest) * (double)d[b].unit;
                    cr_assert(fabs(value - exact) <= 0.5000001 * (double)d[b].unit, "%s: %.9g, not %.9g (seed %u)",
                              qb_isa_name(isa), value, exact, seed);
                    cr_assert(wide[b].part[0][k] == d[b].digit[0][k] && wide[b].part[1][k] == rest);
                    sums[0] += d[b].digit[0][k];
                    sums[1] += rest;
                }
                cr_assert(d[b].correction[0] == -BIAS * sums[0] && d[b].correction[1] == -BIAS * sums[1]);
            }
        }
}

static const struct form codes = {.kind = QB_LAYOUT_CODES, .sign_bits = true};

static const struct form logs = {.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .logs = true};

static const struct form blocks_of_8 = {
    .kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 34};

/* Sums of a lane stay within an int32 where all terms have one sign and the greatest size. */
Test(dots, long_rows_of_the_largest_codes)
{
    enum { COLS = 600001 }; /* more than the steps that a lane takes before it is emptied */
    start();
    struct coded m = make(&codes, 1, COLS);
    float *x = calloc(COLS, sizeof *x);
    memset(m.bytes.data, 1, COLS);
    memset(m.bytes.data + COLS, 0, (COLS + 7) / 8);
    for (size_t c = 0; c < COLS; c++)
        x[c] = 3;
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        struct qb_guard y = qb_guard_new("y", sizeof(float), QB_GUARD_AFTER, 0xff);
        multiply(isa, &m, x, 1, &y, 1);
        is_product(&m, 0, x, *(const float *)(const void *)y.data, 1);
    }
    free(x);
}

Test(dots, inputs_that_are_not_finite_show)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    start();
    struct coded m[] = {make(&codes, 2, 70), make(&blocks_of_8, 2, 96), make(&logs, 2, 96)};
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++)
        for (size_t k = 0; k < 9; k++) {
            float x[96] = {1, 2, 3};
            struct qb_guard y = qb_guard_new("y", 2 * sizeof(float), QB_GUARD_AFTER, 0);
            x[66] = wrong[k / 3];
            multiply(isa, &m[k % 3], x, 1, &y, 2);
            cr_assert(isnan(*(const float *)(const void *)y.data));
        }
}

Test(dots, inputs_of_zeros_and_of_denormals)
{
    start();
    struct coded m[] = {make(&codes, 2, 70), make(&blocks_of_8, 2, 96), make(&logs, 2, 96)};
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++)
        for (int k = 0; k < 6; k++) {
            float x[96] = {k / 3 ? 1e-44f : 0, k / 3 ? -1e-44f : -0.0f};
            struct qb_guard y = qb_guard_new("y", 2 * sizeof(float), QB_GUARD_AFTER, 0xff);
            multiply(isa, &m[k % 3], x, 1, &y, 2);
            is_product(&m[k % 3], 0, x, *(const float *)(const void *)y.data, 1);
        }
}

/* What a layout says of scales is nothing where its kind has none: it may be anything. */
Test(dots, scales_of_kinds_that_have_none_are_not_read)
{
    static const int32_t kinds[] = {QB_LAYOUT_CODES, QB_LAYOUT_FLOAT, QB_LAYOUT_HALF, QB_LAYOUT_BFLOAT};
    enum { ROWS = 18, COLS = 96 };
    float x[COLS];
    start();
    qb_rng_normal(&rng, 0, 1, x, COLS);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        struct coded m = make(&(struct form){.kind = kinds[k], .sign_bits = true}, ROWS, COLS);
        struct qb_guard plain = qb_guard_new("y", ROWS * sizeof(float), QB_GUARD_AFTER, 0xff);
        multiply(qb_cpu()->isa, &m, x, 1, &plain, ROWS);
        m.layout.scale = QB_LAYOUT_SCALE_FLOAT;
        m.layout.scales = (size_t)1 << 40; /* far behind the bytes */
        m.layout.scale_row = 4;
        for (size_t group = 0; group <= 32; group += 32) {
            struct qb_guard y = qb_guard_new("y", ROWS * sizeof(float), QB_GUARD_AFTER, 0xff);
            m.layout.group = group;
            cr_assert(qb_layout_fits(&m.layout, ROWS, COLS, m.bytes.size));
            multiply(qb_cpu()->isa, &m, x, 1, &y, ROWS);
            cr_assert_eq(memcmp(plain.data, y.data, ROWS * sizeof(float)), 0, "%s, group %zu", names[kinds[k]], group);
        }
    }
}

/* A matrix whose working copy has no room is multiplied from its stored bytes: the same bits. */
static void try_without_room(struct form form)
{
    const size_t rows = 37, cols = form.block ? 1088 : 1057, n = 3, ld = rows + 1;
    start();
    struct coded m = make(&form, rows, cols);
    struct qb_guard x = qb_guard_new("x", n * cols * sizeof(float), QB_GUARD_AFTER, 0);
    float *in = (float *)(void *)x.data;
    qb_rng_normal(&rng, 0, 1, in, n * cols);
    for (int wrong = 0; wrong < 3; wrong++) {
        if (wrong)
            in[cols + 40] = wrong == 1 ? INFINITY : NAN;
        struct qb_guard with = qb_guard_new("y", n * ld * sizeof(float), QB_GUARD_AFTER, 0xff);
        struct qb_guard without = qb_guard_new("y", n * ld * sizeof(float), QB_GUARD_AFTER, 0xff);
        multiply(qb_cpu()->isa, &m, in, n, &with, ld);
        size_t before = qb_mem_stats().live_bytes;
        qb_mem_limit(before + (16 << 10)); /* of 20 KiB and more */
        qb_mem_restart_peak();
        multiply(qb_cpu()->isa, &m, in, n, &without, ld);
        cr_assert(qb_mem_stats().peak_bytes <= before + (16 << 10));
        qb_mem_limit(0);
        for (size_t i = 0; i < n; i++)
            for (size_t r = 0; r < rows; r++) {
                float a, b;
                memcpy(&a, with.data + 4 * (i * ld + r), 4);
                memcpy(&b, without.data + 4 * (i * ld + r), 4);
                cr_assert((isnan(a) && isnan(b)) || memcmp(&a, &b, 4) == 0, "input %zu, row %zu: %.9g, not %.9g", i, r,
                          (double)b, (double)a);
                cr_assert_eq(isnan(a) != 0, wrong && i == 1, "input %zu, row %zu: %.9g", i, r, (double)a);
            }
    }
}

Test(dots, int8_in_blocks_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 34});
}

Test(dots, int8_in_groups_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_INT8, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 64});
}

Test(dots, integers_of_4_bits_in_blocks_without_room)
{
    try_without_room((struct form){
        .kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_HALF, .group = 32, .block = 18, .by_one = true});
}

Test(dots, integers_of_4_bits_in_pairs_without_room)
{
    try_without_room(
        (struct form){.kind = QB_LAYOUT_TABLE4, .scale = QB_LAYOUT_SCALE_FLOAT, .group = 96, .by_one = true});
}

Test(dots, logarithms_in_8_bits_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_FLOAT, .logs = true});
}

Test(dots, logarithms_in_8_bits_in_groups_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_TABLE8, .scale = QB_LAYOUT_SCALE_HALF, .group = 64, .logs = true});
}

Test(dots, codes_with_sign_bits_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_CODES, .sign_bits = true});
}

Test(dots, codes_with_sign_bytes_without_room)
{
    try_without_room((struct form){.kind = QB_LAYOUT_CODES, .rising = true});
}
