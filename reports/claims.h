/* The claims ledger: published numbers, what a run measures for each, and whether the number carries the conclusion
 * drawn from it. Read from data/claims/<name>.yaml (layout: data/claims/README.md); measured from a result file alone.
 */
#ifndef QB_CLAIMS_H
#define QB_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/yaml.h"
#include "number.h"
#include "store/store.h"

/* "model/variant/experiment/metric" taken apart. */
struct qb_cell_path {
    char text[224];
    const char *model, *variant, *experiment, *metric; /* into split */
    char split[224];
};

enum qb_bound { QB_BOUND_VALUE, QB_BOUND_LO, QB_BOUND_HI, QB_BOUND_COUNT };

/* factor * a cell's value, added to the number's cell or, `below`, to what divides it. */
struct qb_claim_term {
    struct qb_cell_path cell;
    double factor; /* not 0 */
    bool below;
};
enum { QB_CLAIM_TERMS = 4 };

/* A number taken from a run: scale * (cell + terms) / (terms below; 1 where there is none) + offset. In a file:
 * `minus`, `plus` and `over`. Scale is not 0, and the cell is not subtracted from or divided by itself: a number that
 * no run can change measures nothing. */
struct qb_claim_number {
    struct qb_cell_path cell;
    struct qb_claim_term terms[QB_CLAIM_TERMS];
    size_t term_count;
    enum qb_bound bound; /* of cell: its value, an end of its 95% interval, or how many observations are behind it */
    double scale, offset;
    struct qb_number_format format;
};

enum qb_found { QB_FOUND, QB_FOUND_NOT_RUN, QB_FOUND_FAILED }; /* failed: the cell failed or was skipped */

struct qb_measured {
    enum qb_found found;
    double value;
    uint64_t n;
    uint32_t flags; /* of the cell's value */
    char why[256];  /* not found: what is missing, or the cell's own message */
    char text[96];  /* found: printed by the number's format */
};

enum qb_relation {
    QB_SHOWN /* no test: the sentences show it */,
    QB_LESS,
    QB_AT_MOST,
    QB_MORE,
    QB_AT_LEAST,
    QB_EQUAL,
    QB_UNEQUAL
};

/* A control: a cell of the same run that would come out otherwise were the conclusion true. */
struct qb_control {
    const char *id; /* {id} in the sentences is replaced by the measured value */
    const char *says;
    struct qb_claim_number number;
    enum qb_relation relation; /* the conclusion is carried when number <relation> threshold */
    double threshold;          /* or factor * than, a number of its own */
    bool has_than;
    struct qb_claim_number than;
    struct qb_measured measured, measured_than;
    int holds; /* 1 (a shown one always), 0, or -1: not tested */
};

enum qb_carries {
    QB_CARRIES_NOT_TESTED, /* a control was not run */
    QB_CARRIES_YES,
    QB_CARRIES_NO,
    QB_CARRIES_PART, /* some controls hold, others do not, and the conclusion has a sentence for it */
    QB_CARRIES_OPEN, /* none of its numbers can be measured here; what the controls say is beside it, no verdict */
    QB_CARRIES_NONE  /* draws no conclusion */
};

/* A conclusion drawn from published numbers. Carried when every control holds, not carried when one does not, in part
 * when some do and `part` says so; open, whatever they say, when every claim that it is drawn from is declared not
 * measurable or measured elsewhere. */
struct qb_conclusion {
    const char *id, *says;
    const char *yes, *no; /* one sentence each */
    const char *part;     /* where some controls hold and others do not; "": then it is `no` */
    const char *open;     /* where it is open; "": the sentence that the controls decide */
    struct qb_control *controls;
    size_t control_count;
    enum qb_carries carries;
    struct qb_text sentence; /* yes, no or part with the measured controls filled in; or what was not run */
};

enum qb_reproduces { QB_SHOULD_REPRODUCE, QB_SHOULD_DIFFER, QB_NOT_MEASURABLE };
enum qb_claim_verdict { QB_REPRODUCED, QB_DIFFERS, QB_VERDICT_NOT_MEASURABLE, QB_NOT_RUN };

