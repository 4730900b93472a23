/* Products on logarithms and weight transport against NumPy (domain.json), and the bounds that log_product.h states.
 * Each check is seen to fail on a planted fault: an entry of the table, a code's place, a Jacobian. */
#include "golden_numbers.h"
#include "net_support.h"

#include <math.h>
#include "base/file.h"
#include "codec/registry.h"
#include "compute/linear.h"
#include "compute/transport.h"
#include "tokenizer/tokenizer.h"

enum { ROWS = 12, COLS = 40, N = 4 };

static struct qb_registry *registry;
static struct qb_pool *pool;
static json_t *golden, *operators;
static struct qb_error err;
static float w[ROWS * COLS], x[N * COLS], x0[COLS];

static void floats_of(const char *key, float *out, size_t n)
{
    const json_t *list = json_object_get(operators, key);
    cr_assert_eq(json_array_size(list), n, "%s", key);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)json_number_value(json_array_get(list, i));
}

static void begin(void)
{
    registry = support_registry();
    pool = support_pool(2);
    golden = json_load_file("tests/golden/domain.json", JSON_REJECT_DUPLICATES, NULL);
    operators = json_object_get(golden, "operators");
    cr_assert_not_null(operators);
    err = (struct qb_error){0};
    floats_of("w", w, ROWS * COLS);
    floats_of("x", x, N * COLS);
    floats_of("x0", x0, COLS);
}

static void end(void)
{
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(domain, .init = begin, .fini = end);

static double at(const json_t *list, size_t i)
{
    const json_t *value = json_array_get(list, i);
    cr_assert(json_is_number(value));
    return json_number_value(value);
}

/* A variant of this base with these keys more. */
static struct qb_variant *variant_like(const char *base, const char *keys)
{
    char text[256];
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    snprintf(text, sizeof text, "base: %s\n%s", base, keys);
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, "mine", registry, QB_ISA_PORTABLE, &v, &err));
    qb_yaml_free(root);
    return v;
}

static struct qb_linear *linear_of(const struct qb_variant *variant)
{
    struct qb_linear *linear = NULL;
    const struct qb_matrix matrix = {.name = "layers.0.test.weight",
                                     .bytes = w,
                                     .size = sizeof w,
                                     .rows = ROWS,
                                     .cols = COLS,
                                     .roles = QB_ROLE_MLP_UP};
    MUST(qb_linear_create(variant, &matrix, NULL, &linear, &err));
    return linear;
}

/* The operator's y[N, ROWS] under a variant. */
static void apply(const struct qb_variant *variant, const float *point, float *y)
{
    struct qb_linear *linear = linear_of(variant);
    if (point)
        MUST(qb_linear_set_point(linear, point, &err));
    MUST(qb_linear_apply(linear, pool, x, N, y, true, &err));
    qb_linear_free(linear);
}

/* The largest |y - expected| in units of what rounding the result and `slack` allow. */
static double worst(const float *y, const json_t *expected, double slack)
{
    double most = 0;
    for (size_t i = 0; i < N * ROWS; i++) {
        const double e = at(expected, i);
        most = fmax(most, fabs((double)y[i] - e) / (0x1p-24 * fabs(e) + slack));
    }
    return most;
}

/* W's encoded bytes prepared by hand, so that a fault can be planted in what the product reads. */
struct prepared {
    struct qb_variant *variant;
    uint8_t bytes[2 * ROWS * COLS + 64];
    struct qb_log_product *product;
};

static void prepare(struct prepared *p, int fraction, bool decoded)
{
    char keys[64];
    size_t size;
    bool known;
    struct qb_codec_layout layout;
    snprintf(keys, sizeof keys, "fraction: %d\nmultiply: %s\n", fraction, decoded ? "decoded" : "added");
    p->variant = variant_like("domain-exact", keys);
    MUST(qb_encoded_size(&p->variant->weights, ROWS, COLS, &size, &err));
    cr_assert_leq(size, sizeof p->bytes);
    MUST(qb_encode(&p->variant->weights, ROWS, COLS, w, p->bytes, size, &err));
    MUST(qb_layout_of(&p->variant->weights, ROWS, COLS, p->bytes, size, &layout, &known, &err));
    cr_assert(known);
    MUST(qb_log_product_make(&layout, p->bytes, COLS, &p->variant->logs, "w", &p->product, &err));
}

