/* Parts of a layer against torch and transformers (blocks.json, by make_blocks.py). */
#include <stdlib.h>
#include <string.h>
#include "compute/attention.h"
#include "compute/kernels.h"
#include "compute/rowwise.h"
#include "golden_numbers.h"
#include "model/angles.h"
#include "net_support.h"

static json_t *golden;
static struct qb_pool *pool;
static struct qb_error err;

static void begin(void)
{
    golden = golden_open("tests/golden/blocks.json");
    pool = support_pool(2);
    err = (struct qb_error){0};
    qb_blas_init();
}

static void end(void)
{
    qb_pool_free(pool);
    json_decref(golden);
}

TestSuite(blocks, .init = begin, .fini = end);

Test(blocks, rms_norm)
{
    float x[60], weight[20], y[60];
    size_t index;
    const json_t *one;
    golden_numbers(1, 60, 8, x);
    golden_numbers(2, 20, 1, weight);
    json_array_foreach(json_object_get(golden, "norms"), index, one)
    {
        float offset = (float)golden_number(one, "offset"), eps = (float)golden_number(one, "eps");
        qb_rmsnorm(pool, x, 3, 20, 1, 20, weight, offset, eps, y);
        golden_near("RMS norm", y, json_object_get(one, "y"), 60, 3e-7);
        for (size_t row = 0; row < 3; row++)
            qb_rmsnorm_ref(x + 20 * row, 20, weight, offset, eps, y + 20 * row);
        golden_near("its plain version", y, json_object_get(one, "y"), 60, 3e-7);
    }
    cr_assert_eq(index, 4);
}

Test(blocks, activations)
{
    const json_t *due = json_object_get(golden, "activations");
    float x[40], y[40];
    golden_numbers(3, 40, 20, x);
    memcpy(y, x, sizeof y);
    qb_activate(pool, qb_kernels()->gelu_tanh, y, 2, 20);
    golden_near("GELU by tanh", y, json_object_get(due, "gelu_tanh"), 40, 2e-7);
    memcpy(y, x, sizeof y);
    qb_activate(pool, qb_kernels()->silu, y, 5, 8);
    golden_near("SiLU", y, json_object_get(due, "silu"), 40, 2e-7);
    for (size_t i = 0; i < 40; i++)
        y[i] = x[i] * 8;
    qb_softcap(pool, y, 4, 10, 30);
    golden_near("soft cap", y, json_object_get(due, "softcap_30"), 40, 2e-7);
}

/* Two heads of 16 at each of the positions. */
static void turn(const json_t *one, bool pairs)
{
    const struct qb_rope rope = golden_rope(json_object_get(one, "rope"), pairs);
    const bool beyond = golden_number(one, "beyond") > 0;
    const json_t *positions = json_object_get(one, "positions");
    const size_t n = json_array_size(positions);
    struct qb_angle_table table = {0};
    float heads[2 * 4 * 16], x[4 * 32], frequency[QB_HEAD_DIM_MAX / 2], factor;
    char what[64];
    snprintf(what, sizeof what, "%s, %s%s", json_string_value(json_object_get(one, "name")), pairs ? "pairs" : "halves",
             beyond ? ", beyond" : "");
    qb_rope_frequencies(&rope, beyond, frequency, &factor);
    cr_expect_float_eq(factor, golden_number(one, "factor"), 2e-7, "%s: factor %g", what, (double)factor);
    for (size_t i = 0; i < rope.dims / 2; i++) {
        double due = json_number_value(json_array_get(json_object_get(one, "frequency"), i));
        cr_expect_float_eq(frequency[i], due, 2e-7 * due, "%s: frequency %zu is %g", what, i, (double)frequency[i]);
    }
    golden_numbers(4, 2 * n * 16, 4, heads);
    for (size_t i = 0; i < n * 32; i++)
        x[i] = heads[i / 16 % 2 * n * 16 + i / 32 * 16 + i % 16];
    for (size_t p = 0; p < n; p++) {
        size_t position = (size_t)json_integer_value(json_array_get(positions, p));
        MUST(qb_angle_table_reach(&table, &rope, beyond, position + 1, &err));
        struct qb_angles angles = qb_angle_table_from(&table, &rope, position);
        qb_rotate(pool, &angles, x + p * 32, 1, 1, 32, 2, 16);
    }
    golden_near(what, x, json_object_get(one, pairs ? "pairs" : "halves"), n * 32, 1e-6);
    qb_angle_table_free(&table);
}

Test(blocks, rotary_positions_of_every_kind)
{
    size_t index;
    const json_t *one;
    json_array_foreach(json_object_get(golden, "ropes"), index, one)
    {
        turn(one, false);
        turn(one, true);
    }
    cr_assert_eq(index, 8);
}

/* The queries from `first` on, over all keys; `reference`: by the plain loops. */
static void attend(const json_t *one, size_t first, bool reference)
{
    enum { ROOM = 8192 };
    static float q[ROOM], k[ROOM], v[ROOM], out[ROOM], picked[ROOM];
    static double scores[64];
    const size_t heads = golden_size(one, "heads"), kv_heads = golden_size(one, "kv_heads");
    const size_t dim = golden_size(one, "dim"), n = golden_size(one, "n"), width = heads * dim;
    struct qb_scratch scratch = {0};
    golden_numbers(5, n * width, 4, q);
    golden_numbers(6, n * kv_heads * dim, 4, k);
    golden_numbers(7, n * kv_heads * dim, 4, v);
    struct qb_attention a = {.q = {q + first * width, width, 0},
                             .k = {k, kv_heads * dim, 0},
                             .v = {v, kv_heads * dim, 0},
                             .out = out + first * width,
                             .out_stride = width,
                             .batch = 1,
                             .queries = n - first,
                             .keys = n,
                             .heads = heads,
                             .kv_heads = kv_heads,
                             .head_dim = dim,
                             .scale = (float)golden_number(one, "scale"),
                             .softcap = (float)golden_number(one, "softcap"),
                             .window = golden_size(one, "window"),
                             .causal = true};
    if (reference)
        qb_attention_ref(&a, scores);
    else
        MUST(qb_attention(pool, &a, &scratch, &err));
    const json_t *rows = json_object_get(one, "rows");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        size_t row = (size_t)json_integer_value(json_array_get(rows, i));
        memcpy(picked + i * width, out + row * width, width * sizeof *out);
    }
    golden_near(reference ? "attention by plain loops" : "attention", picked, json_object_get(one, "y"),
                json_array_size(rows) * width, 1e-6);
    qb_scratch_free(&scratch);
}

Test(blocks, attention)
{
    size_t index;
    const json_t *one;
    json_array_foreach(json_object_get(golden, "attentions"), index, one)
    {
        attend(one, 0, true);
        attend(one, 0, false);
        for (size_t first = 1; first < golden_size(one, "n"); first += 12)
            attend(one, first, false); /* the rows before are there from the time before */
        attend(one, golden_size(one, "n") - 1, false);
    }
    cr_assert_eq(index, 3);
}
