/* Rotary positions from config.json: rope_parameters (transformers 5), or rope_scaling with rope_theta beside it.
 * Defaults and precedence are those of transformers' modeling_rope_utils.py. */
#include "arch/config.h"

#include <math.h>
#include <string.h>

static const struct qb_config_key known[] = {{"rope_type", NULL, NULL},
                                             {"type", NULL, NULL},
                                             {"rope_theta", NULL, NULL},
                                             {"factor", NULL, NULL},
                                             {"partial_rotary_factor", NULL, NULL},
                                             {"original_max_position_embeddings", NULL, NULL},
                                             {"attention_factor", NULL, NULL},
                                             {"beta_fast", NULL, NULL},
                                             {"beta_slow", NULL, NULL},
                                             {"low_freq_factor", NULL, NULL},
                                             {"high_freq_factor", NULL, NULL},
                                             {"long_factor", NULL, NULL},
                                             {"short_factor", NULL, NULL},
                                             {"mscale", NULL, NULL},
                                             {"mscale_all_dim", NULL, NULL},
                                             {"truncate", NULL, NULL},
                                             {"finetuned", NULL, NULL},
                                             {0}};

#define LARGEST 1e30

/* The object's number, else that of the config around it, else otherwise. */
static enum qb_status number(const struct qb_config *rope, const struct qb_config *config, const char *key,
                             double otherwise, float *value, struct qb_error *err)
{
    double found;
    if (qb_config_number(config, key, 1e-6, LARGEST, otherwise, &found, err) ||
        qb_config_number(rope, key, 1e-6, LARGEST, found, &found, err))
        return err->status;
    *value = (float)found;
    return QB_OK;
}

static bool is_phi3(const struct qb_config *config)
{
    return strcmp(config->family->name, "phi3") == 0;
}

static enum qb_status read_type(const struct qb_config *rope, enum qb_rope_scaling *scaling, struct qb_error *err)
{
    static const struct {
        const char *word;
        enum qb_rope_scaling scaling;
    } types[] = {{"default", QB_ROPE_PLAIN}, {"linear", QB_ROPE_LINEAR}, {"llama3", QB_ROPE_LLAMA3},
                 {"yarn", QB_ROPE_YARN},     {"su", QB_ROPE_LONGROPE},   {"longrope", QB_ROPE_LONGROPE}};
    const bool phi3 = is_phi3(rope); /* transformers: its yarn was never another thing */
    const char *word = NULL;
    if (qb_config_text(rope, "rope_type", &word, err) || (!word && qb_config_text(rope, "type", &word, err)))
        return err->status;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].word, word ? word : "default") == 0) {
            *scaling = phi3 && types[i].scaling == QB_ROPE_YARN ? QB_ROPE_LONGROPE : types[i].scaling;
            return QB_OK;
        }
    return qb_fail(err, QB_ERR_INPUT, "rope_type is '%.*s', expected default, linear, llama3, yarn or longrope",
                   QB_UPTO(64, word));
}

static enum qb_status read_factors(const struct qb_config *config, const char *key, size_t due, float *factors,
                                   bool *there, struct qb_error *err)
{
    const json_t *list = json_object_get(config->json, key);
    if (json_array_size(list) != due)
        return qb_fail(err, QB_ERR_INPUT, "%s: %zu numbers, expected %zu, one for each pair of rotated dimensions", key,
                       json_array_size(list), due);
    for (size_t i = 0; i < due; i++) {
        const double factor = json_number_value(json_array_get(list, i));
        if (!(factor >= 1e-6 && factor <= LARGEST))
            return qb_fail(err, QB_ERR_INPUT, "%s: number %zu is not over 0", key, i);
        factors[i] = (float)factor;
    }
    *there = true;
    return QB_OK;
}

/* The positions that the model was trained for before they were stretched: the config's own number goes first, as in
 * transformers; phi3's class has one. */
static enum qb_status read_original(const struct qb_config *rope, const struct qb_config *config, size_t *original,
                                    struct qb_error *err)
{
    const char *key = "original_max_position_embeddings";
    if (qb_config_size(config, key, original, err) || *original)
        return err->status;
    if (is_phi3(config))
        *original = 4096;
    else if (qb_config_size(rope, key, original, err))
        return err->status;
    if (*original == 0)
        *original = config->arch->trained_context;
    return QB_OK;
}

/* The factor of cos and sin where the config gives none (YaRN, Peng et al. 2023, 3.4; LongRoPE, Ding et al. 2024). */
static float own_attention_factor(const struct qb_rope *rope, double mscale, double mscale_all)
{
    const double stretch = log((double)rope->factor);
    if (rope->factor <= 1.0f)
        return 1.0f;
    if (rope->scaling == QB_ROPE_LONGROPE)
        return (float)sqrt(1.0 + stretch / log((double)rope->original_context));
    if (mscale > 0.0 && mscale_all > 0.0)
        return (float)((0.1 * mscale * stretch + 1.0) / (0.1 * mscale_all * stretch + 1.0));
    return (float)(0.1 * stretch + 1.0);
}