static void release(struct prepared *p)
{
    qb_log_product_free(p->product);
    qb_variant_free(p->variant);
}

static void multiply(const struct prepared *p, const float *in, float *y)
{
    float *scratch = qb_alloc(qb_log_scratch(p->product, N), sizeof *scratch, "scratch", &err);
    const struct qb_log_inputs inputs = qb_log_prepare(p->product, in, N, scratch);
    qb_log_multiply(p->product, 0, ROWS, &inputs, y, ROWS);
    qb_free(scratch);
}

/* W X of an input, and the unit of the table. */
static double scale_of(const struct qb_log_product *p, const float *in)
{
    double most = 0;
    for (size_t j = 0; j < COLS; j++)
        most = fmax(most, fabs((double)in[j]));
    return p->most * most;
}

Test(domain, codes_added_are_numpys)
{
    const json_t *cases = json_object_get(operators, "added");
    cr_assert_eq(json_array_size(cases), 3);
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(cases, i), *entries = json_object_get(one, "entries");
        struct prepared p;
        float y[N * ROWS], through[N * ROWS];
        prepare(&p, (int)golden_number(one, "fraction"), false);
        cr_expect_float_eq(p.product->step, golden_number(one, "step"), 1e-12);
        cr_expect_eq(p.product->bits, golden_size(one, "bits"));
        cr_expect_eq(p.product->end, golden_size(one, "end"));
        for (size_t k = 0; k < json_array_size(entries); k++) /* libm and NumPy may differ by an ulp of exp */
            cr_expect_leq(fabs((double)p.product->table[(size_t)at(entries, k)] - at(json_object_get(one, "table"), k)),
                          ldexp(1, (int)p.product->bits - 51), "entry %g", at(entries, k));
        multiply(&p, x, y);
        cr_expect_leq(worst(y, json_object_get(one, "y"), 1e-13), 1.001, "%g",
                      worst(y, json_object_get(one, "y"), 1e-13));
        apply(p.variant, NULL, through);
        cr_expect_eq(memcmp(y, through, sizeof y), 0, "the operator is this product");
        /* planted: the entry of the first weight times the first input is off by 2^-12 */
        const double under = log(scale_of(p.product, x) / p.product->most / fabs((double)x[0]));
        p.product->table[p.product->steps[p.bytes[p.product->layout.first]] + lrint(under / p.product->step)] +=
            (int64_t)1 << (p.product->bits - 12);
        multiply(&p, x, y);
        cr_expect_gt(worst(y, json_object_get(one, "y"), 1e-13), 2, "a wrong entry is seen");
        release(&p);
    }
}

/* The same codes decoded, multiplied and summed in double, within the stated bound; and which outputs are the same
 * bits. */
Test(domain, codes_added_are_the_same_codes_decoded_and_multiplied)
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *one = json_array_get(json_object_get(operators, "added"), i);
        struct prepared added, decoded;
        float y[N * ROWS], z[N * ROWS];
        size_t same = 0;
        prepare(&added, (int)golden_number(one, "fraction"), false);
        prepare(&decoded, (int)golden_number(one, "fraction"), true);
        multiply(&added, x, y);
        multiply(&decoded, x, z);
        cr_expect_leq(worst(z, json_object_get(one, "decoded"), 1e-13), 1.001);
        for (int fault = 0; fault < 2; fault++) {
            double most = 0;
            for (size_t k = 0; k < N * ROWS; k++) {
                const double unit = ldexp(scale_of(added.product, x + k / ROWS * COLS), -(int)added.product->bits);
                const double bound = COLS * unit + 0x1p-23 * fabs((double)z[k]);
                most = fmax(most, fabs((double)y[k] - (double)z[k]) / bound);
                same += !fault && y[k] == z[k];
            }
            if (!fault)
                cr_expect_leq(most, 1, "%g of the bound", most);
            else
                cr_expect_gt(most, 1, "a code that is one step off is seen");
            added.product->steps[added.bytes[added.product->layout.first]]++; /* planted */
            multiply(&added, x, y);
        }
        cr_expect_eq(same, N * ROWS, "%zu of %d results are the same bits", same, N * ROWS);
        release(&added);
        release(&decoded);
    }
}

