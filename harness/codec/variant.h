/* A variant: codec x path x calibration x placement under a name. Declared in YAML; the built-ins ship as
 * data/variants/<name>.yaml and are read by the same code as a user's. */
#ifndef QB_VARIANT_H
#define QB_VARIANT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/floor.h"
#include "codec/registry.h"
#include "codec/role.h"

enum qb_path {
    QB_PATH_DECODE,       /* y = decode(W) x + b: Pattern A, codec at rest */
    QB_PATH_DOMAIN,       /* computes on coordinates without decoding: legacy (source-protocols 6) */
    QB_PATH_DOMAIN_EXACT, /* the logarithms of W and x as codes of one grid: added, looked up, summed exactly
                             (compute/log_product.h) */
    QB_PATH_TRANSPORT     /* y = M_W c(x) + b, M_W = J_D W J_E^-1: "weight transport" (compute/transport.h) */
};
/* As the key `path` has it: "decode", "domain", "domain-exact", "transport"; static. */
const char *qb_path_name(enum qb_path path);
enum qb_domain {                        /* QB_PATH_DOMAIN: whose coordinates */
                 QB_DOMAIN_ACTIVATIONS, /* y = W c(x) + b; x encoded with one range a token */
                 QB_DOMAIN_WEIGHTS,     /* y = c(W) x + b */
                 QB_DOMAIN_BOTH         /* y = c(W) c(x) + b */
};

/* DOMAIN_EXACT: how fine the grid of the inputs' logarithms is, and how the codes are multiplied. */
struct qb_log_options {
    unsigned fraction; /* 2^fraction steps of the inputs' grid are one of the weights'; 0 to QB_LOG_FRACTION_MOST */
    bool decoded;      /* multiply: decoded. The control: the same codes, each decoded to double, multiplied and summed
                          there */
};
#define QB_LOG_FRACTION_MOST 12

/* TRANSPORT: where the Jacobians are taken, and what they are applied to. */
struct qb_transport {
    bool mean;   /* at a mean of the operator's inputs on the calibration contexts; else at each position's own code */
    bool linear; /* M_W times the coordinates, as the documents write it; else the tangent: W x0 + M_W (c(x) - c(x0)) */
};

/* Corrections over a path (source-protocols 3). S and alpha are estimated on the model's calibration contexts. */
struct qb_calibration {
    bool scale;          /* S per output channel: y = S * (W x) + b, S = std(y_fp) / (std(y_q) + 1e-8), clamped */
    bool alpha;          /* logits *= alpha, alpha = std(logits_fp) / (std(logits_q) + 1e-8), clamped */
    uint32_t fp16_roles; /* these tensors are kept in FP16 and computed by decoding, whatever the path (of those that
                            the variant's tensors and except leave) */
    double scale_min, scale_max; /* default 0.5, 2 */
    double alpha_min, alpha_max; /* default 0.8, 1.2 */
    size_t rows; /* S, and the mean point of TRANSPORT: the first rows of the layer's input activations; default 100 */
    size_t alpha_contexts; /* alpha: the first contexts; default 10 */
    bool alpha_on_model;   /* alpha_on: logits_q from the variant's own run (model) or, as the source did, from its
                              head on the reference's hidden states (head, the default) */
    bool own_format;       /* S is estimated under scale_format instead of the variant's (calibration.options) */
    struct qb_format scale_format;
};

#define QB_OTHERS_MAX 4

/* Tensors that a variant stores in another codec than its own, by role; tensors and except restrict them as well. */
struct qb_other {
    struct qb_format format;
    uint32_t roles;
    char **asked; /* its placement as it was asked for */
};

enum qb_fusing { /* which products of up to 8 inputs read encoded bytes as they lie (compute/fused.h), which is another
                    arithmetic than decoding rows and BLAS; of matrices whose layout a kernel reads */
                 QB_FUSED_NONE,
                 QB_FUSED_ALL,
                 QB_FUSED_FASTER /* those that are faster so on this machine: for commands that record nothing */
};

