#include "run/base_write.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "codec/calls.h"

struct run {
    struct qb_net *net;
    const struct qb_logits_text *text;
    int32_t bos;
    int32_t *tokens; /* [context]: the chunk as it is read */
    float *hidden;   /* [scored + 1, H]: its final states from the first scored position on */
};

static enum qb_status run_chunk(struct run *r, size_t chunk, struct qb_error *err)
{
    const size_t context = r->text->context;
    const struct qb_step step = {.tokens = r->tokens, .batch = 1, .n = context, .kept = qb_llama_scored(context) + 1};
    memcpy(r->tokens, r->text->tokens + chunk * context, context * sizeof *r->tokens);
    if (r->bos >= 0)
        r->tokens[0] = r->bos;
    return qb_net_step(r->net, NULL, &step, r->hidden, err) ? qb_wrap(err, "chunk %zu", chunk) : QB_OK;
}

static enum qb_status logits_of(void *context, size_t chunk, size_t from, size_t n, float *logits, struct qb_error *err)
{
    struct run *r = context;
    const size_t width = qb_net_model(r->net)->arch.hidden;
    if ((from == 0 && run_chunk(r, chunk, err)) || qb_net_logits(r->net, r->hidden + from * width, n, logits, err))
        return err->status;
    const size_t all = n * r->text->vocab, bad = qb_first_nonfinite(logits, all);
    return bad == all
               ? QB_OK
               : qb_fail(err, QB_ERR_NUMERIC, "chunk %zu, scored position %zu: logit of token %zu is %s", chunk,
                         from + bad / r->text->vocab, bad % r->text->vocab, isnan(logits[bad]) ? "NaN" : "infinite");
}

enum qb_status qb_base_write(struct qb_net *net, const struct qb_logits_text *text, int32_t bos, const char *path,
                             struct qb_error *err)
{
    struct run r = {.net = net, .text = text, .bos = bos};
    r.tokens = qb_alloc(text->context, sizeof *r.tokens, "tokens of a chunk", err);
    r.hidden = qb_alloc((qb_llama_scored(text->context) + 1) * qb_net_model(net)->arch.hidden, sizeof *r.hidden,
                        "hidden states", err);
    if (!err->status)
        qb_logits_base_write(path, text, logits_of, &r, err);
    qb_free(r.hidden);
    qb_free(r.tokens);
    return err->status;
}
