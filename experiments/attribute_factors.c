/* All combinations of a variant's parts. */
#include <string.h>

#include "attribute.h"
#include "base/mem.h"
#include "base/text.h"
#include "metric/attribution.h"
#include "model/calibrate.h"

#define CODED (FACTOR_STORAGE | FACTOR_DOMAIN) /* what S and alpha correct */

/* Has the model any of the tensors that the variant keeps in FP16? */
static bool keeps_fp16(const struct qb_variant *v, const struct qb_model *model)
{
    bool any = false;
    for (size_t i = 0; i < model->tensor_count && !any; i++)
        any = qb_variant_covers(v, v->calibration.fp16_roles, model->tensors[i].name, model->tensors[i].roles) != 0;
    return any;
}

unsigned factors_of(const struct qb_variant *v, const struct qb_model *model)
{
    unsigned factors = 0;
    if (v->encoded && v->path == QB_PATH_DOMAIN)
        factors |= FACTOR_DOMAIN;
    if (v->encoded && (v->path == QB_PATH_DECODE || v->stored))
        factors |= FACTOR_STORAGE;
    factors |= v->calibration.scale ? FACTOR_SCALE : 0;
    factors |= v->calibration.alpha ? FACTOR_ALPHA : 0;
    factors |= v->calibration.fp16_roles && keeps_fp16(v, model) ? FACTOR_FP16 : 0;
    return factors;
}

struct qb_variant factors_keep(const struct qb_variant *variant, unsigned factors)
{
    struct qb_variant v = *variant;
    v.encoded = (factors & CODED) != 0;
    v.placement = v.encoded ? variant->placement : 0;
    v.other_count = v.encoded ? variant->other_count : 0;
    v.path = factors & FACTOR_DOMAIN ? QB_PATH_DOMAIN : QB_PATH_DECODE;
    v.stored = (factors & CODED) == CODED;
    v.cache = true;
    v.calibration.scale = (factors & FACTOR_SCALE) != 0;
    v.calibration.alpha = (factors & FACTOR_ALPHA) != 0;
    v.calibration.fp16_roles = factors & FACTOR_FP16 ? variant->calibration.fp16_roles : 0;
    v.calibrated = v.calibration.scale || v.calibration.alpha || v.calibration.fp16_roles;
    return v;
}

/* Combination `index` of the factors that are present: its bit i is the i-th of them. */
static unsigned factors_at(unsigned present, size_t index)
{
    unsigned factors = 0;
    for (size_t i = 0; i < QB_FACTORS; i++) {
        if (!(present >> i & 1u))
            continue;
        factors |= (unsigned)(index & 1u) << i;
        index >>= 1;
    }
    return factors;
}

static size_t index_of(unsigned present, unsigned factors)
{
    size_t index = 0, place = 0;
    for (size_t i = 0; i < QB_FACTORS; i++)
        if (present >> i & 1u)
            index |= (size_t)(factors >> i & 1u) << place++;
    return index;
}

/* What a combination is in effect. */
static unsigned effective(unsigned factors)
{
    return factors & CODED ? factors : factors & (unsigned)FACTOR_FP16;
}

/* "none", or the parts with "+" between; NULL with err set when memory runs out. */
static char *name_of(unsigned factors, struct qb_error *err)
{
    struct qb_text name = {0};
    for (size_t i = 0; i < QB_FACTORS; i++)
        if (factors >> i & 1u)
            qb_text_add(&name, "%s%s", name.size ? "+" : "", qb_factor_names[i]);
    if (name.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the name of a combination");
    char *copy = name.failed ? NULL : qb_strdup(factors ? name.data : "none", err);
    qb_text_free(&name);
    return copy;
}

static enum qb_status name_all(unsigned present, size_t count, struct qb_record *out, struct qb_error *err)
{
    char **text = qb_record_add(out, "combination", QB_TEXT, 1, &count, "1", "which parts of the variant are on", err);
    for (size_t c = 0; text && c < count && !err->status; c++)
        text[c] = name_of(factors_at(present, c), err);
    return err->status;
}

struct table {
    struct judge *judge;
    unsigned present;
    double *kl;    /* [combination, position] */
    double *alpha; /* [combination] */
    float *hidden; /* [position, H], of the combination at work */
};

/* A combination without alpha and the same with it: one net, whose logits are compared before and after alpha. */
static enum qb_status run_pair(struct table *t, unsigned factors, struct qb_error *err)
{
    const struct qb_cell_env *env = t->judge->env;
    const struct qb_inputs *in = env->inputs;
    const struct qb_calibration_data data = {in->calibration, in->calibration_contexts, in->calibration_length};
    unsigned with = factors | (factors & CODED ? t->present & (unsigned)FACTOR_ALPHA : 0);
    size_t n = t->judge->positions, plain = index_of(t->present, factors), scaled = index_of(t->present, with);
    const struct qb_variant variant = factors_keep(env->variant, with);
    struct qb_net *net = NULL;
    if (!qb_net_prepare(env->model, &variant, &data, env->pool, &net, err) &&
        !qb_forced_hidden(&t->judge->text, net, 0, t->judge->text.chunks, t->hidden, err) &&
        !judge_kl(t->judge, net, t->hidden, n, t->kl + plain * n, scaled != plain ? t->kl + scaled * n : NULL, err) &&
        scaled != plain)
        t->alpha[scaled] = qb_net_calibration(net)->alpha;
    qb_net_free(net);
    return err->status;
}

enum qb_status factors_run(struct judge *j, struct qb_record *out, struct qb_error *err)
{
    struct table t = {.judge = j, .present = factors_of(j->env->variant, j->env->model)};
    size_t count = 1, n = j->positions;
    for (size_t i = 0; i < QB_FACTORS; i++)
        count <<= t.present >> i & 1u;
    size_t dims[2] = {count, n};
    if (name_all(t.present, count, out, err))
        return err->status;
    t.kl =
        qb_record_add(out, "kl", QB_F64, 2, dims, "nat", "KL(reference || combination) [combination, position]", err);
    t.alpha = t.kl ? qb_record_add(out, "alpha", QB_F64, 1, dims, "1", "logit scale of each combination", err) : NULL;
    t.hidden = t.alpha ? qb_alloc(n * j->env->model->arch.hidden, sizeof *t.hidden, "hidden states", err) : NULL;
    for (size_t c = 0; t.hidden && c < count; c++)
        t.alpha[c] = 1;
    for (size_t c = 0; t.hidden && c < count && !err->status; c++) {
        unsigned factors = factors_at(t.present, c), run = effective(factors);
        if (run != factors)
            memcpy(t.kl + c * n, t.kl + index_of(t.present, run) * n, n * sizeof *t.kl);
        else if (!(factors & FACTOR_ALPHA))
            run_pair(&t, factors, err);
    }
    qb_free(t.hidden);
    return err->status;
}
