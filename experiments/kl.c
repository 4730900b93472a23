/* kl: what llama.cpp's perplexity tool measures under --kl-divergence, on the chunks and positions that it scores, by
 * its formulas and beside them exactly. Kept are final hidden states, and the logits of a few positions at a time; the
 * reference's logits of all on a shelf where several variants read them and there is room (run/shelf.h). */
#include <string.h>

#include "base/mem.h"
#include "calibration_overlap.h"
#include "chunk_text.h"
#include "common.h"
#include "metric/llama.h"
#include "metric/logits_base.h"
#include "positions.h"

#define BLOCK QB_LOGITS_BLOCK   /* positions of a product with the head; part of what makes two runs bitwise equal */
#define ROOM ((size_t)64 << 20) /* bytes of the logits that exist at once, unless one block takes more */
#define TOGETHER 2048           /* positions of chunks that are read in one step, unless one chunk has more */

enum { OPTION_SCORE };
enum { SCORE_HALF, SCORE_ALL };
static const struct qb_codec_option options[] = {
    {"score", QB_OPTION_CHOICE, "half", 0, 0, "half|all",
     "positions of a chunk: the second half, as llama.cpp, or all that a token follows"},
    {0}};

/* The text as it is read, and the scored positions of each chunk: [first, first + scored). */
struct text {
    struct qb_chunk_text read;
    size_t first, scored;
};

static enum qb_status open_text(const struct qb_cell_env *env, struct text *text, struct qb_error *err)
{
    const bool half = env->options[OPTION_SCORE].i == SCORE_HALF;
    *text = (struct text){0};
    if (env->inputs->base && !half)
        return qb_fail(err, QB_ERR_INPUT,
                       "score: all, and the base file has the second half of each chunk; expected half");
    if (qb_chunk_text_open(env, "kl", &text->read, err))
        return err->status;
    text->first = half ? qb_llama_first(text->read.context) : 0;
    text->scored = text->read.context - 1 - text->first;
    return QB_OK;
}

/* A net reading the text: chunks [first, first + count) in one step, for which it decodes each weight once; to the bit
 * what steps of one chunk give. */
struct reader {
    const struct text *text;
    struct qb_net *net;
    size_t most, first, count;
    float *hidden; /* [most, scored + 1, H], from each chunk's first scored position on */
};

static enum qb_status open_reader(const struct text *text, struct qb_net *net, struct reader *reader,
                                  struct qb_error *err)
{
    const size_t fit = TOGETHER / text->read.context, most = fit < text->read.chunks ? fit : text->read.chunks;
    *reader = (struct reader){.text = text, .net = net, .most = most > 1 ? most : 1};
    reader->hidden = qb_alloc(reader->most * (text->scored + 1) * qb_net_model(net)->arch.hidden,
                              sizeof *reader->hidden, "hidden states", err);
    return err->status;
}

/* The final hidden states of chunk c from its first scored position on, [scored + 1, H], until the next call; NULL on
 * failure. */
static const float *read_chunk(struct reader *reader, size_t c, struct qb_error *err)
{
    const struct qb_chunk_text *read = &reader->text->read;
    const size_t kept = reader->text->scored + 1;
    if (c < reader->first || c - reader->first >= reader->count) {
        const size_t left = read->chunks - c, count = left < reader->most ? left : reader->most;
        const struct qb_step step = {.tokens = read->tokens + c * read->context,
                                     .batch = count,
                                     .n = read->context,
                                     .kept = kept,
                                     .apart = true};
        reader->first = c;
        reader->count = 0;
        if (qb_net_step(reader->net, NULL, &step, reader->hidden, err)) {
            qb_wrap(err, count > 1 ? "chunks %zu to %zu" : "chunk %zu", c, c + count - 1);
            return NULL;
        }
        reader->count = count;
    }
    return reader->hidden + (c - reader->first) * kept * qb_net_model(reader->net)->arch.hidden;
}

struct keep {
    struct reader reader;
    float *to; /* [positions, H] */
    size_t width;
};

