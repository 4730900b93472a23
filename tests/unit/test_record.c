#include <math.h>
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "base/record.h"

Test(record, arrays_keep_shape_and_data)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    size_t dims[] = {2, 3};
    float *data = qb_record_add(&record, "logits", QB_F32, 2, dims, "1", "[position, token]", &err);
    cr_assert_not_null(data);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(data[i], 0.0f);
        data[i] = (float)i;
    }
    const struct qb_array *array = qb_record_find(&record, "logits");
    cr_assert_not_null(array);
    cr_assert_eq(array->count, 6);
    cr_assert_eq(array->dims[0], 2);
    cr_assert_eq(array->dims[1], 3);
    cr_assert_str_eq(array->unit, "1");
    cr_assert_str_eq(array->description, "[position, token]");
    cr_assert_eq(((float *)array->data)[5], 5.0f);
    cr_assert_eq(qb_record_get(&record, "logits", QB_F32, 2), array);
    cr_assert_null(qb_record_get(&record, "logits", QB_F64, 2));
    cr_assert_null(qb_record_get(&record, "logits", QB_F32, 1));
    cr_assert_null(qb_record_get(&record, "kl", QB_F32, 2));
    qb_record_free(&record);
    cr_assert_null(record.arrays);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(record, many_arrays)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    char name[16];
    int64_t *first = NULL;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "a%d", i);
        size_t dim = (size_t)i;
        int64_t *data = qb_record_add(&record, name, QB_I64, 1, &dim, "1", "", &err);
        cr_assert_not_null(data);
        first = i == 1 ? data : first;
    }
    cr_assert_eq(record.count, 100);
    cr_assert_eq(qb_record_find(&record, "a1")->data, first);
    cr_assert_eq(qb_record_find(&record, "a0")->count, 0);
    cr_assert_eq(qb_record_find(&record, "a99")->count, 99);
    qb_record_free(&record);
}

Test(record, scalars)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    size_t one = 1;
    cr_assert_eq(qb_record_f64(&record, "alpha", 0.8, "1", "logit scale", &err), QB_OK);
    cr_assert_eq(qb_record_i64(&record, "bytes", -5, "bytes", "", &err), QB_OK);
    *(float *)qb_record_add(&record, "f", QB_F32, 0, NULL, "1", "", &err) = 1.5f;
    *(int32_t *)qb_record_add(&record, "i", QB_I32, 0, NULL, "1", "", &err) = -7;
    *(uint8_t *)qb_record_add(&record, "u", QB_U8, 0, NULL, "1", "", &err) = 200;
    *(double *)qb_record_add(&record, "list", QB_F64, 1, &one, "1", "", &err) = 3.0;
    cr_expect_eq(qb_record_scalar(&record, "alpha", -1), 0.8);
    cr_expect_eq(qb_record_scalar(&record, "bytes", -1), -5);
    cr_expect_eq(qb_record_scalar(&record, "f", -1), 1.5);
    cr_expect_eq(qb_record_scalar(&record, "i", -1), -7);
    cr_expect_eq(qb_record_scalar(&record, "u", -1), 200);
    cr_expect_eq(qb_record_scalar(&record, "list", -1), -1);
    cr_expect(isnan(qb_record_scalar(&record, "none", (double)NAN)));
    qb_record_free(&record);
}

Test(record, texts_are_copied)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    char word[] = "degenerate";
    const char *const values[] = {word, "", "failed"};
    cr_assert_eq(qb_record_text(&record, "flags", values, 3, "", &err), QB_OK);
    cr_assert_eq(qb_record_text(&record, "none", values, 0, "", &err), QB_OK);
    word[0] = 'X';
    const struct qb_array *array = qb_record_get(&record, "flags", QB_TEXT, 1);
    cr_assert_str_eq(((char **)array->data)[0], "degenerate");
    cr_assert_str_eq(((char **)array->data)[1], "");
    cr_assert_str_eq(((char **)array->data)[2], "failed");
    cr_assert_eq(qb_record_find(&record, "none")->count, 0);
    cr_assert_eq(qb_record_scalar(&record, "flags", -1), -1);
    qb_record_free(&record);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

static void expect_refused(struct qb_record *record, const char *name, enum qb_dtype dtype, int rank,
                           const size_t *dims, enum qb_status status)
{
    struct qb_error err = {0};
    size_t before = record->count;
    cr_expect_null(qb_record_add(record, name, dtype, rank, dims, "1", "", &err), "%s", name);
    cr_expect_eq(err.status, status, "%s: %s", name, err.message);
    cr_expect_eq(record->count, before);
}

Test(record, refusals)
{
    struct qb_error err = {0};
    struct qb_record record = {0};
    static const size_t huge[] = {(size_t)1 << 40, (size_t)1 << 40}, small[] = {1, 1, 1, 1, 1};
    cr_assert_eq(qb_record_f64(&record, "alpha", 1, "1", "", &err), QB_OK);
    expect_refused(&record, "alpha", QB_F64, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "", QB_F64, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "Alpha", QB_F64, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "a/b", QB_F64, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "a", QB_F64, 5, small, QB_ERR_INTERNAL);
    expect_refused(&record, "a", QB_F64, -1, small, QB_ERR_INTERNAL);
    expect_refused(&record, "a", QB_TEXT, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "a", QB_TEXT, 2, small, QB_ERR_INTERNAL);
    expect_refused(&record, "a", (enum qb_dtype)99, 0, NULL, QB_ERR_INTERNAL);
    expect_refused(&record, "a", QB_U8, 2, huge, QB_ERR_MEMORY);
    cr_assert_eq(qb_record_i64(&record, "alpha", 1, "1", "", &err), QB_ERR_INTERNAL);
    cr_assert_eq(qb_record_f64(&record, "alpha", 1, "1", "", &err), QB_ERR_INTERNAL);
    cr_assert_eq(qb_record_text(&record, "alpha", NULL, 0, "", &err), QB_ERR_INTERNAL);
    cr_assert_not_null(strstr(err.message, "'alpha'"));
    qb_record_free(&record);
}

static enum qb_status fill(struct qb_record *record, struct qb_error *err)
{
    static const char *const values[] = {"a", "b"};
    size_t dims[] = {4, 4};
    if (qb_record_f64(record, "alpha", 1, "1", "scale", err) ||
        qb_record_text(record, "flags", values, 2, "flags", err))
        return err->status;
    return qb_record_add(record, "x", QB_F32, 2, dims, "1", "x", err) ? QB_OK : err->status;
}

Test(record, every_allocation_may_fail)
{
    for (size_t n = 1;; n++) {
        struct qb_error err = {0};
        struct qb_record record = {0};
        qb_mem_fail_at(n);
        enum qb_status status = fill(&record, &err);
        qb_mem_fail_at(0);
        cr_assert(!status ? record.count == 3 : status == QB_ERR_MEMORY && record.count < 3);
        qb_record_free(&record);
        cr_assert_eq(qb_mem_stats().live_bytes, 0);
        if (!status) {
            cr_assert_gt(n, 12);
            break;
        }
    }
}

Test(record, type_sizes)
{
    cr_expect_eq(qb_dtype_size(QB_F32), 4);
    cr_expect_eq(qb_dtype_size(QB_F64), 8);
    cr_expect_eq(qb_dtype_size(QB_I32), 4);
    cr_expect_eq(qb_dtype_size(QB_I64), 8);
    cr_expect_eq(qb_dtype_size(QB_U8), 1);
    cr_expect_eq(qb_dtype_size(QB_TEXT), sizeof(char *));
    cr_expect_eq(qb_dtype_size((enum qb_dtype)99), 0);
}
