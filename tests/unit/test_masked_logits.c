/* Tokens without a probability and arms without a choice, through whole experiments: neither a mask's depth nor the
 * order of equal logits may show in what is recorded. */
#include <float.h>
#include <math.h>
#include "unit/experiment_bench.h"
#include "metric_case.h"
#include "model/net.h"

TestSuite(masked_logits, .init = fixture_begin, .fini = fixture_end, .timeout = 60);

enum { VOCAB = 60, FP32 = 0, CALIBRATED, RANGE_KEPT, INT8, ASRUN };

#define SUITE(experiment)                                                                                              \
    "name: s\nmodels:\n"                                                                                               \
    "  chain: {generator: chain, vocab: 60, hidden: 16, layers: 2, prompt: {random: 6, seed: 1}, corpus: {greedy: "    \
    "30}}\n"                                                                                                           \
    "variants: [fp32, calibrated, calibrated-range-kept, int8-tensor, calibrated-asrun]\n"                             \
    "experiments: {" experiment "}\n"

static struct qb_tensor *head(struct bench *b, uint32_t kind)
{
    for (size_t t = 0; t < b->model->tensor_count; t++)
        if (b->model->tensors[t].roles & QB_ROLE_HEAD && (b->model->tensors[t].roles & QB_ROLE_BIAS) == kind)
            return &b->model->tensors[t];
    cr_assert_fail("the chain has a head with a bias");
    return NULL;
}

/* A mask on ten tokens, and logits large enough for the model to choose. */
static void mask(struct bench *b, float depth)
{
    struct qb_tensor *weight = head(b, 0), *bias = head(b, QB_ROLE_BIAS);
    for (size_t i = 0; i < VOCAB; i++)
        tensor_floats(bias)[i] = i >= 20 && i < 30 ? depth : 0.1f * (float)(i * i % 17);
    for (size_t i = 0; i < weight->rows * weight->cols; i++)
        tensor_floats(weight)[i] = 0.5f * (float)((int)(i * 7919 % 101) - 50) / 50;
}

/* Every recorded array and metric is the same at every depth, to the bit but for metrics' names. */
static void same_at_every_depth(const char *suite, size_t variant, const char *experiment)
{
    static const float depths[] = {-1e4f, -1e30f, -FLT_MAX};
    struct qb_record first = {0};
    for (size_t d = 0; d < 3; d++) {
        struct bench b = bench_open(suite, 0);
        struct qb_record record = {0};
        struct qb_error err = {0};
        struct qb_value *values = NULL;
        size_t count;
        mask(&b, depths[d]);
        bench_run(&b, variant, d ? &record : &first);
        const struct qb_record *now = d ? &record : &first;
        cr_assert_eq(now->count, first.count);
        for (size_t a = 0; a < now->count; a++) {
            const struct qb_array *x = &now->arrays[a], *y = &first.arrays[a];
            if (x->dtype == QB_TEXT)
                continue;
            cr_expect(x->count == y->count && memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)) == 0,
                      "%s of variant %zu: a mask of %g shows in '%s'", experiment, variant, (double)depths[d], x->name);
        }
        cr_assert_eq(qb_metrics_compute(experiment, now, &values, &count, &err), QB_OK);
        for (size_t i = 0; i < count; i++) {
            cr_expect(isfinite(values[i].value) || values[i].flags & QB_FLAG_ABSENT, "%s", values[i].metric);
            cr_expect_not(values[i].flags & QB_FLAG_DEGENERATE && strstr(values[i].note, "uniform"), "%s: %s",
                          values[i].metric, values[i].note);
        }
        qb_free(values);
        qb_record_free(&record);
        bench_close(&b);
    }
    qb_record_free(&first);
}

Test(masked_logits, of_any_depth_are_the_same_greedy)
{
    for (size_t v = FP32; v <= ASRUN; v++)
        same_at_every_depth(SUITE("greedy: {steps: 12}"), v, "greedy");
}

Test(masked_logits, of_any_depth_are_the_same_teacher_forced)
{
    for (size_t v = FP32; v <= ASRUN; v++)
        same_at_every_depth(SUITE("teacher-forced: {}"), v, "teacher-forced");
}

