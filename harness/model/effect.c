#include "model/effect.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "codec/calls.h"
#include "compute/linear.h"

struct work {
    const struct qb_model *model;
    const struct qb_variant *variant;
    struct qb_effect *effect;
    struct qb_text unbound, why, refusal;
};

/* The matrices that a net makes operators of. */
static bool is_matrix(const struct qb_tensor *tensor)
{
    return qb_role_covered(tensor->roles, tensor->roles);
}

/* The row blocks of a tensor that `variant` reaches. An embedding's rows are looked up, not multiplied: encoding the
 * activations of its products means nothing unless the head is the same matrix. */
static size_t reached(const struct qb_variant *variant, const struct qb_tensor *tensor, struct qb_cut cuts[QB_CUT_MAX])
{
    const struct qb_matrix matrix = qb_tensor_matrix(tensor);
    size_t count = qb_linear_cut(variant, &matrix, cuts), kept = 0;
    for (size_t i = 0; i < count; i++)
        if (cuts[i].under && (cuts[i].stored || tensor->roles != QB_ROLE_EMBED))
            cuts[kept++] = cuts[i];
    return kept;
}

/* Weights of one tensor in the variant's codec and in its otherwise. */
static void add_formats(struct work *w, uint64_t own, uint64_t otherwise)
{
    struct qb_effect *effect = w->effect;
    effect->codec_tensors += own > 0;
    effect->codec_weights += own;
    effect->otherwise_tensors += otherwise > 0;
    effect->otherwise_weights += otherwise;
    if (otherwise) {
        effect->codec = w->variant->weights.plugin->codec->id;
        effect->otherwise = w->variant->otherwise.plugin->codec->id;
    }
}

static enum qb_status count_weights(struct work *w, bool sizes, struct qb_error *err)
{
    struct qb_cut cuts[QB_CUT_MAX];
    for (size_t t = 0; t < w->model->tensor_count; t++) {
        const struct qb_tensor *tensor = &w->model->tensors[t];
        size_t count = is_matrix(tensor) ? reached(w->variant, tensor, cuts) : 0;
        uint64_t own = 0, otherwise = 0;
        w->effect->tensors += count > 0;
        for (size_t i = 0; i < count; i++) {
            size_t size = cuts[i].rows * tensor->cols * sizeof(float);
            const uint64_t weights = (uint64_t)cuts[i].rows * tensor->cols;
            w->effect->weights += weights;
            w->effect->fp16 += cuts[i].stored == &w->variant->fp16 ? weights : 0;
            own += cuts[i].stored == &w->variant->weights ? weights : 0;
            otherwise += cuts[i].stored == &w->variant->otherwise ? weights : 0;
            if (sizes && cuts[i].stored && qb_encoded_size(cuts[i].stored, cuts[i].rows, tensor->cols, &size, err))
                return qb_wrap(err, "variant %s, tensor %s", w->variant->name, tensor->name);
            w->effect->bytes += sizes ? size : 0;
        }
        if (sizes && w->variant->input_scale && count > 0 && tensor->roles != QB_ROLE_EMBED)
            w->effect->bytes += tensor->cols * sizeof(float); /* s */
        add_formats(w, own, otherwise);
    }
    if (!w->effect->otherwise)
        w->effect->codec_tensors = w->effect->codec_weights = 0;
    return QB_OK;
}

/* ---- entries of the request ---- */

static void unbound(struct work *w, const char *key, const char *entry, const char *why)
{
    qb_text_add(&w->unbound, "%s%s %s", w->unbound.size ? ", " : "", key, entry);
    qb_text_add(&w->why, "%s%s %s: %s", w->why.size ? "; " : "", key, entry, why);
}

/* Why no matrix of the model came under an entry of these roles; NULL when one did. */
static const char *why_unbound(const struct work *w, uint32_t mask, uint32_t roles)
{
    const char *why = "the model has no such matrix";
    for (size_t t = 0; t < w->model->tensor_count; t++) {
        const struct qb_tensor *tensor = &w->model->tensors[t];
        if (!is_matrix(tensor) || !(tensor->roles & roles))
            continue;
        if (qb_variant_covers(w->variant, mask, tensor->name, tensor->roles) & roles) {
            struct qb_cut cuts[QB_CUT_MAX];
            if (reached(w->variant, tensor, cuts))
                return NULL;
            why = "an embedding's rows are looked up, there are no activations to encode";
        } else if (tensor->roles == (QB_ROLE_EMBED | QB_ROLE_HEAD) && (mask & tensor->roles) != tensor->roles) {
            why = "head and embed are one matrix here, name both";
        } else {
            why = "tensors and except leave none of it";
        }
    }
    return why;
}

