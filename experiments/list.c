/* The experiments in display order. A new one is a file with a descriptor and its line here. */
#include <stddef.h>
#include <string.h>

#include "run/experiment.h"

extern const struct qb_experiment qb_experiment_roundtrip, qb_experiment_linearity, qb_experiment_depth,
    qb_experiment_greedy, qb_experiment_teacher_forced, qb_experiment_attribute, qb_experiment_memory,
    qb_experiment_speed, qb_experiment_kl, qb_experiment_kv, qb_experiment_recall, qb_experiment_choice,
    qb_experiment_predict;

static const struct qb_experiment *const experiments[] = {&qb_experiment_roundtrip,
                                                          &qb_experiment_linearity,
                                                          &qb_experiment_depth,
                                                          &qb_experiment_greedy,
                                                          &qb_experiment_teacher_forced,
                                                          &qb_experiment_kl,
                                                          &qb_experiment_kv,
                                                          &qb_experiment_recall,
                                                          &qb_experiment_choice,
                                                          &qb_experiment_attribute,
                                                          &qb_experiment_memory,
                                                          &qb_experiment_speed,
                                                          &qb_experiment_predict,
                                                          NULL};

const struct qb_experiment *const *qb_experiments(void)
{
    return experiments;
}

const struct qb_experiment *qb_experiment_find(const char *name)
{
    for (size_t i = 0; experiments[i]; i++)
        if (strcmp(experiments[i]->name, name) == 0)
            return experiments[i];
    return NULL;
}
