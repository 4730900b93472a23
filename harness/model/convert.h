/* A model as a file in our own layout, its weights stored as a variant stores them. */
#ifndef QB_CONVERT_H
#define QB_CONVERT_H

#include <stdbool.h>
#include "codec/variant.h"
#include "model/model.h"

/* The tensors of the same roles that are stored alike, and what became of them. */
struct qb_converted {
    uint32_t roles;    /* as of a matrix; QB_ROLE_NORM | QB_ROLE_BIAS: all vectors */
    const char *store; /* id of the codec of the bytes; borrowed from model and variant */
    size_t tensors, weights, bytes;
    double signal, noise; /* sum of the squares of the values and of what encoding changed in them; both 0 where nothing
                           * was encoded */
};

struct qb_conversion {
    const struct qb_variant *variant; /* unencoded: every tensor as it is */
    bool force;                       /* encodes again what a lossy codec encoded before */
    const char *origin;               /* for the file's metadata */
    const char *tokenizer;            /* name of a file beside it, or NULL */
};

/* Replaces path. Matrices that the variant places are encoded, one at a time; all else is copied in its own type.
 * Opened, the file computes bitwise what the variant computes on `model`. QB_ERR_INPUT where no file of weights can do
 * that: the variant computes on coordinates, is calibrated, sums in another order, encodes nothing, or treats the row
 * blocks of a fused tensor differently; and, unless `force`, where the bytes of a lossy codec would be encoded again to
 * other bytes. *rows: a new array for qb_free, in the order of the model's tensors. */
enum qb_status qb_model_convert(const struct qb_model *model, const struct qb_conversion *conversion, const char *path,
                                struct qb_converted **rows, size_t *count, struct qb_error *err);

/* The same report of a model as it is. */
enum qb_status qb_model_stored(const struct qb_model *model, struct qb_converted **rows, size_t *count,
                               struct qb_error *err);

#endif
