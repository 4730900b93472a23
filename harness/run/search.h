/* A search: the variants of a suite race for the least mean KL, by successive halving on calibration text. A rung is a
 * run of the suite by the engine, with more chunks than the one before it and with the variants that are left; its
 * result file is the search's only memory, so a search that was killed goes on where it was. */
#ifndef QB_SEARCH_H
#define QB_SEARCH_H

#include "metric/halving.h"
#include "run/engine.h"

#define QB_SEARCH_RACES 8
#define QB_SEARCH_RUNGS 8

/* The key `search` of a suite:
 *   apart     a list of texts of which the corpus may hold nothing, no 32 tokens in a row: for a search those that its
 *             choice will be evaluated on; for showing the choice, in one rung, those that it was made on
 *   bits      ascending bounds, 1 to QB_SEARCH_RACES: a variant races against those of the first bound that its bits
 *             do not exceed, and is out after the first rung where they exceed the last; left out: one race of all
 *   rungs     1 to QB_SEARCH_RUNGS, default 3; rung r of R has ceil(C / 2^(R - r)) of the C chunks of experiments.kl
 *   alpha     of the rule (metric/halving.h), default 0.05
 * The suite has one experiment, kl, with a corpus, and says of that corpus no offset and no spread: at each rung the
 * chunks lie evenly over the text, from an offset that is drawn from the suite's seed. */
struct qb_search_plan {
    const struct qb_yaml *apart; /* borrowed from the suite */
    double bits[QB_SEARCH_RACES];
    size_t races; /* at least 1 */
    size_t rungs, chunks;
    double alpha;
};
enum qb_status qb_search_plan_read(const struct qb_suite *suite, struct qb_search_plan *plan, struct qb_error *err);
size_t qb_search_chunks(const struct qb_search_plan *plan, size_t rung); /* of rung 1 to plan->rungs */

/* Reads the model's corpus and the texts that it is to be apart from with its tokenizer. QB_ERR_INPUT where it is not;
 * else the corpus's tokens. */
enum qb_status qb_search_text(const struct qb_suite *suite, const struct qb_search_plan *plan,
                              const struct qb_suite_model *entry, size_t *tokens, struct qb_error *err);

enum qb_search_state {
    QB_SEARCH_FAILED,  /* no KL: the message says why */
    QB_SEARCH_OVER,    /* more bits than the last race takes */
    QB_SEARCH_DROPPED, /* at its rung: in the lower half and significantly worse than the best */
    QB_SEARCH_WORSE,   /* at the last rung: significantly worse than the best */
    QB_SEARCH_LEVEL,   /* at the last rung: not told apart from the best */
    QB_SEARCH_BEST     /* at the last rung: the least mean KL of its race */
};
const char *qb_search_state_name(enum qb_search_state state); /* "dropped" */

struct qb_search_row {
    const char *model, *variant;    /* borrowed from the suite */
    char *options;                  /* of its codec, canonical; "" for none */
    char *message;                  /* FAILED: why; or NULL */
    double bits;                    /* a weight that is encoded, side data included; NaN: not known */
    size_t race;                    /* index into the plan's bits; of QB_SEARCH_OVER their count */
    size_t rung, chunks;            /* the last rung that it was in, from 1, and that rung's chunks */
    double kl, lo, hi;              /* its mean KL there, in nat, with the 95% interval; NaN: none */
    double difference, least, most; /* from the best of its race there, likewise */
    double holm;                    /* adjusted p of no difference; NaN: the best itself, or not tested */
    enum qb_search_state state;
};

struct qb_search {
    struct qb_suite *suite;
    struct qb_search_plan plan;
    struct qb_search_row *rows; /* by model, race, rung from the last one down, mean KL; those without one last */
    size_t count;
    bool interrupted; /* by the user: what was finished is kept, and the rows say only that */
    bool cells_failed;
};

struct qb_search_options {
    struct qb_suite_options suite;
    struct qb_run_options run; /* output and only are the search's own */
    const char *folder; /* of the result files MODEL.rung-R.h5, and of search.h5: the last cell of each variant */
    void (*rung)(void *context, const char *model, size_t rung, size_t rungs, size_t chunks, size_t variants);
    void *context; /* for rung, which may be NULL */
};

/* Runs the suite at path as a search; every rung resumes what lies in the folder. The caller frees *search. Errors are
 * those of qb_run, and what the suite or its texts lack for a search. */
enum qb_status qb_search_run(const char *path, const struct qb_search_options *options, struct qb_search **search,
                             struct qb_error *err);
void qb_search_free(struct qb_search *search);

#endif
