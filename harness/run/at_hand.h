/* The model at hand: one at a time is loaded, its inputs are made, its cells get their keys and what is finished is
 * taken. */
#ifndef QB_AT_HAND_H
#define QB_AT_HAND_H

#include "run/finished.h"
#include "run/inputs.h"

struct qb_at_hand {
    struct qb_schedule *schedule;
    const struct qb_talk *talk;
    struct qb_finished *finished;
    enum qb_isa isa;
    unsigned threads;
    struct qb_model *model;   /* NULL: none */
    size_t index;             /* of the model in the suite */
    struct qb_inputs *inputs; /* [experiment_count] */
    struct qb_error *input_errors;
    struct qb_effect *effects; /* [variant_count], without sizes */
    struct qb_model_facts {
        char sha256[QB_HASH_HEX];    /* "" when it was not loaded */
        char tokenizer[QB_HASH_HEX]; /* likewise; "" when it has no tokenizer */
        bool noted;                  /* what its variants encode was said */
    } * facts;                       /* [model_count] */
    size_t failures;                 /* cells that failed because their model or inputs could not be had */
};

enum qb_status qb_at_hand_open(struct qb_at_hand *hand, struct qb_error *err);
/* Loads model m of the suite. On failure its cells have failed; QB_OK still. */
enum qb_status qb_at_hand_load(struct qb_at_hand *hand, size_t m, struct qb_error *err);
void qb_at_hand_unload(struct qb_at_hand *hand);
void qb_at_hand_close(struct qb_at_hand *hand);

/* What cell i of the model runs on, but for pool, net and reference. */
struct qb_cell_env qb_at_hand_env(const struct qb_at_hand *hand, size_t i);

#endif