/* Three chunks of ten tokens in place of the text that the chain writes itself, which has no targets. */
static void give_text(struct bench *b)
{
    struct qb_error err = {0};
    qb_free(b->inputs.text);
    b->inputs.text_greedy = 0;
    b->inputs.chunks = 3;
    b->inputs.context = 10;
    b->inputs.text = qb_alloc(30, sizeof *b->inputs.text, "text", &err);
    cr_assert_not_null(b->inputs.text);
    for (int32_t i = 0; i < 30; i++)
        b->inputs.text[i] = i % 7;
}

/* Mask a token that the text has, at every depth: the arrays hold the mask's depth, the perplexities are those of the
 * other positions, by hand. Targets are tokens 1..9, 11..19 and 21..29 of the text, the 3rd, 17th and 24th masked. */
static void without_masked_targets(size_t variant)
{
    static const float depths[] = {-1e4f, -1e30f, -FLT_MAX};
    static const char *const names[] = {"perplexity", "reference_perplexity", "perplexity_ratio"};
    for (size_t d = 0; d < 3; d++) {
        struct bench b = bench_open(SUITE("teacher-forced: {}"), 0);
        struct qb_record record = {0};
        const int32_t masked = 3;
        mask(&b, 0.5f);
        give_text(&b);
        tensor_floats(head(&b, QB_ROLE_BIAS))[masked] = depths[d];
        bench_run(&b, variant, &record);
        const int32_t *target = qb_record_get(&record, "target", QB_I32, 1)->data;
        const double *ours = qb_record_get(&record, "nll", QB_F64, 1)->data,
                     *theirs = qb_record_get(&record, "reference_nll", QB_F64, 1)->data;
        double mean[3] = {0};
        size_t kept = 0, left_out = 0;
        for (size_t i = 0; i < qb_record_find(&record, "target")->count; i++) {
            left_out += target[i] == masked;
            if (target[i] < 0 || target[i] == masked)
                continue;
            mean[0] += ours[i];
            mean[1] += theirs[i];
            mean[2] += ours[i] - theirs[i];
            kept++;
        }
        cr_assert(kept == 24 && left_out == 3, "%zu and %zu", kept, left_out);
        for (size_t m = 0; m < 3; m++) {
            struct qb_value value = must("teacher-forced", &record, names[m]);
            char said[80];
            snprintf(said, sizeof said, "without %zu position", left_out);
            cr_expect_float_eq(log(value.value), mean[m] / (double)kept, 1e-12, "variant %zu, mask of %g: %s is %g",
                               variant, (double)depths[d], names[m], value.value);
            cr_expect(value.n == kept && strstr(value.note, said), "%s: n %d, %s", names[m], (int)value.n, value.note);
        }
        qb_record_free(&record);
        bench_close(&b);
    }
}

Test(masked_logits, targets_without_a_probability_are_no_part_of_perplexity)
{
    for (size_t v = FP32; v <= ASRUN; v++)
        without_masked_targets(v);
}

/* One token alone has a probability: nothing spreads, its std is 0, and that is certainty, not a uniform choice. */
static void certain(const char *suite, size_t variant, const char *experiment, const char *const spreads[2])
{
    static const float depths[] = {-1e4f, -1e30f, -FLT_MAX};
    for (size_t d = 0; d < 3; d++) {
        struct bench b = bench_open(suite, 0);
        struct qb_record record = {0};
        mask(&b, 0.5f);
        for (size_t i = 0; i < VOCAB; i++)
            tensor_floats(head(&b, QB_ROLE_BIAS))[i] = i == 7 ? 0 : depths[d];
        bench_run(&b, variant, &record);
        for (size_t a = 0; a < record.count; a++) {
            const struct qb_array *x = &record.arrays[a];
            for (size_t i = 0; i < x->count && x->dtype == QB_F32; i++)
                cr_expect(isfinite(((const float *)x->data)[i]), "%s of variant %zu: %s", experiment, variant, x->name);
            for (size_t i = 0; i < x->count && x->dtype == QB_F64; i++)
                cr_expect(isfinite(((const double *)x->data)[i]) || strstr(x->name, "nll"), "%s of variant %zu: %s",
                          experiment, variant, x->name);
        }
        const struct qb_array *std = qb_record_find(&record, "logit_std");
        for (size_t i = 0; i < std->count; i++)
            cr_expect_eq(((const float *)std->data)[i], 0);
        for (size_t k = 0; k < 2; k++) {
            const struct qb_array *spread = qb_record_find(&record, spreads[k]);
            for (size_t i = 0; i < spread->count; i++)
                cr_expect_gt(((const float *)spread->data)[i], 1e3f, "%s", spreads[k]);
        }
        qb_record_free(&record);
        bench_close(&b);
    }
}

