/* Keys and values in blocks: what a query sees of them, however they are stored, rotated and cut into steps, against
 * attention in double over positions that were encoded one block at a time by hand. */
#include "registry_fixture.h"

#include "compute/hadamard.h"
#include "compute/kv.h"

enum { BATCH = 2, HEADS = 2, GROUP = 3, DIM = 64, WIDTH = HEADS * DIM, ROW = WIDTH * (GROUP + 2) };

static struct qb_pool *pool;

static void begin(void)
{
    registry_begin();
    pool = support_pool(2);
}

static void end(void)
{
    qb_pool_free(pool);
    registry_end();
}

TestSuite(kv, .init = begin, .fini = end);

/* Positions that go through in steps, kept one way. */
struct subject {
    size_t length, window, step, first; /* positions of a step, and of the first */
    bool ring, rotate;
    const char *format[2], *options[2]; /* of keys and values; NULL: FP32, the defaults */
    size_t block;
    bool exact; /* to the bit as FP32 in one piece */
};

static void make_format(const char *id, const char *text, struct qb_format *format)
{
    struct qb_yaml *yaml = NULL;
    if (text)
        MUST(qb_yaml_parse(text, strlen(text), "options", &yaml, &err));
    MUST(qb_format_make(qb_registry_find(registry, id), yaml, QB_ISA_PORTABLE, format, &err));
    qb_yaml_free(yaml);
}

/* x = x H, by the definition of Sylvester's matrix: entry (i, j) is -1 to the number of bits that i and j share. */
static void rotate_ref(float *x)
{
    double sum[DIM] = {0};
    for (unsigned i = 0; i < DIM * DIM; i++)
        sum[i % DIM] += (double)x[i / DIM] * (__builtin_popcount(i / DIM & i % DIM) % 2 ? -1 : 1) / sqrt(DIM);
    for (size_t i = 0; i < DIM; i++)
        x[i] = (float)sum[i];
}

/* What queries see of side[length][WIDTH] once blocks are encoded; what is left over stays as it is. */
static void stored_ref(const struct subject *of, const struct qb_format *format, float *side)
{
    const size_t rows = HEADS * of->block;
    float *x = calloc(rows, DIM * sizeof *x);
    for (size_t at = 0; at + of->block <= of->length; at += of->block) {
        for (size_t i = 0; i < rows; i++)
            memcpy(x + i * DIM, side + (at + i % of->block) * WIDTH + i / of->block * DIM, DIM * sizeof *x);
        if (of->rotate)
            qb_hadamard(x, rows, DIM); /* to the bit as it is kept, for some values lie where two codes meet */
        if (format) {
            size_t bytes;
            MUST(qb_encoded_size(format, rows, DIM, &bytes, &err));
            void *encoded = calloc(1, bytes);
            MUST(qb_encode(format, rows, DIM, x, encoded, bytes, &err));
            MUST(qb_decode(format, rows, DIM, encoded, bytes, 0, rows, x, &err));
            free(encoded);
        }
        for (size_t i = 0; of->rotate && i < rows; i++)
            rotate_ref(x + i * DIM);
        for (size_t i = 0; i < rows; i++)
            memcpy(side + (at + i % of->block) * WIDTH + i / of->block * DIM, x + i * DIM, DIM * sizeof *x);
    }
    free(x);
}

/* out[length][WIDTH * GROUP] of one sequence, each query by itself. qkv[length][ROW]: q, k, v side by side. */
static void attend_ref(const struct subject *of, const struct qb_format *const format[2], const float *qkv, float *out)
{
    float *side[2], *mixed = calloc(of->length, 2 * WIDTH * sizeof *mixed);
    double *scores = calloc(of->length, sizeof *scores);
    for (size_t i = 0; i < 2; i++) {
        side[i] = calloc(of->length, WIDTH * sizeof(float));
        for (size_t p = 0; p < of->length; p++)
            memcpy(side[i] + p * WIDTH, qkv + p * ROW + (GROUP + i) * WIDTH, WIDTH * sizeof(float));
        stored_ref(of, format[i], side[i]);
    }
    for (size_t p = 0; p < of->length; p++) {
        for (size_t i = 0; i < 2; i++)
            for (size_t j = 0; j <= p; j++)
                memcpy(mixed + (i * of->length + j) * WIDTH,
                       j < (p + 1) / of->block * of->block ? side[i] + j * WIDTH : qkv + j * ROW + (GROUP + i) * WIDTH,
                       WIDTH * sizeof *mixed);
        struct qb_attention a = {.q = {qkv + p * ROW, ROW, 0},
                                 .k = {mixed, WIDTH, 0},
                                 .v = {mixed + of->length * WIDTH, WIDTH, 0},
                                 .out = out + p * WIDTH * GROUP,
                                 .out_stride = WIDTH * GROUP,
                                 .batch = 1,
                                 .queries = 1,
                                 .keys = p + 1,
                                 .heads = HEADS * GROUP,
                                 .kv_heads = HEADS,
                                 .head_dim = DIM,
                                 .window = of->window,
                                 .causal = true};
        qb_attention_ref(&a, scores);
    }
    free(side[0]);
    free(side[1]);
    free(mixed);
    free(scores);
}

