/* Preconditioned products against NumPy, SciPy and gguf-py (conditioning.json, by make_conditioning.py). */
#include <string.h>
#include "compute/linear.h"
#include "golden_numbers.h"
#include "registry_fixture.h"

static json_t *golden;
static struct qb_pool *pool;

static void begin(void)
{
    registry_begin();
    golden = golden_open("tests/golden/conditioning.json");
    pool = support_pool(2);
}

static void end(void)
{
    qb_pool_free(pool);
    json_decref(golden);
    registry_end();
}

TestSuite(conditioning_golden, .init = begin, .fini = end);

enum { ROWS = 12, SEEN = 50, COLS = 64 }; /* COLS: the most of any case */

struct one {
    const json_t *due;
    size_t cols;
    float w[ROWS * COLS], x[SEEN * COLS];
    struct qb_matrix matrix;
};

static void open_case(const json_t *due, struct one *one)
{
    one->due = due;
    one->cols = golden_size(due, "cols");
    golden_numbers(21, ROWS * one->cols, 1, one->w);
    golden_numbers(22, SEEN * one->cols, 1, one->x);
    for (size_t i = 0; i < SEEN * one->cols; i++) {
        size_t j = i % one->cols;
        one->x[i] = j == 3 ? 0 : one->x[i] * (float)(1 + 6 * (j % 5));
    }
    one->matrix = (struct qb_matrix){.name = "w",
                                     .roles = QB_ROLE_MLP_UP,
                                     .rows = ROWS,
                                     .cols = one->cols,
                                     .bytes = one->w,
                                     .size = ROWS * one->cols * sizeof(float)};
}

static struct qb_linear *linear_of(const struct one *one, const struct qb_variant *v)
{
    struct qb_linear *linear = NULL;
    const struct qb_seen seen = {one->x, SEEN, pool};
    MUST(qb_linear_create_seen(v, &one->matrix, NULL, &seen, &linear, &err));
    return linear;
}

/* Whatever is done to the weights, the product is W x and the rows are W, each within FP32's rounding. */
Test(conditioning_golden, products_are_those_of_the_weights)
{
    static const char *const texts[] = {
        "{codec: fp32, placement: [mlp.up], rotate: hadamard}",
        "{codec: fp32, placement: [mlp.up], input_scale: {rule: awq, alpha: 0.5}}",
        "{codec: fp32, placement: [mlp.up], input_scale: awq}",
        "{codec: fp32, placement: [mlp.up], input_scale: smoothquant}",
        "{codec: fp32, placement: [mlp.up], rotate: hadamard, input_scale: {rule: smoothquant, alpha: 0.8}}",
        "{codec: fp32, placement: [mlp.up], rotate: hadamard, input_scale: awq, arithmetic: fused}",
        "{codec: fp32, placement: [mlp.up], rotate: hadamard, input_scale: awq, cache: true}",
        "{codec: fp32, placement: [mlp.up], rotate: hadamard, input_scale: smoothquant, compensate: gptq}"};
    const json_t *due;
    struct one one;
    size_t index;
    json_array_foreach(json_object_get(golden, "cases"), index, due)
    {
        open_case(due, &one);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            float y[SEEN * ROWS], rows[ROWS * COLS], most = 0, off = 0;
            struct qb_variant *v = variant_of(texts[k]);
            struct qb_linear *linear = linear_of(&one, v);
            for (size_t turn = 0; turn < 2; turn++) { /* the second time from the cache */
                for (size_t n = 0; n < SEEN; n += 5)  /* 5: fused ones take up to 8 */
                    MUST(qb_linear_apply(linear, pool, one.x + n * one.cols, 5, y + n * ROWS, true, &err));
                golden_near(texts[k], y, json_object_get(due, "y"), SEEN * ROWS, 1e-6);
                MUST(qb_linear_rows(linear, 0, ROWS, rows, &err));
            }
            for (size_t i = 0; i < ROWS * one.cols; i++) {
                most = fmaxf(most, fabsf(one.w[i]));
                off = fmaxf(off, fabsf(one.w[i] - rows[i]));
            }
            /* a rotation spreads the rounding of the largest columns, which s then divides by the smallest */
            const bool both = v->rotate && v->input_scale;
            cr_expect_leq(off, (both ? 1e-5f : 1e-6f) * most, "%s: rows off by %g", texts[k], (double)off);
            qb_linear_free(linear);
            qb_variant_free(v);
        }
    }
    cr_assert_eq(index, 4);
}