Test(masked_logits, a_single_token_is_certain)
{
    static const char *const spreads[2] = {"spread", "reference_spread"};
    for (size_t v = FP32; v <= ASRUN; v++) {
        certain(SUITE("teacher-forced: {}"), v, "teacher-forced", spreads);
        certain(SUITE("greedy: {steps: 12}"), v, "greedy", spreads);
    }
}

/* Ten tokens under a bias of -1e4 leave the std of the others: of a model without the ten, nearly. */
Test(masked_logits, alpha_is_of_the_tokens_that_can_come)
{
    double std[2][2], alpha[2];
    for (int masked = 0; masked < 2; masked++) {
        struct bench b = bench_open(SUITE("greedy: {steps: 2}"), 0);
        struct qb_record record = {0};
        mask(&b, masked ? -1e4f : 0.5f);
        bench_run(&b, RANGE_KEPT, &record);
        std[masked][0] = qb_record_scalar(&record, "logit_std_fp", NAN);
        std[masked][1] = qb_record_scalar(&record, "logit_std_q", NAN);
        alpha[masked] = qb_record_scalar(&record, "alpha_raw", NAN);
        qb_record_free(&record);
        bench_close(&b);
    }
    for (int arm = 0; arm < 2; arm++)
        cr_expect_float_eq(std[1][arm] / std[0][arm], 1, 0.2, "%g and %g", std[1][arm], std[0][arm]);
    cr_expect_float_eq(alpha[1], alpha[0], 0.02, "%g and %g", alpha[1], alpha[0]);
}

static double mean_of(const struct qb_record *record, const char *name)
{
    const struct qb_array *x = qb_record_find(record, name);
    cr_assert_not_null(x, "%s", name);
    double sum = 0;
    for (size_t i = 0; i < x->count; i++)
        sum += ((const double *)x->data)[i];
    return sum / (double)x->count;
}

/* INT8 over the whole tensor with one outlier rounds all other weights of the head to 0: all logits but one are the
 * bias, which is 0. The arm is left without a choice; in token order it would agree with a reference that prefers low
 * indices. By hand, V = 60: token 59 comes first (or last) for sure, the others are drawn: 9 of 59 tokens that remain
 * for the list where 59 is first, 10 of 59 where it is last. */
Test(masked_logits, an_arm_without_a_choice_earns_chance)
{
    struct bench b = bench_open(SUITE("teacher-forced: {}"), 0);
    struct qb_record record = {0};
    struct qb_tensor *weight = head(&b, 0), *bias = head(&b, QB_ROLE_BIAS);
    memset(tensor_floats(bias), 0, VOCAB * sizeof(float));
    for (size_t i = 0; i < VOCAB * weight->cols; i++)
        tensor_floats(weight)[i] = 1e-4f * (float)((int)(i * 7919 % 101) - 50);
    for (size_t i = 0; i < weight->cols; i++)
        tensor_floats(weight)[(VOCAB - 1) * weight->cols + i] = i ? 0 : 1e4f;
    bench_run(&b, INT8, &record);
    const struct qb_array *share = qb_record_get(&record, "top10_share", QB_F64, 1);
    const float *spread = qb_record_get(&record, "reference_spread", QB_F32, 1)->data;
    cr_assert_not_null(share);
    for (size_t i = 0; i < share->count; i++) {
        double x = ((const double *)share->data)[i];
        cr_expect(fabs(x - (1 + 9 * 9.0 / 59) / 10) < 1e-12 || fabs(x - 10 * (10.0 / 59) / 10) < 1e-12, "%zu: %g", i,
                  x);
        cr_expect_gt(spread[i], 0);
    }
    qb_record_free(&record);
    bench_close(&b);
}

