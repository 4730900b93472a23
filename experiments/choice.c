/* choice: multiple choice by log-likelihood. Each choice is read behind its prompt, and the log-probabilities of its
 * tokens are summed: what lm-evaluation-harness calls loglikelihood. Which choice is taken is left to the metrics. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "calibration_overlap.h"
#include "common.h"

enum {
    BLOCK = 64, /* positions whose logits exist at once; part of what makes two runs bitwise equal */
    PIECE = 32  /* choices that are one piece of a cell */
};

struct work {
    const struct qb_cell_env *env;
    struct qb_net *net;
    double *sums;  /* [choices] */
    float *hidden; /* [most scored, H] */
    float *logits; /* [BLOCK, vocab] */
};

/* The sum over the scored tokens of the choice, whose hidden states are there. */
static enum qb_status sum_choice(struct work *w, const struct qb_task_choice *c, double *sum, struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab, width = w->env->model->arch.hidden, all = (size_t)c->scored;
    const int32_t *target = w->env->inputs->tasks->tokens + c->first + c->length - c->scored;
    *sum = 0;
    for (size_t from = 0; from < all; from += BLOCK) {
        const size_t n = all - from < BLOCK ? all - from : BLOCK;
        if (qb_net_logits(w->net, w->hidden + from * width, n, w->logits, err))
            return err->status;
        for (size_t i = 0; i < n; i++) {
            const float *row = w->logits + i * vocab;
            *sum += (double)row[target[from + i]] - qb_logsumexp(row, vocab);
        }
    }
    return isfinite(*sum) ? QB_OK : qb_fail(err, QB_ERR_NUMERIC, "the log-likelihood is not finite");
}

/* Do two choices read the same tokens, so that they share the hidden states? (A letter each, say.) */
static bool read_alike(const struct qb_tasks *tasks, const struct qb_task_choice *a, const struct qb_task_choice *b)
{
    return a->length == b->length && a->scored == b->scored &&
           memcmp(tasks->tokens + a->first, tasks->tokens + b->first,
                  (size_t)(a->length - 1) * sizeof *tasks->tokens) == 0;
}

static enum qb_status sum_piece(void *context, size_t first, size_t count, struct qb_error *err)
{
    struct work *w = context;
    const struct qb_tasks *tasks = w->env->inputs->tasks;
    for (size_t i = first; i < first + count; i++) {
        const struct qb_task_choice *c = &tasks->choices[i];
        const struct qb_step step = {
            .tokens = tasks->tokens + c->first, .batch = 1, .n = (size_t)c->length - 1, .kept = (size_t)c->scored};
        if ((i == first || !read_alike(tasks, c, c - 1)) && qb_net_step(w->net, NULL, &step, w->hidden, err))
            break;
        if (sum_choice(w, c, &w->sums[i], err))
            break;
    }
    return err->status;
}

/* The log-likelihood of every choice by `net`: sums[choices], an array of `out`. */
static enum qb_status score(const struct qb_cell_env *env, struct qb_net *net, double *sums, struct qb_record *out,
                            struct qb_error *err)
{
    const struct qb_tasks *tasks = env->inputs->tasks;
    size_t most = 0;
    for (size_t i = 0; i < tasks->choice_count; i++)
        most = (size_t)tasks->choices[i].scored > most ? (size_t)tasks->choices[i].scored : most;
    struct work w = {.env = env, .net = net, .sums = sums};
    w.hidden = qb_alloc(most * env->model->arch.hidden, sizeof *w.hidden, "hidden states", err);
    w.logits = w.hidden ? qb_alloc(BLOCK * env->model->arch.vocab, sizeof *w.logits, "logits", err) : NULL;
    if (w.logits)
        qb_parts_run(env->parts, out, tasks->choice_count, PIECE, sum_piece, &w, err);
    qb_free(w.logits);
    qb_free(w.hidden);
    return err->status;
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct qb_net *net = NULL;
    double *sums = qb_record_add(out, "sum", QB_F64, 1, &env->inputs->tasks->choice_count, "nat",
                                 "log-likelihood of a choice", err);
    if (sums && !qb_cell_fp32(env, &net, err))
        score(env, net, sums, out, err);
    qb_net_free(net);
    return err->status;
}

/* ---- what a record says of the items ---- */

static int32_t *integers(struct qb_record *out, const char *name, size_t n, const char *unit, const char *what,
                         struct qb_error *err)
{
    return err->status ? NULL : qb_record_add(out, name, QB_I32, 1, &n, unit, what, err);
}

static enum qb_status record_choices(const struct qb_tasks *t, struct qb_record *out, struct qb_error *err)
{
    const size_t n = t->choice_count;
    int32_t *item = integers(out, "choice_item", n, "1", "item that the choice is of", err);
    int32_t *tokens = integers(out, "choice_tokens", n, "tokens", "tokens whose log-probabilities are summed", err);
    int32_t *bytes = integers(out, "choice_bytes", n, "bytes", "of the choice's text", err);
    int32_t *characters = integers(out, "choice_characters", n, "1", "characters of the choice's text", err);
    int32_t *seen = integers(out, "choice_occurrences", n, "1", "how often its text stands in the prompt", err);
    for (size_t i = 0; i < n && !err->status; i++) {
        item[i] = t->choices[i].item;
        tokens[i] = t->choices[i].scored;
        bytes[i] = t->choices[i].bytes;
        characters[i] = t->choices[i].characters;
        seen[i] = t->choices[i].occurrences;
    }
    return err->status;
}