struct qb_claim {
    const char *id, *place, *what, *quote, *says, *published, *protocol;
    double
        published_number; /* of `published` ("6.4%", "0.41 MB"); NaN for a bound, a range or words ("<1e-9", "0-6%") */
    const char *reason;   /* why it does not reproduce, or is not measurable; "" otherwise */
    char *lines;          /* "8, 36, 189" */
    bool has_number;      /* false: nothing here to measure it by */
    struct qb_claim_number number;
    const char *expect; /* the print that reproduces it, or NULL when a range decides */
    bool has_range;
    double low, high;         /* range of the number before printing; +-Inf for an open end */
    bool low_open, high_open; /* that end itself is outside */
    enum qb_reproduces reproduces;
    bool any_seed;          /* the number does not depend on the model's seed */
    const char *reading_of; /* id of a claim whose number this one measures in another way; "": it is a number of its
                               own. A reading is shown and not counted */
    uint64_t n;             /* observations that the protocol has; 0: any */
    const char *conclusion_id;
    const struct qb_conclusion *conclusion; /* or NULL */
    struct qb_measured measured;
    enum qb_claim_verdict verdict;
    const char *elsewhere; /* how to measure it where the run has not its cells: then it is not measurable here, and no
                              failure; "": it is due in every run */
    bool out_of_reach;     /* declared not measurable, or elsewhere and one of its cells is no part of the run */
    char note[256];        /* why not measurable here, when that was found in the run (another seed) */
};

/* One YAML file with claims. */
struct qb_claims_document {
    const char *file, *document, *title;
    bool recovered; /* values of recovered protocols that nobody published: counted apart */
    /* map model -> facts that the provenance must state of it (seed: 42), and optionally `prompt`, a map that
     * the run's suite must give this model's greedy run; NULL: none */
    const struct qb_yaml *protocol;
    struct qb_claim *claims;
    size_t count;
};

struct qb_ledger {
    struct qb_yaml **files; /* the trees all strings point into */
    size_t file_count;
    struct qb_claims_document *documents; /* in order of file names; files of conclusions alone are not here */
    size_t document_count;
    struct qb_conclusion *conclusions;
    size_t conclusion_count;
};

/* Reads every *.yaml of a folder, in order of name. Unknown keys, ids given twice, cells that are no
 * model/variant/experiment/metric, unknown experiments or metrics and conclusions that are not there are errors with
 * file and line. Free with qb_ledger_free. */
enum qb_status qb_ledger_load(const char *folder, struct qb_ledger **ledger, struct qb_error *err);
void qb_ledger_free(struct qb_ledger *ledger);

/* Measures every claim and control in results[count], count >= 1, and fills verdicts, carries and sentences. Each cell
 * of a number comes from the first result that has it; a number whose cells are of models that only share their name
 * (their hashes differ) is not measured. */
enum qb_status qb_ledger_evaluate(struct qb_ledger *ledger, const struct qb_result *const *results, size_t count,
                                  struct qb_error *err);

/* The ledger as a report shows it: read from `folder` (NULL: the shipped one, which may be missing) and evaluated.
 * *ledger is NULL where the run measures none of its numbers. Free with qb_ledger_free. */
enum qb_status qb_ledger_of_run(const struct qb_result *result, const char *folder, struct qb_ledger **ledger,
                                struct qb_error *err);

struct qb_claim_count {
    size_t claims, reproduced, differ, not_measurable, not_run;
};
struct qb_ledger_count {
    struct qb_claim_count published,
        recovered; /* what the documents print, and the protocols' values that they do not */
    size_t conclusions, carried, in_part, not_carried, open;
    size_t short_of; /* claims that should reproduce and do not; not run ones only with !allow_missing */
};
/* Does this claim fall short: it should reproduce and differs, or was not run? */
bool qb_claim_falls_short(const struct qb_claim *claim, bool allow_missing);
struct qb_ledger_count qb_ledger_count(const struct qb_ledger *ledger, bool allow_missing);
/* Numbers, published or recovered, that the run measured and compared: those that reproduce or differ. */
size_t qb_ledger_compared(const struct qb_ledger_count *count);

const char *
qb_verdict_name(enum qb_claim_verdict verdict);       /* "reproduced", "differs", "not measurable here", "not run" */
const char *qb_carries_name(enum qb_carries carries); /* "not tested", "yes", "no", "in part", "open", "-" */

enum qb_ledger_style { QB_LEDGER_CONSOLE, QB_LEDGER_JSON, QB_LEDGER_CSV, QB_LEDGER_MARKDOWN };
/* Appends the evaluated ledger. Console lines are at most 100 columns wide. */
void qb_ledger_print(const struct qb_ledger *ledger, enum qb_ledger_style style, struct qb_text *out);

#endif
