#include "codec/variant.h"

#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "codec/overlay.h"
#include "codec/variant_parts.h"

static const char *const calibration_keys[] = {"scale", "alpha",          "fp16",     "scale_range", "alpha_range",
                                               "rows",  "alpha_contexts", "alpha_on", "options",     NULL};

static const char qins_warning[] =
    "deprecated: this variant computes in the QINS domain, a nonlinear change of coordinates, where the weights, "
    "LayerNorm "
    "and softmax expect real numbers; it drifts in autoregressive generation and is kept for comparison. Use pattern-a "
    "(codec at rest: decode, then compute) instead";
static const char domain_warning[] = "deprecated: this variant computes on the codec's code values without decoding "
                                     "them; the path is kept for comparison. "
                                     "Use path: decode (codec at rest) instead";

static const char fused_warning[] =
    "arithmetic: fused: products of up to 8 inputs read the encoded weights as they lie, or a copy with rows side by "
    "side, FP32 sums in another order than the reference's; codes of magnitudes (qins8) in fixed point, where a "
    "product may be off by 1.54e-5 (largest input * sum of |weights| + largest weight * sum of |inputs|); integers "
    "with scales of 32 columns or groups of them (q8_0, q4_0, int8) with inputs in fixed point, off by 6.01e-8 (over "
    "blocks of 32 columns, the sum of largest input * sum of |weights|) beside FP32's roundings; more inputs at once, "
    "as kl and prefill read them, are decoded";

static const char split_warning[] = /* of three terms */
    "arithmetic: split: every linear product is six products of BF16 terms, each number a sum of three: within (1.06 * "
    "columns / 32 + 21.1) * 2^-24 * sum of |weight * input| of the exact one, and not the reference's bits; from "
    "0x1.ffp127 on, a number gives NaN. Fast where the processor has AMX, slow elsewhere, the same bits everywhere";

static const char split2_warning[] =
    "arithmetic: split2: every linear product is three products of BF16 terms, each number nearly a sum of two: within "
    "(3.07 * columns / 32 + 789.1) * 2^-24 * sum of |weight * input| of the exact one, coarser than FP32, and not the "
    "reference's bits; from 0x1.ffp127 on, a number gives NaN. Fast where the processor has AMX, slow elsewhere, the "
    "same bits everywhere";

/* Takes the arithmetic of so many BF16 terms; 0: another. */
static void set_split(struct qb_variant *v, unsigned terms)
{
    v->split = terms;
    if (terms)
        v->warning = terms == 2 ? split2_warning : split_warning;
}

/* One of the words, NULL-terminated; its index in *value. */
static enum qb_status read_word(const struct qb_yaml *node, const char *const *words, int *value, struct qb_error *err)
{
    const char *text;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            *value = i;
            return QB_OK;
        }
    struct qb_text list = {0};
    for (int i = 0; words[i]; i++)
        qb_text_add(&list, "%s%s", i ? ", " : "", words[i]);
    qb_yaml_fail(node, err, "'%s', expected one of %s", text, list.data ? list.data : "the known words");
    qb_text_free(&list);
    return err->status;
}

static enum qb_status find_codec(const struct qb_yaml *node, const char *id, const struct qb_registry *registry,
                                 const struct qb_plugin **plugin, struct qb_error *err)
{
    *plugin = qb_registry_find(registry, id);
    if (*plugin)
        return QB_OK;
    struct qb_text list = {0};
    for (size_t i = 0; i < qb_registry_count(registry); i++)
        qb_text_add(&list, "%s%s", i ? ", " : "", qb_registry_at(registry, i)->codec->id);
    qb_yaml_fail(node, err,
                 "no codec '%s' among the plugins found (%s); --codec FILE.so or a suite's key 'plugins' adds one", id,
                 list.data ? list.data : "none");
    qb_text_free(&list);
    return err->status;
}

