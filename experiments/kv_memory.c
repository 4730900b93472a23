#include "kv_memory.h"

#include <string.h>

#include "base/mem.h"
#include "memory_parts.h"

void qb_kv_memory_begin(struct qb_kv_memory *memory)
{
    qb_mem_restart_peak();
    *memory = (struct qb_kv_memory){.accounted_before = qb_mem_stats().live_bytes, .rss_before = qb_rss_bytes()};
}

void qb_kv_memory_end(struct qb_kv_memory *memory)
{
    memory->accounted_peak = qb_mem_stats().peak_bytes;
    memory->peak_rss = qb_peak_rss_bytes();
}

/* What the net's weights take; of_file: with those that it reads as the model's file has them. */
static enum qb_status add_held(const struct qb_net *net, bool of_file, size_t *bytes, struct qb_error *err)
{
    size_t n;
    struct qb_net_buffer *rows = qb_memory_buffers(net, &n, err);
    for (size_t i = 0; rows && i < n; i++)
        *bytes += of_file || strcmp(rows[i].store, "fp32") != 0 ? rows[i].held_bytes : rows[i].cache_bytes;
    qb_free(rows);
    return err->status;
}

static size_t arrays_of(const struct qb_record *record)
{
    size_t bytes = 0;
    for (size_t i = 0; record && i < record->count; i++)
        bytes += qb_size_of(record->arrays[i].data);
    return bytes;
}

enum qb_status qb_record_kv_memory(const struct qb_cell_env *env, const struct qb_net *fp32,
                                   const struct qb_kv_memory *memory, struct qb_record *out, struct qb_error *err)
{
    size_t held = 0;
    if (add_held(fp32, true, &held, err) || add_held(env->prepared->net, false, &held, err))
        return err->status;
    struct {
        const char *name, *description;
        size_t value;
    } list[] = {
        {"logits_bytes", "logits that exist at once, of both arms", memory->logits},
        {"states_bytes", "final hidden states of a step", memory->states},
        {"scratch_bytes", "working memory of both nets and of keys and values", memory->scratch},
        {"held_bytes", "weights of both nets, what the model's file has counted once", held},
        {"reference_bytes", "the reference's final hidden states", arrays_of(env->reference)},
        {"record_bytes", "arrays of the positions", arrays_of(out)},
        {"accounted_before", "accounted bytes before the first chunk", memory->accounted_before},
        {"accounted_peak", "accounted bytes at most, while the chunks went through", memory->accounted_peak},
        {"rss_before", "resident set before the first chunk", memory->rss_before},
        {"peak_rss", "largest resident set of the cell's process until the last chunk was through", memory->peak_rss}};
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++)
        qb_record_i64(out, list[i].name, (int64_t)list[i].value, "bytes", list[i].description, err);
    return err->status;
}
