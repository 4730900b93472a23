/* The words of a suite that stand for token inputs: prompt, corpus, calibration (what they mean: inputs.h). */
#ifndef QB_WORDS_H
#define QB_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/yaml.h"

enum qb_words_kind { QB_WORDS_NONE, QB_WORDS_RANDOM, QB_WORDS_CORPUS, QB_WORDS_GREEDY, QB_WORDS_BASE };
enum qb_words_spread { QB_SPREAD_OPEN, QB_SPREAD_EVEN, QB_SPREAD_NONE }; /* OPEN: not given */

#define QB_WORDS_OPEN SIZE_MAX /* an offset that is not given */

struct qb_words {
    enum qb_words_kind kind;
    const struct qb_yaml *node, *name; /* all of it; CORPUS, BASE: the file's name. Borrowed from the suite */
    char *file;                        /* CORPUS, BASE: path, own */
    size_t count,
        length;    /* pieces and the tokens of each. Of a text 0 where they are not given; GREEDY: length alone */
    size_t offset; /* CORPUS: of each piece; of a text QB_WORDS_OPEN where it is not given */
    enum qb_words_spread spread; /* CORPUS, of a text */
    bool ids;                    /* CORPUS: the file holds token ids, not text */
    bool special;                /* CORPUS: special tokens spelled out in the text are these tokens */
    bool seeded;                 /* RANDOM: from a stream of its own; else the model's draws go on */
    uint32_t seed;
};

struct qb_suite;
/* Read strictly; node NULL: none. generated: the model has draws that `seed: model` can continue. The caller frees the
 * words with qb_words_free, also after a failure. */
enum qb_status qb_words_prompt(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                               struct qb_words *words, struct qb_error *err);
enum qb_status qb_words_text(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_words *words,
                             struct qb_error *err);
/* Into *spread what map says under `spread`; left alone where it says nothing. */
enum qb_status qb_words_spread(const struct qb_yaml *map, enum qb_words_spread *spread, struct qb_error *err);
enum qb_status qb_words_calibration(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                                    struct qb_words *words, struct qb_error *err);
void qb_words_free(struct qb_words *words);

#endif
