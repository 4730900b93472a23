#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT ((size_t)64)

/* Stands in the 64 bytes before a buffer, so that the buffer itself stays aligned. */
struct header {
    size_t size;
    size_t mapped; /* bytes of a mapping of its own, this header at its start; 0: of the heap */
};

/* The process's account: the one piece of state here, because it is the process whose bytes are counted. */
static struct {
    atomic_size_t live, peak, allocations, limit, fault;
    atomic_bool lost_text;
} account;

/* True once for the allocation that qb_mem_fail_at chose. */
static bool fault_is_due(void)
{
    size_t left = atomic_load(&account.fault);
    while (left != 0 && !atomic_compare_exchange_weak(&account.fault, &left, left - 1))
        ;
    return left == 1;
}

void qb_mem_count_in(size_t size)
{
    size_t live = atomic_fetch_add(&account.live, size) + size;
    size_t peak = atomic_load(&account.peak);
    while (peak < live && !atomic_compare_exchange_weak(&account.peak, &peak, live))
        ;
}

void qb_mem_count_out(size_t size)
{
    atomic_fetch_sub(&account.live, size);
}

/* A zeroed piece of the heap, or of the address space. NULL: there is none. */
static struct header *take(size_t padded, bool sparse)
{
    if (sparse) {
        void *map = mmap(NULL, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct header *header = map == MAP_FAILED ? NULL : map;
        if (header)
            header->mapped = padded;
        return header;
    }
    struct header *header = aligned_alloc(ALIGNMENT, padded);
    if (header)
        memset(header, 0, padded);
    return header;
}

static void *allocate(size_t count, size_t size, bool sparse, const char *what, struct qb_error *err)
{
    size_t bytes, limit = atomic_load(&account.limit);
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        qb_fail(err, QB_ERR_MEMORY, "%s: %zu items of %zu bytes are more than memory can address", what, count, size);
        return NULL;
    }
    if (limit != 0 && bytes > limit) {
        qb_fail(err, QB_ERR_MEMORY, "%s: %zu bytes are over the limit of %zu bytes for one buffer", what, bytes, limit);
        return NULL;
    }
    size_t padded = ALIGNMENT + (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct header *header = fault_is_due() ? NULL : take(padded, sparse && bytes >= QB_SPARSE_LEAST);
    if (!header) {
        qb_fail(err, QB_ERR_MEMORY, "%s: out of memory for %zu bytes", what, bytes);
        return NULL;
    }
    header->size = bytes;
    qb_mem_count_in(bytes);
    atomic_fetch_add(&account.allocations, 1);
    return (char *)header + ALIGNMENT;
}

void *qb_alloc(size_t count, size_t size, const char *what, struct qb_error *err)
{
    return allocate(count, size, false, what, err);
}

void *qb_alloc_sparse(size_t count, size_t size, const char *what, struct qb_error *err)
{
    return allocate(count, size, true, what, err);
}

static struct header *header_of(void *buffer)
{
    return (struct header *)(void *)((char *)buffer - ALIGNMENT);
}

void qb_free(void *buffer)
{
    if (!buffer)
        return;
    struct header *header = header_of(buffer);
    qb_mem_count_out(header->size);
    if (header->mapped)
        munmap(header, header->mapped);
    else
        free(header);
}

void *qb_grow(void *array, size_t count, size_t size, const char *what, struct qb_error *err)
{
    size_t held = qb_size_of(array), room = array ? 2 * (held / size) : ALIGNMENT / size;
    if (array && count <= held / size)
        return array;
    void *larger = qb_alloc(count > room ? count : room, size, what, err);
    if (larger && array)
        memcpy(larger, array, held);
    if (larger)
        qb_free(array);
    return larger;
}

size_t qb_size_of(const void *buffer)
{
    if (!buffer)
        return 0;
    return ((const struct header *)(const void *)((const char *)buffer - ALIGNMENT))->size;
}

char *qb_strdup(const char *text, struct qb_error *err)
{
    size_t size = strlen(text) + 1;
    char *copy = qb_alloc(size, 1, "a string", err);
    if (copy)
        memcpy(copy, text, size);
    return copy;
}

struct qb_mem_stats qb_mem_stats(void)
{
    return (struct qb_mem_stats){
        .live_bytes = atomic_load(&account.live),
        .peak_bytes = atomic_load(&account.peak),
        .allocations = atomic_load(&account.allocations),
    };
}

void qb_mem_restart_peak(void)
{
    atomic_store(&account.peak, atomic_load(&account.live));
}

void qb_mem_limit(size_t bytes)
{
    atomic_store(&account.limit, bytes);
}

size_t qb_mem_room(void)
{
    size_t limit = atomic_load(&account.limit), live = qb_mem_stats().live_bytes;
    return limit == 0 ? SIZE_MAX : live < limit ? limit - live : 0;
}

void qb_mem_lose_text(void)
{
    atomic_store(&account.lost_text, true);
}

bool qb_mem_lost_text(void)
{
    return atomic_load(&account.lost_text);
}

void qb_mem_fail_at(size_t n)
{
    atomic_store(&account.fault, n);
    atomic_store(&account.lost_text, false);
}

/* The value of a line "VmRSS:     1234 kB" of such a file, in bytes. */
static size_t line_bytes(const char *path, const char *field)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    char line[256];
    size_t length = strlen(field), bytes = 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            bytes = (size_t)strtoull(line + length + 1, NULL, 10) * 1024;
            break;
        }
    }
    fclose(file);
    return bytes;
}

size_t qb_rss_bytes(void)
{
    return line_bytes("/proc/self/status", "VmRSS");
}

size_t qb_rss_exact_bytes(void)
{
    const size_t bytes = line_bytes("/proc/self/smaps_rollup", "Rss");
    return bytes ? bytes : qb_rss_bytes();
}

size_t qb_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t qb_peak_rss_bytes(void)
{
    return line_bytes("/proc/self/status", "VmHWM");
}

bool qb_peak_rss_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we"); /* 5: the peak, as proc(5) has it */
    bool written = file && fputs("5", file) >= 0;
    return file && fclose(file) == 0 && written;
}

/* The number that a file of a control group holds; 0: "max", or there is none. */
static size_t group_bytes(const char *path)
{
    unsigned long long bytes = 0;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%llu", &bytes) != 1)
        bytes = 0;
    if (file)
        fclose(file);
    return (size_t)bytes;
}

size_t qb_machine_room(void)
{
    size_t room = line_bytes("/proc/meminfo", "MemAvailable");
    size_t most = group_bytes("/sys/fs/cgroup/memory.max"), used = group_bytes("/sys/fs/cgroup/memory.current");
    size_t left = most > used ? most - used : 0;
    return most && (left < room || !room) ? left : room;
}

bool qb_mem_spares(size_t bytes)
{
    const size_t machine = qb_machine_room();
    return bytes <= qb_mem_room() / 2 && (machine == 0 || (bytes <= machine && machine - bytes >= QB_MEM_LEAVES));
}

size_t qb_address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (size_t)pages * qb_page_bytes();
}
