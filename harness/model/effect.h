/* What a variant's request comes to on a model: which weights it reaches, and which of its entries reach none. Told
 * from definition and shapes alone, before anything is encoded; the operators of a net are cut by the same function. */
#ifndef QB_EFFECT_H
#define QB_EFFECT_H

#include <stdbool.h>
#include <stdint.h>
#include "codec/variant.h"
#include "model/model.h"

struct qb_effect {
    uint64_t tensors; /* matrices that the variant reaches: stored encoded or in FP16, or fed encoded activations */
    uint64_t weights; /* values in the row blocks of these that it reaches */
    uint64_t fp16;    /* of weights: those that calibration keeps in FP16, not in the variant's codec */
    /* Where the variant's codec does not take the shape of some: what is stored in it, and what in `otherwise`; ids of
     * both, borrowed from the variant. Else 0 and NULL. */
    const char *codec, *otherwise;
    uint64_t codec_tensors, codec_weights, otherwise_tensors, otherwise_weights;
    bool kv;        /* its kv says how keys and values are kept, and the model keeps some */
    bool act;       /* its act says how a layer's output is kept, and the model has a layer behind it */
    uint64_t bytes; /* what these take as they are stored; 4 a weight where only activations are encoded; with the
                       scales of input_scale */
    /* Entries of the request that reach nothing here, as written, comma-separated: "placement head, calibration.fp16
     * attn.*, tensors layers.9.*"; "" when all do. An entry of `except` reaches nothing when it takes nothing out. */
    char *unbound;
    char *why;     /* the same with reasons, "; " between; "" likewise */
    char *refusal; /* why no cell of it may run: it asks for an encoding and encodes nothing, or a glob of tensor names
                      fits none of the model's (with the nearest name); NULL: it may */
};

/* Fills a zeroed effect, for qb_effect_free (also on failure). variant NULL or unencoded: zeros. sizes: fill `bytes`,
 * which asks the plugins for encoded sizes; else it stays 0. */
enum qb_status qb_effect_of(const struct qb_model *model, const struct qb_variant *variant, bool sizes,
                            struct qb_effect *effect, struct qb_error *err);
void qb_effect_free(struct qb_effect *effect); /* the content; zeroes it */

#endif
