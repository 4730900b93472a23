/* What experiments record, on models of a few weights: arrays that later figures and gates rely on. */
#include <math.h>
#include "unit/experiment_bench.h"
#include "base/hash.h"
#include "metric/metric.h"

TestSuite(recorded, .init = fixture_begin, .fini = fixture_end);

enum { VOCAB = 60 };

#define SUITE(experiment)                                                                                              \
    "name: s\nmodels:\n"                                                                                               \
    "  chain: {generator: chain, vocab: 60, hidden: 16, layers: 2, prompt: {random: 6, seed: 1}}\n"                    \
    "  transformer: {generator: transformer, vocab: 60, hidden: 32, layers: 2, prompt: {random: 6, seed: 1}}\n"        \
    "variants:\n  - {name: whole, codec: fp32, placement: ['mlp.*']}\n  - int8-tensor\n  - fp32\n  - calibrated\n"     \
    "experiments: {" experiment "}\n"

static const int32_t *tokens_of(const struct qb_record *record, const char *name, size_t n)
{
    const struct qb_array *array = qb_record_get(record, name, QB_I32, 1);
    cr_assert(array && array->count == n, "%s", name);
    return array->data;
}

/* The chain's next token depends on the last one alone: text that follows the reference's own choices makes every
 * target the reference's top token, whose probability its -log p(target) must then agree with. */
Test(recorded, teacher_forced_says_which_tokens_led_and_how_far)
{
    struct bench b = bench_open(SUITE("teacher-forced: {}"), 0);
    struct qb_record record = {0};
    b.inputs.text = qb_alloc(VOCAB, sizeof *b.inputs.text, "text", &(struct qb_error){0});
    b.inputs.chunks = 1;
    b.inputs.context = VOCAB;
    for (int32_t t = 0; t < VOCAB; t++)
        b.inputs.text[t] = t;
    bench_run(&b, 2, &record);
    int32_t next[VOCAB];
    memcpy(next, tokens_of(&record, "reference_top_token", VOCAB), sizeof next);
    qb_record_free(&record);
    record = (struct qb_record){0};
    for (size_t i = 1; i < VOCAB; i++)
        b.inputs.text[i] = next[b.inputs.text[i - 1]];
    bench_run(&b, 3, &record); /* calibrated: far from the reference */
    const int32_t *top = tokens_of(&record, "top_token", VOCAB);
    const int32_t *reference = tokens_of(&record, "reference_top_token", VOCAB);
    const float *p = qb_record_get(&record, "reference_top_p", QB_F32, 1)->data;
    const double *nll = qb_record_get(&record, "reference_nll", QB_F64, 1)->data;
    const uint8_t *same = qb_record_get(&record, "top1", QB_U8, 1)->data;
    for (size_t i = 0; i < VOCAB; i++) {
        cr_expect_eq(reference[i], next[b.inputs.text[i]], "position %zu", i);
        cr_expect_eq(same[i], top[i] == reference[i], "position %zu", i);
        if (i + 1 < VOCAB)
            cr_expect_eq(p[i], (float)exp(-nll[i]), "position %zu: %.9g and %.9g", i, (double)p[i], exp(-nll[i]));
        cr_expect(p[i] >= 1.0f / VOCAB && p[i] <= 1, "the largest of %d probabilities: %g", VOCAB, (double)p[i]);
    }
    qb_record_free(&record);
    bench_close(&b);
}

/* A lossless codec misses additivity only by FP32's own rounding of x + y, which the yardstick therefore holds. */
Test(recorded, a_lossless_codec_is_linear)
{
    struct bench b = bench_open(SUITE("linearity: {}"), 0);
    struct qb_record record = {0};
    struct qb_value *values = NULL;
    struct qb_error err = {0};
    size_t count = 0, judged = 0;
    bench_run(&b, 0, &record);
    cr_assert_eq(qb_metrics_compute("linearity", &record, &values, &count, &err), QB_OK, "%s", err.message);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i].metric, "is_linear") == 0)
            judged += values[i].value == 1;
        if (strcmp(values[i].metric, "additivity_ratio") == 0)
            cr_expect(values[i].value > 0 && values[i].value <= 1,
                      "%g: the sum's rounding over itself and the multiple's", values[i].value);
    }
    cr_expect_eq(judged, 1);
    qb_free(values);
    qb_record_free(&record);
    bench_close(&b);
}

Test(recorded, roundtrip_hashes_the_encoded_bytes)
{
    struct bench b = bench_open(SUITE("roundtrip: {}"), 0);
    struct qb_record record = {0};
    bench_run(&b, 0, &record);
    const struct qb_array *names = qb_record_get(&record, "tensor", QB_TEXT, 1);
    const struct qb_array *hashes = qb_record_get(&record, "encoded_sha256", QB_TEXT, 1);
    cr_assert(names && hashes && names->count > 0 && hashes->count == names->count);
    for (size_t i = 0; i < names->count; i++) { /* the codec fp32 stores the values themselves */
        char due[QB_HASH_HEX];
        const struct qb_tensor *t = qb_model_named(b.model, ((char **)names->data)[i]);
        qb_hash_buffer(t->bytes, t->rows * t->cols * sizeof(float), due);
        cr_expect_str_eq(((char **)hashes->data)[i], due, "%s", t->name);
    }
    qb_record_free(&record);
    bench_close(&b);
}

