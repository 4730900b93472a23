/* Where numbers come from, and which are shown first (report_sources.c). */
#ifndef QB_REPORT_SOURCES_H
#define QB_REPORT_SOURCES_H

#include <stdbool.h>
#include "base/text.h"
#include "store/store.h"

/* The datasets that a metric reads, blank-separated, below /cells/<model>/<variant>/<experiment>/; "" when this program
 * does not know the metric: then the whole group is its source. Static. */
const char *qb_metric_sources(const char *experiment, const char *metric);
/* Is this one of the metrics that an experiment's tables show first? */
bool qb_metric_headline(const char *experiment, const char *metric);
/* Appends "/cells/m/v/e/kl, /cells/m/v/e/chunk" separated by `between`. */
void qb_source_paths(struct qb_text *out, const struct qb_cell *cell, const char *metric, const char *between);

#endif
