/* The record of `choice` as answers: which choice each arm takes, and is it right? Internal to metric/. */
#ifndef QB_METRIC_CHOICES_H
#define QB_METRIC_CHOICES_H

#include "metric/parts.h"

/* By what the choices' log-likelihoods are divided before the largest is taken, the first of equal ones. */
enum qb_choice_rule { QB_BY_SUM, QB_BY_CHARACTERS, QB_BY_BYTES, QB_BY_TOKENS };

/* Borrowed from the record, whose arrays fit one another. NULL where the record lacks it: lengths, seen, task. */
struct qb_choices {
    size_t count, items, subjects, tasks;   /* choices in all */
    const double *sum, *reference;          /* [count] */
    const int32_t *item, *length[4], *seen; /* [count]; length[rule], [QB_BY_SUM] NULL; seen: occurrences */
    const int32_t *answer, *subject, *task; /* [items] */
};
/* False: the record lacks what the rule needs. */
bool qb_choices_load(const struct qb_record *record, enum qb_choice_rule rule, struct qb_choices *choices);

/* Each item's choices are [*from, *from + *count). Call it with *from = *count = 0 first; false at the end. */
bool qb_choices_next(const struct qb_choices *choices, size_t *from, size_t *count);

/* Outcomes of an item by both arms, as a bit each in a set. */
enum { QB_BOTH_WRONG = 1, QB_TO_WRONG = 2, QB_TO_RIGHT = 4, QB_BOTH_RIGHT = 8, QB_OTHER_CHOICE = 16 };
/* QB_OTHER_CHOICE is beside one of the others: the arms take different choices. */
unsigned qb_choices_outcome(const struct qb_choices *choices, enum qb_choice_rule rule, size_t from, size_t count);
/* How many items have an outcome that shares a bit with `set`. */
uint64_t qb_choices_count(const struct qb_choices *choices, enum qb_choice_rule rule, unsigned set);

#endif
