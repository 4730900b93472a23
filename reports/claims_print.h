/* The parts of qb_ledger_print; only claims_*.c include this. */
#ifndef QB_CLAIMS_PRINT_H
#define QB_CLAIMS_PRINT_H

#include "claims.h"

void qb_ledger_console(const struct qb_ledger *ledger, struct qb_text *out);
void qb_ledger_markdown(const struct qb_ledger *ledger, struct qb_text *out);

/* Why this claim did not come out as it should, or is not measurable; nothing for one that simply reproduces. */
void qb_claim_why(const struct qb_claim *claim, struct qb_text *out);

/* One line: how many claims and conclusions had which outcome, what was published and what was not counted apart. */
void qb_ledger_totals(const struct qb_ledger *ledger, struct qb_text *out);

/* The heading of a document's numbers: "published", or "recovered" where nobody published them. */
const char *qb_claims_column(const struct qb_claims_document *document);

/* Said before the conclusions. */
#define QB_CONCLUSIONS_HEAD                                                                                            \
    "What the numbers carry, decided by control cells of the same run. In part: some controls hold and others do "     \
    "not. "                                                                                                            \
    "Open: none of its numbers can be measured here, and what the controls say only stands beside it."

#endif
