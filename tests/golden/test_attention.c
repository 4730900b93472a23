/* Attention over a KV cache against float64 NumPy (attention.json, by make_attention.py): lengths on both sides of a
 * tile's and a block's border, odd head counts and widths, windows, soft caps, formats, rotation, steps. */
#include "../registry_fixture.h"
#include "golden_numbers.h"

#include "compute/hadamard.h"
#include "compute/kv.h"

static json_t *golden;
static struct qb_pool *pool;

static void begin(void)
{
    registry_begin();
    pool = support_pool(2);
    golden = golden_open("tests/golden/attention.json");
}

static void end(void)
{
    json_decref(golden);
    qb_pool_free(pool);
    registry_end();
}

TestSuite(attention, .init = begin, .fini = end, .timeout = 300);

struct one {
    const json_t *json;
    size_t n, heads, kv_heads, dim, window, block;
    bool rotate;
    float *q, *k, *v;
};

static struct one open_case(const json_t *json)
{
    struct one one = {.json = json,
                      .n = golden_size(json, "n"),
                      .heads = golden_size(json, "heads"),
                      .kv_heads = golden_size(json, "kv_heads"),
                      .dim = golden_size(json, "dim"),
                      .window = golden_size(json, "window"),
                      .block = golden_size(json, "block"),
                      .rotate = golden_number(json, "rotate") == 1};
    const uint32_t seed = (uint32_t)golden_size(json, "seed");
    const size_t side = one.n * one.kv_heads * one.dim;
    one.q = calloc(one.n * one.heads * one.dim, sizeof(float));
    one.k = calloc(side, sizeof(float));
    one.v = calloc(side, sizeof(float));
    golden_numbers(seed, one.n * one.heads * one.dim, 4, one.q);
    golden_numbers(seed + 1, side, 4, one.k);
    golden_numbers(seed + 2, side, 4, one.v);
    return one;
}

static void close_case(struct one *one)
{
    free(one->q);
    free(one->k);
    free(one->v);
}

static void make_format(const char *id, struct qb_format *format)
{
    const bool row = strcmp(id, "int8") == 0 || strcmp(id, "qins8") == 0;
    struct qb_yaml *yaml = NULL;
    if (row)
        MUST(qb_yaml_parse("{scope: row}", 12, "options", &yaml, &err));
    MUST(qb_format_make(qb_registry_find(registry, id), yaml, QB_ISA_PORTABLE, format, &err));
    qb_yaml_free(yaml);
}

static struct qb_attention attention_of(const struct one *one, float *out, size_t window)
{
    const size_t width = one->heads * one->dim;
    return (struct qb_attention){.out = out,
                                 .out_stride = width,
                                 .batch = 1,
                                 .heads = one->heads,
                                 .kv_heads = one->kv_heads,
                                 .head_dim = one->dim,
                                 .scale = (float)golden_number(one->json, "scale"),
                                 .softcap = (float)golden_number(one->json, "softcap"),
                                 .window = window,
                                 .causal = true};
}

/* Largest difference from NumPy's values over the largest of them. */
static double off(const struct one *one, const float *out)
{
    const json_t *rows = json_object_get(one->json, "rows"), *y = json_object_get(one->json, "y");
    const size_t width = one->heads * one->dim;
    double most = 0, worst = 0;
    cr_assert_eq(json_array_size(y), json_array_size(rows) * width);
    for (size_t i = 0; i < json_array_size(y); i++) {
        const size_t row = (size_t)json_integer_value(json_array_get(rows, i / width));
        const double due = json_number_value(json_array_get(y, i));
        most = fmax(most, fabs(due));
        worst = fmax(worst, fabs((double)out[row * width + i % width] - due));
    }
    return worst / most;
}

/* Positions of step i: those that "steps" lists, the last of them again and again. */
static size_t step_of(const struct one *one, size_t i)
{
    const json_t *steps = json_object_get(one->json, "steps");
    const size_t last = json_array_size(steps) - 1;
    return (size_t)json_integer_value(json_array_get(steps, i < last ? i : last));
}