static void check_roles(struct work *w, const char *key, char *const *entries, uint32_t mask)
{
    for (size_t i = 0; entries && entries[i]; i++) {
        uint32_t roles = 0;
        qb_role_parse(entries[i], &roles);
        const char *why = why_unbound(w, mask, roles & mask);
        if (why)
            unbound(w, key, entries[i], why);
    }
}

static size_t shared_start(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n])
        n++;
    return n;
}

/* The matrix whose name a misspelt glob may have meant: by edit distance, else the one that starts most like it. */
static const char *nearest(const struct qb_model *model, const char *glob)
{
    const char *near = "";
    size_t most = 0;
    struct qb_error ignored = {0};
    const char **names = qb_alloc(model->tensor_count + 1, sizeof *names, "names of tensors", &ignored);
    for (size_t t = 0, count = 0; names && t < model->tensor_count; t++)
        if (is_matrix(&model->tensors[t]))
            names[count++] = model->tensors[t].name;
    const char *by_distance = names ? qb_nearest(glob, names) : NULL;
    for (size_t i = 0; names && names[i]; i++)
        if (i == 0 || shared_start(glob, names[i]) > most) {
            near = names[i];
            most = shared_start(glob, near);
        }
    qb_free(names);
    return by_distance ? by_distance : near;
}

/* Does the glob fit a matrix, and is one of these placed but for tensors and except? */
static void check_globs(struct work *w, const char *key, char *const *globs)
{
    struct qb_variant placed = *w->variant;
    uint32_t mask = qb_variant_roles(&placed) | placed.calibration.fp16_roles;
    placed.tensors = placed.except = NULL;
    for (size_t i = 0; globs && globs[i]; i++) {
        bool fits = false, binds = false;
        for (size_t t = 0; t < w->model->tensor_count; t++) {
            const struct qb_tensor *tensor = &w->model->tensors[t];
            if (!is_matrix(tensor) || !qb_glob(globs[i], tensor->name))
                continue;
            fits = true;
            binds = binds || qb_variant_covers(&placed, mask, tensor->name, tensor->roles);
        }
        if (!fits)
            qb_text_add(&w->refusal, "%s'%s' in %s fits no matrix of model '%s', the nearest name is '%s'",
                        w->refusal.size ? "; " : "", globs[i], key, w->model->name, nearest(w->model, globs[i]));
        if (!binds)
            unbound(w, key, globs[i], fits ? "the placement leaves none of these" : "no matrix has such a name");
    }
}

/* Does the variant store any of the tensor's rows in a codec? */
static bool stores(const struct work *w, const struct qb_tensor *tensor)
{
    struct qb_cut cuts[QB_CUT_MAX];
    size_t count = is_matrix(tensor) ? reached(w->variant, tensor, cuts) : 0;
    bool stored = false;
    for (size_t i = 0; i < count; i++)
        stored = stored || cuts[i].stored;
    return stored;
}

/* Is there a matrix for the variant's rotation to turn, and one that takes inputs? */
static void check_conditioning(struct work *w)
{
    bool turns = false, takes = false;
    for (size_t t = 0; t < w->model->tensor_count; t++) {
        const struct qb_tensor *tensor = &w->model->tensors[t];
        if (!stores(w, tensor))
            continue;
        turns = turns || tensor->cols % 2 == 0;
        takes = takes || tensor->roles != QB_ROLE_EMBED;
    }
    if (w->variant->rotate && !turns)
        unbound(w, "rotate", "hadamard", "no matrix that is encoded has an even number of columns");
    if (w->variant->compensate && !takes)
        unbound(w, "compensate", "gptq", "an embedding's rows are looked up, it takes no inputs");
    if (w->variant->input_scale && !takes)
        unbound(w, "input_scale", w->variant->input_scale == QB_INPUT_SCALE_AWQ ? "awq" : "smoothquant",
                "an embedding's rows are looked up, it takes no inputs");
}

/* Why nothing of the variant's kv is kept on the model; NULL: it is. */
static const char *why_no_kv(const struct qb_model *model)
{
    if (!model->arch.attention)
        return "the model has no attention";
    return model->arch.causal ? NULL : "its positions see later ones, so that no keys or values are kept";
}

