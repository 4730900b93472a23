/* How a ledger came out: counts and words. */
#include "claims.h"

bool qb_claim_falls_short(const struct qb_claim *claim, bool allow_missing)
{
    if (claim->reproduces != QB_SHOULD_REPRODUCE)
        return false;
    return claim->verdict == QB_DIFFERS || (claim->verdict == QB_NOT_RUN && !allow_missing);
}

struct qb_ledger_count qb_ledger_count(const struct qb_ledger *ledger, bool allow_missing)
{
    struct qb_ledger_count n = {.conclusions = ledger->conclusion_count};
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *c = &ledger->documents[d].claims[i];
            struct qb_claim_count reading = {0};
            struct qb_claim_count *of = *c->reading_of                   ? &reading
                                        : ledger->documents[d].recovered ? &n.recovered
                                                                         : &n.published;
            of->claims++;
            of->reproduced += c->verdict == QB_REPRODUCED;
            of->differ += c->verdict == QB_DIFFERS;
            of->not_measurable += c->verdict == QB_VERDICT_NOT_MEASURABLE;
            of->not_run += c->verdict == QB_NOT_RUN;
            n.short_of += qb_claim_falls_short(c, allow_missing);
        }
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        n.carried += ledger->conclusions[i].carries == QB_CARRIES_YES;
        n.in_part += ledger->conclusions[i].carries == QB_CARRIES_PART;
        n.not_carried += ledger->conclusions[i].carries == QB_CARRIES_NO;
        n.open += ledger->conclusions[i].carries == QB_CARRIES_OPEN;
    }
    return n;
}

size_t qb_ledger_compared(const struct qb_ledger_count *count)
{
    return count->published.reproduced + count->published.differ + count->recovered.reproduced +
           count->recovered.differ;
}

const char *qb_verdict_name(enum qb_claim_verdict verdict)
{
    static const char *const names[] = {"reproduced", "differs", "not measurable here", "not run"};
    return names[verdict];
}

const char *qb_carries_name(enum qb_carries carries)
{
    static const char *const names[] = {"not tested", "yes", "no", "in part", "open", "-"};
    return names[carries];
}