/* A finished reference comes from a file, which may be a stranger's. */
Test(masked_logits, ranks_out_of_range_are_refused)
{
    static const struct {
        const char *array;
        int32_t value;
    } edits[] = {{"top10_counts", 11}, {"top10_counts", -1}, {"top10", VOCAB}, {"top10", -1}, {"tokens", VOCAB}};
    struct bench b = bench_open(SUITE("greedy: {steps: 2}"), 0);
    const struct qb_experiment *greedy = b.suite->experiments[0].experiment;
    struct qb_error err = {0};
    struct qb_cell_env env = {.model = b.model,
                              .inputs = &b.inputs,
                              .options = b.suite->experiments[0].values,
                              .pool = b.pool,
                              .isa = QB_ISA_PORTABLE};
    cr_assert_eq(greedy->reference(&env, &b.reference, &err), QB_OK, "%s", err.message);
    env.variant = b.suite->variants[FP32];
    env.reference = &b.reference;
    struct qb_prepared prepared;
    cr_assert_eq(qb_cell_prepare(&env, &prepared, &err), QB_OK, "%s", err.message);
    env.prepared = &prepared;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct qb_record record = {0};
        struct qb_error said = {0};
        int32_t *first = qb_record_find(&b.reference, edits[i].array)->data, before = *first;
        *first = edits[i].value;
        cr_expect_eq(greedy->run(&env, &record, &said), QB_ERR_INPUT, "%s %d", edits[i].array, edits[i].value);
        cr_expect_not_null(strstr(said.message, "out of range"), "%s", said.message);
        *first = before;
        qb_record_free(&record);
    }
    qb_net_free(prepared.net);
    bench_close(&b);
}

/* A reference that ranks token 0 first everywhere, and a variant whose logits are all equal: its lowest index is 0,
 * too. Greedy: 1/60 a step instead of 100%, and the run is flagged for the variant's own sake. */
Test(masked_logits, equal_logits_earn_no_match)
{
    struct bench b = bench_open(SUITE("greedy: {steps: 12}"), 0);
    struct qb_record record = {0}, again = {0};
    struct qb_error err = {0};
    struct qb_tensor *weight = head(&b, 0), *bias = head(&b, QB_ROLE_BIAS);
    memset(tensor_floats(weight), 0, weight->rows * weight->cols * sizeof(float));
    for (size_t i = 0; i < VOCAB; i++)
        tensor_floats(bias)[i] = 1 - 0.01f * (float)i;
    struct qb_cell_env env = {.model = b.model,
                              .inputs = &b.inputs,
                              .options = b.suite->experiments[0].values,
                              .pool = b.pool,
                              .isa = QB_ISA_PORTABLE};
    const struct qb_experiment *greedy = b.suite->experiments[0].experiment;
    cr_assert_eq(greedy->reference(&env, &b.reference, &err), QB_OK, "%s", err.message);
    env.variant = b.suite->variants[FP32];
    env.reference = &b.reference;
    struct qb_prepared prepared; /* borrows the weights, as they change below */
    cr_assert_eq(qb_cell_prepare(&env, &prepared, &err), QB_OK, "%s", err.message);
    env.prepared = &prepared;
    cr_assert_eq(greedy->run(&env, &again, &err), QB_OK, "%s", err.message);
    cr_expect_eq(mean_of(&again, "match_share"), 1, "the same arm");
    cr_expect_eq(mean_of(&again, "top10_share"), 1);
    memset(tensor_floats(bias), 0, VOCAB * sizeof(float)); /* the collapse of the variant alone */
    cr_assert_eq(greedy->run(&env, &record, &err), QB_OK, "%s", err.message);
    qb_net_free(prepared.net);
    const int32_t *ours = qb_record_get(&record, "tokens", QB_I32, 2)->data;
    const int32_t *theirs = qb_record_get(&record, "reference_tokens", QB_I32, 2)->data;
    cr_assert(ours[3] == 0 && theirs[3] == 0, "both pick the lowest index");
    cr_expect_float_eq(mean_of(&record, "match_share"), 1.0 / VOCAB, 1e-15);
    cr_expect_float_eq(mean_of(&record, "top10_share"), 10.0 / VOCAB, 1e-15);
    const float *spread = qb_record_get(&record, "spread", QB_F32, 2)->data;
    cr_expect_eq(spread[0], 0);
    /* The reference's prompts repeat one token as well: give it others, so that the variant alone is at fault. */
    int32_t *varied = qb_record_find(&record, "reference_tokens")->data;
    for (int32_t s = 0; s < 12; s++)
        varied[s] = s;
    struct qb_value *values = NULL;
    size_t count, flagged = 0;
    cr_assert_eq(qb_metrics_compute("greedy", &record, &values, &count, &err), QB_OK);
    for (size_t i = 0; i < count; i++)
        flagged += strcmp(values[i].metric, "match_rate") == 0 && values[i].flags & QB_FLAG_DEGENERATE &&
                   strstr(values[i].note, "variant");
    cr_expect_eq(flagged, 1);
    qb_free(values);
    qb_record_free(&record);
    qb_record_free(&again);
    bench_close(&b);
}

