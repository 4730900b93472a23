/* Every level of qins8's kernels against the portable reference, bit for bit, at odd lengths and offsets, with
 * canaries; and the reference against libm in double. A failure names the seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/rng.h"
#include "codecs/qins8/qins8_kernels.h"

enum { ROOM = 2048, PAD = 64, CANARY = 0x6b };

struct buffers { /* each output lies at an odd offset in a field of canaries */
    float x[ROOM];
    uint8_t codes[ROOM], bits[ROOM];
    int8_t signs[ROOM];
    float table[256];
    unsigned char out[2][ROOM * sizeof(float) + 2 * PAD];
};
static struct buffers b;
static struct qb_rng rng;
static uint32_t seed;

static void fill(void)
{
    const char *set = getenv("SEED");
    seed = set ? (uint32_t)strtoul(set, NULL, 10) : 20251102;
    qb_rng_seed(&rng, seed);
    static const float special[] = {0, -0.0f, 1e-8f, -1e-8f, 1.0000001e-8f, 1e-45f, -1e-45f, 3.4028235e38f, 1, -1};
    qb_rng_normal(&rng, 0, 1, b.x, ROOM);
    for (size_t i = 0; i < ROOM; i++) {
        b.x[i] = powf(b.x[i], 3) * 10;
        if (i % 7 == 3)
            b.x[i] = special[qb_rng_randint(&rng, 10)];
        b.codes[i] = (uint8_t)(1 + qb_rng_randint(&rng, 255));
        b.bits[i] = (uint8_t)qb_rng_u32(&rng);
        b.signs[i] = qb_rng_u32(&rng) % 2 ? 1 : -1;
    }
    for (int i = 0; i < 256; i++)
        b.table[i] = (float)i * 0.37f;
}

/* One kernel: writes `bytes` bytes to out from n inputs that start at element `at`. */
typedef size_t kernel_call(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out);

static size_t call_extent(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    struct qins8_extent extent = k->extent(b.x + at, n);
    memcpy(out, &extent, sizeof extent);
    return sizeof extent;
}

static size_t call_quantise(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->quantise(b.x + at, n, -18.0f, at % 2 ? 25.5f : 1e-8f, out);
    return n;
}

static size_t call_sign_bits(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->sign_bits(b.x + at, n, out);
    return (n + 7) / 8;
}

static size_t call_sign_bytes(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->sign_bytes(b.x + at, n, (int8_t *)out);
    return n;
}

/* Results that are floats go through an aligned buffer, so that the reference meets no misaligned float. */
static size_t floats_out(const float *values, size_t n, unsigned char *out)
{
    memcpy(out, values, n * sizeof *values);
    return n * sizeof *values;
}

static float values[ROOM + PAD];

static size_t call_magnitudes(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->magnitudes(b.codes + at, n, at % 3 == 0 ? -18.4f : -1.5f, at % 3 == 0 ? 107.0f : 0.25f, values + at % 5);
    return floats_out(values + at % 5, n, out);
}

static size_t call_lookup(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->lookup(b.codes + at, n, b.table, values + at % 5);
    return floats_out(values + at % 5, n, out);
}

static size_t call_ratios(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    k->ratios(b.codes + at, n, values + at % 5);
    return floats_out(values + at % 5, n, out);
}

static size_t call_negate_bits(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    memcpy(values + at % 5, b.x + at, n * sizeof *values);
    k->negate_bits(values + at % 5, n, b.bits + at);
    return floats_out(values + at % 5, n, out);
}

static size_t call_negate_bytes(const struct qins8_kernels *k, size_t at, size_t n, unsigned char *out)
{
    memcpy(values + at % 5, b.x + at, n * sizeof *values);
    cr_assert_eq(k->negate_bytes(values + at % 5, n, b.signs + at), 0);
    return floats_out(values + at % 5, n, out);
}

static const struct {
    const char *name;
    kernel_call *call;
} kernels[] = {{"extent", call_extent},         {"quantise", call_quantise},       {"sign_bits", call_sign_bits},
               {"sign_bytes", call_sign_bytes}, {"magnitudes", call_magnitudes},   {"lookup", call_lookup},
               {"ratios", call_ratios},         {"negate_bits", call_negate_bits}, {"negate_bytes", call_negate_bytes}};

static bool canaries_hold(const float *at, size_t n)
{
    uint32_t word;
    for (const float *v = values; v < values + ROOM + PAD; v++) {
        memcpy(&word, v, sizeof word);
        if ((v < at || v >= at + n) && word != 0x6b6b6b6bu)
            return false;
    }
    return true;
}

