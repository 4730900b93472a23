/* Is a calibrated variant measured on text that it was calibrated on? */
#ifndef QB_CALIBRATION_OVERLAP_H
#define QB_CALIBRATION_OVERLAP_H

#include "run/experiment.h"

/* How many of contexts[count, length] occur in text[pieces, piece_length]: a context does when any run of
 * w = min(32, length, piece_length) of its tokens stands in one piece, token by token in the same order. Pieces of
 * under 8 tokens that are shorter than a context are left out: a phrase of that length comes up by chance. Takes
 * O(count * length + pieces * piece_length) steps. */
enum qb_status qb_contexts_in_text(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                                   size_t pieces, size_t piece_length, size_t *overlap, struct qb_error *err);

/* calibration_overlap, calibration_contexts (i64 scalars) of inputs' calibration and the text that a cell reads. */
enum qb_status qb_record_overlap(const struct qb_inputs *inputs, const int32_t *text, size_t pieces,
                                 size_t piece_length, struct qb_record *out, struct qb_error *err);

#endif
