/* Codes and values by tables (harness/codec/codec_table.h) at every level against the rules, one number at a time: at
 * every edge and its neighbours, 0, denormal numbers, the largest, random ones; odd lengths and widths, beside pages
 * that cannot be touched. A failure names the seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/rng.h"
#include "codec/codec_scaled.h"
#include "codec/guard.h"

enum { ROOM = 1 << 17, SETS = 9, CLOSE = 8 };

static const char *level(int isa)
{
    return qb_isa_name((enum qb_isa)isa);
}

static struct qb_rng rng;
static uint32_t seed;
static float numbers[ROOM];
static size_t count;

/* Level sets of the kinds that codecs have. */
static struct set {
    const char *name;
    struct qb_levels levels;
    struct qb_tables tables;
    qb_code_rule *rule; /* NULL: the nearest level's */
    uint32_t close;     /* of qb_tables_of */
} sets[SETS];

/* A rule in double, which sees more of x / scale than a float holds: the mu-law curve's. */
static void curve(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    (void)scaled;
    for (size_t i = 0; i < n; i++) {
        const double share = scale > 0 ? 255 * fabs((double)x[i]) / (double)scale : 0;
        const double q = floor(127 * log1p(share) / log(256) + 0.5);
        codes[i] = (uint16_t)((unsigned)(q < 127 ? q : 127) | (signbit(x[i]) ? 0x80u : 0));
    }
}

