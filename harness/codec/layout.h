/* Encoded matrices read by their layout (codec.h), plainly: what faster readers are compared with. */
#ifndef QB_CODEC_LAYOUT_H
#define QB_CODEC_LAYOUT_H

#include <stdbool.h>
#include "codec/codec.h"

/* Is the layout of a known kind, and all that it tells of rows x cols within `bytes` bytes? */
bool qb_layout_fits(const struct qb_codec_layout *layout, size_t rows, size_t cols, size_t bytes);

/* Have values of an enum qb_layout_kind a scale, perhaps QB_LAYOUT_SCALE_NONE, and do their codes perhaps lie in
 * blocks? What a layout of another kind says of either is nothing, and not looked at. */
bool qb_layout_scaled(int32_t kind);

/* The scale that is stored at `at`, of an enum qb_layout_scale. */
float qb_layout_scale(int32_t scale, const unsigned char *at);

/* The values of a row of a layout that fits, out[cols], by the formulas of decode. */
void qb_layout_row(const struct qb_codec_layout *layout, const void *in, size_t row, size_t cols, float *out);

#endif