static void check_kv(struct work *w)
{
    static const char *const sides[] = {"kv.keys", "kv.values"};
    const struct qb_variant *v = w->variant;
    const char *why = why_no_kv(w->model);
    const size_t dim = qb_arch_head_dim(&w->model->arch), rows = v->kv_block * qb_arch_kv_heads(&w->model->arch);
    for (size_t side = 0; side < 2; side++) {
        const struct qb_format *format = &v->kv[side];
        if (!format->plugin)
            continue;
        if (why)
            unbound(w, sides[side], format->plugin->codec->id, why);
        else if (!qb_format_takes(format, rows, dim))
            qb_text_add(&w->refusal, "%s%s: %s takes no rows of %zu, the width of the heads of model '%s'",
                        w->refusal.size ? "; " : "", sides[side], format->plugin->codec->id, dim, w->model->name);
    }
    w->effect->kv = !why;
}

/* The width of what a layer gives. */
static size_t width_behind(const struct qb_model *model, size_t layer)
{
    const uint32_t role = model->arch.mlp_down ? QB_ROLE_MLP_DOWN : QB_ROLE_MLP_UP;
    const struct qb_tensor *last = qb_model_tensor(model, role, (int)layer);
    return last ? last->rows : model->arch.hidden;
}

static void check_act(struct work *w)
{
    const struct qb_format *act = &w->variant->act;
    const size_t layers = w->model->arch.layers;
    if (layers < 2)
        unbound(w, "act", act->plugin->codec->id, "the model has one layer, nothing goes from one to the next");
    for (size_t i = 0; i + 1 < layers; i++) {
        const size_t width = width_behind(w->model, i);
        if (qb_format_takes(act, 1, width))
            continue;
        qb_text_add(&w->refusal, "%sact: %s takes no rows of %zu, the width behind layer %zu of model '%s'",
                    w->refusal.size ? "; " : "", act->plugin->codec->id, width, i, w->model->name);
        break;
    }
    w->effect->act = layers > 1;
}

static enum qb_status take(struct qb_text *text, char **to, struct qb_error *err)
{
    if (text->failed)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for what a variant encodes");
    *to = qb_strdup(text->data ? text->data : "", err);
    return err->status;
}

static enum qb_status check_request(struct work *w, struct qb_error *err)
{
    const struct qb_variant *v = w->variant;
    check_roles(w, "placement", v->asked, v->placement);
    for (size_t i = 0; i < v->other_count; i++)
        check_roles(w, "others", v->others[i].asked, v->others[i].roles);
    check_roles(w, "calibration.fp16", v->asked_fp16, v->calibration.fp16_roles);
    check_globs(w, "tensors", v->tensors);
    check_globs(w, "except", v->except);
    if (qb_variant_conditions(v))
        check_conditioning(w);
    if (v->kv_block)
        check_kv(w);
    if (v->act.plugin)
        check_act(w);
    if (w->effect->tensors == 0 && !w->effect->kv && !w->effect->act && !w->refusal.size)
        qb_text_add(&w->refusal, "encodes nothing of model '%s': %s", w->model->name,
                    w->why.data ? w->why.data : "placement, tensors and except together leave no matrix");
    if (take(&w->unbound, &w->effect->unbound, err) || take(&w->why, &w->effect->why, err))
        return err->status;
    return w->refusal.size ? take(&w->refusal, &w->effect->refusal, err) : QB_OK;
}

enum qb_status qb_effect_of(const struct qb_model *model, const struct qb_variant *variant, bool sizes,
                            struct qb_effect *effect, struct qb_error *err)
{
    struct work w = {model, variant, effect, {0}, {0}, {0}};
    *effect = (struct qb_effect){0};
    if (!variant || (!variant->encoded && !variant->kv_block && !variant->act.plugin))
        return take(&w.unbound, &effect->unbound, err) || take(&w.why, &effect->why, err) ? err->status : QB_OK;
    (void)(count_weights(&w, sizes, err) || check_request(&w, err));
    qb_text_free(&w.unbound);
    qb_text_free(&w.why);
    qb_text_free(&w.refusal);
    return err->status;
}

void qb_effect_free(struct qb_effect *effect)
{
    qb_free(effect->unbound);
    qb_free(effect->why);
    qb_free(effect->refusal);
    *effect = (struct qb_effect){0};
}