/* The weights' options with one range a token: scope row where the codec has a scope. */
static enum qb_status default_activations(const struct qb_format *weights, struct qb_format *out, struct qb_error *err)
{
    *out = *weights;
    out->values = qb_alloc(weights->value_count, sizeof *out->values, "codec options", err);
    if (!out->values)
        return err->status;
    const struct qb_codec_option *options = weights->plugin->codec->options;
    for (size_t i = 0; i < weights->value_count; i++) {
        out->values[i] = weights->values[i];
        if (options[i].type == QB_OPTION_SCOPE)
            out->values[i].scope = (struct qb_scope){QB_SCOPE_ROW, 0};
    }
    out->config.options = out->values;
    return QB_OK;
}

/* The layout that a format gives two rows of zeros of some whole blocks; *known false where it offers none. */
static enum qb_status find_layout(const struct qb_format *format, struct qb_codec_layout *layout, bool *known,
                                  struct qb_error *err)
{
    enum { ROWS = 2, COLS = 512 };
    static const float zeros[ROWS * COLS];
    size_t size = 0;
    *known = false;
    if (qb_encoded_size(format, ROWS, COLS, &size, err))
        return err->status;
    void *bytes = qb_alloc(size, 1, "two rows", err);
    if (bytes && !qb_encode(format, ROWS, COLS, zeros, bytes, size, err))
        qb_layout_of(format, ROWS, COLS, bytes, size, layout, known, err);
    qb_free(bytes);
    return err->status;
}

/* `what`: what is missing of the codec with its options, "...: no kernel reads what". */
static enum qb_status refuse_format(const struct qb_yaml *node, const struct qb_format *format, const char *what,
                                    struct qb_error *err)
{
    struct qb_text options = {0};
    qb_format_print(format, &options);
    qb_yaml_fail(node, err, "%s codec '%s' stores%s%s", what, format->plugin->codec->id,
                 format->value_count ? " with " : "", options.data ? options.data : "");
    qb_text_free(&options);
    return err->status;
}

/* path: domain-exact: are there codes of magnitudes, of one range for the matrix? That they are those of logarithms is
 * asked of each matrix (compute/log_product.h). */
static enum qb_status check_codes(const struct qb_yaml *node, const struct qb_format *format, struct qb_error *err)
{
    struct qb_codec_layout layout = {0};
    bool known;
    if (find_layout(format, &layout, &known, err) || (known && layout.kind == QB_LAYOUT_CODES))
        return err->status;
    return refuse_format(node, format,
                         "expected codes of magnitudes that have one range for the whole matrix (qins8 with scope "
                         "tensor), not what",
                         err);
}

/* Does a format give layouts that kernels read? */
static enum qb_status check_layout(const struct qb_yaml *node, const struct qb_format *format, struct qb_error *err)
{
    struct qb_codec_layout layout;
    bool known;
    if (find_layout(format, &layout, &known, err) || known)
        return err->status;
    return refuse_format(node, format, "fused: no kernel reads what", err);
}

static const char *const path_names[] = {[QB_PATH_DECODE] = "decode",
                                         [QB_PATH_DOMAIN] = "domain",
                                         [QB_PATH_DOMAIN_EXACT] = "domain-exact",
                                         [QB_PATH_TRANSPORT] = "transport",
                                         NULL};

const char *qb_path_name(enum qb_path path)
{
    return path_names[path];
}

/* One of two words as the second of them; the key is for the paths that `of` says alone. */
static enum qb_status read_either(const struct qb_yaml *node, bool fits, const char *of, const char *const words[3],
                                  bool *second, struct qb_error *err)
{
    int word = 0;
    if (!node)
        return QB_OK;
    if (!fits)
        return qb_yaml_fail(node, err, "only %s has one", of);
    if (!read_word(node, words, &word, err))
        *second = word == 1;
    return err->status;
}

