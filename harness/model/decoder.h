/* Generation: sequences that grow. */
#ifndef QB_DECODER_H
#define QB_DECODER_H

#include "model/net.h"

/* Keeps what steps need of older positions: keys and values (kv.h), or, where positions see later ones, the tokens
 * (bag.h). Borrows its net and shares its working memory. */
struct qb_decoder;

/* capacity: positions a sequence may reach; more than the model's context is QB_ERR_INPUT. */
enum qb_status qb_decoder_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_decoder **decoder,
                                 struct qb_error *err);
void qb_decoder_free(struct qb_decoder *decoder);

/* Appends tokens[batch, count], count >= 1, and gives the final hidden state of the last position of each sequence:
 * hidden[batch, H]. More than the capacity is QB_ERR_INTERNAL. */
enum qb_status qb_decoder_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                               struct qb_error *err);

/* Forgets all but the first *length positions of each sequence, or all of them where the model's older positions depend
 * on newer ones: *length says how many are left. */
enum qb_status qb_decoder_rewind(struct qb_decoder *decoder, size_t *length, struct qb_error *err);

/* Forgets everything and holds `length` positions that no model made (qb_kv_fill), for measuring behind them. Only
 * where keys and values are kept; QB_ERR_INTERNAL elsewhere. */
enum qb_status qb_decoder_fill(struct qb_decoder *decoder, size_t length, struct qb_error *err);

/* Bytes of keys and values that a position of one sequence takes, as the net's variant keeps them (kv.h). */
double qb_decoder_position_bytes(const struct qb_decoder *decoder);

#endif
