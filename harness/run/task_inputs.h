/* Tasks as tokens of a model. */
#ifndef QB_TASK_INPUTS_H
#define QB_TASK_INPUTS_H

#include "model/model.h"
#include "run/task_words.h"
#include "run/tasks.h"

/* Reads the questions, makes prompts and cuts them into tokens, as lm-evaluation-harness does: white space at the
 * prompt's end goes to the choice; prompt and choice are encoded as one text, and the choice's tokens are those behind
 * as many as the prompt alone has. An empty prompt is BOS, else EOS; before another stands BOS where the
 * tokenizer puts it. Tokens beyond the model's context are dropped from
 * the left, the last being read by none. The first `shots` examples of the question's subject stand before it (of all,
 * where the examples have no subjects). The caller frees *tasks with qb_tasks_free. */
enum qb_status qb_task_inputs_make(const struct qb_model *model, const struct qb_task_words *words, size_t count,
                                   struct qb_tasks **tasks, struct qb_error *err);
/* All of it but file names goes into the hash. */
void qb_tasks_hash(const struct qb_tasks *tasks, struct qb_hash *hash);

#endif
