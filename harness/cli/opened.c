#include "opened.h"

#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli.h"
#include "codec/variant.h"
#include "compute/gemm.h"
#include "compute/kernels.h"
#include "model/calibrate.h"
#include "model/effect.h"
#include "run/reach.h"

#define TEXT_MAX ((size_t)64 << 20)

enum qb_status qb_plugins_add(struct qb_plugins *plugins, const char *path, struct qb_error *err)
{
    if (plugins->count == QB_PLUGINS_MAX)
        return qb_fail(err, QB_ERR_INPUT, "--codec: at most %d of them", QB_PLUGINS_MAX);
    plugins->paths[plugins->count++] = path;
    return QB_OK;
}

enum qb_status qb_parse_arithmetic(const char *text, bool *fused, struct qb_error *err)
{
    *fused = strcmp(text, "fused") == 0;
    return *fused || strcmp(text, "forward") == 0
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT, "--arithmetic: expected fused or forward, found '%s'", text);
}

enum qb_status qb_opened_model(struct qb_opened *opened, const char *path, unsigned threads, struct qb_error *err)
{
    qb_kernels_use(qb_cpu()->isa);
    qb_blas_init();
    return qb_open_registry(opened->codecs, &opened->registry, err) || qb_pool_create(threads, &opened->pool, err) ||
                   qb_model_open(path, opened->registry, qb_cpu()->isa, &opened->model, err)
               ? err->status
               : QB_OK;
}

enum qb_status qb_opened_tokenizer(struct qb_opened *opened, struct qb_error *err)
{
    const struct qb_model *model = opened->model;
    if (opened->tokenizer)
        return QB_OK;
    if (!model->tokenizer)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no tokenizer to read text with", model->name);
    return qb_tokenizer_open(model->tokenizer, &opened->tokenizer, err);
}

void qb_opened_free(struct qb_opened *opened)
{
    qb_tokenizer_free(opened->tokenizer);
    qb_model_free(opened->model);
    qb_pool_free(opened->pool);
    qb_registry_free(opened->registry);
}

/* As the shipped suites have it: up to 50 contexts of 20 tokens, one behind the other, of the text. */
static enum qb_status read_calibration(struct qb_opened *opened, int32_t **tokens, struct qb_calibration_data *data,
                                       struct qb_error *err)
{
    enum { CONTEXTS = 50, LENGTH = 20 };
    char *text = NULL;
    size_t size = 0, count = 0;
    if (!qb_opened_tokenizer(opened, err) && !qb_file_read(opened->calibration, TEXT_MAX, &text, &size, err))
        qb_tokenizer_encode(opened->tokenizer, text, size, 0, tokens, &count, err);
    qb_free(text);
    size_t contexts = count / LENGTH < CONTEXTS ? count / LENGTH : CONTEXTS;
    if (!err->status && contexts == 0)
        qb_fail(err, QB_ERR_INPUT, "%s: %zu tokens, expected at least %d to calibrate with", opened->calibration, count,
                LENGTH);
    *data = (struct qb_calibration_data){*tokens, contexts, LENGTH};
    return err->status;
}

enum qb_status qb_open_variant(const char *text, const struct qb_registry *registry, enum qb_isa isa,
                               struct qb_variant **variant, struct qb_error *err)
{
    const size_t size = strlen(text);
    struct qb_yaml *map = NULL;
    if (size < 5 || strcmp(text + size - 5, ".yaml") != 0)
        return qb_variant_builtin(text, registry, isa, variant, err);
    if (!qb_yaml_load(text, &map, err)) {
        const struct qb_yaml *node = qb_yaml_get(map, "name");
        const char *name = "unnamed";
        if (!node || !qb_yaml_text(node, &name, err))
            qb_variant_read(map, name, registry, isa, variant, err);
    }
    qb_yaml_free(map);
    return err->status;
}

/* Says which weights are not stored in the variant's codec. */
static enum qb_status tell_otherwise(const struct qb_model *model, const struct qb_variant *variant,
                                     struct qb_error *err)
{
    struct qb_effect effect = {0};
    struct qb_reach reach = {0};
    struct qb_text says = {0};
    if (!qb_effect_of(model, variant, false, &effect, err) && !qb_run_reach(&effect, &reach, err)) {
        qb_reach_print_otherwise(&reach, &says);
        if (says.size && !says.failed)
            qb_tell("note: variant '%s', %s", variant->name, says.data);
    }
    qb_text_free(&says);
    qb_reach_free(&reach);
    qb_effect_free(&effect);
    return err->status;
}

enum qb_status qb_arm_make(struct qb_opened *opened, const char *variant, struct qb_arm *arm, struct qb_error *err)
{
    struct qb_calibration_data data = {0};
    int32_t *tokens = NULL;
    if (qb_open_variant(variant, opened->registry, qb_cpu()->isa, &arm->variant, err))
        return err->status;
    const struct qb_variant *v = arm->variant;
    if (opened->fused && !v->fused && !v->reversed && !v->split && !v->takes_contexts && v->path == QB_PATH_DECODE)
        arm->variant->fused = QB_FUSED_FASTER;
    if (arm->variant->takes_contexts && !opened->calibration)
        qb_fail(err, QB_ERR_INPUT, "variant '%s' is calibrated: give a text with --calibration FILE", variant);
    else if (!arm->variant->takes_contexts || !read_calibration(opened, &tokens, &data, err))
        (void)(tell_otherwise(opened->model, arm->variant, err) ||
               qb_net_prepare(opened->model, arm->variant, &data, opened->pool, &arm->net, err));
    qb_free(tokens);
    return err->status;
}

void qb_arm_free(struct qb_arm *arm)
{
    qb_net_free(arm->net);
    qb_variant_free(arm->variant);
    *arm = (struct qb_arm){0};
}
