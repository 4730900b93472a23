/* Is a calibrated variant measured on text that it was calibrated on? */
#ifndef QB_CALIBRATION_OVERLAP_H
#define QB_CALIBRATION_OVERLAP_H

#include "base/token_runs.h"
#include "run/experiment.h"

/* calibration_overlap, calibration_contexts (i64 scalars) of inputs' calibration and the text that a cell reads. */
enum qb_status qb_record_overlap(const struct qb_inputs *inputs, const int32_t *text, size_t pieces,
                                 size_t piece_length, struct qb_record *out, struct qb_error *err);
/* The same where the cell reads pieces of text (base/token_runs.h). */
enum qb_status qb_record_pieces_overlap(const struct qb_inputs *inputs, const int32_t *text,
                                        const struct qb_token_piece *pieces, size_t count, struct qb_record *out,
                                        struct qb_error *err);

#endif
