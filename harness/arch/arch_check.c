/* Whether a model's options hold together, wherever they came from. */
#include "arch/arch.h"

static enum qb_status check_rope(const struct qb_rope *rope, size_t head_dim, struct qb_error *err)
{
    const bool trained =
        rope->scaling == QB_ROPE_LLAMA3 || rope->scaling == QB_ROPE_YARN || rope->scaling == QB_ROPE_LONGROPE;
    if (rope->dims == 0)
        return QB_OK;
    if (rope->dims % 2 || rope->dims > head_dim || head_dim > QB_HEAD_DIM_MAX)
        return qb_fail(err, QB_ERR_INPUT,
                       "%zu rotated dimensions of %zu of a head: expected an even number, at most %d", rope->dims,
                       head_dim, QB_HEAD_DIM_MAX);
    if (!(rope->theta > 0.0f) || !(rope->factor > 0.0f))
        return qb_fail(err, QB_ERR_INPUT, "rotary positions of base %g and factor %g: expected numbers over 0",
                       (double)rope->theta, (double)rope->factor);
    if (trained && rope->original_context < 2)
        return qb_fail(err, QB_ERR_INPUT, "scaled rotary positions need the context that the model was trained for");
    if (rope->scaling == QB_ROPE_LLAMA3 &&
        !(rope->low_freq_factor > 0.0f && rope->high_freq_factor > rope->low_freq_factor))
        return qb_fail(err, QB_ERR_INPUT, "llama3's frequency factors are %g and %g: expected 0 < low < high",
                       (double)rope->low_freq_factor, (double)rope->high_freq_factor);
    if (rope->scaling == QB_ROPE_YARN && !(rope->beta_slow > 0.0f && rope->beta_fast > 0.0f))
        return qb_fail(err, QB_ERR_INPUT, "yarn's betas are %g and %g: expected numbers over 0",
                       (double)rope->beta_fast, (double)rope->beta_slow);
    if (rope->scaling == QB_ROPE_LONGROPE && !(rope->factors_long && rope->factors_short))
        return qb_fail(err, QB_ERR_INPUT, "longrope needs a long and a short factor for each pair");
    return QB_OK;
}

static enum qb_status check_windows(const struct qb_arch *arch, struct qb_error *err)
{
    bool any = false;
    for (size_t i = 0; i < QB_LAYERS_MAX; i++) {
        const bool windowed = arch->windowed[i / 64] >> i % 64 & 1;
        if (windowed && i >= arch->layers)
            return qb_fail(err, QB_ERR_INPUT, "layer %zu has a window, and there are %zu", i, arch->layers);
        any = any || windowed;
    }
    if (any && arch->window == 0)
        return qb_fail(err, QB_ERR_INPUT, "layers have a window, and its size is not said");
    return QB_OK;
}

static enum qb_status check_heads(const struct qb_arch *arch, struct qb_error *err)
{
    if (arch->heads == 0 || (arch->head_dim == 0 && (arch->heads > arch->hidden || arch->hidden % arch->heads)))
        return qb_fail(err, QB_ERR_INPUT, "heads is %zu, expected a divisor of the width %zu", arch->heads,
                       arch->hidden);
    if (arch->kv_heads && arch->heads % arch->kv_heads)
        return qb_fail(err, QB_ERR_INPUT, "%zu heads of keys and values, expected a divisor of the %zu of queries",
                       arch->kv_heads, arch->heads);
    if (arch->layers > QB_LAYERS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%zu layers, expected at most %d", arch->layers, QB_LAYERS_MAX);
    return QB_OK;
}

enum qb_status qb_arch_check(const struct qb_arch *arch, struct qb_error *err)
{
    const struct qb_family *family = qb_family_find(arch->name);
    if (!arch->attention && (arch->causal || arch->learned_positions || arch->heads != 1 || arch->rope[0].dims ||
                             arch->rope[1].dims || arch->window || arch->kv_heads))
        return qb_fail(err, QB_ERR_INPUT,
                       "a chain sees its last token alone: causal, positions, heads and windows do not apply");
    if (!arch->attention)
        return QB_OK;
    if (arch->learned_positions && !qb_family_rule(family, QB_ROLE_POSITION))
        return qb_fail(err, QB_ERR_INPUT, "the architecture '%s' has no learned positions", arch->name);
    if (arch->learned_positions && arch->context == 0)
        return qb_fail(err, QB_ERR_INPUT, "learned positions need a context over 0");
    if (check_heads(arch, err))
        return err->status;
    const size_t head_dim = qb_arch_head_dim(arch);
    if (check_rope(&arch->rope[0], head_dim, err) || check_rope(&arch->rope[1], head_dim, err))
        return err->status;
    return check_windows(arch, err);
}
