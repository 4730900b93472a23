/* What a report says, before any format: tables of values, remarks on flags, comparisons with the floor. Filled once by
 * report.c, then read by the writers (html_*, markdown_*, latex_*, csv_*). Only reports/ includes this. Texts are
 * plain; writers escape them. Pointers into the result are borrowed. */
#ifndef QB_REPORT_CONTENT_H
#define QB_REPORT_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "claims.h"
#include "figures.h"
#include "report_files.h"
#include "report_sources.h"
#include "store/store.h"
#include "value_format.h"

struct qb_report_column {
    const char *name, *unit;
    const struct qb_metric *metric; /* NULL: this program does not know it (a result of a newer one) */
    bool headline;                  /* shown first; the others are a click away, or in the CSV */
    bool intervals;                 /* some value has one */
    struct qb_value_format format;
    bool same_n; /* every value has shared_n observations */
    uint64_t shared_n;
    const char *usual_note; /* what more than half of the values note, or ""; every one when same_note */
    bool same_note;
};

/* One model in one experiment: rows are its cells (variants), in the order of the run. */
struct qb_report_table {
    const char *model, *experiment;
    char file[224]; /* "kjv-transformer.teacher-forced": names of files and labels */
    size_t *cells;  /* indices into the result: done and failed ones; never the reference */
    size_t row_count;
    struct qb_report_column *columns;
    size_t column_count;
    uint64_t usual_weights; /* qb_report_usual_weights */
};

/* One thing to know before reading the numbers. */
struct qb_remark {
    const char *kind; /* a flag's name, "coverage", "encoded", "otherwise", "without effect" or "warning"; static */
    struct qb_text text;
};

/* A variant against a floor on the same clusters: difference of the metric, variant minus floor, in its unit. */
struct qb_comparison {
    const char *model, *experiment, *metric, *variant, *floor, *unit;
    double value, lo, hi; /* 95% interval, NaN: none */
    double p, adjusted;   /* two-sided, and adjusted by Holm over all comparisons of the report; NaN: none */
    size_t clusters;
    const char *cluster_unit; /* "chunks" */
    bool lower_is_better;
    const char *why; /* not compared: the reason (static), numbers NaN; else NULL */
};

/* Where a variant's loss comes from: the parts of its mean KL, for reading down a column that sums. */
enum qb_attribution_kind {
    QB_ATTRIBUTION_PART,  /* a metric of the attribute cell */
    QB_ATTRIBUTION_SUM,   /* our sum of the parts above it, no interval of its own */
    QB_ATTRIBUTION_LOSS,  /* total_kl, and kl_mean of the teacher-forced cell */
    QB_ATTRIBUTION_SHARE, /* shapley_* */
};
struct qb_attribution_row {
    enum qb_attribution_kind kind;
    char label[96];                  /* "products computed on codes, alone" */
    const char *experiment, *metric; /* where the number stands; NULL for a sum */
    double value, lo, hi;            /* nat; lo and hi NaN: no interval */
};
enum { QB_ATTRIBUTION_ROWS = 40 };
struct qb_attribution {
    const char *model, *variant;
    struct qb_attribution_row rows[QB_ATTRIBUTION_ROWS];
    size_t row_count;
    char zeros[640];  /* "channel scale S alone, ...": parts that are exactly 0, not among the rows; "" when none */
    double total;     /* total_kl */
    bool empty;       /* the loss itself is void: kl_mean is flagged degenerate */
    uint64_t n;       /* positions */
    const char *note; /* total_kl's: how its interval was made, or why there is none */
    struct qb_text sentence;
};

struct qb_report {
    const struct qb_result *result;
    struct qb_report_table *tables;
    size_t table_count;
    size_t *first_row; /* per cell: index of its first row in /summary */
    struct qb_remark *remarks;
    size_t remark_count;
    struct qb_comparison *comparisons;
    size_t comparison_count;
    struct qb_attribution *attributions; /* one a model that has a factorial, in the order of the tables */
    size_t attribution_count;
    struct qb_figure_list figures;
    const char *figure_trouble; /* why the list is incomplete, or NULL */
    struct qb_ledger *ledger;   /* evaluated, or NULL: nothing of it was measured */
};