/* Against path decode: float inputs times the decoded weights, in exact sums; and with its bound halved it would fail,
 * so that the bound says something. */
Test(domain, codes_added_are_near_the_decoded_weights)
{
    const json_t *exact = json_object_get(operators, "decode"), *sums = json_object_get(operators, "decode_absolute");
    double tightest = 0;
    for (size_t i = 0; i < 3; i++) {
        struct prepared p;
        float y[N * ROWS];
        prepare(&p, (int)golden_number(json_array_get(json_object_get(operators, "added"), i), "fraction"), false);
        multiply(&p, x, y);
        const double off = p.product->off_grid;
        cr_expect_leq(off, 5e-6, "decode's float32 magnitudes are %g off their grid", off);
        for (size_t k = 0; k < N * ROWS; k++) {
            const double unit = ldexp(scale_of(p.product, x + k / ROWS * COLS), -(int)p.product->bits);
            const double bound =
                COLS * unit + expm1(p.product->step / 2 + off) * at(sums, k) + 0x1p-24 * fabs(at(exact, k));
            const double share = fabs((double)y[k] - at(exact, k)) / bound;
            cr_expect_leq(share, 1, "fraction %zu: %g of the bound", i, share);
            tightest = fmax(tightest, share);
        }
        release(&p);
    }
    cr_expect_gt(tightest, 0.1, "the bound is not loose by much: %g", tightest);
}

/* Sums do not depend on their order: the columns in another order, the same bits. */
Test(domain, sums_have_no_order)
{
    struct prepared p;
    float y[N * ROWS], z[N * ROWS], kept[ROWS * COLS], turned[N * COLS];
    prepare(&p, 3, false);
    multiply(&p, x, y);
    release(&p);
    memcpy(kept, w, sizeof w);
    for (size_t i = 0; i < ROWS * COLS; i++)
        w[i] = kept[i / COLS * COLS + (i % COLS * 7 + 3) % COLS];
    for (size_t i = 0; i < N * COLS; i++)
        turned[i] = x[i / COLS * COLS + (i % COLS * 7 + 3) % COLS];
    prepare(&p, 3, false);
    multiply(&p, turned, z);
    release(&p);
    cr_expect_eq(memcmp(y, z, sizeof y), 0);
}

Test(domain, what_cannot_be_added_is_refused)
{
    struct qb_codec_layout layout = {.kind = QB_LAYOUT_CODES, .sign_bits = 1, .row_bytes = COLS};
    struct qb_log_product *product = NULL;
    const struct qb_log_options options = {0};
    uint8_t bytes[1] = {0};
    for (int code = 1; code < 256; code++)
        layout.values[code] = (float)code; /* equally spaced: no logarithms */
    cr_expect_eq(qb_log_product_make(&layout, bytes, COLS, &options, "w", &product, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "tensor w") && strstr(err.message, "cannot be added"), "%s", err.message);
    err = (struct qb_error){0};
    for (int code = 1; code < 256; code++)
        layout.values[code] = 1 + (float)code * 0x1p-22f; /* a table of 10^8 entries */
    cr_expect_eq(qb_log_product_make(&layout, bytes, COLS, &options, "w", &product, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "expected at most"), "%s", err.message);
    cr_expect_null(product);
}

/* ---- transport ---- */

static const char *const forms[][2] = {{"position_tangent", "point: position\nform: tangent\n"},
                                       {"position_linear", "point: position\nform: linear\n"},
                                       {"mean_tangent", "point: mean\nform: tangent\n"},
                                       {"mean_linear", "point: mean\nform: linear\n"}};

Test(domain, transport_is_the_formed_matrix_of_numpy)
{
    for (size_t f = 0; f < 4; f++) {
        const json_t *expected = json_object_get(json_object_get(operators, "transport"), forms[f][0]);
        struct qb_variant *v = variant_like("transport", forms[f][1]);
        float y[N * ROWS];
        apply(v, v->transport.mean ? x0 : NULL, y);
        double most = 0;
        for (size_t i = 0; i < N * ROWS; i++)
            most = fmax(most, fabs((double)y[i] - at(expected, i)));
        double size = 0;
        for (size_t i = 0; i < N * ROWS; i++)
            size = fmax(size, fabs(at(expected, i)));
        cr_expect_leq(most, 3e-6 * size, "%s: off by %g of %g", forms[f][0], most, size);
        qb_variant_free(v);
    }
}