/* What is encoded is W H, and a product that took x as it is would be far off. */
Test(conditioning_golden, what_is_encoded_is_rotated)
{
    const json_t *due;
    struct one one;
    size_t index;
    json_array_foreach(json_object_get(golden, "cases"), index, due)
    {
        open_case(due, &one);
        struct qb_variant *v = variant_of("{codec: fp32, placement: [mlp.up], rotate: hadamard}");
        struct qb_linear *linear = linear_of(&one, v), *wrong;
        const struct qb_segment_info info = qb_linear_segment(linear, 0);
        golden_near("W H", info.encoded, json_object_get(due, "weights"), ROWS * one.cols, 1e-6);
        const struct qb_conditioning rotation = {.rotate = true};
        struct one turned = one;
        qb_condition_inputs(&rotation, turned.x, SEEN, one.cols);
        golden_near("x H", turned.x, json_object_get(due, "inputs"), SEEN * one.cols, 1e-6);
        struct qb_matrix encoded = one.matrix;
        float y[SEEN * ROWS], worst = 0;
        encoded.bytes = info.encoded;
        MUST(qb_linear_create(NULL, &encoded, NULL, &wrong, &err));
        MUST(qb_linear_apply(wrong, pool, one.x, SEEN, y, true, &err));
        for (size_t i = 0; i < SEEN * ROWS; i++)
            worst = fmaxf(worst, fabsf(y[i] - (float)json_number_value(json_array_get(json_object_get(due, "y"), i))));
        if (one.cols % 2 == 0)
            cr_expect_gt(worst, 1.0f);
        else
            cr_expect_lt(worst, 1e-5f, "7 columns: blocks of one, which turn nothing");
        qb_linear_free(wrong);
        qb_linear_free(linear);
        qb_variant_free(v);
    }
}

Test(conditioning_golden, scales_follow_the_rules)
{
    static const char *const rules[][2] = {{"awq", "{rule: awq, alpha: 0.5}"},
                                           {"smoothquant", "smoothquant"},
                                           {"smoothquant_0.8", "{rule: smoothquant, alpha: 0.8}"}};
    const json_t *due;
    struct one one;
    size_t index;
    json_array_foreach(json_object_get(golden, "cases"), index, due)
    {
        open_case(due, &one);
        for (size_t k = 0; k < 3; k++) {
            char text[200];
            double alpha;
            snprintf(text, sizeof text, "{codec: int8, placement: [mlp.up], input_scale: %s}", rules[k][1]);
            struct qb_variant *v = variant_of(text);
            struct qb_linear *linear = linear_of(&one, v);
            const float *s = qb_linear_input_scale(linear, &alpha);
            cr_assert_not_null(s);
            golden_near(rules[k][0], s, json_object_get(due, rules[k][0]), one.cols, 1e-6);
            cr_expect_eq(s[3], 1.0f, "an input that was never seen but 0");
            cr_expect_float_eq(alpha, k == 2 ? 0.8 : 0.5, 0);
            qb_linear_free(linear);
            qb_variant_free(v);
        }
    }
}