/* ---- filling (report_content.c, report_remarks.c, report_comparisons.c, report_attribution.c) ---- */
enum qb_status qb_report_tables(struct qb_report *report, struct qb_error *err);
enum qb_status qb_report_remarks(struct qb_report *report, struct qb_error *err);
enum qb_status qb_report_comparisons(struct qb_report *report, struct qb_error *err);
/* After qb_report_tables: of each model's attribute table, the variant with most parts. */
enum qb_status qb_report_attributions(struct qb_report *report, struct qb_error *err);
void qb_attributions_free(struct qb_report *report);
void qb_report_free(struct qb_report *report); /* the content, figures and ledger included */

/* ---- reading ---- */
const struct qb_cell *qb_report_cell(const struct qb_report *report, const struct qb_report_table *table, size_t row);
/* The value of a row in a column, or NULL; *summary_row is its index in /summary. */
const struct qb_value *qb_report_value(const struct qb_report *report, const struct qb_report_table *table, size_t row,
                                       size_t column, size_t *summary_row);
/* The unit as a header shows it: "" for a pure number, or when the name says it (weight_bytes). */
const char *qb_column_unit(const struct qb_report_column *column);
/* "what FP32 arithmetic in another order costs" for the floors below FP32 itself, else NULL. */
const char *qb_floor_says(enum qb_floor floor);

/* ---- what rows encode (report_encoded.c) ---- */
/* The number of weights that most rows of the table encode (floors do not count), 0 when none says. A row that encodes
 * others differs in placement, not in its format alone. */
uint64_t qb_report_usual_weights(const struct qb_report *report, const struct qb_report_table *table);
/* Does row r encode some, but not as many? Then says (may be NULL) gets "encodes 3 weights, most rows 2". */
bool qb_report_encodes_otherwise(const struct qb_report *report, const struct qb_report_table *table, size_t r,
                                 struct qb_text *says);
/* All such rows of a table in a sentence; which entries of variants are without effect ("placement head in a, b").
 * Nothing when there are none. */
void qb_report_encoded_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out);
/* What of the rows' weights is stored otherwise, for the variant's codec does not take the shape. */
void qb_report_otherwise_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out);
void qb_report_unbound_note(const struct qb_report *report, const struct qb_report_table *table, struct qb_text *out);

/* Is a value void: flagged degenerate or not finite? Writers put it in parentheses and grey. */
bool qb_value_void(const struct qb_value *value);
/* What stands in a table where there is no value: "failed", "skipped", or `dash` where it is absent. */
const char *qb_missing_word(uint32_t flags, const char *dash);
/* "model, experiment: reason; ..." of the comparisons that have no numbers; nothing when all have. */
void qb_left_uncompared(const struct qb_report *report, struct qb_text *out);
/* Each flag's name and what it means, in the order of the bits; name NULL ends the list. */
struct qb_flag_meaning {
    uint32_t flag;
    const char *name, *means;
};
const struct qb_flag_meaning *qb_flag_meanings(void);

/* How the numbers of an attribution are printed: the same decimals for all, so that they can be added up on the page;
 * those that would keep fewer than two digits scientific. */
struct qb_value_format qb_attribution_format(const struct qb_attribution *attribution, double x);
/* "[lo, hi]" in a writer's numbers, or `none`. */
void qb_attribution_interval(const struct qb_attribution *a, const struct qb_attribution_row *row,
                             void (*number)(const struct qb_attribution *, double, struct qb_text *), const char *none,
                             struct qb_text *out);
/* What the columns of every attribution mean; plain text. */
const char *qb_attribution_meaning(void);

/* ---- writers: each appends a whole file, or writes its files below `folder` ---- */
enum qb_status qb_write_html(const struct qb_report *report, const char *folder, struct qb_text *said,
                             struct qb_error *err);
enum qb_status qb_write_markdown(const struct qb_report *report, const char *folder, struct qb_text *said,
                                 struct qb_error *err);
enum qb_status qb_write_latex(const struct qb_report *report, const char *folder, struct qb_text *said,
                              struct qb_error *err);
enum qb_status qb_write_csv(const struct qb_report *report, const char *folder, struct qb_text *said,
                            struct qb_error *err);

#endif
