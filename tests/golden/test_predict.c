/* What predict sums of tiny-llama against transformers' inputs of each layer and NumPy's sums (predict.json). Values do
 * not depend on an order of rows, in which the two differ. */
#include "golden_llama.h"

#include "run/experiment.h"

enum { TOKENS = 48 };

static void begin(void)
{
    golden_llama_begin("tests/golden/predict.json");
}

TestSuite(predict, .init = begin, .fini = golden_llama_end);

/* The experiment under a shipped variant on tokens[contexts, length], of which it may read `positions`. */
static void run(const char *name, int32_t *tokens, size_t contexts, size_t length, int64_t positions,
                struct qb_record *out)
{
    struct qb_error err = {0};
    struct qb_inputs inputs = {.calibration = tokens, .calibration_contexts = contexts, .calibration_length = length};
    union qb_option_value option = {.i = positions};
    struct qb_prepared prepared = {0};
    const struct qb_experiment *experiment = qb_experiment_find("predict");
    struct qb_variant *variant = support_variant(registry, name);
    struct qb_cell_env env = {
        .model = model, .variant = variant, .inputs = &inputs, .options = &option, .pool = pool, .isa = qb_cpu()->isa};
    MUST(qb_cell_prepare(&env, &prepared, &err));
    env.prepared = &prepared;
    cr_assert_null(experiment->skip(&env));
    MUST(experiment->run(&env, out, &err));
    qb_net_free(prepared.net);
    qb_variant_free(variant);
}

static void read_tokens(int32_t tokens[TOKENS])
{
    const json_t *ids = json_object_get(golden, "tokens");
    cr_assert_eq(json_array_size(ids), TOKENS);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(ids, i));
}

/* Entry i of an f64 or i64 array. */
static double entry_of(const struct qb_record *record, const char *name, size_t i)
{
    const struct qb_array *array = qb_record_find(record, name);
    cr_assert(array && array->rank == 1 && i < array->count, "%s", name);
    return array->dtype == QB_I64 ? (double)((const int64_t *)array->data)[i] : ((const double *)array->data)[i];
}

/* How far the arrays are off at most, relative to the second implementation's: those of weights alone, and those that
 * the FP32 model's inputs enter. */
static void compare(const struct qb_record *record, const char *codec, double *weights, double *inputs)
{
    const json_t *tensors = json_object_get(json_object_get(golden, "cases"), codec), *sums;
    const struct qb_array *names = qb_record_get(record, "tensor", QB_TEXT, 1);
    cr_assert(names && names->count == 43 && json_object_size(tensors) == 43);
    *weights = *inputs = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = ((char *const *)names->data)[i], *array;
        json_t *due;
        sums = json_object_get(tensors, name);
        cr_assert_not_null(sums, "%s", name);
        json_object_foreach((json_t *)(uintptr_t)sums, array, due)
        {
            const double value = json_number_value(due), off = fabs(entry_of(record, array, i) - value) / value;
            double *worst = strncmp(array, "weighted", 8) == 0 || strncmp(array, "output", 6) == 0 ? inputs : weights;
            *worst = fmax(*worst, off);
        }
    }
    if (getenv("GOLDEN_SHOW"))
        fprintf(stderr, "%s: weights within %.2g, with inputs within %.2g\n", codec, *weights, *inputs);
}

Test(predict, sums_agree_with_the_second_implementation)
{
    int32_t tokens[TOKENS];
    double weights, inputs;
    read_tokens(tokens);
    for (size_t i = 0; i < 2; i++) {
        struct qb_record record = {0};
        const char *codec = i ? "q4_0" : "bf16";
        run(codec, tokens, 2, TOKENS / 2, 512, &record);
        cr_assert_eq(qb_record_scalar(&record, "positions", 0), TOKENS);
        compare(&record, codec, &weights, &inputs);
        cr_expect_leq(weights, 1e-11, "%s: %g", codec, weights);
        /* Two forward passes in FP32; and output errors are differences of FP32 products, whose rounding of some 1e-7
         * stands beside BF16's error of 1e-3 of them, and Q4_0's of 7e-2. */
        cr_expect_leq(inputs, i ? 1e-5 : 5e-4, "%s: %g", codec, inputs);
        qb_record_free(&record);
    }
}

/* What the bounds above must see: other inputs of the same weights, and fewer of them. */
Test(predict, other_text_is_seen)
{
    int32_t tokens[TOKENS];
    struct qb_record record = {0};
    double weights, inputs;
    read_tokens(tokens);
    tokens[TOKENS - 1] = tokens[0];
    run("q4_0", tokens, 2, TOKENS / 2, 512, &record);
    compare(&record, "q4_0", &weights, &inputs);
    cr_expect(weights <= 1e-11 && inputs > 1e-3, "one token: %g", inputs);
    qb_record_free(&record);
    record = (struct qb_record){0};
    read_tokens(tokens);
    run("q4_0", tokens, 2, TOKENS / 2, TOKENS - 1, &record);
    compare(&record, "q4_0", &weights, &inputs);
    cr_expect(inputs > 1e-3, "whole contexts, hence one: %g", inputs);
    cr_expect_eq(qb_record_scalar(&record, "positions", 0), TOKENS / 2);
    qb_record_free(&record);
}

/* FP16 holds this model's weights exactly: no error anywhere, of products either. */
Test(predict, exact_is_exact)
{
    int32_t tokens[TOKENS];
    struct qb_record record = {0};
    read_tokens(tokens);
    run("fp16", tokens, 2, TOKENS / 2, 512, &record);
    for (size_t i = 0; i < 43; i++)
        cr_expect(entry_of(&record, "error_power", i) == 0 && entry_of(&record, "output_error_power", i) == 0 &&
                      entry_of(&record, "output_power", i) > 0,
                  "entry %zu", i);
    qb_record_free(&record);
}
