/* memory within a budget: the largest context of one sequence and the largest batch at a context whose weights, cache
 * and working memory are within so many bytes; computed, then made, filled and stepped at its end. */
#include <malloc.h>
#include <string.h>

#include "base/mem.h"
#include "memory_parts.h"

#define MOST ((size_t)INT32_MAX) /* positions and sequences that are looked at */

enum { CONTEXT, BATCH, ROWS }; /* what is searched: a context at batch 1, a batch at a context */

struct budget {
    const struct qb_cell_env *env;
    struct qb_net *net;
    size_t bytes, weights;
    size_t block;         /* contexts are multiples of it */
    size_t batch_context; /* positions of each sequence of the batch; 0: not said */
};

struct found {
    size_t batch, context; /* the largest, 0 where not even the least fits */
    size_t cache, working; /* bytes of it */
    size_t next;           /* bytes with one more block or sequence; 0: there is none to look at */
    bool ran;
    size_t counted, rss, peak; /* of the run */
    struct qb_text note;       /* why it did not run */
};

/* ---- computed ---- */

static size_t plus(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* Bytes of cache and working memory, the token ids, hidden states and logits of the step among it. */
static enum qb_status count(const struct budget *b, size_t batch, size_t context, struct found *found,
                            struct qb_error *err)
{
    const struct qb_arch *arch = &b->env->model->arch;
    found->batch = batch;
    found->context = context;
    if (qb_net_kv_need(b->net, batch, context, 1, &found->cache, err) ||
        qb_net_working_need(b->net, batch, context - 1, &found->working, err))
        return err->status;
    found->working += batch * (sizeof(int32_t) + (arch->hidden + arch->vocab) * sizeof(float));
    return QB_OK;
}

static size_t total(const struct budget *b, const struct found *found)
{
    return plus(b->weights, plus(found->cache, found->working));
}

/* Candidate i > 0 of the row: i blocks of one sequence, or i sequences. */
static enum qb_status count_at(const struct budget *b, size_t row, size_t i, struct found *found, struct qb_error *err)
{
    return row == CONTEXT ? count(b, 1, i * b->block, found, err) : count(b, i, b->batch_context, found, err);
}

/* By doubling, then by halves: the last that fits stands before one that does not. */
static enum qb_status search(const struct budget *b, size_t row, struct found *found, struct qb_error *err)
{
    const size_t context = b->env->model->arch.context;
    const size_t most = (row == CONTEXT ? (context ? context : MOST) / b->block : MOST);
    size_t fits = 0, over = most + 1;
    for (size_t i = 1; fits + 1 < over; i = over > most && fits <= most / 2 ? 2 * fits : fits + (over - fits) / 2) {
        if (count_at(b, row, i, found, err))
            return err->status;
        *(total(b, found) <= b->bytes ? &fits : &over) = i;
    }
    if (over <= most && count_at(b, row, over, found, err))
        return err->status;
    found->next = over <= most ? total(b, found) : 0;
    if (fits)
        return count_at(b, row, fits, found, err);
    *found =
        (struct found){.next = found->next, .context = row == BATCH ? b->batch_context : 0, .batch = row == CONTEXT};
    return QB_OK;
}

/* ---- run ---- */

/* Is there room for it? Else the note says why not. */
static bool there_is_room(const struct budget *b, struct found *found)
{
    const size_t machine = qb_machine_room(), limit = qb_mem_room(), bytes = total(b, found);
    if (machine && bytes > machine)
        qb_text_add(&found->note, "not run: %zu bytes are over the %zu that the machine has left", bytes, machine);
    else if (found->cache > limit)
        qb_text_add(&found->note, "not run: a cache of %zu bytes is over the %zu that limits.memory leaves",
                    found->cache, limit);
    return !found->note.size;
}

/* A cache filled but for its last position, which goes through the net. */
static enum qb_status step_at_end(const struct budget *b, struct found *found, struct qb_error *err)
{
    const struct qb_arch *arch = &b->env->model->arch;
    const size_t batch = found->batch;
    struct qb_kv *kv = NULL;
    int32_t *tokens = qb_alloc(batch, sizeof *tokens, "tokens", err);
    float *hidden = tokens ? qb_alloc(batch * arch->hidden, sizeof *hidden, "hidden states", err) : NULL;
    float *logits = hidden ? qb_alloc(batch * arch->vocab, sizeof *logits, "logits", err) : NULL;
    const struct qb_step step = {.tokens = tokens, .batch = batch, .n = 1, .kept = 1};
    if (logits && !qb_net_kv(b->net, batch, found->context, 1, &kv, err) && !qb_kv_fill(kv, found->context - 1, err) &&
        !qb_net_step(b->net, kv, &step, hidden, err) && !qb_net_logits(b->net, hidden, batch, logits, err)) {
        found->ran = true;
        found->counted = b->weights + qb_kv_bytes(kv) + qb_net_working_bytes(b->net, kv) + qb_size_of(tokens) +
                         qb_size_of(hidden) + qb_size_of(logits);
        found->rss = qb_rss_exact_bytes();
    }
    qb_kv_free(kv);
    qb_free(logits);
    qb_free(hidden);
    qb_free(tokens);
    return err->status;
}

static enum qb_status run_found(const struct budget *b, struct found *found, struct qb_error *err)
{
    qb_net_drop_working(b->net);
    malloc_trim(0);
    if (!there_is_room(b, found))
        return QB_OK;
    (void)qb_peak_rss_reset(); /* where it cannot be, the peak is the process's, which is no less */
    if (step_at_end(b, found, err) == QB_ERR_MEMORY) {
        qb_text_add(&found->note, "not run: %s", err->message);
        *err = (struct qb_error){0};
    } else if (err->status) {
        return qb_wrap(err, "%zu sequences of %zu positions", found->batch, found->context);
    }
    found->peak = found->ran ? qb_peak_rss_bytes() : 0;
    qb_net_drop_working(b->net);
    return QB_OK;
}

/* ---- recorded ---- */

static enum qb_status record(const struct budget *b, const struct found found[ROWS], struct qb_record *out,
                             struct qb_error *err)
{
    static const struct {
        const char *name, *unit, *description;
        size_t offset;
    } list[] = {
#define OF(field, unit, says) {"budget_" #field, unit, says, offsetof(struct found, field)}
        OF(batch, "sequences", "row 0: 1; row 1: the largest batch, 0 where none fits"),
        OF(context, "positions", "row 0: the largest context, 0 where none fits; row 1: of each sequence of the batch"),
        OF(cache, "bytes", "keys and values of it, as kept"),
        OF(working, "bytes", "working memory of the step at its end, computed"),
        OF(next, "bytes", "weights, cache and working memory with one block, or sequence, more; 0: none is looked at"),
        OF(counted, "bytes", "weights, cache and working memory counted in the buffers of the run; 0: not run"),
        OF(rss, "bytes", "resident set at the end of the run, page by page; 0: not run"),
        OF(peak, "bytes", "largest resident set of the run; 0: not run"),
#undef OF
    };
    const size_t rows = ROWS;
    const char *notes[ROWS];
    const struct qb_arch *arch = &b->env->model->arch;
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++) {
        int64_t *x = qb_record_add(out, list[i].name, QB_I64, 1, &rows, list[i].unit, list[i].description, err);
        for (size_t r = 0; x && r < ROWS; r++) {
            size_t value;
            memcpy(&value, (const char *)&found[r] + list[i].offset, sizeof value);
            x[r] = value > INT64_MAX ? INT64_MAX : (int64_t)value;
        }
    }
    int64_t *made = qb_record_add(out, "budget_filled", QB_I64, 1, &rows, "positions",
                                  "of the run that no model made: normal numbers, kept in the cache's formats", err);
    for (size_t r = 0; r < ROWS; r++) {
        if (made)
            made[r] = found[r].ran ? (int64_t)found[r].context - 1 : 0;
        notes[r] = found[r].note.data ? found[r].note.data : "";
    }
    if (err->status || qb_record_text(out, "budget_note", notes, ROWS, "why a row was not run; empty: it was", err) ||
        qb_record_i64(out, "budget_bytes", (int64_t)b->bytes, "bytes", "the budget", err) ||
        qb_record_i64(out, "budget_weight_bytes", (int64_t)b->weights, "bytes",
                      "what must be in memory for the weights", err) ||
        qb_record_i64(out, "budget_block", (int64_t)b->block, "positions", "the context is a multiple of it", err))
        return err->status;
    return qb_record_i64(out, "budget_model_context", (int64_t)arch->context, "positions",
                         "that the model has at most; 0: no bound", err) ||
                   qb_record_i64(out, "budget_trained_context", (int64_t)arch->trained_context, "positions",
                                 "that the model was trained for; 0: not said", err)
               ? err->status
               : QB_OK;
}

