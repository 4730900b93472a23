/* nvfp4_tensor: blocks of 16 values as 4-bit floats (E2M1) times an 8-bit float (E4M3) times a float32 of the tensor.
 */
#include "codec_scaled.h"

static struct qb_levels levels, scale_levels;
static struct qb_tables tables;

static void prepare(void)
{
    qb_levels_minifloat(&levels, 2, 1, 1, 8);
    qb_levels_minifloat(&scale_levels, 4, 3, 7, 127); /* 127 is NaN */
    qb_levels_find(&levels, qb_nearest_codes, 0, &tables);
}

/* The tensor's g, then a byte for each block. */
static size_t bytes_of(const struct qb_scaled *scaled)
{
    return sizeof(float) + scaled->scopes.count;
}

static void learn_tensor(const struct qb_scaled *scaled, size_t row, size_t count, const float *x, unsigned char *out)
{
    float top = qb_amax(scaled->isa, x, count * scaled->cols), before = 0;
    if (row > 0)
        memcpy(&before, out, sizeof before);
    top = fmaxf(top, before);
    top = row + count == scaled->rows ? top / 2688 : top; /* 448 * 6 */
    memcpy(out, &top, sizeof top);
}

static void learn(const struct qb_scaled *scaled, unsigned pass, size_t row, size_t count, const float *x,
                  unsigned char *out)
{
    if (pass == 0) {
        learn_tensor(scaled, row, count, x, out);
        return;
    }
    float g;
    memcpy(&g, out, sizeof g);
    struct qb_span span = qb_scopes_from(&scaled->scopes, row);
    size_t scope;
    while (qb_next_scope(&scaled->scopes, row + count, &span, &scope)) {
        const float due = qb_amax(scaled->isa, x + (span.first - row * scaled->cols), span.size) / 6;
        out[sizeof g + scope] = (unsigned char)(g > 0 ? qb_levels_code(&scale_levels, (double)(due / g)) : 0);
    }
}

static size_t load(const struct qb_scaled *scaled, const unsigned char *in, size_t scope, float *scale)
{
    float g;
    memcpy(&g, in, sizeof g);
    const size_t at = sizeof g + scope;
    if (signbit(g) || !isfinite(g))
        return 0;
    *scale = g * scale_levels.value[in[at]];
    return in[at] < 0x80 && isfinite(*scale * scaled->levels->largest) ? SIZE_MAX : at;
}

static struct qb_scaled describe(const struct qb_codec_config *config)
{
    static const struct qb_scales scales = {.passes = 2, .bytes = bytes_of, .learn = learn, .load = load};
    (void)config;
    return (struct qb_scaled){
        .scope = {QB_SCOPE_GROUP, 16}, .bits = 4, .kind = QB_SCALE_TOP, .top = 6, .levels = &levels, .scales = &scales};
}

QB_SCALED_CODEC(
    prepare, describe, 3, .id = "nvfp4_tensor", .version = "1",
    .summary = "NVFP4 of two levels, 4-bit floats (E2M1) times E4M3 for each 16 values times a float32 of "
               "the tensor: 4.5 bits a weight",
    .flags = QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES,
    /* Measured plus a margin. */
    .tolerance = {
        .relative_error = 0.21, .floor_fraction = 0.5, .absolute_error = 0.13, .bias = 0.011, .sqnr_db = 20.3})
