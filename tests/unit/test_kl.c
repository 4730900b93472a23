/* The experiment kl on a model in memory: the positions it scores, BOS, threads, and a base file in FP32's place. */
#include <math.h>
#include "experiment_bench.h"
#include "run/base_write.h"

TestSuite(kl_experiment, .init = fixture_begin, .fini = fixture_end, .timeout = 120);

enum { CONTEXT = 12, CHUNKS = 3, VOCAB = 60 };

static const char *suite_of(const char *experiment, const char *words)
{
    static char text[1024];
    char ids[512] = "";
    for (int i = 0; i < CONTEXT * CHUNKS; i++)
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%d ", (i * 37 + 11) % VOCAB);
    scratch_write("ids.txt", ids, strlen(ids));
    snprintf(text, sizeof text,
             "name: s\nmodels: {m: {generator: transformer, vocab: %d, hidden: 32, layers: 1}}\n"
             "variants: [fp32, int8-tensor]\nexperiments:\n  %s: {corpus: {tokens: ids.txt}, context: %d, chunks: %d, "
             "spread: false%s}\n",
             VOCAB, experiment, CONTEXT, CHUNKS, words);
    return text;
}

static const double *reals(const struct qb_record *record, const char *name, size_t count)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F64, 1);
    cr_assert(array && array->count == count, "%s", name);
    return array->data;
}

static bool same(const struct qb_record *a, const struct qb_record *b, const char *name)
{
    const struct qb_array *x = qb_record_find(a, name), *y = qb_record_find(b, name);
    cr_assert(x && y, "%s", name);
    return x->count == y->count && memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)) == 0;
}

/* score: all has teacher-forced's positions that have a target, score: half the second half of these. */
Test(kl_experiment, scores_positions_of_teacher_forced)
{
    struct bench forced = bench_open(suite_of("teacher-forced", ""), 0);
    struct bench all = bench_open(suite_of("kl", ", score: all"), 0), half = bench_open(suite_of("kl", ""), 0);
    struct qb_record a = {0}, b = {0}, c = {0};
    bench_run(&forced, 1, &a);
    bench_run(&all, 1, &b);
    bench_run(&half, 1, &c);
    const size_t each = CONTEXT - 1, scored = CONTEXT - 1 - CONTEXT / 2;
    static const char *const names[] = {"kl", "nll", "reference_nll"};
    for (size_t n = 0; n < 3; n++) {
        const double *due = reals(&a, names[n], CONTEXT * CHUNKS), *found = reals(&b, names[n], each * CHUNKS);
        const double *second = reals(&c, names[n], scored * CHUNKS);
        for (size_t chunk = 0; chunk < CHUNKS; chunk++)
            for (size_t i = 0; i < each; i++) {
                const double x = due[chunk * CONTEXT + i];
                cr_expect_float_eq(found[chunk * each + i], x, 1e-6 * (1 + x), "%s", names[n]);
                if (i >= CONTEXT / 2)
                    cr_expect_float_eq(second[chunk * scored + i - CONTEXT / 2], x, 1e-6 * (1 + x), "%s", names[n]);
            }
    }
    cr_expect_eq(qb_record_scalar(&c, "scored_from", -1), CONTEXT / 2);
    cr_expect_eq(qb_record_scalar(&b, "scored_from", -1), 0);
    qb_record_free(&a);
    qb_record_free(&b);
    qb_record_free(&c);
    bench_close(&forced);
    bench_close(&all);
    bench_close(&half);
}

Test(kl_experiment, bos_is_read_in_the_place_of_each_first_token)
{
    struct bench b = bench_open(suite_of("kl", ""), 0);
    struct qb_record without = {0}, with = {0}, by_hand = {0};
    bench_run(&b, 1, &without);
    b.inputs.bos = 7;
    bench_run(&b, 1, &with);
    b.inputs.bos = -1;
    for (size_t c = 0; c < CHUNKS; c++)
        b.inputs.text[c * CONTEXT] = 7;
    bench_run(&b, 1, &by_hand);
    cr_expect_not(same(&without, &with, "nll"));
    cr_expect(same(&with, &by_hand, "nll") && same(&with, &by_hand, "kl") && same(&with, &by_hand, "llama_kld"));
    cr_expect(same(&without, &with, "target"), "it is predicted by none");
    qb_record_free(&without);
    qb_record_free(&with);
    qb_record_free(&by_hand);
    bench_close(&b);
}

Test(kl_experiment, threads_change_no_bit)
{
    struct bench b = bench_open(suite_of("kl", ""), 0);
    struct qb_record one = {0}, three = {0};
    struct qb_error err = {0};
    bench_run(&b, 1, &one);
    qb_pool_free(b.pool);
    cr_assert_eq(qb_pool_create(3, &b.pool, &err), QB_OK);
    bench_run(&b, 1, &three);
    for (size_t i = 0; i < one.count; i++)
        cr_expect(same(&one, &three, one.arrays[i].name), "%s", one.arrays[i].name);
    qb_record_free(&one);
    qb_record_free(&three);
    bench_close(&b);
}

/* FP32's own logits as a base file: llama.cpp's numbers to the bit, and the exact ones but for 16 bits. */
Test(kl_experiment, a_base_file_stands_in_for_fp32)
{
    struct bench b = bench_open(suite_of("kl", ""), 0);
    struct qb_record plain = {0}, against = {0};
    struct qb_net *net = NULL;
    struct qb_error err = {0};
    b.inputs.bos = 7;
    bench_run(&b, 1, &plain);
    const struct qb_logits_text text = {CONTEXT, VOCAB, CHUNKS, b.inputs.text};
    const char *path = scratch_path("base.dat");
    cr_assert_eq(qb_net_create(b.model, NULL, b.pool, &net, &err), QB_OK);
    cr_assert_eq(qb_base_write(net, &text, b.inputs.bos, path, &err), QB_OK, "%s", err.message);
    qb_net_free(net);
    b.inputs.base = qb_strdup(path, &err);
    cr_assert_eq(qb_hash_file(path, b.inputs.base_sha256, &err), QB_OK);
    bench_run(&b, 1, &against);
    static const char *const equal[] = {"llama_kld", "llama_nll", "llama_nll_base", "llama_dp", "llama_same_top",
                                        "nll",       "target",    "position",       "top_token"};
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++)
        cr_expect(same(&plain, &against, equal[i]), "%s", equal[i]);
    const size_t n = CHUNKS * (CONTEXT - 1 - CONTEXT / 2);
    for (size_t i = 0; i < n; i++)
        cr_expect_float_eq(reals(&against, "reference_nll", n)[i], reals(&plain, "reference_nll", n)[i], 1e-3);
    cr_expect_eq(qb_record_scalar(&against, "base_file", 0), 1);
    b.inputs.base_sha256[0] ^= 1;
    const struct qb_suite_experiment *entry = &b.suite->experiments[0];
    struct qb_prepared prepared = {0};
    struct qb_record none = {0};
    struct qb_cell_env env = {.model = b.model,
                              .variant = b.suite->variants[0],
                              .inputs = &b.inputs,
                              .options = entry->values,
                              .pool = b.pool,
                              .reference = &b.reference,
                              .isa = QB_ISA_PORTABLE};
    cr_assert_eq(qb_cell_prepare(&env, &prepared, &err), QB_OK);
    env.prepared = &prepared;
    cr_expect_eq(entry->experiment->run(&env, &none, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "changed since the run began"), "%s", err.message);
    qb_net_free(prepared.net);
    qb_record_free(&none);
    qb_record_free(&plain);
    qb_record_free(&against);
    bench_close(&b);
}