/* What of the keys of path: domain-exact and path: transport there is. */
static enum qb_status read_path_options(const struct qb_yaml *map, struct qb_variant *v, struct qb_error *err)
{
    static const char *const multiply[] = {"added", "decoded", NULL}, *const point[] = {"position", "mean", NULL},
                             *const form[] = {"tangent", "linear", NULL};
    const bool exact = v->path == QB_PATH_DOMAIN_EXACT, transport = v->path == QB_PATH_TRANSPORT;
    const struct qb_yaml *fraction = qb_yaml_get(map, "fraction");
    int64_t bits = 0;
    if (fraction && !exact)
        return qb_yaml_fail(fraction, err, "only path: domain-exact has one");
    if ((fraction && qb_yaml_int(fraction, 0, QB_LOG_FRACTION_MOST, &bits, err)) ||
        read_either(qb_yaml_get(map, "multiply"), exact, "path: domain-exact", multiply, &v->logs.decoded, err) ||
        read_either(qb_yaml_get(map, "point"), transport, "path: transport", point, &v->transport.mean, err) ||
        read_either(qb_yaml_get(map, "form"), transport, "path: transport", form, &v->transport.linear, err))
        return err->status;
    v->logs.fraction = (unsigned)bits;
    v->calibrated = v->transport.mean;
    return QB_OK;
}

static enum qb_status read_path(const struct qb_yaml *map, struct qb_variant *v, enum qb_isa isa, struct qb_error *err)
{
    const struct qb_yaml *path = qb_yaml_get(map, "path"), *domain = qb_yaml_get(map, "domain");
    const struct qb_yaml *cache = qb_yaml_get(map, "cache"), *activations = qb_yaml_get(map, "activations");
    const struct qb_yaml *stored = qb_yaml_get(map, "stored");
    int word = 0;
    if (path && read_word(path, path_names, &word, err))
        return err->status;
    v->path = (enum qb_path)word;
    if (read_path_options(map, v, err))
        return err->status;
    word = 0;
    if (domain && read_word(domain, (const char *const[]){"activations", "weights", "both", NULL}, &word, err))
        return err->status;
    v->domain = (enum qb_domain)word;
    if ((cache && qb_yaml_bool(cache, &v->cache, err)) || (stored && qb_yaml_bool(stored, &v->stored, err)))
        return err->status;
    if (v->stored && (v->path != QB_PATH_DOMAIN || v->domain != QB_DOMAIN_ACTIVATIONS))
        return qb_yaml_fail(stored, err,
                            "only path: domain with domain: activations leaves the weights unencoded unless told so");
    const bool transport = v->path == QB_PATH_TRANSPORT, exact = v->path == QB_PATH_DOMAIN_EXACT;
    bool coded_input = transport || (v->path == QB_PATH_DOMAIN && v->domain != QB_DOMAIN_WEIGHTS);
    if (domain && v->path != QB_PATH_DOMAIN)
        return qb_yaml_fail(domain, err, "only path: domain has one");
    if (activations && !coded_input)
        return qb_yaml_fail(activations, err,
                            "only path: domain with domain: activations or both, and path: transport, encode the "
                            "inputs of products by a codec; what goes from a layer to the next is the key 'act'");
    if (v->path == QB_PATH_DECODE)
        return QB_OK;
    if (v->cache && !v->stored)
        return qb_yaml_fail(cache, err, "only path: decode, or stored: true, keeps decoded weights");
    if (exact)
        return check_codes(path, &v->weights, err);
    if (!v->weights.plugin->codec->coordinates)
        return qb_yaml_fail(path, err, "codec '%s' has no coordinates to compute on", v->weights.plugin->codec->id);
    if (!transport)
        v->warning = strncmp(v->weights.plugin->codec->id, "qins", 4) == 0 ? qins_warning : domain_warning;
    if (!coded_input)
        return QB_OK;
    return activations ? qb_format_make(v->weights.plugin, activations, isa, &v->activations, err)
                       : default_activations(&v->weights, &v->activations, err);
}

