/* The parts of a claims file, for claims_load.c. Texts are borrowed from the YAML. */
#ifndef QB_CLAIMS_READ_H
#define QB_CLAIMS_READ_H

#include "claims.h"

/* A text under key, or `otherwise`; otherwise NULL: the key is required. */
enum qb_status qb_claims_text(const struct qb_yaml *map, const char *key, const char *otherwise, const char **value,
                              struct qb_error *err);
/* Into zeroed structs, whose controls and lines are freed with the ledger, also after an error. */
enum qb_status qb_conclusion_read(const struct qb_yaml *map, struct qb_conclusion *conclusion, struct qb_error *err);
enum qb_status qb_claim_read(const struct qb_yaml *map, struct qb_claim *claim, struct qb_error *err);

#endif
