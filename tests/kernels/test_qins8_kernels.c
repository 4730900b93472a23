/* Every level of qins8's kernels against the portable reference, bit for bit, at odd lengths and offsets, with
 * canaries; the reference against libm in double; and the codec's codes and values of many numbers, which it takes by
 * tables, against the reference one by one. A failure names the seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/rng.h"
#include "codec/codec.h"
#include "codecs/qins8/qins8_kernels.h"

enum { ROOM = 2048, PAD = 64, CANARY = 0x6b };

struct buffers { /* each output lies at an odd offset in a field of canaries */
    float x[ROOM];
    uint8_t codes[ROOM], bits[ROOM];
    int8_t signs[ROOM];
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
} kernels[] = {{"extent", call_extent},           {"quantise", call_quantise},        {"sign_bits", call_sign_bits},
               {"sign_bytes", call_sign_bytes},   {"magnitudes", call_magnitudes},    {"ratios", call_ratios},
               {"negate_bits", call_negate_bits}, {"negate_bytes", call_negate_bytes}};

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

/* ---- the codec, of many numbers of one range ---- */

enum { MANY = 70001, EPSILON = 0, LAYOUT = 1, SCOPE = 3, OPTIONS = 4 }; /* MANY: tables pay, and come in two turns */

const struct qb_codec *qb_codec_entry(void); /* the plugin's */

static float many[MANY], back[MANY];
static uint8_t due[MANY];
static unsigned char encoded[8 + 2 * MANY];

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint8_t code_of(uint32_t bits, float low, float width)
{
    const float x = float_of(bits);
    uint8_t code;
    qins8_portable.quantise(&x, 1, low, width, &code);
    return code;
}

/* Numbers from least to most, of either sign: the last of each code and its neighbours, 0, what lies under the floor,
 * random ones. */
static void fill_many(float least, float most, float low, float width)
{
    static const float special[] = {0, 1e-45f, 1e-40f, 1e-8f, 5e-9f, 1.1754942e-38f};
    size_t n = 0;
    many[n++] = least;
    many[n++] = most;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        many[n++] = special[i];
    for (unsigned code = 255; code > 1; code--) {
        uint32_t from = bits_of(least), to = bits_of(most); /* the first magnitude of a lower code is above from */
        while (to - from > 1) {
            const uint32_t middle = from + (to - from) / 2;
            if (code_of(middle, low, width) >= code)
                from = middle;
            else
                to = middle;
        }
        for (uint32_t bits = from - 2; bits <= to + 2; bits++)
            if (bits >= bits_of(least) && bits <= bits_of(most))
                many[n++] = float_of(bits);
    }
    while (n < MANY)
        many[n++] = float_of(bits_of(least) + qb_rng_u32(&rng) % (bits_of(most) - bits_of(least)));
    for (size_t i = 0; i < MANY; i++)
        many[i] = qb_rng_u32(&rng) % 2 ? -many[i] : many[i];
}

/* How many codes and values of the codec are not those of the rule, to which numbers come moved by so many floats.
 */
static size_t wrong_of_many(int isa, int epsilon, int layout, float low, float width, uint32_t moved)
{
    union qb_option_value options[OPTIONS] = {[EPSILON] = {.i = epsilon}, [LAYOUT] = {.i = layout}};
    const struct qb_codec_config config = {.struct_size = sizeof config, .isa = isa, .options = options};
    const struct qb_codec *codec = qb_codec_entry();
    const unsigned char *codes = encoded + 8, *signs = codes + MANY;
    struct qb_codec_error error;
    size_t bytes, wrong = 0;
    cr_assert_eq(codec->encoded_size(&config, 1, MANY, &bytes, &error), QB_CODEC_OK);
    cr_assert_leq(bytes, sizeof encoded);
    cr_assert_eq(codec->encode(&config, 1, MANY, many, encoded, bytes, &error), QB_CODEC_OK, "%s", error.message);
    cr_assert_eq(codec->decode(&config, 1, MANY, encoded, bytes, 0, 1, back, &error), QB_CODEC_OK, "%s", error.message);
    for (size_t i = 0; i < MANY; i++) {
        const float number = float_of(bits_of(many[i]) + (many[i] != 0 ? moved : 0));
        float value;
        qins8_portable.quantise(&number, 1, low, width, &due[i]);
        qins8_portable.magnitudes(&codes[i], 1, low,
                                  (float)((double)qins8_log(bits_of(many[1]) & INT32_MAX) - (double)low), &value);
        const bool minus = layout == 0 ? signs[i / 8] >> i % 8 & 1 : signs[i] == 0xff;
        wrong += codes[i] != due[i] || minus != (many[i] < 0);
        wrong += bits_of(back[i]) != (bits_of(value) | (uint32_t)minus << 31);
    }
    return wrong;
}

Test(qins8_kernels, codes_and_values_of_many_numbers_are_the_rule_s)
{
    static const float ranges[][2] = {{1e-6f, 0.3f}, {1.0000001e-8f, 3.4028235e38f}, {3e-5f, 700}, {0.01f, 0.03f}};
    fill();
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
        for (int epsilon = 0; epsilon < 2; epsilon++) {
            const float low = qins8_log(bits_of(ranges[r][0])), high = qins8_log(bits_of(ranges[r][1]));
            const float width = (float)((double)high - (double)low + (epsilon ? 1e-8 : 0));
            fill_many(ranges[r][0], ranges[r][1], low, width);
            for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++) {
                const int layout = (isa + epsilon) % 2;
                cr_assert_eq(wrong_of_many(isa, epsilon, layout, low, width, 0), 0, "[%g, %g], level %s, seed %u",
                             (double)ranges[r][0], (double)ranges[r][1], qb_isa_name((enum qb_isa)isa), seed);
                if (epsilon == 0) /* an edge that is one float off would be seen */
                    cr_assert_geq(wrong_of_many(isa, 0, layout, low, width, 1), 254);
            }
        }
}

Test(qins8_kernels, each_long_row_has_codes_of_its_own_range)
{
    enum { COLS = MANY / 2, RANGES = 2 * sizeof(struct qins8_range) };
    const union qb_option_value options[OPTIONS] = {[SCOPE] = {.scope.kind = QB_SCOPE_ROW}};
    const struct qb_codec_config config = {
        .struct_size = sizeof config, .isa = (int32_t)qb_cpu()->isa, .options = options};
    struct qb_codec_error error;
    size_t bytes;
    fill();
    for (size_t i = 0; i < COLS; i++) {
        many[i] = float_of(0x38000000u + qb_rng_u32(&rng) % 0x08000000u);
        many[COLS + i] = 3 * many[i] * many[i];
    }
    cr_assert_eq(qb_codec_entry()->encoded_size(&config, 2, COLS, &bytes, &error), QB_CODEC_OK);
    cr_assert_leq(bytes, sizeof encoded);
    cr_assert_eq(qb_codec_entry()->encode(&config, 2, COLS, many, encoded, bytes, &error), QB_CODEC_OK);
    for (size_t row = 0; row < 2; row++) {
        const struct qins8_extent extent = qins8_portable.extent(many + row * COLS, COLS);
        const float low = qins8_log(extent.least), high = qins8_log(extent.most);
        qins8_portable.quantise(many + row * COLS, COLS, low, (float)((double)high - (double)low), due);
        cr_assert_eq(memcmp(encoded + RANGES + row * COLS, due, COLS), 0, "row %zu, seed %u", row, seed);
    }
}
