/* What a cell of kv has in memory: no more than it says, and no logits of a whole context. The heap is what the program
 * accounts for (base/mem.h), so that nothing depends on the system. */
#include "experiment_bench.h"

#include "experiments/positions.h"

/* The planted fault: logits of every position are kept. */
static bool keeps_logits;
static float *kept[4096];
static size_t kept_count;

static enum qb_status planted_block(struct qb_pool *pool, const float *p, const struct qb_reference_row *known,
                                    const float *q, size_t vocab, size_t first, size_t n, struct qb_positions *rows,
                                    struct qb_error *err)
{
    if (keeps_logits) {
        float *copy = kept[kept_count++] = qb_alloc(2 * n * vocab, sizeof *copy, "planted", err);
        cr_assert(copy && kept_count < sizeof kept / sizeof *kept);
    }
    return qb_positions_block(pool, p, known, q, vocab, first, n, rows, err);
}

#define qb_positions_block planted_block
#define qb_experiment_kv kv_under_test
#include "experiments/kv.c"

TestSuite(kv_memory, .init = fixture_begin, .fini = fixture_end, .timeout = 300);

enum { VOCAB = 1500, WIDTH = 64 };

static const char *suite_of(int context)
{
    static char text[1024], ids[8 * 4096];
    size_t at = 0;
    for (int i = 0; i < context; i++)
        at += (size_t)snprintf(ids + at, sizeof ids - at, "%d ", (i * 37 + 11) % VOCAB);
    scratch_write("ids.txt", ids, at);
    snprintf(text, sizeof text,
             "name: s\nmodels: {m: {generator: transformer, vocab: %d, hidden: %d, layers: 2}}\n"
             "variants: [fp32, kv-int8, {name: blocks, kv: {keys: fp16, block: 64}}, int8-channel]\n"
             "experiments:\n  kv: {corpus: {tokens: ids.txt}, context: %d, chunks: 1, step: 128}\n",
             VOCAB, WIDTH, context);
    return text;
}

static size_t number(const struct qb_record *record, const char *name)
{
    const struct qb_array *array = qb_record_find(record, name);
    cr_assert(array && array->dtype == QB_I64 && array->count == 1, "%s", name);
    return (size_t) * (const int64_t *)array->data;
}

/* A context's record; the generated transformer becomes one whose positions see no later ones. */
static void measure(int context, size_t variant, bool planted, struct qb_record *record)
{
    struct bench b = bench_open(suite_of(context), 0);
    b.model->arch.causal = true;
    b.suite->experiments[0].experiment = &kv_under_test;
    keeps_logits = planted;
    bench_run(&b, variant, record);
    while (kept_count > 0)
        qb_free(kept[--kept_count]);
    bench_close(&b);
}

/* Bytes of the heap that what is recorded does not explain; part of the scratch is there twice while it grows. */
static long unexplained(const struct qb_record *record)
{
    return (long)(number(record, "accounted_peak") - number(record, "accounted_before")) -
           (long)(number(record, "kv_bytes") + number(record, "logits_bytes") + 2 * number(record, "scratch_bytes"));
}

/* 256 KiB are less than the logits of 32 of the 1,023 positions of both arms. */
enum { SLACK = 256 << 10 };

Test(kv_memory, a_cell_has_what_it_says_and_no_more)
{
    for (size_t variant = 0; variant < 4; variant++) {
        struct qb_record record = {0};
        measure(1024, variant, false, &record);
        cr_expect_eq(number(&record, "logits_bytes"), 2 * 32 * VOCAB * sizeof(float));
        cr_expect_eq(number(&record, "states_bytes"), 128 * WIDTH * sizeof(float));
        cr_expect_geq(number(&record, "reference_bytes"), 1023 * WIDTH * sizeof(float));
        cr_expect_lt(unexplained(&record), SLACK, "variant %zu: %ld bytes", variant, unexplained(&record));
        cr_expect_gt(number(&record, "scratch_bytes"), 0);
        cr_expect_geq(number(&record, "accounted_peak") - number(&record, "accounted_before"),
                      number(&record, "kv_bytes") + number(&record, "logits_bytes"), "all of it was there");
        qb_record_free(&record);
    }
}

Test(kv_memory, planted_logits_of_a_whole_context_are_seen)
{
    struct qb_record record = {0};
    measure(1024, 0, true, &record);
    cr_expect_gt(unexplained(&record), SLACK, "%ld bytes", unexplained(&record));
    qb_record_free(&record);
}

/* Four times the context: keys, values, records and angles are more, logits, states and the rest are not. */
Test(kv_memory, logits_do_not_grow_with_the_context)
{
    struct qb_record a = {0}, b = {0};
    measure(512, 1, false, &a);
    measure(2048, 1, false, &b);
    cr_expect_eq(number(&a, "logits_bytes"), number(&b, "logits_bytes"));
    cr_expect_eq(number(&a, "states_bytes"), number(&b, "states_bytes"));
    cr_expect_eq(number(&a, "held_bytes"), number(&b, "held_bytes"));
    cr_expect_gt(number(&b, "kv_bytes"), 3 * number(&a, "kv_bytes"));
    cr_expect_lt(unexplained(&b), SLACK);
    qb_record_free(&a);
    qb_record_free(&b);
}

/* Weights that the variant encodes are beside the file's, which are there once for both nets. */
Test(kv_memory, weights_of_both_nets)
{
    struct qb_record fp32 = {0}, kept_int8 = {0}, encoded = {0};
    measure(512, 0, false, &fp32);
    measure(512, 1, false, &kept_int8);
    measure(512, 3, false, &encoded);
    cr_expect_eq(number(&fp32, "held_bytes"), number(&kept_int8, "held_bytes"));
    cr_expect_gt(number(&encoded, "held_bytes"), number(&fp32, "held_bytes") * 11 / 10);
    cr_expect_lt(number(&encoded, "held_bytes"), number(&fp32, "held_bytes") * 3 / 2);
    qb_record_free(&fp32);
    qb_record_free(&kept_int8);
    qb_record_free(&encoded);
}
