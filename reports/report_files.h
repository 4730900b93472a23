/* The files that pages and figures read and write. */
#ifndef QB_REPORT_FILES_H
#define QB_REPORT_FILES_H

#include "base/error.h"
#include "base/text.h"

/* Appends the text of a template ("templates/report.js", "figures/kl.gp"), from the shipped data or the source tree. */
enum qb_status qb_report_template(const char *name, struct qb_text *out, struct qb_error *err);
/* Writes folder/name; text->failed is QB_ERR_MEMORY. What is there is replaced, but a symbolic link is refused
 * (QB_ERR_INPUT), for what it leads to is none of the report's. */
enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err);
/* The same of a page that a user may have under this name: a file without `sign`, words that every such page has in its
 * first 16 KiB, is not ours and refused (QB_ERR_INPUT). */
enum qb_status qb_report_save_page(const char *folder, const char *name, const char *sign, const struct qb_text *text,
                                   struct qb_error *err);
/* Makes way for folder/name, which another program will write and would write through links: what is there goes; a
 * symbolic link is refused, as above. */
enum qb_status qb_report_clear(const char *folder, const char *name, struct qb_error *err);

#endif
