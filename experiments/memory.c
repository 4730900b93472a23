/* memory: bytes counted from the buffers that exist, beside the process's resident set and the source's formula; along
 * a generation (memory_generation.c), and what fits into a budget (memory_budget.c). */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "memory_parts.h"
#include "model/decoder.h"

static const struct qb_codec_option options[] = {
    {"steps", QB_OPTION_INT, "0", 0, 1048576, NULL, "tokens to generate, with bytes recorded on the way; 0: none"},
    {"every", QB_OPTION_INT, "64", 1, 1048576, NULL, "of these tokens each so many-th is a sample"},
    {"budget", QB_OPTION_SIZE, "none", 1, 1125899906842624, NULL,
     "of weights, KV cache and working memory: which context and which batch fit into it"},
    {"batch_context", QB_OPTION_INT, "0", 0, 1073741824, NULL,
     "positions of each sequence of that batch; 0: as many as the model was trained for"},
    {0}};

static enum qb_status add_buffers(const struct qb_net_buffer *rows, size_t n, struct qb_record *out,
                                  struct qb_error *err)
{
    const char **tensor = qb_alloc(n, sizeof *tensor, "buffer names", err);
    const char **store = tensor ? qb_alloc(n, sizeof *store, "buffer names", err) : NULL;
    struct qb_text *role = store ? qb_alloc(n, sizeof *role, "buffer roles", err) : NULL;
    const char **role_text = role ? qb_alloc(n, sizeof *role_text, "buffer roles", err) : NULL;
    for (size_t i = 0; i < n && !err->status; i++) {
        tensor[i] = rows[i].tensor;
        store[i] = rows[i].store;
        qb_role_print(rows[i].roles, &role[i]);
        role_text[i] = role[i].data ? role[i].data : "";
    }
    int32_t *bits = NULL;
    if (!err->status && !qb_record_text(out, "tensor", tensor, n, "stored buffers", err) &&
        !qb_record_text(out, "store", store, n, "codec that stores each, or fp32", err) &&
        !qb_record_text(out, "role", role_text, n, "roles of each", err))
        bits = qb_record_add(out, "role_bits", QB_I32, 1, &n, "1", "the same as bits", err);
    for (size_t i = 0; bits && i < n; i++)
        bits[i] = (int32_t)rows[i].roles;
    for (size_t i = 0; role && i < n; i++)
        qb_text_free(&role[i]);
    qb_free(role_text);
    qb_free(role);
    qb_free(store);
    qb_free(tensor);
    return err->status;
}

/* Arrays of counts and the sums that metrics start from. */
static enum qb_status add_counts(const struct qb_net_buffer *rows, size_t n, struct qb_record *out,
                                 struct qb_error *err)
{
    int64_t *values = qb_record_add(out, "values", QB_I64, 1, &n, "values", "logical weights of each", err);
    int64_t *bytes = values ? qb_record_add(out, "bytes", QB_I64, 1, &n, "bytes", "stored bytes of each", err) : NULL;
    int64_t *cache =
        bytes ? qb_record_add(out, "cache_bytes", QB_I64, 1, &n, "bytes", "decoded copies kept", err) : NULL;
    int64_t *held = cache ? qb_record_add(out, "held_bytes", QB_I64, 1, &n, "bytes",
                                          "what must be in memory: own bytes and copies, or what the file has", err)
                          : NULL;
    if (!held)
        return err->status;
    int64_t encoded = 0, total = 0, norms = 0;
    for (size_t i = 0; i < n; i++) {
        values[i] = (int64_t)rows[i].values;
        bytes[i] = (int64_t)rows[i].bytes;
        cache[i] = (int64_t)rows[i].cache_bytes;
        held[i] = (int64_t)rows[i].held_bytes;
        total += values[i];
        norms += rows[i].roles & QB_ROLE_NORM ? values[i] : 0;
        if (strcmp(rows[i].store, "fp32") != 0)
            encoded += values[i];
    }
    int64_t counted = total - norms, plain = counted - encoded; /* the source counts matrices and biases */
    /* published_...: source-protocols 4; the formula's second term is negative whenever more is encoded than not, and
     * the metric says so */
    if (qb_record_i64(out, "weight_values", total, "values", "all weights, each counted once", err) ||
        qb_record_i64(out, "encoded_values", encoded, "values", "of these, stored by a codec", err) ||
        qb_record_i64(out, "fp32_bytes", total * 4, "bytes", "all weights at 4 bytes", err) ||
        qb_record_i64(out, "published_fp32_bytes", counted * 4, "bytes", "as the source counts: without norms", err))
        return err->status;
    return qb_record_i64(out, "published_bytes", encoded * 2 + (plain - encoded) * 4, "bytes",
                         "the source's formula enc*2 + (fp - enc)*4", err);
}

static enum qb_status add_process(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_prepared *p = env->prepared;
    struct qb_decoder *decoder = NULL;
    if (qb_decoder_create(p->net, 1, 16, &decoder, err))
        return err->status;
    const double kv = qb_decoder_position_bytes(decoder);
    qb_decoder_free(decoder);
    struct {
        const char *name, *description;
        size_t value;
    } list[] = {{"rss_before", "resident set before the net was built", p->rss_before},
                {"rss_after", "resident set after one forward pass", p->rss_after},
                {"peak_rss", "largest resident set of the process that built the net", p->peak_rss},
                {"accounted_before", "accounted bytes before the net was built", p->accounted_before},
                {"accounted_after", "accounted bytes after one forward pass", p->accounted_after}};
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++)
        qb_record_i64(out, list[i].name, (int64_t)list[i].value, "bytes", list[i].description, err);
    if (err->status || qb_record_f64(out, "kv_bytes_per_token", kv, "bytes",
                                     "keys and values of one token once they are encoded, side data included", err))
        return err->status;
    return env->variant && env->variant->act.plugin
               ? qb_record_f64(out, "act_bytes_per_token", (double)qb_net_act_bytes(p->net), "bytes",
                               "of one token from a layer to the next, side data included", err)
               : QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    size_t n;
    *err = env->prepared->pass;
    struct qb_net_buffer *rows = err->status ? NULL : qb_memory_buffers(env->prepared->net, &n, err);
    if (rows && !add_buffers(rows, n, out, err) && !add_counts(rows, n, out, err))
        add_process(env, out, err);
    qb_free(rows);
    if (!err->status && env->options[QB_MEMORY_STEPS].i)
        qb_memory_generation(env, out, err);
    if (!err->status && env->options[QB_MEMORY_BUDGET].i)
        qb_memory_budget(env, out, err);
    return err->status;
}

const struct qb_experiment qb_experiment_memory = {
    .name = "memory",
    .summary = "bytes by role from the buffers that exist, resident set, and the source's formula; growth along a "
               "generation; what fits into a budget",
    .net = true,
    .options = options,
    .run = run,
};
