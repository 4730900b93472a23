/* The files that pages and figures read and write. */
#ifndef QB_REPORT_FILES_H
#define QB_REPORT_FILES_H

#include "base/error.h"
#include "base/text.h"

/* Appends the text of a template ("templates/report.js", "figures/kl.gp"), from the shipped data or the source tree. */
enum qb_status qb_report_template(const char *name, struct qb_text *out, struct qb_error *err);
/* Makes a report's folder and locks it until qb_report_end: two at once would draw over one another. A report replaces
 * what reports wrote before, and nothing else: a folder that none wrote to, by the mark that it leaves there, must not
 * hold a file or folder that this one would write to. Refused (QB_ERR_INPUT) before anything is written, as a folder of
 * figures or tables that is a symbolic link. *lock is for qb_report_end, also after a failure. */
enum qb_status qb_report_begin(const char *folder, int *lock, struct qb_error *err);
void qb_report_end(int *lock);

/* Writes folder/name; text->failed is QB_ERR_MEMORY. What is there is replaced, but a symbolic link is refused
 * (QB_ERR_INPUT), for what it leads to is none of the report's. */
enum qb_status qb_report_save(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err);
/* Makes way for folder/name, which another program will write and would write through links: what is there goes; a
 * symbolic link is refused, as above. */
enum qb_status qb_report_clear(const char *folder, const char *name, struct qb_error *err);

#endif