/* A format: ID, or {codec: ID, options: {...}}, where `keys` are what such a map may have. */
static enum qb_status read_format_of(const struct qb_yaml *node, const char *const *keys,
                                     const struct qb_registry *registry, enum qb_isa isa, struct qb_format *format,
                                     struct qb_error *err)
{
    const bool map = node->kind == QB_YAML_MAP;
    const struct qb_yaml *codec = map ? qb_yaml_get(node, "codec") : node;
    const struct qb_plugin *plugin;
    const char *id;
    if (map && qb_yaml_known(node, keys, err))
        return err->status;
    if (!codec)
        return qb_yaml_fail(node, err, "expected a codec, or a map of codec and options");
    if (qb_yaml_text(codec, &id, err) || find_codec(codec, id, registry, &plugin, err))
        return err->status;
    return qb_format_make(plugin, map ? qb_yaml_get(node, "options") : NULL, isa, format, err);
}

static enum qb_status read_format(const struct qb_yaml *node, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_format *format, struct qb_error *err)
{
    return read_format_of(node, (const char *const[]){"codec", "options", NULL}, registry, isa, format, err);
}

/* One of others: {codec: ID, options: {...}, placement: [...]}. */
static enum qb_status read_other(const struct qb_yaml *map, const struct qb_registry *registry, enum qb_isa isa,
                                 struct qb_variant *v, struct qb_error *err)
{
    static const char *const keys[] = {"codec", "options", "placement", NULL};
    struct qb_other *other = &v->others[v->other_count];
    const uint32_t taken = qb_variant_roles(v);
    if (qb_yaml_expect(map, QB_YAML_MAP, err))
        return err->status;
    const struct qb_yaml *placement = qb_yaml_get(map, "placement");
    if (!placement)
        return qb_yaml_fail(map, err, "expected the key 'placement': a list of roles");
    v->other_count++; /* from here on it is freed with the variant */
    if (read_format_of(map, keys, registry, isa, &other->format, err) ||
        variant_read_roles(placement, &other->roles, err))
        return err->status;
    if (!other->roles)
        return qb_yaml_fail(placement, err, "an empty list encodes nothing, expected roles");
    if (other->roles & taken) {
        struct qb_text twice = {0};
        qb_role_print(other->roles & taken, &twice);
        qb_yaml_fail(placement, err, "%s is placed already, expected roles that no other codec of the variant has",
                     twice.data ? twice.data : "a role");
        qb_text_free(&twice);
        return err->status;
    }
    return variant_read_names(placement, &other->asked, err);
}

static enum qb_status read_others(const struct qb_yaml *list, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_variant *v, struct qb_error *err)
{
    if (v->path != QB_PATH_DECODE)
        return qb_yaml_fail(list, err, "only path: decode has them");
    if (qb_yaml_expect(list, QB_YAML_LIST, err))
        return err->status;
    if (list->count < 1 || list->count > QB_OTHERS_MAX)
        return qb_yaml_fail(list, err, "expected 1 to %d maps of codec, options and placement, found %zu",
                            QB_OTHERS_MAX, list->count);
    for (size_t i = 0; i < list->count && !err->status; i++)
        read_other(list->children[i], registry, isa, v, err);
    return err->status;
}

static enum qb_status read_otherwise(const struct qb_yaml *node, const struct qb_registry *registry, enum qb_isa isa,
                                     struct qb_variant *v, struct qb_error *err)
{
    if (v->path != QB_PATH_DECODE)
        return qb_yaml_fail(node, err, "only path: decode has one");
    return read_format(node, registry, isa, &v->otherwise, err);
}