/* A rule of x / scale as a float that is blind to signs, and whose codes fall: as qins8's. */
static void falling(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes)
{
    (void)scaled;
    for (size_t i = 0; i < n; i++) {
        const float t = scale > 0 ? fabsf(x[i] / scale) : 0;
        const double c = floor(1.5 - log2(fmax((double)t, 0x1p-17)) * 254 / 16);
        codes[i] = (uint16_t)(c < 1 ? 1 : c < 255 ? c : 255);
    }
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void make_sets(void)
{
    float random[256];
    struct qb_levels *levels = &sets[0].levels;
    sets[0].name = "e4m3";
    qb_levels_minifloat(levels, 4, 3, 7, 127);
    sets[1].name = "e2m5";
    qb_levels_minifloat(&sets[1].levels, 2, 5, -4, 128);
    sets[2].name = "e5m2";
    qb_levels_minifloat(&sets[2].levels, 5, 2, 15, 124);
    sets[3].name = "integers, ties to even";
    levels = &sets[3].levels;
    qb_levels_begin(levels, 0, true);
    for (int i = -127; i <= 127; i++)
        qb_levels_add(levels, ((double)i - 0.5) / 64, (unsigned)i & 0xff, (float)i / 64);
    sets[4].name = "never 0 but for 0"; /* as posits */
    levels = &sets[4].levels;
    qb_levels_begin(levels, 0, true);
    for (int i = -127; i <= 127; i++) {
        const double edge = i == 0   ? -0x1p-1074
                            : i == 1 ? 0
                            : i < 0  ? -exp2((0.5 - i) / 9 - 7)
                                     : exp2((i - 0.5) / 9 - 7);
        const float value = i == 0 ? 0 : (float)exp2(abs(i) / 9.0 - 7);
        qb_levels_add(levels, edge, (unsigned)i & 0xff, i < 0 ? -value : value);
    }
    sets[5].name = "a codebook with equal entries";
    levels = &sets[5].levels;
    qb_rng_normal(&rng, 0, 1, random, 256);
    for (size_t i = 40; i < 50; i++)
        random[i] = random[40];
    random[60] = 1e-30f; /* edges near 0, farther down than buckets reach */
    random[61] = 3e-30f;
    qsort(random, 256, sizeof *random, ascending);
    qb_levels_begin(levels, 0, false);
    for (unsigned i = 0; i < 256; i++)
        qb_levels_add(levels, i ? 0.5 * ((double)random[i - 1] + (double)random[i]) : 0, i, random[i]);
    sets[6].name = "codes out of order"; /* as fp4 */
    levels = &sets[6].levels;
    qb_levels_begin(levels, 8, false);
    static const unsigned char codes[8] = {0, 1, 6, 7, 4, 5, 2, 3}, units[8] = {0, 1, 32, 48, 64, 96, 128, 192};
    for (unsigned i = 0; i < 8; i++)
        qb_levels_add(levels, i ? (units[i - 1] + units[i]) / 384.0 : 0, codes[i], (float)units[i] / 192);
    sets[7].name = "a rule in double";
    sets[7].rule = curve;
    sets[7].close = CLOSE;
    levels = &sets[7].levels;
    qb_levels_begin(levels, 0x80, false);
    for (unsigned q = 0; q < 128; q++)
        qb_levels_add(levels, 0, q, (float)((pow(256, q / 127.0) - 1) / 255));
    sets[8].name = "codes that fall, of either sign";
    sets[8].rule = falling;
    levels = &sets[8].levels;
    qb_levels_begin(levels, 0, false);
    for (int i = 0; i < 255; i++)
        qb_levels_add(levels, exp2(-(254.5 - i) * 16 / 254), (unsigned)(255 - i), (float)exp2(-(254 - i) * 16.0 / 254));
    for (size_t s = 0; s < SETS; s++) {
        qb_levels_find(&sets[s].levels, sets[s].rule ? sets[s].rule : qb_nearest_codes, sets[s].close, &sets[s].tables);
        cr_assert_not_null(sets[s].levels.tables, "%s has no tables", sets[s].name);
    }
}

static void add(float x)
{
    cr_assert_lt(count, (size_t)ROOM);
    if (isfinite(x))
        numbers[count++] = x;
}

/* Around `at` as a multiple of the scale, and its negative. */
static void add_around(double at, float scale)
{
    float x = (float)(at * (double)scale);
    for (int i = 0; i < 3; i++)
        x = nextafterf(x, -INFINITY);
    for (int i = 0; i < 7; i++, x = nextafterf(x, INFINITY)) {
        add(x);
        add(-x);
    }
}

static void collect(const struct set *set, float scale)
{
    count = 0;
    for (unsigned i = 0; i < set->levels.count; i++) {
        if (isfinite(set->levels.edge[i]))
            add_around(set->levels.edge[i], scale);
        add_around((double)set->levels.value[set->levels.code[i]], scale);
        if (set->rule && i > 0) /* where its edges are */
            add_around((exp2(8 * (i - 0.5) / 127) - 1) / 255, scale);
    }
    static const float special[] = {0, -0.0f, 0x1p-149f, -0x1p-149f, 0x1p-126f, 0x1.fffffcp-127f, 3.4028235e38f};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        add(special[i]);
        add(-special[i]);
    }
    for (size_t i = 0; i < 3000; i++) {
        const uint32_t bits = qb_rng_u32(&rng);
        add(qb_float(bits));
        add(qb_float(bits & 0x807fffffu));
        float x;
        qb_rng_normal(&rng, 0, 0.4f * scale * set->levels.largest, &x, 1);
        add(x);
    }
}

static void start(void)
{
    const char *set = getenv("SEED");
    seed = set ? (uint32_t)strtoul(set, NULL, 10) : 20261129;
    qb_rng_seed(&rng, seed);
    make_sets();
}

/* How many codes differ from the rule's, of the numbers under a scale, taken `width` a run and n at a time. */
static size_t wrong_codes(const struct set *set, enum qb_scale_kind kind, float scale, size_t n, size_t width, int isa)
{
    const struct qb_scaled scaled = {.kind = kind, .levels = &set->levels, .code = set->rule, .isa = isa, .bits = 8};
    const struct qb_guard x = qb_guard_new("x", n * sizeof(float), QB_GUARD_AFTER, 0);
    const struct qb_guard codes = qb_guard_new("codes", n, QB_GUARD_AFTER, 0x6b);
    float scales[QB_CODES_STEP];
    char message[200];
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++)
        scales[i] = scale;
    for (size_t at = 0; at + n <= count; at += n) {
        memcpy(x.data, numbers + at, n * sizeof(float));
        qb_find_codes(&scaled, scales, width, (const float *)(const void *)x.data, n, codes.data);
        for (size_t i = 0; i < n; i++) {
            uint16_t due;
            qb_rule_of (&scaled)(&scaled, scale, numbers + at + i, 1, &due);
            wrong += codes.data[i] != due;
        }
    }
    cr_assert(qb_guard_intact(&codes, message, sizeof message), "%s", message);
    return wrong;
}