/* At a position's own codes the tangent is W times what they decode to: decoding by another name. */
Test(domain, the_tangent_at_its_own_point_decodes)
{
    struct qb_variant *v = variant_like("transport", "point: position\nform: tangent\n");
    uint8_t bytes[2 * COLS + 64];
    float decoded[N * COLS], y[N * ROWS], z[N * ROWS];
    size_t size;
    MUST(qb_encoded_size(&v->activations, 1, COLS, &size, &err));
    for (size_t i = 0; i < N; i++) {
        MUST(qb_encode(&v->activations, 1, COLS, x + i * COLS, bytes, size, &err));
        MUST(qb_decode(&v->activations, 1, COLS, bytes, size, 0, 1, decoded + i * COLS, &err));
    }
    apply(v, NULL, y);
    memcpy(x, decoded, sizeof x);
    struct qb_linear *plain = linear_of(NULL);
    MUST(qb_linear_apply(plain, pool, x, N, z, true, &err));
    cr_expect_eq(memcmp(y, z, sizeof y), 0, "bit for bit");
    qb_linear_free(plain);
    qb_variant_free(v);
}

/* The error of the tangent against x itself, for coordinates without rounding at `distance` from the point. */
static double tangent_error(const struct qb_log_line *line, double distance)
{
    const struct qb_transport tangent = {.mean = true};
    float c[COLS], out[COLS];
    double worst_error = 0;
    for (size_t j = 0; j < COLS; j++) {
        const double to = (double)x0[j] * (1 + distance * (j % 2 ? 1 : -1));
        c[j] = (float)copysign((log(fabs(to)) - line->a) / line->b, to);
    }
    c[5] = 0; /* x0[5] is 0 */
    qb_transport_inputs(&tangent, line, x0, NULL, c, COLS, out);
    for (size_t j = 0; j < COLS; j++) {
        const double to = (double)x0[j] * (1 + distance * (j % 2 ? 1 : -1));
        worst_error = fmax(worst_error, fabs((double)out[j] - to));
    }
    return worst_error;
}

/* Exact to first order: halving the distance quarters the error; with a Jacobian that is 2% off it does not. */
Test(domain, the_tangent_is_exact_to_first_order)
{
    const struct qb_log_line line = {.a = 1.5, .b = -9};
    const double ratio = tangent_error(&line, 0.2) / tangent_error(&line, 0.1);
    cr_expect(ratio > 3.5 && ratio < 4.6, "%g", ratio);
    cr_expect_eq(x0[5], 0.0f);
    const double finer = tangent_error(&line, 0.02) / tangent_error(&line, 0.01);
    cr_expect(finer > 3.8 && finer < 4.2, "%g", finer);
    /* planted: J_E^-1 of another slope than the coordinates have */
    const struct qb_transport tangent = {.mean = true};
    const struct qb_log_line wrong = {.a = 1.5, .b = -9 * 1.02};
    double error[2];
    for (int i = 0; i < 2; i++) {
        float c[COLS], out[COLS];
        error[i] = 0;
        for (size_t j = 0; j < COLS; j++) {
            const double to = (double)x0[j] * (1 + 0.02 / (1 + i)), there = log(fabs((double)x0[j]));
            /* differences by the right line, E(x0) by the wrong one, so that the slope alone is wrong */
            c[j] = (float)copysign((there - wrong.a) / wrong.b + (log(fabs(to)) - there) / line.b, to);
        }
        c[5] = 0;
        qb_transport_inputs(&tangent, &wrong, x0, NULL, c, COLS, out);
        for (size_t j = 0; j < COLS; j++)
            error[i] = fmax(error[i], fabs((double)out[j] - (double)x0[j] * (1 + 0.02 / (1 + i))));
    }
    cr_expect(error[0] / error[1] < 3, "a wrong Jacobian is seen: %g", error[0] / error[1]);
}