enum qb_input_rule { /* whose s divides the inputs and multiplies the columns of W (compute/input_scale.h) */
                     QB_INPUT_SCALE_NONE,
                     QB_INPUT_SCALE_AWQ,
                     QB_INPUT_SCALE_SMOOTHQUANT
};

struct qb_variant {
    char *name;
    char *summary;
    bool encoded;                          /* false: weights are fp32, without a codec: placement is 0 */
    struct qb_format weights;              /* how placed weights are stored */
    struct qb_format otherwise;            /* and how those whose shape `weights` does not take; plugin NULL: none */
    struct qb_other others[QB_OTHERS_MAX]; /* DECODE: these roles in other codecs; none in two, nor in placement */
    size_t other_count;
    struct qb_format activations; /* DOMAIN with activations, TRANSPORT: how a token's x is encoded (default: scope
                                     row) */
    struct qb_format fp16;        /* for calibration.fp16_roles; plugin NULL when none */
    enum qb_path path;
    enum qb_domain domain;
    struct qb_log_options logs;
    struct qb_transport transport;
    bool stored;          /* DOMAIN with activations: the weights, too, are stored encoded and decoded before use */
    bool cache;           /* decode once and keep FP32 weights (pattern-a-cached) */
    bool reversed;        /* unencoded: every product sums its terms from the last to the first */
    unsigned split;       /* unencoded, or path decode: products of 2 or 3 BF16 terms (compute/kernels.h); 0: none */
    enum qb_fusing fused; /* path decode */
    /* DECODE, without calibration: what is done to all weights that it encodes, placement's and others', and undone by
     * what their products take (compute/conditioning.h). The second is estimated on calibration contexts. */
    bool rotate;                    /* by a Hadamard matrix */
    enum qb_input_rule input_scale; /* by a scale for each input */
    bool input_search;              /* awq: alpha is searched */
    double input_alpha;             /* alpha, unless it is */
    bool compensate;                /* errors of a column are spread over the next ones (compute/compensate.h); on
                                       calibration contexts, too */
    struct qb_format kv[2];         /* how keys and values are kept (compute/kv.h); plugin NULL: FP32 */
    size_t kv_block;                /* positions of a block of them; 0: both are FP32, no cache is encoded */
    bool kv_rotate;                 /* they are kept rotated */
    struct qb_format act; /* how a layer's output is kept until the next layer takes it: each position's by itself, as
                             a matrix of one row; plugin NULL: FP32. Unlike `activations`, which are the inputs of
                             products and are never decoded */
    uint32_t placement;   /* roles of the tensors that are encoded */
    char **tensors;       /* of these only tensors whose name matches one of the globs; NULL-terminated; NULL: all */
    char **except;        /* and of those none whose name matches one of these; likewise; NULL: none */
    /* placement and calibration.fp16 as they were asked for, roles and globs, likewise; what of it binds on a model:
     * qb_effect_of */
    char **asked, **asked_fp16;
    struct qb_calibration calibration;
    bool calibrated;     /* scale || alpha || fp16_roles || transport.mean */
    bool takes_contexts; /* calibrated, input_scale or compensate: a net of it is made with calibration contexts */
    const char *warning; /* deprecation, or the tolerance of its arithmetic: to print once and to store; NULL; static */
    char *canonical;     /* everything above as text, for content keys and provenance */
    const char *file;    /* where it was declared */
    unsigned line;
};

/* What of a tensor's (or row block's) roles comes under a mask of the variant: `placement`, `calibration.fp16_roles` or
 * the roles of one of its others:
 * the roles of the row blocks that do, 0 where none does. The one rule for "is this tensor encoded": roles say which
 * (a fused tensor block by block, a tied embedding only as a whole: qb_role_covered), tensors and except restrict it by
 * `name`, as in docs/models.md ("layers.1.mlp.up.weight"). An unencoded variant's placement is 0. */
uint32_t qb_variant_covers(const struct qb_variant *variant, uint32_t mask, const char *name, uint32_t roles);

