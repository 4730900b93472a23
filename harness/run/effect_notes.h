/* What variants encode of a model, said once a model before its cells run. */
#ifndef QB_EFFECT_NOTES_H
#define QB_EFFECT_NOTES_H

#include "run/talk.h"

/* Notes where the variants that run on model m encode different weights of it, or entries of their requests are without
 * effect. effects[variant_count]. */
void qb_note_effects(const struct qb_talk *talk, const struct qb_model *model, size_t m,
                     const struct qb_effect *effects);

#endif