static enum qb_status read_stretched(const struct qb_config *object, const struct qb_config *config,
                                     struct qb_rope *rope, struct qb_error *err)
{
    const struct qb_config none = {.json = NULL, .prefix = "", .family = config->family, .arch = config->arch};
    double otherwise = 0.0, mscale, mscale_all, attention;
    bool truncate;
    if (read_original(object, config, &rope->original_context, err))
        return err->status;
    if ((rope->scaling == QB_ROPE_LONGROPE || rope->scaling == QB_ROPE_YARN) && rope->original_context)
        otherwise = (double)config->arch->trained_context / (double)rope->original_context;
    if (number(object, &none, "factor", otherwise, &rope->factor, err) ||
        number(object, &none, "low_freq_factor", 0, &rope->low_freq_factor, err) ||
        number(object, &none, "high_freq_factor", 0, &rope->high_freq_factor, err) ||
        number(object, &none, "beta_fast", 32, &rope->beta_fast, err) ||
        number(object, &none, "beta_slow", 1, &rope->beta_slow, err) ||
        qb_config_number(object, "attention_factor", 0, LARGEST, 0, &attention, err) ||
        qb_config_number(object, "mscale", 0, LARGEST, 0, &mscale, err) ||
        qb_config_number(object, "mscale_all_dim", 0, LARGEST, 0, &mscale_all, err) ||
        qb_config_flag(object, "truncate", true, &truncate, err))
        return err->status;
    if (!truncate)
        return qb_fail(err, QB_ERR_INPUT, "truncate is false, expected true: yarn's range is rounded to whole pairs");
    if (rope->scaling == QB_ROPE_YARN || rope->scaling == QB_ROPE_LONGROPE)
        rope->attention_factor = attention > 0.0 ? (float)attention : own_attention_factor(rope, mscale, mscale_all);
    if (rope->scaling != QB_ROPE_LONGROPE)
        return QB_OK;
    if (read_factors(object, "long_factor", rope->dims / 2, rope->long_factor, &rope->factors_long, err))
        return err->status;
    return read_factors(object, "short_factor", rope->dims / 2, rope->short_factor, &rope->factors_short, err);
}

static enum qb_status refuse_unknown(const struct qb_config *rope, struct qb_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)rope->json, key, value)
    {
        if (!qb_config_knows(rope, known, key) && !qb_config_off(value))
            return qb_config_refuse(key, value, err);
    }
    return QB_OK;
}

/* One rope. object: its parameters, or NULL; theta: the base where they have none. */
static enum qb_status read_rope(const struct qb_config *config, const json_t *object, double theta,
                                struct qb_rope *rope, struct qb_error *err)
{
    const struct qb_config own = {.json = object, .prefix = "", .family = config->family, .arch = config->arch};
    const struct qb_config none = {.json = NULL, .prefix = "", .family = config->family, .arch = config->arch};
    float partial = 1.0f;
    if (refuse_unknown(&own, err))
        return err->status;
    if (number(&own, &none, "rope_theta", theta, &rope->theta, err) ||
        number(&own, config, "partial_rotary_factor", 1, &partial, err) || read_type(&own, &rope->scaling, err))
        return err->status;
    if (partial != 1.0f && !is_phi3(config)) /* transformers' other models fail, or turn whole heads nevertheless */
        return qb_fail(err, QB_ERR_INPUT, "partial_rotary_factor is %g, expected 1: %s turns whole heads",
                       (double)partial, config->family->name);
    rope->dims = (size_t)((double)qb_arch_head_dim(config->arch) * (double)partial);
    if (rope->dims > QB_HEAD_DIM_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%zu rotated dimensions of a head, expected at most %d", rope->dims,
                       QB_HEAD_DIM_MAX);
    if (rope->scaling != QB_ROPE_PLAIN && read_stretched(&own, config, rope, err))
        return err->status;
    return rope->scaling == QB_ROPE_PLAIN || rope->factor > 0.0f
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT, "factor is missing, expected how far positions are stretched");
}

/* The objects of both ropes, NULL where there is none. Gemma 3 names a rope a type of layer, and reads rope_scaling as
 * that of its layers without a window. */
static enum qb_status find_objects(const struct qb_config *config, const json_t *objects[2], struct qb_error *err)
{
    const json_t *scaling = qb_config_get(config, "rope_scaling"),
                 *parameters = qb_config_get(config, "rope_parameters");
    const bool scaled = json_object_size(scaling) > 0;
    if ((scaling && !json_is_object(scaling)) || (parameters && !json_is_object(parameters)))
        return qb_fail(err, QB_ERR_INPUT, "rope_scaling and rope_parameters: expected objects");
    objects[0] = scaled ? scaling : parameters;
    if (!config->family->local_rope || json_object_size(parameters) == 0)
        return QB_OK;
    if (scaled)
        return qb_fail(err, QB_ERR_INPUT, "rope_scaling beside rope_parameters, expected one of them");
    objects[0] = json_object_get(parameters, "full_attention");
    objects[1] = json_object_get(parameters, "sliding_attention");
    return objects[0] || objects[1]
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT, "rope_parameters: expected full_attention and sliding_attention");
}

enum qb_status qb_config_rope(const struct qb_config *config, struct qb_error *err)
{
    struct qb_rope *rope = config->arch->rope;
    const json_t *objects[2] = {NULL, NULL};
    double theta, local_theta;
    if (find_objects(config, objects, err) ||
        qb_config_number(config, "rope_theta", 1e-6, LARGEST, (double)rope[0].theta, &theta, err) ||
        qb_config_number(config, "rope_local_base_freq", 1e-6, LARGEST, (double)rope[1].theta, &local_theta, err))
        return err->status;
    if (read_rope(config, objects[0], theta, &rope[0], err))
        return qb_wrap(err, "rope");
    if (config->family->local_rope)
        return read_rope(config, objects[1], local_theta, &rope[1], err) ? qb_wrap(err, "rope") : QB_OK;
    rope[1] = rope[0];
    return QB_OK;
}
