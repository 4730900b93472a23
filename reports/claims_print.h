/* The parts of qb_ledger_print; only claims_*.c include this. */
#ifndef QB_CLAIMS_PRINT_H
#define QB_CLAIMS_PRINT_H

#include "claims.h"

void qb_ledger_console(const struct qb_ledger *ledger, struct qb_text *out);
void qb_ledger_markdown(const struct qb_ledger *ledger, struct qb_text *out);

/* Why this claim did not come out as it should, or is not measurable; nothing for one that simply reproduces. */
void qb_claim_why(const struct qb_claim *claim, struct qb_text *out);

/* One line: how many claims and conclusions had which outcome. */
void qb_ledger_totals(const struct qb_ledger *ledger, struct qb_text *out);

#endif