enum qb_status qb_memory_budget(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_arch *arch = &env->model->arch;
    const struct qb_kv_options *kv = qb_net_kv_options(env->prepared->net);
    const char *reason = qb_arch_no_kv(&env->model->arch);
    struct budget b = {.env = env,
                       .net = env->prepared->net,
                       .bytes = (size_t)env->options[QB_MEMORY_BUDGET].i,
                       .block = kv ? kv->block : 1,
                       .batch_context = (size_t)env->options[QB_MEMORY_BATCH_CONTEXT].i};
    struct found found[ROWS] = {{0}};
    if (reason)
        return qb_record_text(out, "budget_none", &reason, 1, "why there is no context or batch to look for", err);
    if (!b.batch_context)
        b.batch_context = qb_arch_trained(arch);
    if (arch->context && b.block > arch->context) /* then no block is ever full */
        b.block = arch->context;
    if (arch->context && b.batch_context > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "batch_context of %zu: model %s has %zu positions", b.batch_context,
                       env->model->name, arch->context);
    if (qb_memory_held(b.net, &b.weights, err))
        return err->status;
    for (size_t row = 0; row < ROWS && !err->status; row++) {
        if (row == BATCH && !b.batch_context)
            qb_text_add(&found[row].note, "not run: the model does not say how many positions it was trained for, and "
                                          "the suite gives no batch_context");
        else if (search(&b, row, &found[row], err))
            break;
        else if (!found[row].batch || !found[row].context)
            qb_text_add(&found[row].note, "not run: nothing fits");
        else
            run_found(&b, &found[row], err);
    }
    if (!err->status)
        record(&b, found, out, err);
    for (size_t row = 0; row < ROWS; row++)
        qb_text_free(&found[row].note);
    return err->status;
}
