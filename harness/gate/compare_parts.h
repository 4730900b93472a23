/* What the compare*.c files share. Internal to gate/. */
#ifndef QB_COMPARE_PARTS_H
#define QB_COMPARE_PARTS_H

#include "gate/compare.h"

/* Adds the facts of a pair of cells; *differs: bits of their kinds. */
enum qb_status qb_compare_cell_facts(struct qb_compare *compare, bool same_file, const struct qb_baseline_cell *a,
                                     const struct qb_baseline_cell *b, uint32_t *differs, struct qb_error *err);
/* Adds the facts of the files as wholes: program and machine. */
enum qb_status qb_compare_file_facts(struct qb_compare *compare, const struct qb_baseline *a,
                                     const struct qb_baseline *b, struct qb_error *err);
/* QB_ERR_INPUT with the refused facts, when there is one. */
enum qb_status qb_compare_refuse(const struct qb_compare *compare, struct qb_error *err);

#endif