/* A vocabulary of six: a list is the vocabulary, and full agreement is 100%, though it says nothing. */
Test(masked_logits, a_small_vocabulary_agrees_in_full)
{
    static const char *const suites[] = {"teacher-forced: {}", "greedy: {steps: 5}"};
    static const char *const names[] = {"teacher-forced", "greedy"};
    for (size_t e = 0; e < 2; e++) {
        char text[400];
        snprintf(
            text, sizeof text,
            "name: s\nmodels:\n  chain: {generator: chain, vocab: 6, hidden: 16, layers: 1, prompt: {random: 4, seed: "
            "1}, corpus: {greedy: 12}}\nvariants: [fp32, int8-tensor]\nexperiments: {%s}\n",
            suites[e]);
        struct bench b = bench_open(text, 0);
        for (size_t v = 0; v < 2; v++) {
            struct qb_record record = {0};
            struct qb_error err = {0};
            struct qb_value *values = NULL;
            size_t count, seen = 0;
            bench_run(&b, v, &record);
            cr_assert_eq(qb_metrics_compute(names[e], &record, &values, &count, &err), QB_OK);
            for (size_t i = 0; i < count; i++)
                if (strcmp(values[i].metric, "top10_overlap") == 0) {
                    seen++;
                    cr_expect_eq(values[i].value, 100);
                    cr_expect(values[i].flags & QB_FLAG_DEGENERATE && strstr(values[i].note, "vocabulary of 6"), "%s",
                              values[i].note);
                }
            cr_expect_eq(seen, 1);
            qb_free(values);
            qb_record_free(&record);
        }
        bench_close(&b);
    }
}

/* A scale over 1 cannot push a mask of -FLT_MAX out of what a float holds; what overflows otherwise is still seen. */
Test(masked_logits, a_scaled_mask_stays_finite)
{
    struct bench b = bench_open(SUITE("greedy: {steps: 2}"), 0);
    struct qb_error err = {0};
    struct qb_net *net = NULL;
    float logits[VOCAB] = {-FLT_MAX, 2, FLT_MAX, -INFINITY};
    cr_assert_eq(qb_net_create(b.model, NULL, b.pool, &net, &err), QB_OK, "%s", err.message);
    qb_net_set_calibration(net, &(struct qb_net_calibration){.alpha = 1.25});
    qb_net_scale_logits(net, 1, logits);
    cr_expect(logits[0] == -FLT_MAX && logits[1] == 2.5f && isinf(logits[2]) && isinf(logits[3]));
    qb_net_free(net);
    bench_close(&b);
}

/* Logits so far apart that another set of tokens has a probability at every step: FP32 beside itself is still equal in
 * all that is recorded of its rows. */
Test(masked_logits, fp32_has_the_std_of_its_reference)
{
    struct bench b = bench_open(SUITE("greedy: {steps: 12}"), 0);
    struct qb_record record = {0};
    struct qb_tensor *weights = head(&b, 0);
    for (size_t i = 0; i < weights->rows * weights->cols; i++)
        tensor_floats(weights)[i] *= 1e9f;
    bench_run(&b, FP32, &record);
    const struct qb_array *ours = qb_record_find(&record, "logit_std"),
                          *theirs = qb_record_find(&record, "reference_logit_std");
    cr_assert_eq(ours->count, 12);
    cr_expect_eq(memcmp(ours->data, theirs->data, 12 * sizeof(float)), 0);
    qb_record_free(&record);
    bench_close(&b);
}