/* The one of `others` that the tensor (or row block) comes under, or NULL; borrowed. */
const struct qb_other *qb_variant_other(const struct qb_variant *variant, const char *name, uint32_t roles);
/* All roles that the variant stores in codecs of its choice: placement and others. */
uint32_t qb_variant_roles(const struct qb_variant *variant);

/* How placed weights of rows x cols are stored: `weights`, or `otherwise` where that alone takes the shape. The one
 * rule for it; borrowed. */
const struct qb_format *qb_variant_format(const struct qb_variant *variant, size_t rows, size_t cols);

/* Its formats: all that can be placed, plugin or not. The one list of them, for keys, provenance and freeing. */
#define QB_VARIANT_FORMATS (8 + QB_OTHERS_MAX)
void qb_variant_formats(const struct qb_variant *variant, const struct qb_format *formats[QB_VARIANT_FORMATS]);

/* Which floor the definition makes the variant, whatever its name. */
enum qb_floor qb_variant_floor(const struct qb_variant *variant);

/* A variant of the user's may have a shipped variant's name only when it is the same by definition: else QB_ERR_INPUT
 * with the place of `node`, which named it, and the shipped definition. */
enum qb_status qb_variant_check_name(const struct qb_variant *variant, const struct qb_yaml *node,
                                     const struct qb_registry *registry, enum qb_isa isa, struct qb_error *err);

/* Does it change weights before it encodes them (rotate, input_scale, compensate)? */
static inline bool qb_variant_conditions(const struct qb_variant *variant)
{
    return variant->rotate || variant->input_scale || variant->compensate;
}

/* Are the weights that are placed stored encoded (not so where activations alone are)? */
bool qb_variant_stores(const struct qb_variant *variant);

/* Reads a variant from its YAML map (`name` from the key, or for a file of data/variants from its `name`). Keys: name,
 * summary, base (another variant whose keys are taken first), codec, options, otherwise (a codec's id, or {codec,
 * options}: path decode alone has it), kv {keys, values (each as otherwise), block, rotate} or the
 * name of a variant whose kv it takes, act (as otherwise),
 * others (a list of maps: codec, options and placement of each; path decode alone has it), rotate (none|hadamard),
 * input_scale (none|awq|smoothquant, or {rule, alpha: NUMBER in [0, 1] or search}), compensate
 * (none|gptq; all three on path decode without calibration), activations, path (decode|domain|domain-exact|transport),
 * domain (activations|weights|both), fraction and multiply (added|decoded) of path domain-exact, point (position|mean)
 * and form (tangent|linear) of path transport, stored, cache, placement (list of roles or globs), tensors and except
 * (lists of globs of tensor names), calibration {scale, alpha, fp16, scale_range, alpha_range, rows, alpha_contexts,
 * alpha_on, options}. A variant without a codec takes kv, act and arithmetic (forward|reversed|split|split2): the order
 * in which each linear product sums its terms, or all of them as products of three BF16 terms or of two; one with a
 * codec on path decode, uncached, arithmetic (forward|fused|split|split2): fused where the codec's options give a
 * layout that kernels read, else an error. `order` in a built-in's file is its place in lists. The caller frees with
 * qb_variant_free. */
enum qb_status qb_variant_read(const struct qb_yaml *map, const char *name, const struct qb_registry *registry,
                               enum qb_isa isa, struct qb_variant **variant, struct qb_error *err);
void qb_variant_free(struct qb_variant *variant);

/* The built-in of that name from data/variants (found beside the program or under PREFIX/share/qinsbench), or an error
 * that suggests the nearest. The name "qins" means pattern-a, or legacy when QINS_CODEC_AT_REST=0; "1" or unset is the
 * default, other values are an error. An explicit name always wins over the environment. legacy carries the warning. */
enum qb_status qb_variant_builtin(const char *name, const struct qb_registry *registry, enum qb_isa isa,
                                  struct qb_variant **variant, struct qb_error *err);
/* Names of the built-ins in display order, NULL-terminated, owned by the caller (one qb_free each and one for the
 * list). */
enum qb_status qb_variant_names(char ***names, struct qb_error *err);

#endif