/* kv: {keys: FORMAT, values: FORMAT, block: N, rotate: BOOL}. */
static enum qb_status read_kv(const struct qb_yaml *map, const struct qb_registry *registry, enum qb_isa isa,
                              struct qb_variant *v, struct qb_error *err)
{
    static const char *const known[] = {"keys", "values", "block", "rotate", NULL};
    int64_t block = 1;
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, known, err))
        return err->status;
    const struct qb_yaml *size = qb_yaml_get(map, "block"), *rotate = qb_yaml_get(map, "rotate");
    for (size_t side = 0; side < 2; side++) {
        const struct qb_yaml *format = qb_yaml_get(map, known[side]);
        if (format && read_format(format, registry, isa, &v->kv[side], err))
            return err->status;
    }
    if (!v->kv[0].plugin && !v->kv[1].plugin)
        return qb_yaml_fail(map, err, "expected keys, values or both, each a codec, or a map of codec and options");
    if ((size && qb_yaml_int(size, 1, 4096, &block, err)) || (rotate && qb_yaml_bool(rotate, &v->kv_rotate, err)))
        return err->status;
    v->kv_block = (size_t)block;
    return QB_OK;
}

/* input_scale: RULE, or {rule: RULE, alpha: NUMBER|search}. */
static enum qb_status read_input_scale(const struct qb_yaml *node, struct qb_variant *v, struct qb_error *err)
{
    static const char *const rules[] = {"none", "awq", "smoothquant", NULL}, *const keys[] = {"rule", "alpha", NULL};
    const bool map = node->kind == QB_YAML_MAP;
    const struct qb_yaml *rule = map ? qb_yaml_get(node, "rule") : node,
                         *alpha = map ? qb_yaml_get(node, "alpha") : NULL;
    int word = 0;
    if (map && qb_yaml_known(node, keys, err))
        return err->status;
    if (!rule)
        return qb_yaml_fail(node, err, "expected awq or smoothquant, or a map of rule and alpha");
    if (read_word(rule, rules, &word, err))
        return err->status;
    v->input_scale = (enum qb_input_rule)word;
    v->input_search = v->input_scale == QB_INPUT_SCALE_AWQ;
    v->input_alpha = 0.5;
    if (alpha && !v->input_scale)
        return qb_yaml_fail(alpha, err, "has no effect without a rule");
    if (!alpha || (v->input_search && alpha->scalar && strcmp(alpha->scalar, "search") == 0))
        return QB_OK;
    v->input_search = false;
    return qb_yaml_double(alpha, 0, 1, &v->input_alpha, err);
}

/* What is done to weights before they are encoded. */
static enum qb_status read_conditioning(const struct qb_yaml *map, struct qb_variant *v, struct qb_error *err)
{
    static const char *const keys[] = {"rotate", "input_scale", "compensate"};
    const struct qb_yaml *nodes[3];
    int rotate = 0, compensate = 0;
    for (size_t i = 0; i < 3; i++)
        nodes[i] = qb_yaml_get(map, keys[i]);
    if ((nodes[0] && read_word(nodes[0], (const char *const[]){"none", "hadamard", NULL}, &rotate, err)) ||
        (nodes[1] && read_input_scale(nodes[1], v, err)) ||
        (nodes[2] && read_word(nodes[2], (const char *const[]){"none", "gptq", NULL}, &compensate, err)))
        return err->status;
    v->rotate = rotate == 1;
    v->compensate = compensate == 1;
    if (!qb_variant_conditions(v))
        return QB_OK;
    const size_t key = v->rotate ? 0 : v->input_scale ? 1 : 2;
    if (v->path != QB_PATH_DECODE)
        return qb_yaml_fail(nodes[key], err,
                            "only path: decode has it: coordinates of changed weights are not those of the weights");
    return v->calibrated ? qb_yaml_fail(nodes[key], err,
                                        "calibration and %s do not go together: S, alpha and FP16 correct weights as "
                                        "they are",
                                        keys[key])
                         : QB_OK;
}

static enum qb_status read_range(const struct qb_yaml *node, double *min, double *max, struct qb_error *err)
{
    if (!node)
        return QB_OK;
    if (qb_yaml_expect(node, QB_YAML_LIST, err))
        return err->status;
    if (node->count != 2)
        return qb_yaml_fail(node, err, "expected [least, most]");
    if (qb_yaml_double(node->children[0], 0, 1e6, min, err))
        return err->status;
    return qb_yaml_double(node->children[1], *min, 1e6, max, err);
}