Test(codec_tables, every_code_is_the_rule_s)
{
    static const float scales[] = {1, 0.37f, 448, 0x1p-140f, 3e38f, 1e-39f, 0};
    start();
    for (size_t s = 0; s < SETS; s++)
        for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
            collect(&sets[s], scales[k]);
            for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++)
                for (int kind = QB_SCALE_TOP; kind <= QB_SCALE_AMAX; kind++) {
                    const size_t n = 1 + qb_rng_u32(&rng) % 1024, width = 1 + qb_rng_u32(&rng) % n;
                    cr_assert_eq(wrong_codes(&sets[s], (enum qb_scale_kind)kind, scales[k], 1024, 1024, isa), 0,
                                 "%s, scale %g, %s, seed %u", sets[s].name, (double)scales[k], level(isa), seed);
                    cr_assert_eq(wrong_codes(&sets[s], (enum qb_scale_kind)kind, scales[k], n, width, isa), 0,
                                 "%s, scale %g, %s, %zu by %zu, seed %u", sets[s].name, (double)scales[k], level(isa),
                                 n, width, seed);
                }
        }
}

Test(codec_tables, every_code_under_a_power_of_two_is_the_rule_s)
{
    start();
    for (size_t s = 0; s < SETS; s++)
        for (unsigned byte = 0; sets[s].tables.tiny_alike && !sets[s].rule && byte < 255; byte += byte % 16 ? 15 : 1) {
            const float scale = qb_power_of_two(byte);
            collect(&sets[s], scale);
            for (size_t i = 0; i < count; i++) /* as many times the scale as an encode meets */
                numbers[i] = fabsf(numbers[i] / scale) <= 4 * sets[s].levels.largest ? numbers[i] : scale;
            for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++)
                cr_assert_eq(wrong_codes(&sets[s], QB_SCALE_POWER, scale, 992, 32, isa), 0, "%s, 2^%d, %s, seed %u",
                             sets[s].name, (int)byte - 127, level(isa), seed);
        }
    cr_assert(sets[0].tables.tiny_alike && sets[3].tables.tiny_alike && !sets[4].tables.tiny_alike);
}

/* Each kind of entry moved by one: an edge, a code, the code of 0; and the numbers close to an edge not asked for. */
Test(codec_tables, a_wrong_table_is_seen)
{
    start();
    for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++) {
        for (size_t s = 0; s < SETS; s = s == 4 ? 8 : s + 1) { /* those that never ask */
            struct qb_tables kept = sets[s].tables, *tables = &sets[s].tables;
            uint32_t bucket = tables->buckets;
            collect(&sets[s], 1);
            while (tables->entry[--bucket] >> 8 == QB_TABLE_NO_EDGE)
                ;
            tables->entry[bucket] += 1 << 8;
            cr_assert_gt(wrong_codes(&sets[s], QB_SCALE_TOP, 1, 61, 61, isa), 0, "%s", level(isa));
            *tables = kept;
            tables->entry[bucket] ^= 1;
            cr_assert_gt(wrong_codes(&sets[s], QB_SCALE_TOP, 1, 61, 61, isa), 0, "%s", level(isa));
            *tables = kept;
            tables->simple = false;
            tables->zero[1] ^= 1;
            cr_assert_gt(wrong_codes(&sets[s], QB_SCALE_TOP, 1, 61, 61, isa), 0, "%s", level(isa));
            *tables = kept;
        }
        collect(&sets[7], 0.37f);
        sets[7].tables.close = 0;
        cr_assert_gt(wrong_codes(&sets[7], QB_SCALE_TOP, 0.37f, 61, 61, isa), 0, "%s", level(isa));
        sets[7].tables.close = CLOSE;
    }
}

/* ---- values ---- */

