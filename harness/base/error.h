/* One error style for the whole harness: a function returns a status and, when it fails, leaves a message that
 * names the place (file, line, key, tensor) and what was expected. Only cli/ prints and exits.
 *
 * err->status is the running status; there is no second variable for it. Every function that takes an err expects a
 * clean one (QB_OK); one that goes on after a failure uses an err of its own. A status is tested by its truth:
 *
 *     if (read_head(file, &head, err) || read_body(file, &head, &body, err))
 *         return err->status;
 *
 * and what has something to release jumps to one `out:`, which releases it and returns err->status. */
#ifndef QB_ERROR_H
#define QB_ERROR_H

#include <stdarg.h>

enum qb_status {
    QB_OK = 0,
    QB_ERR_INPUT,     /* what the user gave is wrong: a file's content, an option, a name; exit code 2 */
    QB_ERR_IO,        /* the system refused: open, read, write, disk full; exit code 2 */
    QB_ERR_MEMORY,    /* allocation refused or a size over its limit */
    QB_ERR_NUMERIC,   /* NaN or Inf where a number is due */
    QB_ERR_CODEC,     /* a plugin broke its contract */
    QB_ERR_CANCELLED, /* the user stopped the run */
    QB_ERR_INTERNAL   /* a defect of the harness */
};

/* The caller owns it (usually on its stack, zero-initialised); message is "" while status is QB_OK. */
struct qb_error {
    enum qb_status status;
    char message[1024];
};

/* Sets err to (status, message) and returns status, so that `return qb_fail(err, ...)` reads well. Messages end
 * without a full stop or newline; they are one clean line (base/utf8.h), over-long ones are cut between characters. err
 * may not be NULL. */
enum qb_status qb_fail(struct qb_error *err, enum qb_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<formatted>: " in front of err's message on the way up; returns err->status unchanged. */
enum qb_status qb_wrap(struct qb_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
