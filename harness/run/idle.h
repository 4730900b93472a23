/* Requests of a suite that nothing reads: told from the suite and its plan alone, before a model is opened. What a
 * variant's own entries come to on a model is model/effect.h's. */
#ifndef QB_IDLE_H
#define QB_IDLE_H

#include "run/plan.h"

/* Calls say(context, text) once for each, in the order of the suite: of experiments, then of models, each with their
 * experiments; before them optional models that are left out. A text is one line such as "model 'm', teacher-forced:
 * context has no effect: ...". Said are, of models and experiments with a selected cell of the plan: context, chunks,
 * offset and spread where the experiment reads no text, where its text is cut by teacher-forced's words, and where the
 * model's text is FP32's own; prompt and corpus that nothing reads; calibration that no variant asks for; a tokenizer
 * where no text is read; a model's options for an experiment that has no cell on it; restrictions that leave an
 * experiment without a variant on the model; and a key given by --set where the model's own words win. A default of the
 * suite that a model's words replace is as it should be, and not said. */
void qb_idle_requests(const struct qb_suite *suite, const struct qb_plan *plan,
                      void (*say)(void *context, const char *text), void *context);

#endif