static double through_cache(const struct one *one, size_t window, bool ring)
{
    const size_t width = one->heads * one->dim, side = one->kv_heads * one->dim;
    const json_t *names = json_object_get(one->json, "formats");
    struct qb_format formats[2] = {{0}};
    struct qb_kv_options options = {.block = one->block, .rotate = one->rotate};
    struct qb_kv_shape shape = {
        .layers = 1, .batch = 1, .capacity = one->n, .heads = one->kv_heads, .head_dim = one->dim, .windows = &window};
    for (size_t i = 0; i < json_array_size(json_object_get(one->json, "steps")); i++)
        shape.step = ring && step_of(one, i) > shape.step ? step_of(one, i) : shape.step;
    for (size_t i = 0; i < 2; i++) {
        const char *id = json_string_value(json_array_get(names, i));
        if (strcmp(id, "fp32") != 0) {
            make_format(id, &formats[i]);
            options.format[i] = &formats[i];
        }
    }
    struct qb_scratch scratch = {0};
    struct qb_kv *kv = NULL;
    float *out = calloc(one->n, width * sizeof *out), *q = calloc(one->n, width * sizeof *q);
    memcpy(q, one->q, one->n * width * sizeof *q);
    if (one->rotate)
        qb_hadamard(q, one->n * one->heads, one->dim);
    MUST(qb_kv_create(&shape, &options, &kv, &err));
    for (size_t at = 0, i = 0; at < one->n; i++) {
        const size_t n = step_of(one, i) < one->n - at ? step_of(one, i) : one->n - at;
        struct qb_kv_view view;
        MUST(qb_kv_append(kv, 0, n, (struct qb_heads){one->k + at * side, side, 0},
                          (struct qb_heads){one->v + at * side, side, 0}, &err));
        qb_kv_view(kv, 0, &view);
        struct qb_attention a = attention_of(one, out + at * width, window);
        a.q = (struct qb_heads){q + at * width, width, 0};
        a.k = view.k;
        a.v = view.v;
        a.tiles = view.tiled ? &view.tiles : NULL;
        a.fresh = view.fresh;
        a.queries = n;
        a.keys = at + n;
        MUST(qb_attention(pool, &a, &scratch, &err));
        qb_kv_advance(kv, n);
        at += n;
    }
    if (one->rotate)
        qb_hadamard(out, one->n * one->heads, one->dim);
    const double found = off(one, out);
    qb_scratch_free(&scratch);
    qb_kv_free(kv);
    for (size_t i = 0; i < 2; i++)
        qb_format_free(&formats[i]);
    free(out);
    free(q);
    return found;
}

/* Of one piece, FP32: as it is, and by the plain loops that other tests compare with. */
static double in_one_piece(const struct one *one, bool reference)
{
    const size_t width = one->heads * one->dim, side = one->kv_heads * one->dim;
    float *out = calloc(one->n, width * sizeof *out);
    double *scores = calloc(one->n, sizeof *scores);
    struct qb_scratch scratch = {0};
    struct qb_attention a = attention_of(one, out, one->window);
    a.q = (struct qb_heads){one->q, width, 0};
    a.k = (struct qb_heads){one->k, side, 0};
    a.v = (struct qb_heads){one->v, side, 0};
    a.queries = a.keys = one->n;
    if (reference)
        qb_attention_ref(&a, scores);
    else
        MUST(qb_attention(pool, &a, &scratch, &err));
    const double found = off(one, out);
    qb_scratch_free(&scratch);
    free(scores);
    free(out);
    return found;
}

/* 1e-6: float32 sums of at most 2,049 terms against float64. What is encoded agrees to the bit, or to the last bit of a
 * rotated value, and so adds nothing. */
static const double bound = 1e-6;

Test(attention, over_a_cache_is_numpys)
{
    size_t index;
    const json_t *json;
    json_array_foreach(json_object_get(golden, "cases"), index, json)
    {
        struct one one = open_case(json);
        const double whole = through_cache(&one, one.window, false);
        cr_expect(whole <= bound, "case %zu: off by %.2g", index, whole);
        const double ring = through_cache(&one, one.window, true);
        cr_expect(ring <= bound, "case %zu, in a ring: off by %.2g", index, ring);
        if (getenv("GOLDEN_SHOW"))
            fprintf(stderr, "case %zu: within %.2g, in a ring %.2g\n", index, whole, ring);
        close_case(&one);
    }
    cr_assert_eq(index, 28);
}

Test(attention, in_one_piece_is_numpys)
{
    size_t index, plain = 0;
    const json_t *json;
    json_array_foreach(json_object_get(golden, "cases"), index, json)
    {
        struct one one = open_case(json);
        const json_t *formats = json_object_get(json, "formats");
        if (strcmp(json_string_value(json_array_get(formats, 0)), "fp32") == 0 &&
            strcmp(json_string_value(json_array_get(formats, 1)), "fp32") == 0) {
            cr_expect(in_one_piece(&one, false) <= bound, "case %zu: off by %.2g", index, in_one_piece(&one, false));
            cr_expect(in_one_piece(&one, true) <= bound, "case %zu, by plain loops: off by %.2g", index,
                      in_one_piece(&one, true));
            plain++;
        }
        close_case(&one);
    }
    cr_assert_eq(plain, 19);
}

/* The comparison can fail: of a window one too wide or too narrow, no case agrees. */
Test(attention, a_window_off_by_one_is_seen)
{
    size_t index, seen = 0;
    const json_t *json;
    json_array_foreach(json_object_get(golden, "cases"), index, json)
    {
        struct one one = open_case(json);
        if (one.window && one.window < one.n) {
            const double wider = through_cache(&one, one.window + 1, true);
            cr_expect(wider > 20 * bound, "case %zu: a window of %zu agrees, too (%.2g)", index, one.window + 1, wider);
            if (one.window > 1) {
                const double narrower = through_cache(&one, one.window - 1, true);
                cr_expect(narrower > 20 * bound, "case %zu: a window of %zu agrees, too (%.2g)", index, one.window - 1,
                          narrower);
            }
            seen++;
        }
        close_case(&one);
    }
    cr_assert_eq(seen, 9);
}
