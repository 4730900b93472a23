#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "unit/sanitized.h"

Test(mem, buffers_are_zeroed_and_aligned)
{
    struct qb_error err = {0};
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 100003};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int round = 0; round < 2; round++) {
            unsigned char *buffer = qb_alloc(sizes[i], 1, "buffer", &err);
            cr_assert_not_null(buffer);
            cr_expect_eq((uintptr_t)buffer % 64, 0);
            cr_expect_eq(qb_size_of(buffer), sizes[i]);
            for (size_t j = 0; j < sizes[i]; j++)
                cr_assert_eq(buffer[j], 0);
            memset(buffer, 0xA5, sizes[i]);
            qb_free(buffer);
        }
    }
    cr_assert_eq(err.status, QB_OK);
}

Test(mem, null_is_fine)
{
    qb_free(NULL);
    cr_assert_eq(qb_size_of(NULL), 0);
}

Test(mem, the_account_is_exact)
{
    struct qb_error err = {0};
    struct qb_mem_stats start = qb_mem_stats();
    void *a = qb_alloc(1000, 4, "a", &err), *b = qb_alloc(3, 7, "b", &err);
    cr_assert_eq(qb_mem_stats().live_bytes - start.live_bytes, 4021);
    cr_assert_eq(qb_mem_stats().allocations - start.allocations, 2);
    qb_free(a);
    cr_assert_eq(qb_mem_stats().live_bytes - start.live_bytes, 21);
    cr_assert_eq(qb_mem_stats().peak_bytes, start.live_bytes + 4021);
    qb_mem_restart_peak();
    cr_assert_eq(qb_mem_stats().peak_bytes, start.live_bytes + 21, "the peak from here on");
    qb_free(b);
    cr_assert_eq(qb_mem_stats().peak_bytes, start.live_bytes + 21);
    cr_assert_eq(qb_mem_stats().live_bytes, start.live_bytes);
}

