/* Golden values: PyTorch's generator, in tests/golden (origin in the files), and mt19937ar.c's published output. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jansson.h>
#include <criterion/criterion.h>
#include "base/rng.h"

static struct qb_rng rng;

Test(rng, published_mt19937)
{
    qb_rng_seed(&rng, 5489);
    cr_expect_eq(qb_rng_u32(&rng), 3499211612u); /* std::mt19937's first output */
    uint32_t value = 0;
    for (int i = 2; i <= 10000; i++)
        value = qb_rng_u32(&rng);
    cr_expect_eq(value, 4123659995u); /* C++11 [rand.predef]: the 10000th */
}

Test(rng, uniform_is_one_draw_a_value)
{
    struct qb_rng twin;
    float values[1000];
    qb_rng_seed(&rng, 7);
    qb_rng_seed(&twin, 7);
    qb_rng_uniform(&rng, -0.5f, 2.0f, values, 1000);
    for (int i = 0; i < 1000; i++) {
        float unit = (float)(qb_rng_u32(&twin) & 0xffffffu) / 16777216.0f;
        cr_assert_eq(values[i], unit * 2.5f + -0.5f);
        cr_assert(values[i] >= -0.5f && values[i] < 2.0f);
    }
    cr_assert_eq(qb_rng_u32(&rng), qb_rng_u32(&twin));
    qb_rng_uniform(&rng, 0, 1, NULL, 0);
    cr_assert_eq(qb_rng_u32(&rng), qb_rng_u32(&twin));
}

static unsigned long draws_of_normal(size_t n)
{
    struct qb_rng twin;
    float *values = malloc((n + 1) * sizeof *values);
    cr_assert_not_null(values);
    qb_rng_seed(&rng, 11);
    qb_rng_seed(&twin, 11);
    qb_rng_normal(&rng, 0, 1, values, n);
    free(values);
    uint32_t mark[4];
    for (int i = 0; i < 4; i++)
        mark[i] = qb_rng_u32(&rng);
    uint32_t window[4] = {0};
    for (unsigned long drawn = 1; drawn < 10000; drawn++) {
        memmove(window, window + 1, 3 * sizeof *window);
        window[3] = qb_rng_u32(&twin);
        if (drawn >= 4 && memcmp(window, mark, sizeof mark) == 0)
            return drawn - 4;
    }
    return 0;
}

Test(rng, normal_uses_as_many_draws_as_torch)
{
    cr_expect_eq(draws_of_normal(0), 0);
    cr_expect_eq(draws_of_normal(1), 4);
    cr_expect_eq(draws_of_normal(2), 4);
    cr_expect_eq(draws_of_normal(15), 32);
    cr_expect_eq(draws_of_normal(16), 16);
    cr_expect_eq(draws_of_normal(17), 33);
    cr_expect_eq(draws_of_normal(32), 32);
    cr_expect_eq(draws_of_normal(1000), 1016);
}

Test(rng, the_spare_outlives_the_call)
{
    float together[5], apart[5];
    qb_rng_seed(&rng, 3);
    qb_rng_normal(&rng, 1, 2, together, 5);
    cr_expect(rng.has_spare);
    qb_rng_seed(&rng, 3);
    cr_expect_not(rng.has_spare);
    for (int i = 0; i < 5; i++)
        qb_rng_normal(&rng, 1, 2, apart + i, 1);
    cr_expect_eq(memcmp(together, apart, sizeof apart), 0);
}

Test(rng, normal_has_its_moments_and_is_finite)
{
    enum { COUNT = 200003 };
    static float values[COUNT];
    double sum = 0, squares = 0;
    qb_rng_seed(&rng, 1);
    qb_rng_normal(&rng, 3.0f, 0.5f, values, COUNT);
    for (int i = 0; i < COUNT; i++) {
        cr_assert(isfinite(values[i]));
        sum += (double)values[i];
        squares += ((double)values[i] - 3.0) * ((double)values[i] - 3.0);
    }
    cr_expect_float_eq(sum / COUNT, 3.0, 0.006); /* 5 sigma of the mean */
    cr_expect_float_eq(sqrt(squares / COUNT), 0.5, 0.004);
}