Test(conditioning_golden, alpha_is_searched_by_output_error)
{
    static const char *const searches[][2] = {{"search", ""}, {"search_rotated", ", rotate: hadamard"}};
    const json_t *due;
    struct one one;
    size_t index, seen = 0;
    json_array_foreach(json_object_get(golden, "cases"), index, due)
    {
        open_case(due, &one);
        for (size_t k = 0; k < 2; k++) {
            const json_t *search = json_object_get(due, searches[k][0]);
            char text[200];
            double alpha;
            if (!search)
                continue;
            seen++;
            snprintf(text, sizeof text, "{codec: q4_0, placement: [mlp.up], input_scale: awq%s}", searches[k][1]);
            struct qb_variant *v = variant_of(text);
            struct qb_linear *linear = linear_of(&one, v);
            const float *s = qb_linear_input_scale(linear, &alpha);
            cr_expect_float_eq(alpha, golden_number(search, "alpha"), 1e-12, "%s: %g", searches[k][0], alpha);
            golden_near(searches[k][0], s, json_object_get(search, "s"), one.cols, 1e-6);
            qb_linear_free(linear);
            qb_variant_free(v);
        }
    }
    cr_assert_eq(seen, 2);
}

/* Every code is the one that the formulas give: GPTQ with the levels of each format written out. */
Test(conditioning_golden, errors_are_compensated_by_the_rule)
{
    static const char *const formats[][2] = {{"q4_0", "codec: q4_0"},
                                             {"int8_row", "codec: int8, options: {scope: row}"},
                                             {"int8_tensor", "codec: int8, options: {scope: tensor}"}};
    const json_t *due;
    struct one one;
    size_t index, seen = 0;
    json_array_foreach(json_object_get(golden, "cases"), index, due)
    {
        open_case(due, &one);
        for (size_t k = 0; k < 3 && json_object_get(due, "compensated"); k++) {
            char text[200];
            float rows[ROWS * COLS], plain[ROWS * COLS];
            seen++;
            snprintf(text, sizeof text, "{%s, placement: [mlp.up], compensate: gptq}", formats[k][1]);
            struct qb_variant *v = variant_of(text);
            struct qb_linear *linear = linear_of(&one, v), *without = NULL;
            MUST(qb_linear_rows(linear, 0, ROWS, rows, &err));
            golden_near(text, rows, json_object_get(json_object_get(due, "compensated"), formats[k][0]),
                        ROWS * one.cols, 1e-6);
            MUST(qb_linear_create(v, &one.matrix, NULL, &without, &err));
            MUST(qb_linear_rows(without, 0, ROWS, plain, &err));
            cr_expect_neq(memcmp(rows, plain, ROWS * one.cols * sizeof *rows), 0, "nothing was compensated");
            qb_linear_free(without);
            qb_linear_free(linear);
            qb_variant_free(v);
        }
    }
    cr_assert_eq(seen, 3);
}

/* Where the levels follow from more than a scope's extremes, what was rounded to is not what is stored. */
Test(conditioning_golden, formats_without_a_fixed_grid_are_refused)
{
    static const char *const texts[] = {"codec: qins8, options: {scope: row}", "codec: codebook4", "codec: q4_k",
                                        "codec: int4, options: {clip: mse}"};
    float w[ROWS * 256], x[SEEN * 256];
    golden_numbers(21, ROWS * 256, 1, w);
    golden_numbers(22, SEEN * 256, 1, x);
    const struct qb_matrix matrix = {
        .name = "w", .roles = QB_ROLE_MLP_UP, .rows = ROWS, .cols = 256, .bytes = w, .size = sizeof w};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        char text[200];
        struct qb_linear *linear = NULL;
        struct qb_error e = {0};
        const struct qb_seen seen = {x, SEEN, pool};
        snprintf(text, sizeof text, "{%s, placement: [mlp.up], compensate: gptq}", texts[k]);
        struct qb_variant *v = variant_of(text);
        cr_expect_eq(qb_linear_create_seen(v, &matrix, NULL, &seen, &linear, &e), QB_ERR_INPUT, "%s", text);
        cr_expect_not_null(strstr(e.message, "cannot be compensated"), "%s: %s", text, e.message);
        qb_variant_free(v);
    }
}
