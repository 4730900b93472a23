/* Metrics of `attribute`, its factorial: which part of a variant the KL comes from. */
#include "metric/attribution.h"
#include "metric/parts.h"

enum { STORAGE, DOMAIN, SCALE, ALPHA, FP16 }; /* of qb_factor_names */

static bool total_kl(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_TOTAL, 0, 0, sample);
}

static bool alone_storage(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_ALONE, STORAGE, 0, sample);
}

static bool alone_domain(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_ALONE, DOMAIN, 0, sample);
}

static bool alone_scale(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_ALONE, SCALE, 0, sample);
}

static bool alone_alpha(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_ALONE, ALPHA, 0, sample);
}

static bool alone_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_ALONE, FP16, 0, sample);
}

static bool storage_domain(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, STORAGE, DOMAIN, sample);
}

static bool storage_scale(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, STORAGE, SCALE, sample);
}

static bool storage_alpha(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, STORAGE, ALPHA, sample);
}

static bool storage_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, STORAGE, FP16, sample);
}

static bool domain_scale(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, DOMAIN, SCALE, sample);
}

static bool domain_alpha(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, DOMAIN, ALPHA, sample);
}

static bool domain_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, DOMAIN, FP16, sample);
}

static bool scale_alpha(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, SCALE, ALPHA, sample);
}

static bool scale_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, SCALE, FP16, sample);
}

static bool alpha_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_INTERACTION, ALPHA, FP16, sample);
}

static bool interactions_higher(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_HIGHER, 0, 0, sample);
}

static bool shapley_storage(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_SHAPLEY, STORAGE, 0, sample);
}

static bool shapley_domain(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_SHAPLEY, DOMAIN, 0, sample);
}

static bool shapley_scale(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_SHAPLEY, SCALE, 0, sample);
}

static bool shapley_alpha(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_SHAPLEY, ALPHA, 0, sample);
}

static bool shapley_fp16(const struct qb_record *record, struct qb_sample *sample)
{
    return qb_effect_sample(record, QB_EFFECT_SHAPLEY, FP16, 0, sample);
}

#define ATTRIBUTE "attribute"

const struct qb_metric qb_metrics_attribute[] = {
    {.name = "total_kl",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL with all parts of the variant on",
     .sample = total_kl,
     .has_identity = true,
     .identity = 0},
    {.name = "alone_storage",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL of rounding the weights alone",
     .sample = alone_storage,
     .has_identity = true,
     .identity = 0},
    {.name = "alone_domain",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL of products made of coordinates alone",
     .sample = alone_domain,
     .has_identity = true,
     .identity = 0},
    {.name = "alone_scale",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL of the channel scale S alone",
     .sample = alone_scale,
     .has_identity = true,
     .identity = 0},
    {.name = "alone_alpha",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL of the logit scale alpha alone",
     .sample = alone_alpha,
     .has_identity = true,
     .identity = 0},
    {.name = "alone_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "mean KL of roles kept in FP16 alone",
     .sample = alone_fp16,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_storage_domain",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what storage and domain cost together beyond the sum of each alone",
     .sample = storage_domain,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_storage_scale",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what storage and scale cost together beyond the sum of each alone",
     .sample = storage_scale,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_storage_alpha",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what storage and alpha cost together beyond the sum of each alone",
     .sample = storage_alpha,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_storage_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what storage and fp16 cost together beyond the sum of each alone",
     .sample = storage_fp16,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_domain_scale",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what domain and scale cost together beyond the sum of each alone",
     .sample = domain_scale,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_domain_alpha",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what domain and alpha cost together beyond the sum of each alone",
     .sample = domain_alpha,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_domain_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what domain and fp16 cost together beyond the sum of each alone",
     .sample = domain_fp16,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_scale_alpha",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what scale and alpha cost together beyond the sum of each alone",
     .sample = scale_alpha,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_scale_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what scale and fp16 cost together beyond the sum of each alone",
     .sample = scale_fp16,
     .has_identity = true,
     .identity = 0},
    {.name = "interaction_alpha_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "what alpha and fp16 cost together beyond the sum of each alone",
     .sample = alpha_fp16,
     .has_identity = true,
     .identity = 0},
    {.name = "interactions_higher",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_NEUTRAL,
     .description = "interactions of three and more parts; with those alone and the pairs they sum to total_kl",
     .sample = interactions_higher,
     .has_identity = true,
     .identity = 0},
    {.name = "shapley_storage",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "share of rounding the weights in total_kl, mean over all orders; negative: it mends",
     .sample = shapley_storage,
     .has_identity = true,
     .identity = 0},
    {.name = "shapley_domain",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "share of products made of coordinates in total_kl, mean over all orders; negative: it mends",
     .sample = shapley_domain,
     .has_identity = true,
     .identity = 0},
    {.name = "shapley_scale",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "share of the channel scale S in total_kl, mean over all orders; negative: it mends",
     .sample = shapley_scale,
     .has_identity = true,
     .identity = 0},
    {.name = "shapley_alpha",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "share of the logit scale alpha in total_kl, mean over all orders; negative: it mends",
     .sample = shapley_alpha,
     .has_identity = true,
     .identity = 0},
    {.name = "shapley_fp16",
     .experiment = ATTRIBUTE,
     .unit = "nat",
     .direction = QB_LOWER_IS_BETTER,
     .description = "share of roles kept in FP16 in total_kl, mean over all orders; negative: it mends",
     .sample = shapley_fp16,
     .has_identity = true,
     .identity = 0},
    {0},
};