static enum qb_status record_items(const struct qb_tasks *t, struct qb_record *out, struct qb_error *err)
{
    const size_t n = t->item_count;
    int32_t *task = integers(out, "item_task", n, "1", "task that the item is of", err);
    int32_t *subject = integers(out, "item_subject", n, "1", "subject that the item is of", err);
    int32_t *line = integers(out, "item_line", n, "1", "line of its file, from 1", err);
    int32_t *answer = integers(out, "item_answer", n, "1", "which of its choices is right, from 0", err);
    for (size_t i = 0; i < n && !err->status; i++) {
        task[i] = t->items[i].task;
        subject[i] = t->items[i].subject;
        line[i] = t->items[i].line;
        answer[i] = t->items[i].answer;
    }
    return err->status;
}

static enum qb_status record_counts(const struct qb_tasks *t, struct qb_record *out, struct qb_error *err)
{
    static const char *const names[QB_TASK_COUNTS] = {"task_left_out", "task_truncated", "task_merged", "task_twice"},
                             *const what[QB_TASK_COUNTS] = {
                                 "items that do not fit the model, not scored",
                                 "items whose prompt was cut from the left",
                                 "items whose prompt has other tokens before a choice than alone",
                                 "items whose right choice stands among the wrong ones, too"};
    for (size_t k = 0; k < QB_TASK_COUNTS; k++) {
        int64_t *counts = qb_record_add(out, names[k], QB_I64, 1, &t->task_count, "items", what[k], err);
        for (size_t i = 0; counts && i < t->task_count; i++)
            counts[i] = t->tasks[i].counts[k];
    }
    return err->status;
}

static enum qb_status record_names(const struct qb_tasks *t, struct qb_record *out, struct qb_error *err)
{
    const char **texts = qb_alloc(4 * t->task_count, sizeof *texts, "names of tasks", err);
    for (size_t i = 0; texts && i < t->task_count; i++) {
        texts[i] = t->tasks[i].name;
        texts[t->task_count + i] = t->tasks[i].sha256;
        texts[2 * t->task_count + i] = t->tasks[i].form;
        texts[3 * t->task_count + i] = t->tasks[i].form_sha256;
    }
    if (texts && !qb_record_text(out, "task_name", texts, t->task_count, "name of a task", err) &&
        !qb_record_text(out, "task_sha256", texts + t->task_count, t->task_count, "of its files' bytes", err) &&
        !qb_record_text(out, "task_template", texts + 2 * t->task_count, t->task_count,
                        "how a question becomes a prompt", err) &&
        !qb_record_text(out, "task_template_sha256", texts + 3 * t->task_count, t->task_count, "of task_template", err))
        qb_record_text(out, "subject_name", (const char *const *)t->subjects, t->subject_count, "name of a subject",
                       err);
    qb_free(texts);
    return err->status;
}

/* Of the variant's contexts those that stand in a prompt with its choice. */
static enum qb_status record_overlap(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_tasks *t = env->inputs->tasks;
    struct qb_token_piece *pieces =
        env->variant->takes_contexts ? qb_alloc(t->choice_count, sizeof *pieces, "prompts", err) : NULL;
    for (size_t i = 0; pieces && i < t->choice_count; i++)
        pieces[i] = (struct qb_token_piece){(size_t)t->choices[i].first, (size_t)t->choices[i].length};
    if (pieces)
        qb_record_pieces_overlap(env->inputs, t->tokens, pieces, t->choice_count, out, err);
    qb_free(pieces);
    return err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_tasks *tasks = env->inputs->tasks;
    const size_t n = tasks->choice_count;
    const struct qb_array *due = qb_record_get(env->reference, "sum", QB_F64, 1);
    double *theirs, *ours;
    if (!due || due->count != n)
        return qb_fail(err, QB_ERR_INTERNAL, "the reference's record does not fit this run");
    if (!(ours = qb_record_add(out, "sum", QB_F64, 1, &n, "nat", "log-likelihood of a choice", err)) ||
        !(theirs = qb_record_add(out, "reference_sum", QB_F64, 1, &n, "nat", "the reference's", err)))
        return err->status;
    memcpy(theirs, due->data, n * sizeof *theirs);
    if (!score(env, env->prepared->net, ours, out, err) && !record_choices(tasks, out, err) &&
        !record_items(tasks, out, err) && !record_counts(tasks, out, err) && !record_names(tasks, out, err))
        record_overlap(env, out, err);
    return err->status;
}

static const char *skip(const struct qb_cell_env *env)
{
    return env->model->arch.causal || !env->model->arch.attention
               ? NULL
               : "the model sees what follows: it predicts no continuation";
}

const struct qb_experiment qb_experiment_choice = {
    .name = "choice",
    .summary = "multiple choice by log-likelihood: accuracy, and which answers change against FP32",
    .reads = QB_READS_TASKS,
    .net = true,
    .skip = skip,
    .reference = reference,
    .run = run,
};