static enum qb_status keep_chunk(void *context, size_t first, size_t n, struct qb_error *err)
{
    struct keep *keep = context;
    const float *hidden = read_chunk(&keep->reader, first / n, err);
    if (hidden)
        memcpy(keep->to + first * keep->width, hidden, n * keep->width * sizeof *keep->to);
    return err->status;
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const size_t width = env->model->arch.hidden;
    struct text text = {0};
    struct qb_net *net = NULL;
    struct keep keep = {.width = width};
    if (open_text(env, &text, err))
        return err->status;
    const size_t dims[2] = {env->inputs->base ? 0 : text.read.chunks * text.scored, width};
    if (!(keep.to =
              qb_record_add(out, "hidden", QB_F32, 2, dims, "1", "final hidden states [position, hidden]", err)) ||
        env->inputs->base || qb_cell_fp32(env, &net, err) || open_reader(&text, net, &keep.reader, err))
        goto out;
    qb_parts_run(env->parts, out, dims[0], text.scored, keep_chunk, &keep, err);
out:
    qb_free(keep.reader.hidden);
    qb_net_free(net);
    qb_chunk_text_close(&text.read);
    return err->status;
}

/* ---- the comparison ---- */

/* Arrays by llama.cpp's formulas, all [positions]. */
struct llama_rows {
    double *kld;
    float *nll, *nll_base, *dp;
    uint8_t *same_top;
};

static enum qb_status add_llama(size_t n, struct llama_rows *r, struct qb_record *out, struct qb_error *err)
{
    r->kld = qb_record_add(out, "llama_kld", QB_F64, 1, &n, "nat", "KL of the 16-bit base to the variant", err);
    r->nll = qb_record_add(out, "llama_nll", QB_F32, 1, &n, "nat", "variant's -log p(target) in float32", err);
    r->nll_base = qb_record_add(out, "llama_nll_base", QB_F32, 1, &n, "nat", "the 16-bit base's -log p(target)", err);
    r->dp = qb_record_add(out, "llama_dp", QB_F32, 1, &n, "1", "p(target) of the variant less that of the base", err);
    r->same_top = qb_record_add(out, "llama_same_top", QB_U8, 1, &n, "1", "1: the first largest is the same", err);
    return r->kld && r->nll && r->nll_base && r->dp && r->same_top ? QB_OK : err->status;
}

/* What is found of positions from the reference's logits alone. */
struct known {
    struct qb_reference_row *rows;
    struct qb_llama_base *llama; /* NULL where the base is a file's */
};

struct work {
    const struct qb_cell_env *env;
    const struct text *text;
    struct qb_net *fp32;        /* or NULL where the base is a file's */
    const float *reference;     /* its hidden states [positions, H] */
    struct qb_logits_base base; /* or all 0 */
    struct reader reader;       /* the variant's */
    float *p, *q;               /* [group, vocab] each; p where the shelf has none */
    struct known known;         /* [group] likewise */
    uint16_t *words;            /* a row of the base file, qb_llama_words, for each worker */
    struct qb_positions rows;
    struct llama_rows llama;
    size_t group; /* positions whose logits exist at once, whole blocks */
    size_t first; /* of those at work */
};

/* Positions [work->first, work->first + n): the reference's logits and what is known from them. */
struct base_rows {
    struct work *work;
    float *p; /* [n, vocab] */
    struct known known;
};

/* As many as are within bounds, and every group of a chunk of about the same size. */
static size_t group_of(size_t scored, size_t vocab)
{
    const size_t room = ROOM / (2 * sizeof(float) * BLOCK * vocab), blocks = (scored + BLOCK - 1) / BLOCK;
    const size_t groups = room > 1 ? (blocks + room - 1) / room : blocks;
    return (blocks + groups - 1) / groups * BLOCK;
}

static void llama_base_task(void *context, size_t i, unsigned worker)
{
    const struct base_rows *b = context;
    const size_t vocab = b->work->env->model->arch.vocab;
    (void)worker;
    b->known.llama[i] = qb_llama_base_of(b->p + i * vocab, vocab);
}

/* Fills b, of positions from w->first on: by the reference's head, or of the base file. */
static enum qb_status make_base(struct base_rows *b, size_t n, struct qb_error *err)
{
    struct work *w = b->work;
    struct qb_pool *pool = w->env->pool;
    const size_t vocab = w->env->model->arch.vocab, width = w->env->model->arch.hidden;
    if (w->fp32)
        qb_net_logits_each(w->fp32, w->reference + w->first * width, n, BLOCK, b->p, err);
    for (size_t i = 0; !w->fp32 && i < n; i++) {
        qb_logits_base_row(&w->base, w->first + i, w->words);
        qb_llama_unpack(w->words, vocab, b->p + i * vocab);
    }
    if (!err->status && !qb_positions_reference(pool, b->p, vocab, w->first, n, b->known.rows, err) && b->known.llama)
        qb_pool_run(pool, n, llama_base_task, b);
    return err->status;
}