static enum qb_status read_count(const struct qb_yaml *node, int64_t least, size_t *value, struct qb_error *err)
{
    int64_t number = 0;
    if (!node)
        return QB_OK;
    if (!qb_yaml_int(node, least, 1 << 20, &number, err))
        *value = (size_t)number;
    return err->status;
}

/* calibration.options: the format that S is estimated under, over the variant's own options. */
static enum qb_status read_scale_format(const struct qb_yaml *own, const struct qb_yaml *options, struct qb_variant *v,
                                        enum qb_isa isa, struct qb_error *err)
{
    struct qb_overlay overlay = {{0}, 0};
    const struct qb_yaml *merged = qb_overlay_merge(&overlay, own, options, err);
    if (merged && !qb_format_make(v->weights.plugin, merged, isa, &v->calibration.scale_format, err))
        v->calibration.own_format = true;
    qb_overlay_free(&overlay);
    return err->status;
}

static enum qb_status read_calibration(const struct qb_yaml *map, const struct qb_yaml *options,
                                       const struct qb_registry *registry, struct qb_variant *v, enum qb_isa isa,
                                       struct qb_error *err)
{
    struct qb_calibration *c = &v->calibration;
    int on = 0;
    if (qb_yaml_expect(map, QB_YAML_MAP, err) || qb_yaml_known(map, calibration_keys, err))
        return err->status;
    const struct qb_yaml *scale = qb_yaml_get(map, "scale"), *alpha = qb_yaml_get(map, "alpha");
    const struct qb_yaml *fp16 = qb_yaml_get(map, "fp16"), *alpha_on = qb_yaml_get(map, "alpha_on");
    const struct qb_yaml *own = qb_yaml_get(map, "options");
    if ((scale && qb_yaml_bool(scale, &c->scale, err)) || (alpha && qb_yaml_bool(alpha, &c->alpha, err)) ||
        (fp16 && (variant_read_roles(fp16, &c->fp16_roles, err) ||
                  (fp16->count && variant_read_names(fp16, &v->asked_fp16, err)))) ||
        (alpha_on && read_word(alpha_on, (const char *const[]){"head", "model", NULL}, &on, err)) ||
        read_range(qb_yaml_get(map, "scale_range"), &c->scale_min, &c->scale_max, err) ||
        read_range(qb_yaml_get(map, "alpha_range"), &c->alpha_min, &c->alpha_max, err) ||
        read_count(qb_yaml_get(map, "rows"), 2, &c->rows, err) ||
        read_count(qb_yaml_get(map, "alpha_contexts"), 1, &c->alpha_contexts, err))
        return err->status;
    c->alpha_on_model = on == 1;
    if (own && !c->scale)
        return qb_yaml_fail(own, err, "they say under which format S is estimated, and scale is off");
    if (own && read_scale_format(own, options, v, isa, err))
        return err->status;
    if (v->transport.mean)
        return qb_yaml_fail(map, err, "path: transport at a mean point takes none of the corrections");
    v->calibrated = c->scale || c->alpha || c->fp16_roles;
    if (!c->fp16_roles)
        return QB_OK;
    const struct qb_plugin *plugin;
    if (find_codec(fp16, "fp16", registry, &plugin, err))
        return err->status;
    return qb_format_make(plugin, NULL, isa, &v->fp16, err);
}

/* A map without a codec. What it may not have would be silently without effect. */
static enum qb_status read_plain(const struct qb_yaml *map, struct qb_variant *v, struct qb_error *err)
{
    static const char *const need_codec[] = {"options",  "otherwise",   "others", "activations", "path",
                                             "domain",   "stored",      "cache",  "placement",   "tensors",
                                             "except",   "calibration", "rotate", "input_scale", "fraction",
                                             "multiply", "point",       "form",   "compensate",  NULL};
    const struct qb_yaml *arithmetic = qb_yaml_get(map, "arithmetic");
    int word = 0;
    for (size_t i = 0; need_codec[i]; i++)
        if (qb_yaml_get(map, need_codec[i]))
            return qb_yaml_fail(qb_yaml_get(map, need_codec[i]), err, "has no effect without a codec");
    if (arithmetic &&
        read_word(arithmetic, (const char *const[]){"forward", "reversed", "split", "split2", NULL}, &word, err))
        return err->status;
    v->reversed = word == 1;
    set_split(v, word == 2 ? 3 : word == 3 ? 2 : 0);
    return QB_OK;
}

