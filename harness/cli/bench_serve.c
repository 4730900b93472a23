#include "bench_serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "bench_arm.h"
#include "model/decoder.h"
#include "model/work.h"

enum {
    BLOCK = 512, /* rows that go through the net at once, of all sequences together */
    WARM = 16    /* tokens of the untimed pass before a timed prefill */
};

struct server {
    const struct qb_arm_offer *offer;
    FILE *in;
    struct qb_decoder *decoder;
    size_t sequences, positions, length; /* length: positions that each sequence has */
    int32_t *tokens;                     /* [sequences, as many as go through at once] */
    float *hidden, *logits;              /* [sequences, H], [sequences, vocab] */
    enum qb_pass pass;
    size_t count; /* tokens of the pass that was prepared; 0: none was */
};

static void say(int socket, const struct qb_text *line)
{
    if (line->failed || write(socket, line->data, line->size) != (ssize_t)line->size)
        _exit(1);
}

void qb_serve_error(const struct qb_error *error, int socket)
{
    struct qb_text line = {0};
    qb_text_add(&line, "{\"error\": ");
    qb_json_string(&line, error->message);
    qb_text_add(&line, "}\n");
    say(socket, &line);
    qb_text_free(&line);
}

static size_t stored_bytes(struct qb_net *net, double *params, struct qb_error *err)
{
    const size_t n = qb_net_buffers(net, NULL, 0);
    struct qb_net_buffer *rows = qb_alloc(n, sizeof *rows, "buffer table", err);
    size_t bytes = 0;
    if (rows)
        qb_net_buffers(net, rows, n);
    for (size_t i = 0; rows && i < n; i++) {
        bytes += rows[i].cache_bytes ? rows[i].cache_bytes : rows[i].held_bytes;
        *params += (double)rows[i].values;
    }
    qb_free(rows);
    return bytes;
}

/* False: they cannot be told; the error was said. */
static bool say_facts(const struct qb_arm_offer *o, int socket)
{
    struct qb_error err = {0};
    struct qb_work work;
    struct qb_text line = {0};
    double params = 0;
    const size_t size = stored_bytes(o->net, &params, &err);
    const struct qb_kv_options *kv = qb_net_kv_options(o->net);
    const char *types[2] = {"f32", "f32"};
    for (int side = 0; kv && side < 2; side++)
        if (kv->format[side])
            types[side] = kv->format[side]->plugin->codec->id;
    if (err.status || qb_net_work(o->net, &work, &err)) {
        qb_serve_error(&err, socket);
        return false;
    }
    qb_text_add(
        &line,
        "{\"program\": \"qinsbench\", \"build\": \"%s; %s\", \"arithmetic\": \"%s\", \"type_k\": \"%s\", "
        "\"type_v\": \"%s\", \"model_size\": %zu, \"model_n_params\": %.0f, \"n_threads\": %u, \"n_batch\": %d, "
        "\"n_ubatch\": %d, \"step_bytes\": %.0f, \"rss_before_bytes\": %zu}\n",
        QB_VERSION, qb_isa_name(qb_cpu()->isa), o->arithmetic, types[0], types[1], size, params, o->threads, BLOCK,
        BLOCK, work.step_bytes, o->rss_before);
    say(socket, &line);
    qb_text_free(&line);
    return true;
}

/* ---- passes ---- */

static size_t block_of(const struct server *s)
{
    return s->sequences < BLOCK ? BLOCK / s->sequences : 1;
}

/* Tokens that follow no text: what they are takes no time. As scripts/peers/llama_cpp_bench.py has them. */
static enum qb_status feed(struct server *s, size_t count, struct qb_error *err)
{
    const size_t vocab = qb_net_model(s->offer->net)->arch.vocab;
    while (count > 0 && !err->status) {
        const size_t n = count < block_of(s) ? count : block_of(s);
        for (size_t i = 0; i < s->sequences * n; i++)
            s->tokens[i] = (int32_t)(((s->length + i % n) * 7919 + i / n * 104729 + 13) % vocab);
        if (!qb_decoder_feed(s->decoder, s->tokens, n, s->hidden, err))
            s->length += n;
        count -= n;
    }
    return err->status;
}

static enum qb_status logits(struct server *s, struct qb_error *err)
{
    return qb_net_logits(s->offer->net, s->hidden, s->sequences, s->logits, err);
}

/* Exactly `length` positions: what is behind them is forgotten, and with a block that is encoded already all of it,
 * which is then filled again. */
