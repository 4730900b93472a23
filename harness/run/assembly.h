/* From finished cells to the result file. */
#ifndef QB_ASSEMBLY_H
#define QB_ASSEMBLY_H

#include "run/at_hand.h"

struct qb_assembly {
    struct qb_schedule *schedule;
    const struct qb_talk *talk;
    const struct qb_shards *shards;
    const struct qb_model_facts *facts; /* [model_count] */
    const char *command;                /* may be NULL */
    const struct qb_only *only;
    unsigned jobs;
    bool interrupted;
};

/* Adds what is known at the end to the provenance and puts the result file in place. */
enum qb_status qb_assembly_write(const struct qb_assembly *assembly, struct qb_provenance *provenance,
                                 struct qb_error *err);
/* One warning a model whose calibrated variants were measured on text that they were calibrated on; reads the file. */
void qb_assembly_warn_overlap(const struct qb_assembly *assembly);

#endif