Test(domain, transport_needs_coordinates_of_logarithms)
{
    struct qb_log_line line;
    const float values[] = {1, 2, 3, 4}, same[] = {2, -2, 2, 2}, codes[] = {0.5f, -0.5f, 0.5f, 0.5f};
    cr_expect_eq(qb_log_line(values, values, 4, &line, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "codec of logarithms"), "%s", err.message);
    err = (struct qb_error){0};
    MUST(qb_log_line(same, codes, 4, &line, &err));
    cr_expect_eq(line.b, 0.0);
}

/* ---- a model ---- */

Test(domain, kjv_transformer)
{
    enum { LENGTH = 64, VOCAB = 5000 };
#define FIRST "tensors: [layers.0.attn.qkv.weight]\n" /* make_domain.py says why */
    static const struct {
        const char *name, *base, *keys;
        double slack; /* of the KL of a position: coarser where it is that of codes' rounding */
    } names[] = {{"domain-exact", "domain-exact", "", 0.02},
                 {"domain-exact-4", "domain-exact", "fraction: 4\n", 0.02},
                 {"transport", "transport", FIRST, 2e-4},
                 {"transport-tangent", "transport", "form: tangent\n" FIRST, 0.02},
                 {"transport-mean", "transport-mean", FIRST, 2e-4}};
    const json_t *expected = json_object_get(golden, "model"), *list = json_object_get(expected, "tokens");
    struct qb_model *model = NULL;
    struct qb_tokenizer *tokenizer;
    char *text;
    size_t size, count;
    int32_t tokens[LENGTH], *ids;
    for (size_t i = 0; i < LENGTH; i++)
        tokens[i] = (int32_t)at(list, i);
    MUST(qb_tokenizer_open("data/models/kjv.tokenizer.json", &tokenizer, &err));
    MUST(qb_file_read("data/corpus/kjv.calibration", 1 << 20, &text, &size, &err));
    MUST(qb_tokenizer_encode(tokenizer, text, size, 0, &ids, &count, &err));
    qb_free(text);
    qb_tokenizer_free(tokenizer);
    const struct qb_calibration_data data = {ids, 50, 20};
    MUST(qb_model_open("data/models/kjv-transformer.safetensors", registry, qb_cpu()->isa, &model, &err));
    struct qb_net *reference = support_net(model, NULL, NULL, pool);
    float *hidden = qb_alloc(LENGTH * 256, sizeof *hidden, "hidden", &err);
    float *logits = qb_alloc(2 * LENGTH * VOCAB, sizeof *logits, "logits", &err), *theirs = logits + LENGTH * VOCAB;
    MUST(qb_net_forward(reference, tokens, 1, LENGTH, hidden, &err));
    MUST(qb_net_logits(reference, hidden, LENGTH, logits, &err));
    for (size_t v = 0; v < sizeof names / sizeof *names; v++) {
        const json_t *one = json_object_get(json_object_get(expected, "variants"), names[v].name);
        const json_t *first = json_object_get(one, "kl_first");
        struct qb_variant *variant = variant_like(names[v].base, names[v].keys);
        struct qb_net *net = support_net(model, variant, &data, pool);
        double kl = 0;
        unsigned agree = 0;
        MUST(qb_net_forward(net, tokens, 1, LENGTH, hidden, &err));
        MUST(qb_net_logits(net, hidden, LENGTH, theirs, &err));
        for (size_t i = 0; i < LENGTH; i++) {
            const double here = support_kl(logits + i * VOCAB, theirs + i * VOCAB, VOCAB);
            kl += here / LENGTH;
            agree += i < 8 && fabs(here - at(first, i)) <= names[v].slack * at(first, i);
        }
        /* A code that falls on the other side moves what follows. */
        cr_expect_leq(fabs(kl / golden_number(one, "kl_mean") - 1), 0.02, "%s: KL %g, expected %g", names[v].name, kl,
                      golden_number(one, "kl_mean"));
        cr_expect_geq(agree, 6, "%s: %u of the first 8 positions agree", names[v].name, agree);
        qb_net_free(net);
        qb_variant_free(variant);
    }
    qb_free(hidden);
    qb_free(logits);
    qb_free(ids);
    qb_net_free(reference);
    qb_model_free(model);
}
