/* Result files with flipped bits and cut ends under a right checksum, as a stranger can make them: each is read to its
 * end or is an error that names it, whatever libhdf5 does; memory stays bounded, in this process and in its children.
 */
#ifndef QB_TEST_RESULT_FLIPS_H
#define QB_TEST_RESULT_FLIPS_H

#include <sys/resource.h>
#include "base/file.h"
#include "readers.h"
#include "unit/cell_case.h"

/* A shard as it is found, whole. */
static bool flips_read_shard(const char *path, struct qb_error *err)
{
    struct qb_cell cell;
    bool tried = !qb_shard_try(path, err);
    if (tried && !qb_shard_read(path, true, &cell, err))
        qb_cell_free(&cell);
    return tried;
}

static char *flips_shard(size_t *size)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "pattern-a", "greedy", 200);
    char *data;
    cr_assert_eq(qb_shard_write(scratch_path("shard"), &cell, &err), QB_OK, "%s", err.message);
    qb_cell_free(&cell);
    cr_assert_eq(qb_file_read(scratch_path("shard"), 1u << 30, &data, size, &err), QB_OK);
    return data;
}

/* A file of some cells. */
static char *flips_base(size_t *size)
{
    struct qb_error err = {0};
    struct qb_provenance facts = {0};
    struct qb_cell cells[6];
    struct qb_cell_source sources[6] = {0};
    static const char *const variants[] = {"fp32", "pattern-a", "legacy"}, *const experiments[] = {"greedy", "kl"};
    for (size_t i = 0; i < 6; i++) {
        cells[i] = make_cell("m", variants[i % 3], experiments[i / 3], 200);
        sources[i].cell = &cells[i];
    }
    cr_assert_eq(qb_provenance_add(&facts, "program_version", "1", &err), QB_OK);
    cr_assert_eq(qb_result_assemble(scratch_path("base"), &facts, sources, 6, &err), QB_OK, "%s", err.message);
    for (size_t i = 0; i < 6; i++)
        qb_cell_free(&cells[i]);
    qb_provenance_free(&facts);
    char *data;
    cr_assert_eq(qb_file_read(scratch_path("base"), 1u << 30, &data, size, &err), QB_OK);
    return data;
}

static const char *flips_seal(char *data, size_t size)
{
    char hex[QB_HASH_HEX];
    memset(data, 0, 512);
    qb_hash_buffer(data + 512, size - 512, hex);
    snprintf(data, 512, "qinsbench file; HDF5 from byte 512 on; sha256 of that part: %s\n", hex);
    return scratch_write("damaged", data, size);
}

/* Reads as a command does: all cells, then all arrays. */
static void flips_read(const char *path, bool (*read)(const char *path, struct qb_error *err), size_t *refused)
{
    struct qb_error err = {0};
    size_t live = qb_mem_stats().live_bytes;
    if (read(path, &err)) {
        cr_assert_eq(err.status, QB_OK, "what a child has read cannot be refused later: %s", err.message);
    } else {
        cr_assert(strstr(err.message, path) != NULL, "%s", err.message);
        ++*refused;
    }
    cr_assert_eq(qb_mem_stats().live_bytes, live);
}

/* Each damage is up to 8 flipped bits or, every tenth, a cut. */
static void flips_test(bool shard, size_t count, uint32_t seed)
{
    size_t size, refused = 0;
    char *good = shard ? flips_shard(&size) : flips_base(&size), *data = malloc(size);
    for (size_t i = 0; i < count; i++) {
        size_t kept = size;
        memcpy(data, good, size);
        for (size_t flips = 1 + i % 8; flips > 0; flips--) {
            seed = seed * 1664525u + 1013904223u;
            size_t at = 512 + (seed >> 3) % (size - 512);
            data[at] = (char)(data[at] ^ (1 << (seed >> 29)));
        }
        if (i % 10 == 9) {
            memcpy(data, good, size);
            kept = 600 + (seed >> 3) % (size - 600);
        }
        flips_read(flips_seal(data, kept), shard ? flips_read_shard : read_result, &refused);
    }
    struct rusage own, children;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    cr_expect_lt(own.ru_maxrss, 600 << 10); /* half of it under a sanitizer */
    cr_expect_lt(children.ru_maxrss, 600 << 10);
    cr_expect(refused > count / 10 && refused < count, "%zu of %zu refused", refused, count);
    fprintf(stderr, "%zu of %zu refused; at most %ld KiB here, %ld KiB in children\n", refused, count, own.ru_maxrss,
            children.ru_maxrss);
    free(data);
    qb_free(good);
}

#endif