static enum qb_status fill_to(struct server *s, size_t length, struct qb_error *err)
{
    if (s->length > length) {
        size_t left = length;
        if (qb_decoder_rewind(s->decoder, &left, err))
            return err->status;
        s->length = left;
    }
    return feed(s, length - s->length, err);
}

/* A prefill's logits are those of its last token; a decode step has its own. */
static enum qb_status pass(struct server *s, enum qb_pass kind, size_t count, struct qb_error *err)
{
    if (kind == QB_PASS_PREFILL)
        return feed(s, count, err) || logits(s, err) ? err->status : QB_OK;
    for (size_t i = 0; i < count && !err->status; i++)
        (void)(feed(s, 1, err) || logits(s, err));
    return err->status;
}

/* ---- questions ---- */

static void close_cache(struct server *s)
{
    qb_decoder_free(s->decoder);
    qb_free(s->tokens);
    qb_free(s->hidden);
    qb_free(s->logits);
    *s = (struct server){.offer = s->offer, .in = s->in};
}

static enum qb_status open_cache(struct server *s, size_t sequences, size_t positions, struct qb_error *err)
{
    const struct qb_arch *arch = &qb_net_model(s->offer->net)->arch;
    close_cache(s);
    s->sequences = sequences;
    s->positions = positions;
    s->tokens = qb_alloc(sequences * block_of(s), sizeof *s->tokens, "tokens", err);
    s->hidden = s->tokens ? qb_alloc(sequences * arch->hidden, sizeof *s->hidden, "hidden states", err) : NULL;
    s->logits = s->hidden ? qb_alloc(sequences * arch->vocab, sizeof *s->logits, "logits", err) : NULL;
    return s->logits ? qb_decoder_create(s->offer->net, sequences, positions, &s->decoder, err) : err->status;
}

static enum qb_status answer_open(struct server *s, const char *line, struct qb_text *answer, struct qb_error *err)
{
    size_t sequences, positions;
    if (sscanf(line, "open %zu %zu", &sequences, &positions) != 2)
        return qb_fail(err, QB_ERR_INTERNAL, "an arm was asked '%s'", line);
    if (!open_cache(s, sequences, positions, err))
        qb_text_add(answer, "{\"position_bytes\": %.17g}\n", qb_decoder_position_bytes(s->decoder));
    return err->status;
}

static enum qb_status answer_prepare(struct server *s, const char *line, struct qb_text *answer, struct qb_error *err)
{
    size_t tokens, depth;
    char kind[16];
    if (!s->decoder || sscanf(line, "prepare %15s %zu %zu", kind, &tokens, &depth) != 3 || tokens == 0 ||
        depth + tokens > s->positions)
        return qb_fail(err, QB_ERR_INTERNAL, "an arm was asked '%s'", line);
    s->pass = strcmp(kind, qb_pass_name(QB_PASS_PREFILL)) == 0 ? QB_PASS_PREFILL : QB_PASS_DECODE;
    const size_t warm = s->pass == QB_PASS_DECODE ? 1 : tokens < WARM ? tokens : WARM;
    if (!fill_to(s, depth, err) && !pass(s, s->pass, warm, err) && !fill_to(s, depth, err)) {
        s->count = tokens;
        qb_text_add(answer, "{}\n");
    }
    return err->status;
}

static enum qb_status answer_time(struct server *s, struct qb_text *answer, struct qb_error *err)
{
    if (s->count == 0)
        return qb_fail(err, QB_ERR_INTERNAL, "an arm was asked for the time of no pass");
    const double start = qb_clock();
    pass(s, s->pass, s->count, err);
    const double seconds = qb_clock() - start;
    s->count = 0;
    const size_t peak = qb_peak_rss_bytes();
    qb_text_add(answer, "{\"seconds\": %.17g", seconds);
    if (peak) /* else the system does not tell */
        qb_text_add(answer, ", \"peak_rss_bytes\": %zu", peak);
    qb_text_add(answer, "}\n");
    return err->status;
}

void qb_serve_net(const struct qb_arm_offer *offer, int socket)
{
    struct server s = {.offer = offer, .in = fdopen(socket, "r")};
    char line[128];
    if (!s.in || !say_facts(offer, socket))
        return;
    while (fgets(line, sizeof line, s.in)) {
        struct qb_error err = {0};
        struct qb_text answer = {0};
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "open ", 5) == 0)
            answer_open(&s, line, &answer, &err);
        else if (strcmp(line, "time") == 0)
            answer_time(&s, &answer, &err);
        else
            answer_prepare(&s, line, &answer, &err);
        if (err.status)
            qb_serve_error(&err, socket);
        else
            say(socket, &answer);
        qb_text_free(&answer);
    }
    close_cache(&s);
}
