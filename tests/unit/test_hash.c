/* Vectors: FIPS 180-4 examples and NIST's SHA256ShortMsg ("", "abc", 448 bits, a million 'a'). */
#include "unit/scratch.h"
#include "base/hash.h"
#include "base/mem.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define BITS448 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

TestSuite(hash, .init = scratch_begin, .fini = scratch_end);

Test(hash, published_vectors)
{
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char hex[QB_HASH_HEX];
    qb_hash_buffer("abc", 3, hex);
    cr_expect_str_eq(hex, ABC);
    qb_hash_buffer(NULL, 0, hex);
    cr_expect_str_eq(hex, EMPTY);
    qb_hash_buffer(long_text, strlen(long_text), hex);
    cr_expect_str_eq(hex, BITS448);
}

Test(hash, a_million_a_in_odd_pieces)
{
    char piece[997], hex[QB_HASH_HEX];
    memset(piece, 'a', sizeof piece);
    struct qb_hash *hash = qb_hash_new();
    for (size_t left = 1000000; left > 0;) {
        size_t size = left < sizeof piece ? left : sizeof piece;
        qb_hash_bytes(hash, piece, size);
        left -= size;
    }
    qb_hash_hex(hash, hex);
    cr_assert_str_eq(hex, MILLION_A);
}

static void two_texts(const char *a, const char *b, char hex[QB_HASH_HEX])
{
    struct qb_hash *hash = qb_hash_new();
    qb_hash_text(hash, a);
    qb_hash_text(hash, b);
    qb_hash_hex(hash, hex);
}

Test(hash, texts_are_tagged)
{
    char one[QB_HASH_HEX], two[QB_HASH_HEX], expected[QB_HASH_HEX];
    two_texts("ab", "c", one);
    two_texts("a", "bc", two);
    cr_expect_str_neq(one, two);
    two_texts(NULL, "", one);
    two_texts("", NULL, two);
    cr_expect_str_eq(one, two);
    qb_hash_buffer("\2\0\0\0\0\0\0\0ab\1\0\0\0\0\0\0\0c", 19, expected); /* the layout that keys rest on */
    two_texts("ab", "c", one);
    cr_expect_str_eq(one, expected);
}

Test(hash, files)
{
    struct qb_error err = {0};
    char hex[QB_HASH_HEX], same[QB_HASH_HEX];
    cr_assert_eq(qb_hash_file(scratch_write("abc", "abc", 3), hex, &err), QB_OK);
    cr_expect_str_eq(hex, ABC);
    cr_assert_eq(qb_hash_file(scratch_write("empty", "", 0), hex, &err), QB_OK);
    cr_expect_str_eq(hex, EMPTY);
    size_t size = ((size_t)1 << 20) + 13;
    char *large = qb_alloc(size, 1, "large", &err);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 31 >> 3);
    cr_assert_eq(qb_hash_file(scratch_write("large", large, size), hex, &err), QB_OK);
    qb_hash_buffer(large, size, same);
    cr_expect_str_eq(hex, same);
    qb_free(large);
}

Test(hash, files_that_cannot_be_read)
{
    struct qb_error err = {0};
    char hex[QB_HASH_HEX];
    cr_assert_eq(qb_hash_file(scratch_path("missing"), hex, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "missing"));
    cr_expect_str_eq(hex, "");
    err = (struct qb_error){0};
    cr_assert_eq(qb_hash_file(scratch_folder, hex, &err), QB_ERR_INPUT);
    cr_expect_str_eq(hex, "");
}

Test(hash, short_memory_leaks_nothing)
{
    struct qb_error err = {0};
    char hex[QB_HASH_HEX];
    const char *path = scratch_write("abc", "abc", 3);
    size_t start = qb_mem_stats().live_bytes, n = 1;
    qb_mem_fail_at(1);
    cr_assert_null(qb_hash_new());
    for (;; n++) {
        qb_mem_fail_at(n);
        err = (struct qb_error){0};
        enum qb_status status = qb_hash_file(path, hex, &err);
        qb_mem_fail_at(0);
        cr_assert_eq(qb_mem_stats().live_bytes, start);
        if (!status)
            break;
        cr_assert_eq(status, QB_ERR_MEMORY);
        cr_assert_str_eq(hex, "");
    }
    cr_assert_gt(n, 2);
    qb_hash_drop(NULL);
    qb_hash_drop(qb_hash_new());
}