/* The same for all sequences, in steps through a kv: layer 1 of 2. */
static void attend(const struct subject *of, const struct qb_kv_options *options, const float *qkv, float *out)
{
    const size_t windows[] = {0, of->window};
    const struct qb_kv_shape shape = {.layers = 2,
                                      .batch = BATCH,
                                      .capacity = of->length,
                                      .heads = HEADS,
                                      .head_dim = DIM,
                                      .windows = windows,
                                      .step = !of->ring              ? 0
                                              : of->first > of->step ? of->first
                                                                     : of->step};
    struct qb_scratch scratch = {0};
    struct qb_kv *kv = NULL;
    float *q = calloc(BATCH * of->length, WIDTH * GROUP * sizeof *q);
    MUST(qb_kv_create(&shape, options, &kv, &err));
    for (size_t at = 0, n = of->first; at < of->length; at += n, n = of->step) {
        n = n < of->length - at ? n : of->length - at;
        const float *x = qkv + at * ROW;
        for (size_t i = 0; i < BATCH * n; i++)
            memcpy(q + i * WIDTH * GROUP, x + (i / n * of->length + i % n) * ROW, WIDTH * GROUP * sizeof *q);
        if (of->rotate)
            qb_hadamard(q, BATCH * n * HEADS * GROUP, DIM);
        const struct qb_heads k = {x + GROUP * WIDTH, ROW, of->length * ROW}, v = {k.data + WIDTH, ROW, k.batch_stride};
        struct qb_kv_view view;
        for (size_t again = 0; again < 2; again++) /* a step that failed after this layer, and the one that does not */
            for (size_t layer = 0; layer < 2; layer++)
                MUST(qb_kv_append(kv, layer, n, k, v, &err));
        qb_kv_view(kv, 1, &view);
        struct qb_attention a = {.q = {q, WIDTH * GROUP, n * WIDTH * GROUP},
                                 .k = view.k,
                                 .v = view.v,
                                 .tiles = view.tiled ? &view.tiles : NULL,
                                 .fresh = view.fresh,
                                 .out = out + at * WIDTH * GROUP,
                                 .out_stride = WIDTH * GROUP,
                                 .out_batch_stride = of->length * WIDTH * GROUP,
                                 .batch = BATCH,
                                 .queries = n,
                                 .keys = at + n,
                                 .heads = HEADS * GROUP,
                                 .kv_heads = HEADS,
                                 .head_dim = DIM,
                                 .window = of->window,
                                 .causal = true};
        MUST(qb_attention(pool, &a, &scratch, &err));
        for (size_t i = 0; of->rotate && i < BATCH * n; i++)
            qb_hadamard(a.out + i / n * a.out_batch_stride + i % n * a.out_stride, HEADS * GROUP, DIM);
        qb_kv_advance(kv, n);
    }
    qb_scratch_free(&scratch);
    qb_kv_free(kv);
    free(q);
}

