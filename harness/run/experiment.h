/* An experiment: a measurement of (model, variant, inputs) that records raw arrays. experiments/<name>.c holds one
 * const descriptor each; a new file needs its line in experiments/list.c and nothing else. */
#ifndef QB_EXPERIMENT_H
#define QB_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/record.h"
#include "base/threads.h"
#include "codec/codec.h" /* option lists as data, the same as a codec's */
#include "codec/variant.h"
#include "model/net.h"
#include "run/parts.h"
#include "run/shelf.h"
#include "run/tasks.h"

/* Token inputs of one model, made by the suite from `prompt`, `corpus` and `calibration` (source-protocols 2, 3). */
struct qb_inputs {
    int32_t *prompts; /* [prompt_count, prompt_length] */
    size_t prompt_count, prompt_length;
    int32_t *text; /* teacher-forced: [chunks, context] real tokens; NULL when text_greedy */
    size_t chunks, context;
    int32_t bos; /* that stands in the place of each chunk's first token when it is read; -1: none does */
    char *base;  /* path of the logits base file that the text is of (metric/logits_base.h), own; or NULL */
    char base_sha256[QB_HASH_HEX]; /* of that file */
    size_t text_greedy;   /* > 0: teacher-forced on this many of the reference's own greedy tokens after prompt 0 */
    int32_t *calibration; /* [contexts, length] */
    size_t calibration_contexts, calibration_length;
    struct qb_tasks *tasks;   /* multiple choice, own; or NULL */
    char sha256[QB_HASH_HEX]; /* over all of the above */
};
void qb_inputs_free(struct qb_inputs *inputs);

/* The net of a (model, variant), built and calibrated once for all of its cells, and what that took. */
struct qb_prepared {
    struct qb_net *net;
    size_t rss_before, rss_after, peak_rss;   /* bytes: the process before, after one token through the net, at most */
    size_t accounted_before, accounted_after; /* bytes, likewise (base/mem.h) */
    double seconds;
    struct qb_error pass; /* what went wrong with that token */
};

struct qb_cell_env {
    const struct qb_model *model;
    const struct qb_variant *variant; /* NULL in reference() */
    const struct qb_inputs *inputs;
    const union qb_option_value *options; /* in the order of the descriptor's list */
    const struct qb_record *reference;    /* what reference() recorded; NULL in reference() or when there is none */
    const struct qb_prepared *prepared;   /* where the experiment asks for the variant's net; else NULL */
    struct qb_parts *parts;               /* for qb_parts_run; NULL: none are kept */
    struct qb_shelf *shelf;               /* of the reference, as the descriptor's `shelf` shapes it; NULL: none */
    struct qb_pool *pool;
    enum qb_isa isa;
    uint32_t seed; /* for random test vectors; the suite's `seed`, default 0 */
};

/* Which token inputs an experiment reads. */
enum {
    QB_READS_PROMPT = 1,   /* the prompts; beside QB_READS_TEXT: where there is no text of a corpus */
    QB_READS_TEXT = 2,     /* chunks of a corpus */
    QB_READS_OWN_TEXT = 4, /* with corpus: {greedy: N} what FP32 itself writes after prompt 0 */
    QB_READS_AS_LLAMA = 8, /* a text's chunks as llama.cpp's perplexity tool takes them: one after another from the
                              start, with BOS in the place of each first token where the tokenizer adds one */
    QB_READS_TASKS = 16,   /* multiple choice */
    /* The calibration text itself; a variant that is calibrated on it needs no flag. */
    QB_READS_CALIBRATION = 32
};

struct qb_experiment {
    const char *name;
    const char *summary;                   /* one line for `list experiments` */
    unsigned reads;                        /* QB_READS_..., 0: no tokens; words of a suite for others are noted */
    bool exclusive;                        /* measures time: its cells run alone, after all others */
    bool net;                              /* run() takes the variant's net from env->prepared */
    bool keeps_reference;                  /* the reference's arrays are small and go into the result file, too */
    const struct qb_codec_option *options; /* as data; NULL-name terminated; NULL: none */
    /* Why this experiment cannot run on (model, variant), or NULL when it can: such a cell is skipped with the reason
     * (linearity on fp32 has nothing to encode). May be NULL. */
    const char *(*skip)(const struct qb_cell_env *env);
    /* The FP32 run that all variants of a model share: records tokens and final hidden states. NULL: none needed. */
    enum qb_status (*reference)(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err);
    /* What of the reference each run() would compute again, in pieces that those of several variants can share. May be
     * NULL. */
    struct qb_shelf_shape (*shelf)(const struct qb_cell_env *env);
    enum qb_status (*run)(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err);
};

/* Builds and calibrates the net of env's variant in env->pool. The caller frees prepared->net. */
enum qb_status qb_cell_prepare(const struct qb_cell_env *env, struct qb_prepared *prepared, struct qb_error *err);

/* NULL-terminated, in display order; and by name. */
const struct qb_experiment *const *qb_experiments(void);
const struct qb_experiment *qb_experiment_find(const char *name);

/* Whether two texts of options as results and baselines record them ("steps=0 every=64") ask the experiment for the
 * same. One that only one of them names is the same at its default: an option that an experiment gained since then
 * leaves what was measured before it as it was. Of an unknown experiment no option has a default. */
bool qb_experiment_same_options(const char *experiment, const char *a, const char *b);

#endif