/* ---- the shelf: a piece a chunk, its logits [scored, vocab], then what is known from them ---- */

static struct base_rows on_shelf(struct work *w, void *piece)
{
    const size_t scored = w->text->scored;
    struct qb_reference_row *rows = piece;
    struct qb_llama_base *llama = (struct qb_llama_base *)(rows + scored);
    return (struct base_rows){w, (float *)(llama + scored), {rows, llama}};
}

static struct qb_shelf_shape shelf(const struct qb_cell_env *env)
{
    const struct qb_inputs *in = env->inputs;
    const size_t first = env->options[OPTION_SCORE].i == SCORE_HALF ? qb_llama_first(in->context) : 0;
    const size_t row =
        sizeof(struct qb_reference_row) + sizeof(struct qb_llama_base) + env->model->arch.vocab * sizeof(float);
    if (in->base || !in->text || in->context < 4)
        return (struct qb_shelf_shape){0};
    return (struct qb_shelf_shape){in->chunks, (in->context - 1 - first) * row};
}

static enum qb_status shelve_chunk(void *context, void *piece, struct qb_error *err)
{
    struct work *w = context;
    struct base_rows b = on_shelf(w, piece);
    return make_base(&b, w->text->scored, err);
}

/* ---- of a chunk ---- */

static void llama_task(void *context, size_t i, unsigned worker)
{
    const struct base_rows *b = context;
    struct work *w = b->work;
    const size_t vocab = w->env->model->arch.vocab, at = w->first + i;
    struct qb_llama_position p;
    if (b->known.llama) {
        p = qb_llama_compare_logits(b->p + i * vocab, &b->known.llama[i], w->q + i * vocab, vocab, w->rows.target[at]);
    } else {
        uint16_t *row = w->words + worker * qb_llama_words(vocab);
        qb_logits_base_row(&w->base, at, row);
        p = qb_llama_compare(row, w->q + i * vocab, vocab, w->rows.target[at]);
    }
    w->llama.kld[at] = p.kld;
    w->llama.nll[at] = p.nll;
    w->llama.nll_base[at] = p.nll_base;
    w->llama.dp[at] = p.dp;
    w->llama.same_top[at] = p.same_top;
}

/* Positions [w->first, w->first + n), of which b has the reference's side. */
static enum qb_status compare_rows(struct work *w, struct base_rows *b, const float *hidden, size_t n,
                                   struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab;
    if (qb_net_logits_each(w->env->prepared->net, hidden, n, BLOCK, w->q, err) ||
        qb_positions_block(w->env->pool, b->p, b->known.rows, w->q, vocab, w->first, n, &w->rows, err))
        return err->status;
    qb_pool_run(w->env->pool, n, llama_task, b);
    return QB_OK;
}

static enum qb_status compare_chunk(void *context, size_t first, size_t rows, struct qb_error *err)
{
    struct work *w = context;
    const size_t c = first / rows, vocab = w->env->model->arch.vocab, width = w->env->model->arch.hidden;
    const float *hidden = read_chunk(&w->reader, c, err);
    if (!hidden)
        return err->status;
    w->first = first;
    /* Only read from here on. */
    void *piece = (void *)(uintptr_t)qb_shelf_piece(w->env->shelf, c, shelve_chunk, w, err);
    for (size_t from = 0; from < rows && !err->status; from += w->group) {
        const size_t n = rows - from < w->group ? rows - from : w->group;
        struct base_rows b = {w, w->p, w->known};
        w->first = first + from;
        if (piece) {
            b = on_shelf(w, piece);
            b = (struct base_rows){w, b.p + from * vocab, {b.known.rows + from, b.known.llama + from}};
        } else if (make_base(&b, n, err)) {
            break;
        }
        compare_rows(w, &b, hidden + from * width, n, err);
    }
    return err->status ? qb_wrap(err, "chunk %zu", c) : QB_OK;
}