static void agrees(struct subject of)
{
    const size_t outputs = BATCH * of.length * WIDTH * GROUP;
    float *qkv = calloc(BATCH * of.length, ROW * sizeof *qkv);
    float *out = calloc(outputs, sizeof *out), *due = calloc(outputs, sizeof *due);
    struct qb_format formats[2] = {{0}};
    struct qb_kv_options options = {.block = of.block, .rotate = of.rotate};
    struct qb_rng rng;
    qb_rng_seed(&rng, 4);
    qb_rng_normal(&rng, 0.0f, 1.0f, qkv, BATCH * of.length * ROW);
    for (size_t i = 0; i < 2; i++)
        if (of.format[i]) {
            make_format(of.format[i], of.options[i], &formats[i]);
            options.format[i] = &formats[i];
        }
    attend(&of, &options, qkv, out);
    for (size_t s = 0; s < BATCH && !of.exact; s++)
        attend_ref(&of, options.format, qkv + s * of.length * ROW, due + s * outputs / BATCH);
    if (of.exact) {
        struct subject plain = of;
        plain.ring = false;
        attend(&plain, NULL, qkv, due);
        cr_expect_eq(memcmp(out, due, outputs * sizeof *out), 0, "block %zu, step %zu: other bits", of.block, of.step);
    }
    for (size_t i = 0; i < outputs && !of.exact; i++)
        cr_assert_float_eq(out[i], due[i], 1e-5,
                           "%zu positions in steps of %zu, %s and %s in blocks of %zu, window %zu: "
                           "position %zu: %g, expected %g",
                           of.length, of.step, of.format[0] ? of.format[0] : "fp32",
                           of.format[1] ? of.format[1] : "fp32", of.block, of.window, i / (WIDTH * GROUP) % of.length,
                           (double)out[i], (double)due[i]);
    for (size_t i = 0; i < 2; i++)
        qb_format_free(&formats[i]);
    free(qkv);
    free(out);
    free(due);
}

Test(kv, the_rotation_is_the_one_of_the_definition)
{
    float x[3 * DIM], due[3 * DIM];
    struct qb_rng rng;
    qb_rng_seed(&rng, 5);
    qb_rng_normal(&rng, 0.0f, 1.0f, x, 3 * DIM);
    memcpy(due, x, sizeof x);
    qb_hadamard(x, 3, DIM);
    for (size_t i = 0; i < 3; i++)
        rotate_ref(due + i * DIM);
    for (size_t i = 0; i < 3 * DIM; i++)
        cr_expect_float_eq(x[i], due[i], 1e-6);
    float six[6] = {1, 2, 3, 4, 5, 6}, odd[3] = {1, 2, 3};
    const float root = sqrtf(0.5f);
    const float pairs[6] = {3 * root, -root, 7 * root, -root, 11 * root, -root};
    qb_hadamard(six, 1, 6); /* pairs: 2 is the largest power of two in 6 */
    qb_hadamard(odd, 1, 3);
    for (size_t i = 0; i < 6; i++)
        cr_expect_float_eq(six[i], pairs[i], 1e-6);
    cr_expect(odd[0] == 1 && odd[1] == 2 && odd[2] == 3, "nothing to rotate");
}

#define AGREES(...) agrees((struct subject){__VA_ARGS__})

Test(kv, fp32_in_blocks_of_one_is_fp32_in_one_piece_to_the_bit)
{
    AGREES(.length = 150, .first = 1, .step = 7, .block = 1, .exact = true);
    AGREES(.length = 150, .first = 129, .step = 1, .block = 1, .exact = true);
    AGREES(.length = 150, .first = 9, .step = 9, .window = 33, .block = 1, .ring = true, .exact = true);
}

Test(kv, fp32_in_any_blocks)
{
    for (size_t block = 2; block < 40; block = block * 3 + 1)
        for (size_t step = 1; step < 150; step = step * 4 + 3)
            for (size_t window = 0; window < 60; window += 29)
                AGREES(.length = 151, .first = 1, .step = step, .window = window, .block = block, .rotate = block == 7,
                       .ring = step < 60 && window > 0);
}

Test(kv, a_query_sees_what_was_encoded_by_then)
{
    for (size_t block = 1; block < 40; block = block * 5 + 1)
        for (size_t step = 1; step < 140; step = step * 11 + 2) {
            AGREES(.length = 139, .first = 3, .step = step, .block = block, .format = {"fp16", "qins8"},
                   .options = {NULL, "{scope: row, layout: source}"});
            AGREES(.length = 139, .first = 14, .step = step, .block = block, .format = {"q4_0", "q8_0"},
                   .rotate = true);
            AGREES(.length = 139, .first = 14, .step = step, .window = 31, .block = block, .format = {"int8", NULL},
                   .rotate = step > 1, .ring = step < 60, .options = {"{scope: row}"});
        }
}

