/* Accounted memory. Every large buffer of the harness comes from here, so that the bytes a variant needs are
 * counted from the buffers that exist, and so that a test can make the n-th allocation fail. Thread-safe. */
#ifndef QB_MEM_H
#define QB_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

/* A zeroed buffer of count * size bytes, aligned to 64 bytes. NULL with err set (QB_ERR_MEMORY, naming `what`)
 * when the product overflows, when it is over the process's limit (qb_mem_limit), or when the system refuses.
 * count * size == 0 gives a valid buffer of size 0. The caller frees it with qb_free. */
void *qb_alloc(size_t count, size_t size, const char *what, struct qb_error *err);

/* The same of a buffer that fills over time: where it is large (QB_SPARSE_LEAST bytes or more), pages that nothing was
 * written to take no memory, so that the resident set grows as it fills. */
#define QB_SPARSE_LEAST ((size_t)64 << 10)
void *qb_alloc_sparse(size_t count, size_t size, const char *what, struct qb_error *err);

/* Frees a buffer of qb_alloc or qb_alloc_sparse; NULL is fine. */
void qb_free(void *buffer);

/* The array (of qb_alloc; NULL: none yet) with room for at least `count` items of `size` bytes, size > 0: itself while
 * they fit, else a copy of at least twice the room, zero behind what was there, and the old one is freed. NULL with err
 * set as by qb_alloc: then the old one stays as it was. */
void *qb_grow(void *array, size_t count, size_t size, const char *what, struct qb_error *err);

/* The usable bytes that were asked for a buffer of qb_alloc (count * size); 0 for NULL. */
size_t qb_size_of(const void *buffer);

/* A copy of a C string in accounted memory. */
char *qb_strdup(const char *text, struct qb_error *err);

struct qb_mem_stats {
    size_t live_bytes;  /* asked for and not yet freed */
    size_t peak_bytes;  /* the largest live_bytes so far, or since qb_mem_restart_peak */
    size_t allocations; /* calls that succeeded */
};
struct qb_mem_stats qb_mem_stats(void);
/* peak_bytes is what is live now, and grows from here. */
void qb_mem_restart_peak(void);

/* Refuses single buffers over `bytes` from now on (0: no limit, the default). */
void qb_mem_limit(size_t bytes);
/* Bytes under the limit that are not in use; SIZE_MAX without one. */
size_t qb_mem_room(void);
/* Counts in, and out again, memory that was not asked for above: a mapping that processes share. */
void qb_mem_count_in(size_t bytes);
void qb_mem_count_out(size_t bytes);

/* Is there room for bytes that only save time? They take at most half of qb_mem_room and leave QB_MEM_LEAVES of
 * qb_machine_room, where the system tells it, for the KV cache and others. */
#define QB_MEM_LEAVES ((size_t)512 << 20)
bool qb_mem_spares(size_t bytes);

/* A text of this process lacks what there was no memory for (text.h): then no file is replaced (file.h), nothing more
 * is printed, and the program does not end as if all were well. So nobody has to pass on that a text has failed. */
void qb_mem_lose_text(void);
bool qb_mem_lost_text(void);

/* For tests: the n-th allocation from now (1 = the next) fails once; 0 switches the fault off. Lost texts are
 * forgotten. */
void qb_mem_fail_at(size_t n);

/* The process's resident set now and its high-water mark, in bytes, from /proc/self/status (VmRSS, VmHWM); 0 where
 * the system does not tell. */
size_t qb_rss_bytes(void);
size_t qb_peak_rss_bytes(void);
/* The resident set counted page by page, which takes longer (VmRSS may be off by some dozens of pages a processor);
 * VmRSS where the system does not count so. */
size_t qb_rss_exact_bytes(void);
/* Of a page. */
size_t qb_page_bytes(void);
/* Lets the high-water mark start again from the resident set as it is; false where the system does not. */
bool qb_peak_rss_reset(void);
/* Bytes that the machine could give to new buffers now without swapping (MemAvailable of /proc/meminfo), or what the
 * process's control group leaves (memory.max of cgroup v2) where that is less; 0 where the system does not tell. */
size_t qb_machine_room(void);
/* Bytes of address space that the process has, from /proc/self/statm; 0 likewise. */
size_t qb_address_space(void);

#endif
