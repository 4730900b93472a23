/* Which options say something of a model. */
#include <string.h>
#include "arch/arch.h"

static bool rope_applies(const struct qb_rope *rope, const char *name)
{
    static const struct {
        const char *name;
        unsigned scalings; /* bits: those that read it */
    } parts[] = {{"factor", ~(1u << QB_ROPE_PLAIN)},
                 {"low_freq_factor", 1u << QB_ROPE_LLAMA3},
                 {"high_freq_factor", 1u << QB_ROPE_LLAMA3},
                 {"original_context", 1u << QB_ROPE_LLAMA3 | 1u << QB_ROPE_YARN | 1u << QB_ROPE_LONGROPE},
                 {"beta_fast", 1u << QB_ROPE_YARN},
                 {"beta_slow", 1u << QB_ROPE_YARN},
                 {"attention_factor", 1u << QB_ROPE_YARN | 1u << QB_ROPE_LONGROPE}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, name) == 0)
            return rope->dims && parts[i].scalings >> rope->scaling & 1;
    return rope->dims > 0;
}

bool qb_arch_option_applies(const struct qb_arch *arch, size_t index)
{
    const char *name = qb_arch_option(index);
    bool windows = false;
    for (size_t i = 0; i < QB_LAYERS_MAX / 64; i++)
        windows = windows || arch->windowed[i];
    if (strncmp(name, "rope.", 5) == 0)
        return rope_applies(&arch->rope[0], name + 5);
    if (strncmp(name, "windowed_rope.", 14) == 0)
        return windows && rope_applies(&arch->rope[1], name + 14);
    if (strcmp(name, "window") == 0 || strcmp(name, "windowed") == 0)
        return windows;
    if (strcmp(name, "positions") == 0)
        return arch->learned_positions || arch->rope[0].dims == 0;
    return strcmp(name, "context") != 0 || arch->context;
}
