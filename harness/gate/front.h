/* Where a format stands among others: its KL against the bits that a weight takes, on the Pareto front or dominated, by
 * paired differences with the gate's statistics. */
#ifndef QB_FRONT_H
#define QB_FRONT_H

#include "gate/baseline.h"
#include "gate/gate.h"

/* What the placed format is to another one. */
enum qb_front_relation {
    QB_FRONT_OUT,       /* the other one could not be compared: `why` says so */
    QB_FRONT_SELF,      /* it is the placed format */
    QB_FRONT_DOMINATED, /* the other takes no more bits and is shown to have less KL */
    QB_FRONT_DOMINATES, /* the other takes no fewer bits and is shown to have more KL */
    QB_FRONT_TRADES,    /* shown to have less KL at more bits, or more KL at fewer */
    QB_FRONT_LEVEL      /* neither has been shown to have less KL */
};
/* "left out", "itself", "dominated by", "dominates", "trades with", "not told apart from" */
const char *qb_front_relation_name(enum qb_front_relation relation);

struct qb_front_format {
    const char *variant;             /* borrowed from result or baseline */
    bool from_baseline;              /* its cells are the baseline's, for the result has none of it */
    double bits;                     /* a weight, of those that it encodes, all side data counted */
    double sqnr;                     /* dB over all values; infinite: exact; NaN: no round trip */
    double kl, lo, hi;               /* mean KL in nat, its 95% interval over chunks; NaN: none */
    double top1;                     /* agreement in percent; NaN: none */
    bool corner;                     /* on the Pareto front by its values: no other has fewer or as many bits and less
                                        KL, nor as much KL and fewer bits */
    enum qb_front_relation relation; /* to the placed one */
    struct qb_difference difference; /* of KL in nat, this - the placed one */
    double p;                        /* two-sided, of no difference beyond the arithmetic floor, adjusted by Holm over
                                        all that were tested; NaN: not tested */
    char why[240];                   /* OUT, LEVEL: why nothing is known; "" else */
};

enum qb_front_verdict { QB_FRONT_NONE, QB_FRONT_ON, QB_FRONT_OPEN, QB_FRONT_UNDER };
struct qb_front {
    const char *model, *experiment;
    struct qb_front_format *formats; /* by bits, then KL; those left out at the end */
    size_t count, placed;            /* index of the placed one */
    size_t tested;                   /* differences in the family */
    double alpha;
    /* NONE: it did not run, or nothing stands beside it: formats[placed].why. UNDER: dominated by at least one. ON:
     * each format of as many or fewer bits is shown to have more KL. OPEN: neither. */
    enum qb_front_verdict verdict;
};

/* Places `variant` of the result among the formats of both sides on one model; a variant of the result stands for that
 * of the baseline. KL is teacher-forced's, or kl's where the result has no teacher-forced cell of it. Formats that
 * failed, that were measured on something else (inputs, model, options), that encode other weights or whose value is
 * void are kept, as OUT; fp32, in whatever order of sums, is no format. Each other one's difference in KL is taken a
 * chunk, its p two-sided by Student's t, against the arithmetic floor where there is one. Fewer than
 * QB_GATE_CLUSTERS_MIN chunks are LEVEL. KL that is equal in every chunk is told apart by bits alone. *front is new,
 * for qb_front_free. */
enum qb_status qb_front_place(const struct qb_baseline *result, const struct qb_baseline *baseline, const char *model,
                              const char *variant, double alpha, struct qb_front **front, struct qb_error *err);
void qb_front_free(struct qb_front *front);

#endif