/* arithmetic of a variant with a codec. */
static enum qb_status read_arithmetic(const struct qb_yaml *node, struct qb_variant *v, struct qb_error *err)
{
    int word = 0;
    if (read_word(node, (const char *const[]){"forward", "fused", "split", "split2", NULL}, &word, err) || word == 0)
        return err->status;
    if (v->path != QB_PATH_DECODE || v->cache)
        return qb_yaml_fail(node, err, "%s",
                            word == 1   ? "fused: only path: decode without cache has products of encoded weights"
                            : word == 2 ? "split: only path: decode without cache multiplies so"
                                        : "split2: only path: decode without cache multiplies so");
    if (word > 1) {
        set_split(v, word == 2 ? 3 : 2);
        return QB_OK;
    }
    v->fused = QB_FUSED_ALL;
    v->warning = fused_warning;
    return check_layout(node, &v->weights, err) || (v->otherwise.plugin && check_layout(node, &v->otherwise, err))
               ? err->status
               : QB_OK;
}

enum qb_status variant_fill(const struct qb_yaml *map, const struct qb_registry *registry, enum qb_isa isa,
                            struct qb_variant *v, struct qb_error *err)
{
    const struct qb_yaml *codec = qb_yaml_get(map, "codec"), *options = qb_yaml_get(map, "options");
    const struct qb_yaml *placement = qb_yaml_get(map, "placement"), *calibration = qb_yaml_get(map, "calibration");
    const struct qb_yaml *arithmetic = qb_yaml_get(map, "arithmetic"), *otherwise = qb_yaml_get(map, "otherwise");
    const struct qb_yaml *others = qb_yaml_get(map, "others");
    const struct qb_yaml *kv = qb_yaml_get(map, "kv"), *act = qb_yaml_get(map, "act");
    v->calibration = (struct qb_calibration){.scale_min = 0.5, .scale_max = 2.0, .alpha_min = 0.8, .alpha_max = 1.2};
    v->calibration.rows = 100;
    v->calibration.alpha_contexts = 10;
    if ((kv && read_kv(kv, registry, isa, v, err)) || (act && read_format(act, registry, isa, &v->act, err)))
        return err->status;
    if (!codec)
        return read_plain(map, v, err);
    const char *id;
    const struct qb_plugin *plugin;
    if (qb_yaml_text(codec, &id, err) || find_codec(codec, id, registry, &plugin, err) ||
        qb_format_make(plugin, options, isa, &v->weights, err))
        return err->status;
    v->encoded = true;
    if (!placement)
        return qb_yaml_fail(codec, err, "a variant with a codec needs a placement: a list of roles");
    if (variant_read_roles(placement, &v->placement, err))
        return err->status;
    if (!v->placement)
        return qb_yaml_fail(placement, err, "an empty list encodes nothing, expected roles");
    if (variant_read_names(placement, &v->asked, err) ||
        variant_read_names(qb_yaml_get(map, "tensors"), &v->tensors, err) ||
        variant_read_names(qb_yaml_get(map, "except"), &v->except, err))
        return err->status;
    if (read_path(map, v, isa, err) || (otherwise && read_otherwise(otherwise, registry, isa, v, err)) ||
        (others && read_others(others, registry, isa, v, err)) || (arithmetic && read_arithmetic(arithmetic, v, err)))
        return err->status;
    if ((calibration && read_calibration(calibration, options, registry, v, isa, err)) ||
        read_conditioning(map, v, err))
        return err->status;
    v->takes_contexts = v->calibrated || v->input_scale || v->compensate;
    return QB_OK;
}
