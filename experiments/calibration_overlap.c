/* The overlap of a cell's calibration contexts with its text, as it is recorded. */
#include "calibration_overlap.h"

static enum qb_status record(size_t overlap, size_t contexts, struct qb_record *out, struct qb_error *err)
{
    return qb_record_i64(out, "calibration_overlap", (int64_t)overlap, "contexts",
                         "calibration contexts that occur in the text read here", err) ||
                   qb_record_i64(out, "calibration_contexts", (int64_t)contexts, "contexts", "calibration contexts",
                                 err)
               ? err->status
               : QB_OK;
}

enum qb_status qb_record_overlap(const struct qb_inputs *in, const int32_t *text, size_t pieces, size_t piece_length,
                                 struct qb_record *out, struct qb_error *err)
{
    size_t overlap, contexts = in->calibration ? in->calibration_contexts : 0;
    return qb_contexts_in_text(in->calibration, contexts, in->calibration_length, text, pieces, piece_length, &overlap,
                               err)
               ? err->status
               : record(overlap, contexts, out, err);
}

enum qb_status qb_record_pieces_overlap(const struct qb_inputs *in, const int32_t *text,
                                        const struct qb_token_piece *pieces, size_t count, struct qb_record *out,
                                        struct qb_error *err)
{
    size_t overlap, contexts = in->calibration ? in->calibration_contexts : 0;
    return qb_contexts_in_pieces(in->calibration, contexts, in->calibration_length, text, pieces, count, &overlap, err)
               ? err->status
               : record(overlap, contexts, out, err);
}