static void compare(const struct qins8_kernels *level, const char *level_name)
{
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        for (size_t n = 1; n < 600; n += n < 70 ? 1 : 61) {
            for (size_t at = 0; at < 9; at++) {
                size_t size[2];
                for (int which = 0; which < 2; which++) {
                    memset(b.out[which], CANARY, sizeof b.out[which]);
                    memset(values, CANARY, sizeof values);
                    size[which] = kernels[k].call(which ? level : &qins8_portable, at, n, b.out[which] + PAD + at);
                    cr_assert(canaries_hold(values + at % 5, n), "%s of level %s wrote outside: n %zu, offset %zu",
                              kernels[k].name, level_name, n, at);
                }
                cr_assert_eq(size[0], size[1]);
                cr_assert_eq(memcmp(b.out[0], b.out[1], sizeof b.out[0]), 0,
                             "%s of level %s differs from the reference: n %zu, offset %zu, seed %u", kernels[k].name,
                             level_name, n, at, seed);
            }
        }
    }
}

/* The table of a level: what kernels_for of the codec makes. */
static struct qins8_kernels level_of(enum qb_isa isa)
{
    struct qins8_kernels level = qins8_portable;
    if (isa >= QB_ISA_AVX2)
        qins8_avx2(&level);
    if (isa >= QB_ISA_AVX512)
        qins8_avx512(&level);
    return level;
}

Test(qins8_kernels, every_level_equals_the_reference)
{
    fill();
    for (enum qb_isa isa = QB_ISA_AVX2; isa <= qb_cpu()->isa; isa++) {
        struct qins8_kernels level = level_of(isa);
        compare(&level, qb_isa_name(isa));
    }
}

Test(qins8_kernels, a_wrong_sign_byte_is_seen_wherever_it_is)
{
    static const int8_t wrong[] = {0, 2, -2, 3, 127, -128};
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        for (size_t n = 1; n < 70; n++) {
            for (size_t place = 0; place < n; place++) {
                int8_t signs[70];
                memset(signs, 1, sizeof signs);
                signs[place] = wrong[(n + place) % 6];
                cr_assert_neq(level_of(isa).negate_bytes(values, n, signs), 0, "level %s, n %zu, place %zu",
                              qb_isa_name(isa), n, place);
            }
        }
    }
}

Test(qins8_kernels, nan_and_inf_are_seen_wherever_they_are)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++) {
        for (size_t n = 1; n < 70; n++) {
            for (size_t place = 0; place < n; place++) {
                float x[70] = {0};
                x[place] = wrong[(n + place) % 4];
                cr_assert_geq(level_of(isa).extent(x, n).most, 0x7f800000u);
                x[place] = 3.4028235e38f;
                cr_assert_lt(level_of(isa).extent(x, n).most, 0x7f800000u);
            }
        }
    }
}

/* The logarithm is the float nearest to libm's double result, but for ties that double cannot tell. */
Test(qins8_kernels, logarithm_is_correctly_rounded)
{
    fill();
    size_t wrong = 0, count = 0;
    for (uint32_t bits = 0x322bcc78u; bits < 0x7f800000u; bits += 997) {
        float x, due;
        memcpy(&x, &bits, sizeof x);
        due = (float)log((double)x);
        count++;
        wrong += memcmp(&due, &(float){qins8_log(bits)}, sizeof due) != 0;
    }
    cr_assert_gt(count, 1000000);
    cr_assert_eq(wrong, 0, "%zu of %zu logarithms are not the nearest float", wrong, count);
}

Test(qins8_kernels, exponential_is_correctly_rounded)
{
    uint8_t codes[256];
    float out[256];
    size_t wrong = 0;
    for (int i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    for (int k = 0; k < 2000; k++) {
        float low = -18.42f + (float)k * 0.03f, width = 0.011f * (float)k;
        qins8_portable.magnitudes(codes, 256, low, width, out);
        for (int i = 1; i < 256; i++) {
            volatile float part = (255.0f - (float)i) / 254.0f * width;
            double due = exp((double)(low + part));
            wrong += out[i] != (float)(due < 3.4028234663852886e38 ? due : 3.4028234663852886e38);
        }
    }
    cr_assert_eq(wrong, 0, "%zu of %d exponentials are not the nearest float", wrong, 2000 * 255);
}
