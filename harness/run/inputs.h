/* Token inputs of a cell: prompts, text and calibration contexts, made from the suite's words. */
#ifndef QB_INPUTS_H
#define QB_INPUTS_H

#include "run/suite.h"
#include "run/token_file.h"

/* Tokenised corpora of one model, so that seven experiments read a file once. Zero-initialise. */
struct qb_token_cache {
    struct qb_token_file {
        char *path;
        int32_t *tokens;
        size_t count;
        struct qb_token_form form;
    } * files;
    size_t count;
};
void qb_token_cache_free(struct qb_token_cache *cache);

/* The inputs of (model, experiment). Words, the model's before the experiment's:
 *   prompt       {random: N, seed: model|INT}: one prompt of N x randint(0, vocab); model: a copy of the generator's
 *                state continues after the model's own draws (a model from a file, which takes an experiment's
 *                or the suite's word, has none: the suite's seed starts a stream)
 *                {corpus: FILE, count: C, length: L, offset: K}: C prompts
 *   corpus       FILE | {file: FILE, context: N, chunks: C, offset: K, spread: B, special: B}: C chunks of N tokens
 *                {tokens: FILE, context: N, ...}: likewise of a file of token ids, decimal, white space between them
 *                {base: FILE}: the text, context and chunks of a logits base file (metric/logits_base.h)
 *                {greedy: N}: the reference's own N greedy tokens after prompt 0
 *   calibration  {random: C, length: L, seed: model|INT}, {corpus: FILE, contexts: C, length: L, offset: K};
 *                default for a generated model {random: 50, length: 20, seed: model}
 * C pieces of L tokens of a corpus of N tokens start at i * floor(N / C) + K: spread evenly, never overlapping. K, 0
 * where it is not given, moves every piece within its own stretch of the corpus: two runs whose K differ by L or more
 * read no token in common. K + L over floor(N / C) is an error. Chunks of a text whose `spread` is false follow one
 * another from token K on; that is what kl does where nothing is said, for llama.cpp does.
 *   tasks        {NAME: FILE, NAME: {file: FILE, ...}}: multiple choice (task_words.h, task_inputs.h)
 * An experiment without prompt or corpus takes greedy's prompt and teacher-forced's corpus. What is not given stays
 * NULL. The caller frees with qb_inputs_free. */
enum qb_status qb_inputs_make(const struct qb_suite *suite, const struct qb_suite_model *entry,
                              const struct qb_suite_experiment *experiment, const struct qb_model *model,
                              struct qb_token_cache *cache, struct qb_inputs *inputs, struct qb_error *err);

#endif