Test(mem, overflow_and_absurd_sizes_are_refused)
{
    struct qb_error err = {0};
    cr_assert_null(qb_alloc(SIZE_MAX / 2, 3, "weights", &err));
    cr_assert_eq(err.status, QB_ERR_MEMORY);
    cr_assert_not_null(strstr(err.message, "weights"));
    err = (struct qb_error){0};
    cr_assert_null(qb_alloc(SIZE_MAX / 64 + 2, 64, "weights", &err)); /* wraps round to 64 bytes */
    cr_assert_not_null(strstr(err.message, "weights: 288230376151711745 items"));
    err = (struct qb_error){0};
    cr_assert_null(qb_alloc(SIZE_MAX, 1, "weights", &err));
    cr_assert_eq(err.status, QB_ERR_MEMORY);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(mem, the_system_refuses, .disabled = QB_SANITIZED)
{
    struct qb_error err = {0};
    cr_assert_null(qb_alloc(SIZE_MAX / 2, 1, "weights", &err));
    cr_assert_eq(err.status, QB_ERR_MEMORY);
    cr_assert_not_null(strstr(err.message, "weights: out of memory"));
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(mem, the_limit_holds_for_one_buffer)
{
    struct qb_error err = {0};
    qb_mem_limit(100);
    void *fits = qb_alloc(100, 1, "fits", &err);
    cr_assert_not_null(fits);
    cr_assert_null(qb_alloc(101, 1, "tensor", &err));
    cr_assert_eq(err.status, QB_ERR_MEMORY);
    cr_assert_not_null(strstr(err.message, "tensor: 101 bytes"));
    qb_mem_limit(0);
    void *large = qb_alloc(101, 1, "tensor", &err);
    cr_assert_not_null(large);
    qb_free(large);
    qb_free(fits);
}

Test(mem, the_nth_allocation_fails_once)
{
    struct qb_error err = {0};
    void *kept[4] = {0};
    qb_mem_fail_at(3);
    for (int i = 0; i < 4; i++)
        kept[i] = qb_alloc(8, 1, "thing", &err);
    cr_assert(kept[0] && kept[1] && !kept[2] && kept[3]);
    cr_assert_eq(err.status, QB_ERR_MEMORY);
    for (int i = 0; i < 4; i++)
        qb_free(kept[i]);
    qb_mem_fail_at(1);
    qb_mem_fail_at(0);
    void *after = qb_alloc(8, 1, "thing", &err);
    cr_assert_not_null(after);
    qb_free(after);
}

Test(mem, strdup_copies)
{
    struct qb_error err = {0};
    char *copy = qb_strdup("logits", &err);
    cr_assert_str_eq(copy, "logits");
    cr_assert_eq(qb_size_of(copy), 7);
    qb_free(copy);
    qb_mem_fail_at(1);
    cr_assert_null(qb_strdup("logits", &err));
    cr_assert_eq(err.status, QB_ERR_MEMORY);
}

Test(mem, an_array_grows_and_keeps_its_items)
{
    struct qb_error err = {0};
    size_t before = qb_mem_stats().live_bytes, allocations = qb_mem_stats().allocations;
    uint32_t *items = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        items = qb_grow(items, i + 1, sizeof *items, "items", &err);
        cr_assert_not_null(items);
        cr_assert_eq(items[i], 0, "what is new is zero");
        items[i] = i * i + 1;
    }
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(items[i], i * i + 1);
    cr_assert_leq(qb_mem_stats().allocations - allocations, 8, "it doubles");
    cr_assert_eq(qb_mem_stats().live_bytes - before, qb_size_of(items), "the smaller ones are freed");
    cr_assert_eq(qb_grow(items, 1000, sizeof *items, "items", &err), items, "what fits stays where it is");
    items = qb_grow(items, 100000, sizeof *items, "items", &err);
    cr_assert_geq(qb_size_of(items), 100000 * sizeof *items, "more than twice the room at once");
    cr_assert_eq(items[999], 999 * 999 + 1);
    qb_free(items);
}

Test(mem, an_array_that_cannot_grow_stays)
{
    static const size_t counts[] = {SIZE_MAX / 8 + 2, SIZE_MAX}; /* counts[0] * 8 wraps round to 8 */
    uint64_t *items = qb_grow(NULL, 2, sizeof *items, "items", &(struct qb_error){0});
    size_t size = qb_size_of(items), live = qb_mem_stats().live_bytes;
    memset(items, 7, size);
    for (size_t i = 0; i < 3; i++) {
        struct qb_error err = {0};
        qb_mem_fail_at(i < 2 ? 0 : 1);
        cr_assert_null(qb_grow(items, i < 2 ? counts[i] : size, sizeof *items, "the items", &err));
        cr_assert_eq(err.status, QB_ERR_MEMORY);
        cr_assert_not_null(strstr(err.message, "the items: "), "%s", err.message);
        cr_assert_eq(qb_size_of(items), size);
        cr_assert_eq(qb_mem_stats().live_bytes, live);
        for (size_t b = 0; b < size; b++)
            cr_assert_eq(((unsigned char *)items)[b], 7);
    }
    qb_free(items);
}

static void *churn(void *unused)
{
    struct qb_error err = {0};
    for (size_t i = 0; i < 5000; i++)
        qb_free(qb_alloc(i % 97, 1, "churn", &err));
    return unused;
}

Test(mem, threads_keep_the_account)
{
    pthread_t threads[4];
    struct qb_mem_stats start = qb_mem_stats();
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(qb_mem_stats().live_bytes, start.live_bytes);
    cr_assert_eq(qb_mem_stats().allocations - start.allocations, 20000);
}

Test(mem, rss_follows_a_large_buffer, .disabled = QB_SANITIZED)
{
    struct qb_error err = {0};
    size_t before = qb_rss_bytes(), bytes = (size_t)64 << 20;
    cr_assert_gt(before, 0);
    char *buffer = qb_alloc(bytes, 1, "large", &err);
    cr_assert_not_null(buffer);
    memset(buffer, 1, bytes);
    cr_expect_gt(qb_rss_bytes(), before + bytes / 10 * 9);
    qb_free(buffer);
    cr_expect_geq(qb_peak_rss_bytes(), before + bytes / 10 * 9);
    cr_expect_lt(qb_rss_bytes(), before + bytes / 2);
}
