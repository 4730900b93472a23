/* The files that pages and figures read and write. */
#ifndef QB_REPORT_FILES_H
#define QB_REPORT_FILES_H

#include "base/error.h"
#include "base/text.h"

/* Appends the text of a template ("templates/report.js", "figures/kl.gp"), from the shipped data or the source tree. */
enum qb_status qb_report_template(const char *name, struct qb_text *out, struct qb_error *err);
/* Writes folder/name; text->failed is QB_ERR_MEMORY. */
enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err);

#endif
