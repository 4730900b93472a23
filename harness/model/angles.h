/* The angles of rotary positions (struct qb_rope of arch.h) in numbers. Frequencies and angles are FP32 in the steps of
 * transformers' modeling_rope_utils.py, cosines and sines are computed in double and rounded. */
#ifndef QB_MODEL_ANGLES_H
#define QB_MODEL_ANGLES_H

#include "arch/arch.h"
#include "compute/rope.h"

/* Cosines and sines of positions from 0 on; zero-initialise, free with qb_angle_table_free. */
struct qb_angle_table {
    float *values; /* [2, positions, half] */
    size_t positions;
    bool beyond; /* of a sequence that is longer than rope's original_context */
};

/* Frequency i, i < rope->dims / 2: position p is turned by p * frequency[i]; *factor multiplies cosines and sines.
 * beyond: longrope's factors of longer sequences.
 *   plain     f = 1 / (theta^(2i/dims) * factor[i]), factor[i] 1 where there are no factors
 *   linear    f / factor
 *   llama3    wavelengths under original_context / high_freq_factor stay, those above original_context /
 *             low_freq_factor are f / factor, between them a mixture
 *   yarn      a mixture of f and f / factor by the turns that a wave makes in original_context: over beta_fast (0: 32)
 *             f, under beta_slow (0: 1) f / factor (Peng et al. 2023); *factor 0.1 ln(factor) + 1
 *   longrope  f with short_factor or long_factor (Ding et al. 2024); *factor sqrt(1 + ln(factor) /
 * ln(original_context)) rope->attention_factor, where it is set, is *factor instead. */
void qb_rope_frequencies(const struct qb_rope *rope, bool beyond, float frequency[QB_HEAD_DIM_MAX / 2], float *factor);

/* Makes the table reach `positions`, 1 or more; it grows by half at least. */
enum qb_status qb_angle_table_reach(struct qb_angle_table *table, const struct qb_rope *rope, bool beyond,
                                    size_t positions, struct qb_error *err);
/* The angles from position `first` on. */
struct qb_angles qb_angle_table_from(const struct qb_angle_table *table, const struct qb_rope *rope, size_t first);
void qb_angle_table_free(struct qb_angle_table *table);

#endif
