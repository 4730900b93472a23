/* What the machine allows in the run at hand: reading as many bytes as a step reads, multiplying what a prefill
 * multiplies. A pass that finds its weights in a cache is bounded by that cache, not by memory: each ceiling is
 * measured on a working set as large as the pass has that it bounds. The fastest of several turns counts, for what else
 * runs on the machine only ever adds to a turn. */
#ifndef QB_CEILINGS_H
#define QB_CEILINGS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/threads.h"

/* Bytes of a working set that no cache holds, so that a larger one would be read at the same rate: twice the last-level
 * cache, from 256 MiB to 1 GiB. The least is for systems that do not tell; there are caches of 320 MiB (Intel), which a
 * process on an idle machine has for itself. */
size_t qb_beyond_caches(void);

/* Seconds of one call, the mean over as many as fill half a millisecond. An untimed call before them puts its working
 * set where its own calls leave it, whatever ran before. */
double qb_ceiling_time(void (*call)(void *), void *context);
/* Is there another turn (0, 1, ...) in a measurement that began at `start` (base/clock.h)? 12 in all, unless they take
 * longer than 30 ms; one always. */
bool qb_ceiling_turn(size_t turn, double start);

/* ---- reading ---- */

enum { QB_READ_STREAMS = 8 };
/* Reads bytes[size], but for less than 16 at their end, and does nothing with them: QB_READ_STREAMS parts beside each
 * other, for memory answers several streams faster than one. What it gives keeps the reading alive. */
unsigned qb_read_streams(const void *bytes, size_t size);

struct qb_read_ceiling;
/* For reading `bytes` (at most qb_beyond_caches() of them) over the pool's threads. *ceiling is new, for
 * qb_read_ceiling_free; borrows the pool. */
enum qb_status qb_read_ceiling_create(struct qb_pool *pool, double bytes, struct qb_read_ceiling **ceiling,
                                      struct qb_error *err);
void qb_read_ceiling_free(struct qb_read_ceiling *ceiling);
double qb_read_ceiling_bytes(const struct qb_read_ceiling *ceiling); /* of its working set */
double qb_read_ceiling_seconds(struct qb_read_ceiling *ceiling);     /* one turn: reading these bytes once */
double qb_read_ceiling_measure(struct qb_read_ceiling *ceiling);     /* GB/s, the fastest of several turns */

/* ---- products ---- */

struct qb_product_ceiling;
/* For products of `tokens` rows (at most 512 of them: more make none faster) with matrices of FP32, over the pool's
 * threads. *ceiling is new, for qb_product_ceiling_free; borrows the pool. */
enum qb_status qb_product_ceiling_create(struct qb_pool *pool, size_t tokens, struct qb_product_ceiling **ceiling,
                                         struct qb_error *err);
void qb_product_ceiling_free(struct qb_product_ceiling *ceiling);
/* One more matrix of this shape; of shapes beyond the 32nd nothing is measured. */
void qb_product_ceiling_add(struct qb_product_ceiling *ceiling, size_t rows, size_t cols);
/* Makes the operands once all shapes are there. */
enum qb_status qb_product_ceiling_fill(struct qb_product_ceiling *ceiling, struct qb_error *err);
double qb_product_ceiling_flop(const struct qb_product_ceiling *ceiling); /* of all matrices once */
/* Forgets what was measured; one turn over every shape, in tiles over the threads or by one call of OpenBLAS (few
 * tokens go faster in tiles that OpenBLAS has a small kernel for, and several threads only so); and the rate of the
 * fastest turns so far, in GFLOP/s. */
void qb_product_ceiling_reset(struct qb_product_ceiling *ceiling);
void qb_product_ceiling_turn(struct qb_product_ceiling *ceiling, bool tiles);
double qb_product_ceiling_gflops(const struct qb_product_ceiling *ceiling);
/* All of it: the fastest of several turns, in GFLOP/s. */
double qb_product_ceiling_measure(struct qb_product_ceiling *ceiling);

#endif