static const float *errors_of(const struct qb_record *record, const char *name, size_t layers, size_t n)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F32, 2);
    cr_assert(array && array->dims[0] == layers && array->dims[1] == n, "%s", name);
    return array->data;
}

/* Several prompts at once give what each alone gives; only a batch's shape may move the last bits. */
Test(recorded, depth_of_several_sequences_is_that_of_each)
{
    struct bench b = bench_open(SUITE("depth: {sequences: 3, positions: 5}"), 1);
    struct qb_record all = {0}, one = {0};
    int32_t prompts[4][6];
    struct qb_error err = {0};
    qb_free(b.inputs.prompts);
    b.inputs.prompts = qb_alloc(24, sizeof(int32_t), "prompts", &err);
    for (int32_t i = 0; i < 24; i++)
        b.inputs.prompts[i] = (7 * i * i + 3) % VOCAB;
    memcpy(prompts, b.inputs.prompts, sizeof prompts);
    b.inputs.prompt_count = 4;
    bench_run(&b, 1, &all);
    const int32_t *sequence = tokens_of(&all, "sequence", 15);
    const char *const names[] = {"local_error", "accumulated_error"};
    for (size_t i = 0; i < 15; i++)
        cr_expect_eq(sequence[i], (int32_t)(i / 5));
    b.inputs.prompt_count = 1;
    for (size_t p = 0; p < 3; p++) {
        memcpy(b.inputs.prompts, prompts[p], sizeof prompts[p]);
        bench_run(&b, 1, &one);
        cr_expect_eq(tokens_of(&one, "sequence", 5)[4], 0);
        for (size_t k = 0; k < 2; k++) {
            const float *due = errors_of(&one, names[k], 2, 5), *found = errors_of(&all, names[k], 2, 15);
            for (size_t l = 0; l < 2; l++)
                for (size_t i = 0; i < 5; i++)
                    cr_expect_float_eq(found[l * 15 + p * 5 + i], due[l * 5 + i], 1e-3f * due[l * 5 + i],
                                       "%s, layer %zu, prompt %zu, position %zu", names[k], l, p, i);
        }
        qb_record_free(&one);
        one = (struct qb_record){0};
    }
    qb_record_free(&all);
    bench_close(&b);
}

static size_t depth_positions(size_t chunks, size_t context)
{
    struct bench b = bench_open(SUITE("depth: {}"), 0);
    struct qb_record record = {0};
    struct qb_error err = {0};
    b.inputs.text = qb_alloc(chunks * context, sizeof(int32_t), "text", &err);
    b.inputs.chunks = chunks;
    b.inputs.context = context;
    bench_run(&b, 1, &record);
    size_t n = qb_record_get(&record, "sequence", QB_I32, 1)->count;
    qb_record_free(&record);
    bench_close(&b);
    return n;
}

Test(recorded, depth_reads_eight_chunks_where_there_are_so_many)
{
    cr_expect_eq(depth_positions(20, 128), 8 * 32);
    cr_expect_eq(depth_positions(3, 40), 3 * 32);
    cr_expect_eq(depth_positions(3, 20), 3 * 20);
    cr_expect_eq(depth_positions(1, 128), 64, "one sequence: as before there were several");
}

static double overlap_of(struct bench *b, size_t variant)
{
    struct qb_record record = {0};
    bench_run(b, variant, &record);
    double overlap = qb_record_scalar(&record, "calibration_overlap", -1);
    cr_expect_eq(qb_record_scalar(&record, "calibration_contexts", -1), overlap < 0 ? -1 : 50);
    qb_record_free(&record);
    return overlap;
}

Test(recorded, calibrated_cells_count_the_contexts_they_are_evaluated_on)
{
    const char *const suites[] = {SUITE("teacher-forced: {corpus: {greedy: 8}}"), SUITE("greedy: {steps: 4}")};
    for (size_t e = 0; e < 2; e++) {
        struct bench b = bench_open(suites[e], 0);
        cr_expect_eq(overlap_of(&b, 3), 0);
        cr_expect_eq(overlap_of(&b, 1), -1, "nothing is calibrated");
        if (e == 0) { /* two chunks that are contexts */
            struct qb_error err = {0};
            b.inputs.text_greedy = 0;
            b.inputs.chunks = 2;
            b.inputs.context = 20;
            b.inputs.text = qb_alloc(40, sizeof(int32_t), "text", &err);
            memcpy(b.inputs.text, b.inputs.calibration + 60, 40 * sizeof(int32_t));
        } else { /* prompts that contexts begin with */
            struct qb_error err = {0};
            qb_free(b.inputs.prompts);
            b.inputs.prompts = qb_alloc(20, sizeof(int32_t), "prompts", &err);
            b.inputs.prompt_count = 2;
            b.inputs.prompt_length = 10;
            memcpy(b.inputs.prompts, b.inputs.calibration + 20, 10 * sizeof(int32_t));
            memcpy(b.inputs.prompts + 10, b.inputs.calibration + 100, 10 * sizeof(int32_t));
        }
        cr_expect_eq(overlap_of(&b, 3), 2);
        bench_close(&b);
    }
}
