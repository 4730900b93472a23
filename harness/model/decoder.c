#include "model/decoder.h"

#include "base/mem.h"
#include "model/bag.h"

struct qb_decoder {
    struct qb_net *net;
    size_t batch, capacity;
    struct qb_kv *kv;   /* this one, */
    struct qb_bag *bag; /* or this one */
};

enum qb_status qb_decoder_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_decoder **decoder,
                                 struct qb_error *err)
{
    const struct qb_model *model = qb_net_model(net);
    const struct qb_arch *arch = &model->arch;
    if (batch == 0 || capacity == 0)
        return qb_fail(err, QB_ERR_INTERNAL, "a decoder of %zu sequences of %zu positions", batch, capacity);
    if (arch->context && capacity > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "model %s: %zu positions, its context is %zu", model->name, capacity,
                       arch->context);
    struct qb_decoder *new = qb_alloc(1, sizeof *new, "decoder", err);
    if (!new)
        return err->status;
    new->net = net;
    new->batch = batch;
    new->capacity = capacity;
    if (arch->attention && !arch->causal ? qb_bag_create(net, batch, capacity, &new->bag, err)
                                         : qb_net_kv(net, batch, capacity, 0, &new->kv, err)) {
        qb_decoder_free(new);
        return err->status;
    }
    *decoder = new;
    return QB_OK;
}

void qb_decoder_free(struct qb_decoder *decoder)
{
    if (!decoder)
        return;
    qb_kv_free(decoder->kv);
    qb_bag_free(decoder->bag);
    qb_free(decoder);
}

enum qb_status qb_decoder_rewind(struct qb_decoder *decoder, size_t *length, struct qb_error *err)
{
    if (decoder->kv) {
        qb_kv_rewind(decoder->kv, length);
        return QB_OK;
    }
    qb_bag_free(decoder->bag);
    decoder->bag = NULL;
    *length = 0;
    return qb_bag_create(decoder->net, decoder->batch, decoder->capacity, &decoder->bag, err);
}

enum qb_status qb_decoder_fill(struct qb_decoder *decoder, size_t length, struct qb_error *err)
{
    size_t none = 0;
    if (!decoder->kv)
        return qb_fail(err, QB_ERR_INTERNAL, "a decoder without keys and values is filled");
    qb_kv_rewind(decoder->kv, &none);
    return qb_kv_fill(decoder->kv, length, err);
}

double qb_decoder_position_bytes(const struct qb_decoder *decoder)
{
    return decoder->kv ? qb_kv_position_bytes(decoder->kv) : 0;
}

enum qb_status qb_decoder_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                               struct qb_error *err)
{
    if (!decoder->kv)
        return qb_bag_feed(decoder->bag, tokens, count, hidden, err);
    const struct qb_step step = {.tokens = tokens, .batch = decoder->batch, .n = count, .kept = 1};
    return qb_net_step(decoder->net, decoder->kv, &step, hidden, err);
}