Test(rng, randint_is_the_remainder)
{
    struct qb_rng twin;
    static const uint32_t bounds[] = {1, 2, 5000, 0x80000001u, 0xffffffffu};
    qb_rng_seed(&rng, 9);
    qb_rng_seed(&twin, 9);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(qb_rng_randint(&rng, bounds[i]), qb_rng_u32(&twin) % bounds[i]);
}

/* Values to four places as PyTorch prints them for torch.manual_seed(seed), in its documentation and forums since 1.0.
 */

static void expect_printed(const float *due, size_t count, bool normal, uint32_t seed)
{
    float values[16];
    qb_rng_seed(&rng, seed);
    if (normal)
        qb_rng_normal(&rng, 0, 1, values, count);
    else
        qb_rng_uniform(&rng, 0, 1, values, count);
    for (size_t i = 0; i < count; i++)
        cr_expect_float_eq(values[i], due[i], 5.1e-5f, "seed %u, value %zu: %.6f", seed, i, (double)values[i]);
}

Test(rng, values_as_torch_prints_them)
{
    static const float rand_0[] = {0.4963f, 0.7682f, 0.0885f, 0.1320f, 0.3074f};
    static const float randn_0[] = {1.5410f, -0.2934f, -2.1788f, 0.5684f, -1.0845f};
    static const float randn_42[] = {0.3367f, 0.1288f, 0.2345f, 0.2303f, -1.1229f};
    static const float randn_4x4_0[] = {-1.1258f, -1.1524f, -0.2506f, -0.4339f, 0.8487f, 0.6920f, -0.3160f, -2.1152f,
                                        0.3223f,  -1.2633f, 0.3500f,  0.3081f,  0.1198f, 1.2377f, 1.1168f,  -0.2473f};
    static const uint32_t randint_0[] = {4, 9, 3, 0, 3};
    expect_printed(rand_0, 5, false, 0);
    expect_printed(randn_0, 5, true, 0);
    expect_printed(randn_42, 5, true, 42);
    expect_printed(randn_4x4_0, 16, true, 0);
    qb_rng_seed(&rng, 0);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(qb_rng_randint(&rng, 10), randint_0[i]);
}

/* The source's two protocols. */

static json_t *load_golden(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    cr_assert_not_null(root, "%s: %s (run from the repository's root)", path, error.text);
    return root;
}

static void expect_floats(const json_t *golden, const float *values)
{
    cr_assert_gt(json_array_size(golden), 0);
    for (size_t i = 0; i < json_array_size(golden); i++) {
        double due = json_real_value(json_array_get(golden, i));
        cr_expect(fabs((double)values[i] - due) <= 1e-6 * fabs(due), "value %zu: %.9g, torch has %.9g", i,
                  (double)values[i], due);
    }
}

static void expect_tokens(const json_t *golden, uint32_t bound)
{
    cr_assert_gt(json_array_size(golden), 0);
    for (size_t i = 0; i < json_array_size(golden); i++)
        cr_expect_eq(qb_rng_randint(&rng, bound), (uint32_t)json_integer_value(json_array_get(golden, i)));
}

enum { VOCAB = 5000, HIDDEN = 256, LARGEST = VOCAB * HIDDEN };

static void uniform_linear(float *buffer, size_t out, size_t in, bool bias)
{
    float bound = (float)(1.0 / sqrt((double)in));
    qb_rng_uniform(&rng, -bound, bound, buffer, out * in);
    if (bias)
        qb_rng_uniform(&rng, -bound, bound, buffer, out);
}

Test(rng, source_chain_draws)
{
    static const size_t shapes[5][2] = {{512, 256}, {512, 512}, {512, 512}, {256, 512}, {VOCAB, HIDDEN}};
    static float buffer[LARGEST];
    json_t *root = load_golden("tests/golden/source_protocols.json");
    const json_t *chain = json_object_get(root, "chain_42_123"), *golden = json_object_get(chain, "rng");
    qb_rng_seed(&rng, 42);
    qb_rng_normal(&rng, 0, 1, buffer, LARGEST);
    for (int i = 0; i < 5; i++)
        uniform_linear(buffer, shapes[i][0], shapes[i][1], true);
    qb_rng_normal(&rng, 0, 0.02f, buffer, LARGEST);
    expect_floats(json_object_get(golden, "embed_head"), buffer);
    for (int i = 0; i < 5; i++) {
        qb_rng_normal(&rng, 0, 0.02f, buffer, shapes[i][0] * shapes[i][1]);
        if (i == 0)
            expect_floats(json_object_get(golden, "linear0_head"), buffer);
    }
    const json_t *tail = json_object_get(golden, "lm_head_tail");
    expect_floats(tail, buffer + LARGEST - json_array_size(tail));
    expect_tokens(json_object_get(golden, "calib_head"), VOCAB);
    qb_rng_seed(&rng, 123);
    expect_tokens(json_object_get(chain, "prompt"), VOCAB);
    json_decref(root);
}