/* The base file as it was when the inputs were made. */
static enum qb_status open_base(const struct qb_inputs *in, struct qb_logits_base *base, struct qb_error *err)
{
    char sha256[QB_HASH_HEX];
    if (qb_logits_base_open(in->base, base, err))
        return err->status;
    qb_hash_buffer(base->map.data, base->map.size, sha256);
    return strcmp(sha256, in->base_sha256) == 0
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT, "%s: changed since the run began", in->base);
}

static enum qb_status compare(struct work *w, struct qb_record *out, struct qb_error *err)
{
    const struct qb_inputs *in = w->env->inputs;
    const size_t vocab = w->env->model->arch.vocab;
    if ((in->base ? open_base(in, &w->base, err) : qb_cell_fp32(w->env, &w->fp32, err)) ||
        open_reader(w->text, w->env->prepared->net, &w->reader, err))
        goto out;
    w->group = group_of(w->text->scored, vocab);
    w->p = qb_alloc(w->group * vocab, sizeof *w->p, "reference logits", err);
    w->q = qb_alloc(w->group * vocab, sizeof *w->q, "logits", err);
    w->known.rows = qb_alloc(w->group, sizeof *w->known.rows, "what the reference's logits tell", err);
    if (!in->base)
        w->known.llama = qb_alloc(w->group, sizeof *w->known.llama, "what the reference's logits tell", err);
    else
        w->words =
            qb_alloc(qb_pool_threads(w->env->pool) * qb_llama_words(vocab), sizeof *w->words, "rows of the base", err);
    if (!err->status)
        qb_parts_run(w->env->parts, out, w->rows.count, w->text->scored, compare_chunk, w, err);
out:
    qb_free(w->words);
    qb_free(w->known.llama);
    qb_free(w->known.rows);
    qb_free(w->q);
    qb_free(w->p);
    qb_free(w->reader.hidden);
    qb_net_free(w->fp32);
    qb_logits_base_close(&w->base);
    return err->status;
}

static enum qb_status record_facts(const struct qb_cell_env *env, const struct text *text, struct qb_record *out,
                                   struct qb_error *err)
{
    if (qb_record_i64(out, "vocabulary", (int64_t)env->model->arch.vocab, "tokens", "size of the vocabulary", err) ||
        qb_record_i64(out, "scored_from", (int64_t)text->first, "1", "first position of a chunk that is scored", err) ||
        qb_record_i64(out, "base_file", env->inputs->base != NULL, "1", "1: the reference is a logits base file's",
                      err) ||
        !env->variant->takes_contexts || qb_record_calibration(env, env->prepared->net, out, err))
        return err->status;
    return qb_record_overlap(env->inputs, text->read.tokens, text->read.chunks, text->read.context, out, err);
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_array *hidden = qb_record_get(env->reference, "hidden", QB_F32, 2);
    struct text text = {0};
    if (open_text(env, &text, err))
        return err->status;
    const size_t n = text.read.chunks * text.scored;
    struct work w = {.env = env, .text = &text, .reference = hidden ? hidden->data : NULL};
    if (!env->inputs->base && (!hidden || hidden->count != n * env->model->arch.hidden))
        qb_fail(err, QB_ERR_INTERNAL, "the reference's record does not fit this run");
    else if (!qb_positions_add(n, &w.rows, out, err) && !add_llama(n, &w.llama, out, err)) {
        for (size_t i = 0; i < n; i++) {
            const size_t c = i / text.scored, position = text.first + i % text.scored;
            w.rows.chunk[i] = (int32_t)c;
            w.rows.position[i] = (int32_t)position;
            w.rows.target[i] = text.read.tokens[c * text.read.context + position + 1];
        }
        if (!compare(&w, out, err))
            record_facts(env, &text, out, err);
    }
    qb_chunk_text_close(&text.read);
    return err->status;
}

static const char *skip(const struct qb_cell_env *env)
{
    return env->inputs->text_greedy ? "kl reads a text that is there, not what FP32 itself writes" : NULL;
}

const struct qb_experiment qb_experiment_kl = {
    .name = "kl",
    .summary = "llama.cpp's perplexity and KL statistics on a text, by its formulas and exactly",
    .reads = QB_READS_TEXT | QB_READS_AS_LLAMA,
    .net = true,
    .options = options,
    .skip = skip,
    .reference = reference,
    .shelf = shelf,
    .run = run,
};
