/* A model opened for a command that computes with it: with its codecs, threads, tokenizer, and nets under variants. */
#ifndef QB_OPENED_H
#define QB_OPENED_H

#include "model/decoder.h"
#include "tokenizer/tokenizer.h"

/* Plugins that --codec names; zero-initialise. */
#define QB_PLUGINS_MAX 32
struct qb_plugins {
    const char *paths[QB_PLUGINS_MAX + 1]; /* borrowed, a NULL behind */
    size_t count;
};
enum qb_status qb_plugins_add(struct qb_plugins *plugins, const char *path, struct qb_error *err);

/* --arithmetic fused or forward. */
enum qb_status qb_parse_arithmetic(const char *text, bool *fused, struct qb_error *err);

struct qb_opened { /* zero-initialise; qb_opened_free releases */
    struct qb_registry *registry;
    struct qb_pool *pool;
    struct qb_model *model;
    struct qb_tokenizer *tokenizer; /* NULL: qb_opened_tokenizer was not asked */
    const char *calibration;        /* a text's file, for calibrated variants; NULL: none was given */
    const char *const *codecs;      /* plugins from elsewhere, a NULL behind; NULL: none */
    bool fused; /* arms read encoded weights in the products where that is faster: QB_FUSED_FASTER */
};
enum qb_status qb_opened_model(struct qb_opened *opened, const char *path, unsigned threads, struct qb_error *err);
/* The model's tokenizer; a model without one, or with ids that its vocabulary lacks, is QB_ERR_INPUT. */
enum qb_status qb_opened_tokenizer(struct qb_opened *opened, struct qb_error *err);
void qb_opened_free(struct qb_opened *opened);

/* The shipped variant of that name, or what a file whose name ends in .yaml declares. */
enum qb_status qb_open_variant(const char *text, const struct qb_registry *registry, enum qb_isa isa,
                               struct qb_variant **variant, struct qb_error *err);

struct qb_arm { /* a net under a variant; zero-initialise; free before what it was made of */
    struct qb_variant *variant;
    struct qb_net *net;
};
/* Builds the net under a variant (qb_open_variant). A calibrated one reads opened->calibration. */
enum qb_status qb_arm_make(struct qb_opened *opened, const char *variant, struct qb_arm *arm, struct qb_error *err);
void qb_arm_free(struct qb_arm *arm);

#endif
