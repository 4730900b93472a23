/* What the checked calls and the conformance suite share. */
#ifndef QB_CALLS_H
#define QB_CALLS_H

#include <stddef.h>
#include "codec/codec_util.h" /* qb_first_nonfinite */

/* "OK", "BAD_INPUT", ...; NULL for a status that the ABI does not know. */
const char *qb_codec_status_name(int status);

/* An error as the host hands it in: empty message, index SIZE_MAX. */
void qb_codec_error_clear(struct qb_codec_error *error);
/* Makes the message that a plugin left a clean line (base/utf8.h), whether or not it ended it. */
void qb_codec_error_clean(struct qb_codec_error *error);

#endif
