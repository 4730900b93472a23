/* Tables, CSV, JSON and Markdown of a comparison. */
#ifndef QB_COMPARE_OUTPUT_H
#define QB_COMPARE_OUTPUT_H

#include "cli.h"
#include "gate/compare.h"

struct qb_compare_heads {
    const char *a, *b; /* what each arm is called: a file, or a variant */
    bool variants;     /* two variants of one file */
};

/* Console and Markdown: everything into out. CSV, JSON: rows into out, what has to be known of the whole into said. */
void qb_compare_print(const struct qb_compare *compare, const struct qb_compare_heads *heads, enum qb_output output,
                      struct qb_text *out, struct qb_text *said);

#endif