Test(kv, more_keys_than_a_tile)
{
    AGREES(.length = 1400, .first = 1395, .step = 1, .block = 32, .format = {"q8_0", "q8_0"}, .rotate = true);
    AGREES(.length = 1300, .first = 1024, .step = 276, .block = 1, .format = {"fp16", "fp16"});
}

Test(kv, a_ring_takes_what_a_step_can_see)
{
    const size_t windows[] = {0, 33};
    struct qb_kv_shape shape = {
        .layers = 2, .batch = 3, .capacity = 150, .heads = 1, .head_dim = 2, .windows = windows};
    struct qb_kv *kv = NULL;
    MUST(qb_kv_create(&shape, NULL, &kv, &err));
    cr_expect_eq(qb_kv_bytes(kv), 3 * (150 + 150) * 2 * 2 * sizeof(float));
    qb_kv_free(kv);
    shape.step = 9;
    MUST(qb_kv_create(&shape, NULL, &kv, &err));
    cr_expect_eq(qb_kv_bytes(kv), 3 * (150 + 33 + 9 + 1) * 2 * 2 * sizeof(float));
    const struct qb_heads none = {0};
    cr_expect_eq(qb_kv_append(kv, 0, 10, none, none, &err), QB_ERR_INTERNAL, "a longer step");
    qb_kv_free(kv);
}

Test(kv, rewinding_forgets_whole_blocks)
{
    const struct qb_kv_shape shape = {.layers = 1, .batch = 1, .capacity = 40, .heads = 1, .head_dim = 2};
    const struct qb_kv_options options = {.block = 8};
    const float x[40] = {0};
    const struct qb_heads side = {x, 2, 0};
    struct qb_kv *kv = NULL;
    size_t length = 19;
    MUST(qb_kv_create(&shape, &options, &kv, &err));
    MUST(qb_kv_append(kv, 0, 20, side, side, &err));
    qb_kv_advance(kv, 20);
    qb_kv_rewind(kv, &length);
    cr_expect_eq(length, 19, "in the block that is not full");
    length = 13;
    qb_kv_rewind(kv, &length);
    cr_expect_eq(length, 8);
    cr_expect_eq(kv->length, 8);
    length = 30;
    qb_kv_rewind(kv, &length);
    cr_expect_eq(length, 8, "there are no more");
    qb_kv_free(kv);
}

Test(kv, what_cannot_be_kept_is_an_error)
{
    const struct qb_kv_shape shape = {.layers = 1, .batch = 1, .capacity = 4, .heads = 1, .head_dim = 6};
    struct qb_format format = {0};
    struct qb_kv_options options = {.block = 1, .format = {NULL, &format}};
    struct qb_kv *kv = NULL;
    make_format("q8_0", NULL, &format);
    cr_expect_eq(qb_kv_create(&shape, &options, &kv, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "KV cache, values") && strstr(err.message, "q8_0"), "%s", err.message);
    qb_format_free(&format);
    err = (struct qb_error){0};
    make_format("int8", NULL, &format);
    MUST(qb_kv_create(&shape, &options, &kv, &err));
    const float x[6] = {0, 0, NAN};
    const struct qb_heads side = {x, 6, 0};
    cr_expect_eq(qb_kv_append(kv, 0, 1, side, side, &err), QB_ERR_NUMERIC);
    cr_expect(strstr(err.message, "KV cache, values from position 0"), "%s", err.message);
    qb_kv_free(kv);
    qb_format_free(&format);
}

Test(kv, bytes_are_those_of_the_documents_layout)
{
    const struct qb_kv_shape shape = {.layers = 3, .batch = 2, .capacity = 10, .heads = 4, .head_dim = 96};
    struct qb_format fp16 = {0}, qins8 = {0};
    struct qb_kv_options options = {.block = 1, .format = {&fp16, &qins8}};
    struct qb_kv *kv = NULL;
    make_format("fp16", NULL, &fp16);
    make_format("qins8", "{scope: row, layout: source}", &qins8);
    MUST(qb_kv_create(&shape, &options, &kv, &err));
    const size_t one = 3 * 4 * (96 * 2 + (96 + 96 + 2 * 4)); /* FP16; uint8 and int8 an entry, two floats a head */
    cr_expect_eq(qb_kv_position_bytes(kv), (double)one);
    cr_expect_eq(qb_kv_bytes(kv), 2 * 10 * one);
    qb_kv_free(kv);
    qb_format_free(&fp16);
    qb_format_free(&qins8);
}
