/* The overlap of a cell's calibration contexts with its text, as it is recorded. */
#include "calibration_overlap.h"

#include "base/token_runs.h"

enum qb_status qb_record_overlap(const struct qb_inputs *in, const int32_t *text, size_t pieces, size_t piece_length,
                                 struct qb_record *out, struct qb_error *err)
{
    size_t overlap, contexts = in->calibration ? in->calibration_contexts : 0;
    if (qb_contexts_in_text(in->calibration, contexts, in->calibration_length, text, pieces, piece_length, &overlap,
                            err) ||
        qb_record_i64(out, "calibration_overlap", (int64_t)overlap, "contexts",
                      "calibration contexts that occur in the text read here", err))
        return err->status;
    return qb_record_i64(out, "calibration_contexts", (int64_t)contexts, "contexts", "calibration contexts", err);
}