Test(rng, source_transformer_draws)
{
    static const size_t shapes[4][2] = {{768, 256}, {256, 256}, {1024, 256}, {256, 1024}};
    static float buffer[LARGEST];
    json_t *root = load_golden("tests/golden/source_protocols.json");
    const json_t *transformer = json_object_get(root, "transformer_42"), *golden = json_object_get(transformer, "rng");
    qb_rng_seed(&rng, 42);
    qb_rng_normal(&rng, 0, 1, buffer, LARGEST);
    for (int i = 0; i < 12; i++) {
        size_t out = shapes[i % 4][0], in = shapes[i % 4][1];
        float bound = (float)(1.0 / sqrt((double)in));
        qb_rng_uniform(&rng, -bound, bound, buffer, out * in);
        qb_rng_uniform(&rng, -bound, bound, buffer, out);
        if (i == 0)
            expect_floats(json_object_get(golden, "l0_qkv_bias_head"), buffer);
    }
    uniform_linear(buffer, VOCAB, HIDDEN, false);
    qb_rng_normal(&rng, 0, 0.02f, buffer, LARGEST);
    expect_floats(json_object_get(golden, "embed_head"), buffer);
    for (int i = 0; i < 12; i++) {
        qb_rng_normal(&rng, 0, 0.02f, buffer, shapes[i % 4][0] * shapes[i % 4][1]);
        if (i == 0)
            expect_floats(json_object_get(golden, "l0_qkv_head"), buffer);
    }
    const json_t *tail = json_object_get(golden, "l2_down_tail");
    expect_floats(tail, buffer + 256 * 1024 - json_array_size(tail));
    expect_tokens(json_object_get(transformer, "prompt"), VOCAB);
    json_decref(root);
}

/* Draws of every kind one after another from one generator, made by PyTorch itself. */

static void draw(const json_t *golden, bool normal, float *values, size_t n)
{
    float a = (float)json_number_value(json_object_get(golden, "a"));
    float b = (float)json_number_value(json_object_get(golden, "b"));
    if (normal)
        qb_rng_normal(&rng, a, b, values, n);
    else
        qb_rng_uniform(&rng, a, b, values, n);
}

static void expect_draw(const json_t *golden)
{
    static float values[1000];
    const char *kind = json_string_value(json_object_get(golden, "kind"));
    const json_t *due = json_object_get(golden, "values");
    size_t n = (size_t)json_integer_value(json_object_get(golden, "n"));
    cr_assert(kind && n >= 1 && n <= 1000);
    if (strcmp(kind, "randint") == 0) {
        cr_assert_eq(json_array_size(due), n);
        expect_tokens(due, (uint32_t)json_integer_value(json_object_get(golden, "b")));
        return;
    }
    draw(golden, strcmp(kind, "normal") == 0, values, n);
    if (due) {
        cr_assert_eq(json_array_size(due), n);
        expect_floats(due, values);
        return;
    }
    const json_t *tail = json_object_get(golden, "tail");
    expect_floats(json_object_get(golden, "head"), values);
    expect_floats(tail, values + n - json_array_size(tail));
}

Test(rng, torch_draws)
{
    size_t i, j;
    json_t *root = load_golden("tests/golden/torch_random.json"), *one, *each;
    const json_t *cases = json_object_get(root, "cases");
    cr_assert_geq(json_array_size(cases), 50);
    json_array_foreach(cases, i, one)
    {
        const json_t *draws = json_object_get(one, "draws");
        cr_assert_gt(json_array_size(draws), 0);
        qb_rng_seed(&rng, (uint32_t)json_integer_value(json_object_get(one, "seed")));
        json_array_foreach(draws, j, each)
        {
            expect_draw(each);
        }
    }
    json_decref(root);
}
