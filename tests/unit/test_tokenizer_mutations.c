/* 2,000 mutations of each small tokenizer under tests/golden/tokenizers: whatever stands in them, opening and using
 * them ends in a status, with nothing leaked and no more memory than small files justify. Run under the sanitizers by
 * `make asan`. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "base/file.h"
#include "mutate.h"
#include "readers.h"
#include "scratch.h"

#ifndef COUNT
#define COUNT 2000
#endif
#define ROOM_MAX ((size_t)32 << 20)

static struct qb_error err;

static void begin(void)
{
    err = (struct qb_error){0};
    scratch_begin();
}

TestSuite(tokenizer_mutations, .init = begin, .fini = scratch_end);

static void mutate_tokenizer(const char *name, uint32_t seed)
{
    char *good = NULL, from[256];
    size_t good_size = 0, opened = 0;
    struct qb_rng rng;
    snprintf(from, sizeof from, "tests/golden/tokenizers/%s", name);
    cr_assert_eq(qb_file_read(from, 1 << 20, &good, &good_size, &err), QB_OK, "%s", err.message);
    const char *path = scratch_path(name);
    uint8_t *bytes = calloc(1, good_size + 64 * 5);
    qb_rng_seed(&rng, seed);
    for (size_t i = 0; i < COUNT; i++) {
        struct qb_error e = {0};
        size_t size = good_size;
        memcpy(bytes, good, size);
        for (size_t edits = 1 + below(&rng, 4); edits > 0; edits--)
            mutate(&rng, bytes, &size);
        unlink(path);
        FILE *out = fopen(path, "wb");
        cr_assert(out && fwrite(bytes, 1, size, out) == size && fclose(out) == 0);
        const size_t live = qb_mem_stats().live_bytes;
        qb_mem_limit(ROOM_MAX);
        read_tokenizer(path, &e);
        qb_mem_limit(0);
        opened += e.status == QB_OK;
        cr_assert(e.status != QB_ERR_MEMORY && e.status != QB_ERR_INTERNAL, "mutation %zu of %s: %s", i, name,
                  e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "mutation %zu of %s: leak", i, name);
    }
    cr_expect(opened > 0 && opened < COUNT, "%s: %zu of %d opened", name, opened, COUNT);
    free(bytes);
    qb_free(good);
}

Test(tokenizer_mutations, byte_level)
{
    mutate_tokenizer("bytes.json", 1);
    mutate_tokenizer("digits.json", 2);
}

Test(tokenizer_mutations, characters)
{
    mutate_tokenizer("splits.json", 3);
    mutate_tokenizer("pieces.json", 4);
}

Test(tokenizer_mutations, unigram)
{
    mutate_tokenizer("unigram.json", 5);
}

Test(tokenizer_mutations, gguf)
{
    mutate_tokenizer("bytes.gguf", 6);
    mutate_tokenizer("pieces.gguf", 7);
    mutate_tokenizer("unigram.gguf", 8);
}