static unsigned char codes_of[2048];

/* Whether all of n values are scale * value, in runs, and qb_look_up says rightly whether they are finite. */
static bool values_right(const float *value, const struct qb_planes *planes, size_t n, size_t width, int isa)
{
    const struct qb_guard codes = qb_guard_new("codes", n, QB_GUARD_AFTER, 0);
    const struct qb_guard out = qb_guard_new("out", n * sizeof(float), QB_GUARD_AFTER, 0x6b);
    float by[sizeof codes_of], due[sizeof codes_of];
    char message[200];
    bool finite = true;
    memcpy(codes.data, codes_of, n);
    for (size_t i = 0; i < n; i++)
        by[i] = 0.3f + (float)i;
    for (size_t i = 0; i < n; i++) {
        due[i] = by[i / width] * value[codes_of[i]];
        finite = finite && isfinite(due[i]);
    }
    const bool said = qb_look_up(isa, value, planes, codes.data, n, by, width, (float *)(void *)out.data);
    cr_assert(qb_guard_intact(&out, message, sizeof message), "%s", message);
    return said == finite && memcmp(out.data, due, n * sizeof *due) == 0;
}

Test(codec_tables, values_are_products_of_the_table)
{
    static float value[256];
    static struct qb_planes planes;
    start();
    for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++)
        for (size_t round = 0; round < 200; round++) {
            const bool short_values = round % 2;
            for (size_t c = 0; c < 256; c++) {
                qb_rng_normal(&rng, 0, 1, &value[c], 1);
                value[c] = short_values ? qb_float(qb_bits(value[c]) & 0xffff0000u) : value[c];
            }
            if (round % 5 == 4)
                value[round] = round % 3 ? NAN : -INFINITY;
            planes.made = false;
            if (round % 7)
                qb_planes_of(value, &planes);
            for (size_t i = 0; i < sizeof codes_of; i++)
                codes_of[i] = (unsigned char)qb_rng_u32(&rng);
            const size_t n = 1 + qb_rng_u32(&rng) % (sizeof codes_of - 1);
            const size_t width = round % 4 == 0   ? n
                                 : round % 4 == 1 ? 32
                                 : round % 4 == 2 ? 16 * (1 + round % 9)
                                                  : 1 + round;
            cr_assert(values_right(value, &planes, n, width, isa), "%s, %zu by %zu, seed %u", level(isa), n, width,
                      seed);
            if (round % 7 && isa >= QB_ISA_AVX512 && qb_cpu()->byte_permutes && width % 16 == 0) { /* can fail */
                planes.at[3][codes_of[n - 1]] ^= 1;
                cr_assert_not(values_right(value, &planes, n, width, isa), "seed %u", seed);
            }
        }
}

/* Whether qb_look_up_signed gives n values their signs, and says rightly whether they are finite and bytes of signs 1
 * or -1. */
static bool signed_right(const float *value, const struct qb_planes *planes, enum qb_signs kind,
                         const unsigned char *signs, size_t n)
{
    const size_t bytes = kind == QB_SIGNS_BITS ? (n + 7) / 8 : n;
    const struct qb_guard codes = qb_guard_new("codes", n, QB_GUARD_AFTER, 0);
    const struct qb_guard beside = qb_guard_new("signs", bytes, QB_GUARD_AFTER, 0);
    const struct qb_guard out = qb_guard_new("out", n * sizeof(float), QB_GUARD_AFTER, 0x6b);
    float due[sizeof codes_of];
    char message[200];
    bool right = true;
    memcpy(codes.data, codes_of, n);
    memcpy(beside.data, signs, bytes);
    for (size_t i = 0; i < n; i++) {
        const bool minus = kind == QB_SIGNS_BITS ? signs[i / 8] >> i % 8 & 1 : signs[i] > 127;
        due[i] = minus ? -value[codes_of[i]] : value[codes_of[i]];
        right = right && isfinite(due[i]) && (kind == QB_SIGNS_BITS || signs[i] == 1 || signs[i] == 0xff);
    }
    const bool said = qb_look_up_signed(planes, kind, beside.data, codes.data, n, (float *)(void *)out.data);
    cr_assert(qb_guard_intact(&out, message, sizeof message), "%s", message);
    return said == right && memcmp(out.data, due, n * sizeof *due) == 0;
}

