/* A cell with every kind of array. For tests of the store. */
#ifndef QB_TEST_CELL_CASE_H
#define QB_TEST_CELL_CASE_H

#include <math.h>
#include "base/mem.h"
#include "metric_case.h"
#include "scratch.h"
#include "store/store.h"

static inline struct qb_cell make_cell(const char *model, const char *variant, const char *experiment, size_t n)
{
    struct qb_error err = {0};
    struct qb_cell cell = {
        .state = QB_CELL_DONE, .seconds = 1.5, .cpu_seconds = 2.5, .prepare_seconds = 0.5, .peak_rss = 1234567};
    cell.model = qb_strdup(model, &err);
    cell.variant = qb_strdup(variant, &err);
    cell.experiment = qb_strdup(experiment, &err);
    cell.message = qb_strdup("", &err);
    cell.warnings = qb_strdup("legacy is deprecated\nuse pattern-a \xe2\x80\x94 soon", &err);
    cell.options = qb_strdup("steps=5 layout=\"packed\"", &err);
    cell.floor = QB_FLOOR_BF16;
    cell.reach = (struct qb_reach){.known = true,
                                   .tensors = 5,
                                   .weights = (uint64_t)1 << 33,
                                   .bytes = 1234,
                                   .unbound = qb_strdup("placement head, tensors a.*", &err),
                                   .codec = qb_strdup("q4_k", &err),
                                   .otherwise = qb_strdup("q5_0", &err),
                                   .codec_tensors = 2,
                                   .codec_weights = 7,
                                   .otherwise_tensors = 3,
                                   .otherwise_weights = (uint64_t)1 << 34};
    qb_hash_buffer(model, strlen(model), cell.key);
    qb_hash_buffer(variant, strlen(variant), cell.inputs);
    const char *const names[] = {"layers.0.qkv", "", "\xc3\xa9\xe2\x82\xac"};
    float *f32 = qb_record_add(&cell.record, "margin", QB_F32, 2, (size_t[]){2, n}, "logit", "[prompt, step]", &err);
    double *f64 = qb_record_add(&cell.record, "kl", QB_F64, 1, (size_t[]){n}, "nat", "[position]", &err);
    int32_t *i32 =
        qb_record_add(&cell.record, "tokens", QB_I32, 2, (size_t[]){2, n}, "token id", "[prompt, step]", &err);
    uint8_t *u8 = qb_record_add(&cell.record, "top1", QB_U8, 1, (size_t[]){n}, "1", "[position]", &err);
    qb_record_add(&cell.record, "nothing", QB_F32, 2, (size_t[]){0, 4}, "1", "an empty array", &err);
    put_texts(&cell.record, "tensor", names, 3);
    qb_record_i64(&cell.record, "rss_before", (int64_t)1 << 40, "bytes", "resident set", &err);
    put_scalar(&cell.record, "alpha", 0.1);
    for (size_t i = 0; i < n; i++) {
        f32[i] = (float)i / 3;
        f32[n + i] = -(float)i;
        f64[i] = i == 1 ? NAN : (double)i * 1e-14;
        i32[i] = i32[n + i] = (int32_t)i - 1;
        u8[i] = (uint8_t)(i % 251);
    }
    cell.values = qb_alloc(2, sizeof *cell.values, "values", &err);
    cell.value_count = 2;
    cell.values[0] = (struct qb_value){.metric = "kl_mean",
                                       .unit = "nat",
                                       .value = 1e-14,
                                       .hi = 2e-14,
                                       .n = n,
                                       .flags = QB_FLAG_DEGENERATE,
                                       .note = "cluster t",
                                       .covers = 93.61};
    cell.values[1] = (struct qb_value){.metric = "kl_max",
                                       .unit = "nat",
                                       .value = NAN,
                                       .lo = NAN,
                                       .hi = NAN,
                                       .n = n,
                                       .flags = QB_FLAG_NO_INTERVAL | QB_FLAG_NONFINITE | QB_FLAG_DEGENERATE};
    cr_assert_eq(err.status, QB_OK, "%s", err.message);
    return cell;
}

static inline bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static inline void same_arrays(const struct qb_record *a, const struct qb_record *b)
{
    cr_assert_eq(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct qb_array *x = &a->arrays[i], *y = qb_record_find(b, x->name);
        cr_assert_not_null(y, "%s", x->name);
        cr_assert(x->dtype == y->dtype && x->rank == y->rank && x->count == y->count, "%s", x->name);
        cr_assert_str_eq(x->description, y->description);
        for (int d = 0; d < x->rank; d++)
            cr_assert_eq(x->dims[d], y->dims[d]);
        if (x->dtype == QB_TEXT)
            for (size_t j = 0; j < x->count; j++)
                cr_assert_str_eq(((char **)x->data)[j], ((char **)y->data)[j]);
        else if (x->count > 0)
            cr_assert_eq(memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)), 0, "%s", x->name);
    }
}

static inline void same_cell(const struct qb_cell *a, const struct qb_cell *b)
{
    cr_assert_str_eq(a->model, b->model);
    cr_assert_str_eq(a->variant, b->variant);
    cr_assert_str_eq(a->experiment, b->experiment);
    cr_assert_str_eq(a->key, b->key);
    cr_assert_str_eq(a->inputs, b->inputs);
    cr_assert_str_eq(a->options, b->options);
    cr_assert_str_eq(a->message, b->message);
    cr_assert_str_eq(a->warnings, b->warnings);
    cr_assert(a->state == b->state && a->seconds == b->seconds && a->cpu_seconds == b->cpu_seconds &&
              a->prepare_seconds == b->prepare_seconds && a->peak_rss == b->peak_rss);
    cr_assert(a->floor == b->floor && a->reach.known == b->reach.known && a->reach.tensors == b->reach.tensors &&
              a->reach.weights == b->reach.weights && a->reach.bytes == b->reach.bytes);
    if (a->reach.known)
        cr_assert_str_eq(a->reach.unbound, b->reach.unbound);
    cr_assert_eq(!a->reach.otherwise, !b->reach.otherwise);
    if (a->reach.otherwise)
        cr_assert(strcmp(a->reach.codec, b->reach.codec) == 0 && strcmp(a->reach.otherwise, b->reach.otherwise) == 0 &&
                  a->reach.codec_tensors == b->reach.codec_tensors &&
                  a->reach.codec_weights == b->reach.codec_weights &&
                  a->reach.otherwise_tensors == b->reach.otherwise_tensors &&
                  a->reach.otherwise_weights == b->reach.otherwise_weights);
    cr_assert_eq(a->value_count, b->value_count);
    for (size_t i = 0; i < a->value_count; i++) {
        const struct qb_value *x = &a->values[i], *y = &b->values[i];
        cr_assert_str_eq(x->metric, y->metric);
        cr_assert_str_eq(x->unit, y->unit);
        cr_assert_str_eq(x->note, y->note);
        cr_assert(same_number(x->value, y->value) && same_number(x->lo, y->lo) && same_number(x->hi, y->hi));
        cr_assert(x->covers == y->covers && x->floor_marks == y->floor_marks && x->own_note == y->own_note);
        cr_assert(x->n == y->n && x->flags == y->flags, "%s: flags %x and %x", x->metric, x->flags, y->flags);
    }
}

#endif
