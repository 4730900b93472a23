/* What must be in memory while a cell of kv goes through its chunks, beside what the process took. */
#ifndef QB_KV_MEMORY_H
#define QB_KV_MEMORY_H

#include "common.h"

/* Bytes, counted from the buffers that exist. */
struct qb_kv_memory {
    size_t accounted_before,
        accounted_peak;          /* all that the program has (base/mem.h): at the start, and at most since */
    size_t rss_before, peak_rss; /* of the process, likewise; 0: the system does not tell */
    size_t logits, states;       /* of both arms; final hidden states of a step */
    size_t scratch;              /* working memory of both nets and of keys and values */
};

/* The start, and the end, of what is looked at. */
void qb_kv_memory_begin(struct qb_kv_memory *memory);
void qb_kv_memory_end(struct qb_kv_memory *memory);

/* Adds to `out`, whose arrays are counted as they are, i64 scalars in bytes: logits_bytes, states_bytes, scratch_bytes,
 * held_bytes (weights of both nets, the file's once), reference_bytes (the reference's record), record_bytes,
 * accounted_before, accounted_peak, rss_before and peak_rss. kv is recorded by the experiment itself. */
enum qb_status qb_record_kv_memory(const struct qb_cell_env *env, const struct qb_net *fp32,
                                   const struct qb_kv_memory *memory, struct qb_record *out, struct qb_error *err);

#endif