Test(codec_tables, values_take_signs_that_lie_apart)
{
    static float value[256];
    static unsigned char signs[sizeof codes_of];
    static struct qb_planes planes;
    start();
    for (int i = 0; i < 256; i++)
        value[i] = (float)exp2(-i / 15.0);
    cr_assert_not(qb_permutes(QB_ISA_AVX512, &planes), "no planes are made");
    qb_planes_of(value, &planes);
    cr_assert_not(qb_permutes(QB_ISA_AVX2, &planes));
    cr_assert(qb_permutes(QB_ISA_AVX512, &planes) || !qb_cpu()->byte_permutes);
    for (size_t round = 0; qb_permutes((int32_t)qb_cpu()->isa, &planes) && round < 200; round++) {
        const enum qb_signs kind = round % 2 ? QB_SIGNS_BITS : QB_SIGNS_BYTES;
        const size_t n = round < 140 ? 1 + round / 2 : 1 + qb_rng_u32(&rng) % (sizeof codes_of - 1);
        const size_t place = qb_rng_u32(&rng) % n;
        for (size_t i = 0; i < sizeof codes_of; i++) {
            codes_of[i] = (unsigned char)qb_rng_u32(&rng);
            signs[i] = (unsigned char)(kind == QB_SIGNS_BITS ? qb_rng_u32(&rng) : qb_rng_u32(&rng) % 2 ? 1 : 0xff);
        }
        cr_assert(signed_right(value, &planes, kind, signs, n), "%zu, seed %u", n, seed);
        if (kind == QB_SIGNS_BYTES) { /* each byte that is no sign */
            const unsigned char kept = signs[place];
            static const unsigned char none[] = {0, 2, 3, 127, 128, 254};
            signs[place] = none[round / 2 % sizeof none];
            cr_assert(signed_right(value, &planes, kind, signs, n), "%zu, byte %zu, seed %u", n, place, seed);
            signs[place] = kept;
        }
        planes.at[3][codes_of[place]] ^= 0x80; /* can fail */
        cr_assert_not(signed_right(value, &planes, kind, signs, n), "seed %u", seed);
        planes.at[3][codes_of[place]] ^= 0x80;
    }
}

/* ---- magnitudes and ranges ---- */

Test(codec_tables, magnitudes_and_ranges_are_those_of_loops)
{
    start();
    for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++)
        for (size_t n = 1; n < 150; n++) {
            const struct qb_guard guard = qb_guard_new("x", n * sizeof(float), QB_GUARD_AFTER, 0);
            float *x = (float *)(void *)guard.data, top = 0, low = 0, high = 0, given[2];
            struct qb_codec_error error;
            qb_rng_normal(&rng, n % 3 == 0 ? 3 : n % 3 == 1 ? -3 : 0, 1, x, n);
            x[n / 2] = n % 5 ? x[n / 2] : -0.0f;
            for (size_t i = 0; i < n; i++) {
                top = fmaxf(top, fabsf(x[i]));
                low = x[i] < low ? x[i] : low;
                high = x[i] > high ? x[i] : high;
            }
            qb_range(isa, x, n, &given[0], &given[1]);
            cr_assert(qb_amax(isa, x, n) == top && given[0] == low && given[1] == high, "%s, n %zu", level(isa), n);
            cr_assert(!signbit(given[1]) && (low < 0) == (signbit(given[0]) != 0));
            cr_assert_eq(qb_all_finite(isa, x, n, 0, &error), QB_CODEC_OK);
            for (size_t place = 0; place < n; place++) {
                const float kept = x[place];
                x[place] = place % 3 == 0 ? NAN : place % 3 == 1 ? INFINITY : -INFINITY;
                cr_assert_eq(qb_all_finite(isa, x, n, 7, &error), QB_CODEC_BAD_INPUT);
                cr_assert_eq(error.index, 7 + place);
                x[place] = kept;
            }
        }
}
