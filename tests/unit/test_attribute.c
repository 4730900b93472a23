/* The attribute experiment on small models: every number of it is also the KL of some variant run by itself, and must
 * be that one bit for bit. */
#include "net_support.h"

#include "base/rng.h"
#include "experiments/attribute.h"

enum { VOCAB = 300, H = 32, LAYERS = 2, CHUNKS = 5, CONTEXT = 60, N = CHUNKS * CONTEXT };

static struct qb_registry *registry;
static struct qb_pool *pool;
static struct qb_model *model;
static struct qb_inputs inputs;
static struct qb_error err;
static int32_t text[N], calibration[10 * 12], prompt[8];

static void draw(int32_t *tokens, size_t n, uint32_t seed)
{
    struct qb_rng rng;
    qb_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)qb_rng_randint(&rng, VOCAB);
}

static struct qb_model *make_model(const char *generator)
{
    struct qb_model *m = support_model(generator, VOCAB, H, LAYERS, 9);
    m->arch.causal = m->arch.attention;
    for (size_t t = 0; t < m->tensor_count; t++)
        for (size_t i = 0; i < m->tensors[t].rows * m->tensors[t].cols; i++)
            tensor_floats(&m->tensors[t])[i] *= m->tensors[t].roles & QB_ROLE_NORM ? 1.0f : 5.0f;
    return m;
}

static void begin(void)
{
    registry = support_registry();
    pool = support_pool(2);
    model = make_model("transformer");
    draw(text, N, 1);
    draw(calibration, 10 * 12, 2);
    draw(prompt, 8, 3);
    inputs = (struct qb_inputs){.prompts = prompt,
                                .prompt_count = 1,
                                .prompt_length = 8,
                                .text = text,
                                .chunks = CHUNKS,
                                .context = CONTEXT,
                                .calibration = calibration,
                                .calibration_contexts = 10,
                                .calibration_length = 12};
    err = (struct qb_error){0};
}

static void end(void)
{
    qb_model_free(model);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

TestSuite(attribute, .init = begin, .fini = end);

static struct qb_variant *read_variant(const char *yaml)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *v = NULL;
    MUST(qb_yaml_parse(yaml, strlen(yaml), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, "mine", registry, qb_cpu()->isa, &v, &err));
    qb_yaml_free(root);
    return v;
}

static struct qb_cell_env env_of(const struct qb_variant *v, const union qb_option_value *options)
{
    return (struct qb_cell_env){
        .model = model, .variant = v, .inputs = &inputs, .options = options, .pool = pool, .isa = qb_cpu()->isa};
}

/* KL of teacher-forced for a variant: a new array of N. */
static double *forced_kl(const struct qb_variant *v)
{
    const struct qb_experiment *forced = qb_experiment_find("teacher-forced");
    struct qb_record reference = {0}, record = {0};
    struct qb_cell_env env = env_of(NULL, NULL);
    MUST(forced->reference(&env, &reference, &err));
    env.variant = v;
    env.reference = &reference;
    struct qb_prepared prepared;
    MUST(qb_cell_prepare(&env, &prepared, &err));
    env.prepared = &prepared;
    MUST(forced->run(&env, &record, &err));
    qb_net_free(prepared.net);
    const struct qb_array *kl = qb_record_get(&record, "kl", QB_F64, 1);
    double *copy = qb_alloc(kl->count, sizeof *copy, "test", &err);
    memcpy(copy, kl->data, kl->count * sizeof *copy);
    qb_record_free(&reference);
    qb_record_free(&record);
    return copy;
}

static struct qb_record attribute(const struct qb_variant *v, int factorial, int swap, int order_chunks)
{
    const union qb_option_value options[] = {{.i = factorial}, {.i = swap}, {.i = order_chunks}};
    struct qb_cell_env env = env_of(v, options);
    struct qb_record record = {0};
    MUST(qb_experiment_find("attribute")->run(&env, &record, &err));
    return record;
}

static const char *text_at(const struct qb_record *record, const char *name, size_t i)
{
    return ((char **)qb_record_get(record, name, QB_TEXT, 1)->data)[i];
}

static size_t find_text(const struct qb_record *record, const char *name, const char *wanted)
{
    const struct qb_array *array = qb_record_get(record, name, QB_TEXT, 1);
    cr_assert_not_null(array, "%s", name);
    size_t i = 0;
    while (i < array->count && strcmp(((char **)array->data)[i], wanted) != 0)
        i++;
    cr_assert_lt(i, array->count, "no '%s' in %s", wanted, name);
    return i;
}

static const double *row(const struct qb_record *record, const char *name, size_t i)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F64, 2);
    cr_assert_not_null(array, "%s", name);
    cr_assert_lt(i, array->dims[0]);
    return (const double *)array->data + i * array->dims[1];
}

static double mean(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* Row `i` of array `name` is what the variant gives by itself. */
static void same_as(const struct qb_record *record, const char *name, size_t i, const char *yaml, size_t n)
{
    struct qb_variant *v = read_variant(yaml);
    double *kl = forced_kl(v);
    cr_expect_gt(mean(kl, n), 0, "%s costs nothing: the comparison is empty", yaml);
    cr_expect_eq(memcmp(row(record, name, i), kl, n * sizeof *kl), 0, "%s[%zu] (%g) and %s (%g)", name, i,
                 mean(row(record, name, i), n), yaml, mean(kl, n));
    qb_free(kl);
    qb_variant_free(v);
}

Test(attribute, combinations_are_the_variants_they_stand_for)
{
    static const char *const cases[][2] = {
        {"storage", "base: pattern-a\n"},
        {"domain", "base: legacy\n"},
        {"storage+domain", "base: legacy\nstored: true\n"},
        {"domain+scale", "base: legacy\ncalibration: {scale: true}\n"},
        {"domain+alpha", "base: legacy\ncalibration: {alpha: true, alpha_on: model}\n"},
        {"domain+fp16", "base: legacy\ncalibration: {fp16: [attn.q, attn.k]}\n"},
        {"storage+scale+alpha", "base: pattern-a\ncalibration: {scale: true, alpha: true, alpha_on: model}\n"},
        {"storage+domain+scale+alpha+fp16", "base: calibrated-stored\n"}};
    struct qb_variant *v = support_variant(registry, "calibrated-stored");
    struct qb_record record = attribute(v, 1, 0, 0);
    cr_assert_eq(qb_record_get(&record, "kl", QB_F64, 2)->dims[0], 32);
    cr_expect_str_eq(text_at(&record, "combination", 0), "none");
    cr_expect_str_eq(text_at(&record, "combination", 31), "storage+domain+scale+alpha+fp16");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        same_as(&record, "kl", find_text(&record, "combination", cases[i][0]), cases[i][1], N);
    static const char *const nothing[] = {"none", "scale", "alpha", "scale+alpha"};
    for (size_t i = 0; i < 4; i++)
        for (size_t p = 0; p < N; p++)
            cr_expect_eq(row(&record, "kl", find_text(&record, "combination", nothing[i]))[p], 0);
    cr_expect_eq(memcmp(row(&record, "kl", find_text(&record, "combination", "fp16")),
                        row(&record, "kl", find_text(&record, "combination", "scale+alpha+fp16")), N * 8),
                 0, "S and alpha have nothing to correct there");
    const double *alpha = qb_record_get(&record, "alpha", QB_F64, 1)->data;
    cr_expect_eq(alpha[find_text(&record, "combination", "storage+domain")], 1);
    cr_expect_neq(alpha[31], 1);
    const int32_t *chunk = qb_record_get(&record, "chunk", QB_I32, 1)->data;
    cr_expect(chunk[0] == 0 && chunk[CONTEXT - 1] == 0 && chunk[CONTEXT] == 1 && chunk[N - 1] == CHUNKS - 1);
    cr_expect_null(qb_record_find(&record, "swap_kl"));
    qb_record_free(&record);
    qb_variant_free(v);
}

/* Which parts a variant has. */
Test(attribute, factors)
{
    static const struct {
        const char *name;
        unsigned factors;
    } cases[] = {{"fp32", 0},
                 {"pattern-a", FACTOR_STORAGE},
                 {"legacy", FACTOR_DOMAIN},
                 {"legacy-weights", FACTOR_DOMAIN},
                 {"legacy-both", FACTOR_DOMAIN},
                 {"calibrated", FACTOR_DOMAIN | FACTOR_SCALE | FACTOR_ALPHA | FACTOR_FP16},
                 {"calibrated-range-kept", FACTOR_STORAGE | FACTOR_SCALE | FACTOR_ALPHA},
                 {"calibrated-stored", FACTOR_STORAGE | FACTOR_DOMAIN | FACTOR_SCALE | FACTOR_ALPHA | FACTOR_FP16}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_variant *v = support_variant(registry, cases[i].name);
        cr_expect_eq(factors_of(v, model), cases[i].factors, "%s", cases[i].name);
        qb_variant_free(v);
    }
    for (size_t i = 2; i < 6; i++) { /* all of its parts are the variant itself */
        struct qb_variant *v = support_variant(registry, cases[i].name);
        struct qb_record record = attribute(v, 1, 1, 2);
        char yaml[64];
        snprintf(yaml, sizeof yaml, "base: %s\n", cases[i].name);
        same_as(&record, "kl", qb_record_get(&record, "kl", QB_F64, 2)->dims[0] - 1, yaml, N);
        cr_expect_null(qb_record_find(&record, "swap_kl"), "%s stores no rounded weights", cases[i].name);
        qb_record_free(&record);
        qb_variant_free(v);
    }
    struct qb_model *chain = make_model("chain");
    struct qb_variant *stored = support_variant(registry, "calibrated-stored");
    cr_expect_eq(factors_of(stored, chain), FACTOR_STORAGE | FACTOR_DOMAIN | FACTOR_SCALE | FACTOR_ALPHA,
                 "a chain has no Q and K that could be kept in FP16");
    qb_variant_free(stored);
    qb_model_free(chain);
    struct qb_variant *fp32 = support_variant(registry, "fp32");
    struct qb_cell_env env = env_of(fp32, NULL);
    cr_expect_not_null(qb_experiment_find("attribute")->skip(&env));
    qb_variant_free(fp32);
    static const char *const more[] = {"q8_0", "q8_0-kv-q8_0", "profile-compute"};
    for (size_t i = 0; i < 3; i++) { /* a cache is none of the parts */
        struct qb_variant *v = support_variant(registry, more[i]);
        env = env_of(v, NULL);
        cr_expect_eq(qb_experiment_find("attribute")->skip(&env) != NULL, i > 0, "%s", more[i]);
        qb_variant_free(v);
    }
    struct qb_variant *act = read_variant("base: q8_0\nact: fp16\n");
    env = env_of(act, NULL);
    cr_expect_not_null(qb_experiment_find("attribute")->skip(&env));
    qb_variant_free(act);
}

/* Every row of a swap is a variant whose names or roles choose that tensor alone. */
static void swaps_are_variants(const char *base, const char *const *roles, size_t role_count, size_t tensors)
{
    struct qb_variant *v = read_variant(base);
    struct qb_record record = attribute(v, 0, 1, 0);
    const struct qb_array *kl = qb_record_get(&record, "swap_kl", QB_F64, 2);
    char yaml[256];
    cr_assert_eq(kl->dims[0], tensors);
    for (size_t t = 0; t < tensors; t++) {
        snprintf(yaml, sizeof yaml, "%stensors: [%s]\n", base, text_at(&record, "swap_tensor", t));
        same_as(&record, "swap_kl", t, yaml, N);
    }
    for (size_t r = 0; r < role_count; r++) {
        snprintf(yaml, sizeof yaml, "base: pattern-a\nplacement: [%s]\n", roles[r]);
        same_as(&record, "role_kl", find_text(&record, "role", roles[r]), yaml, N);
    }
    double *all = forced_kl(v);
    cr_expect_eq(memcmp(qb_record_get(&record, "all_kl", QB_F64, 1)->data, all, N * sizeof *all), 0);
    cr_expect_null(qb_record_find(&record, "order"));
    cr_expect_null(qb_record_find(&record, "kl"));
    qb_free(all);
    qb_record_free(&record);
    qb_variant_free(v);
}

Test(attribute, swaps_of_a_transformer)
{
    static const char *const roles[] = {"attn.o", "mlp.up", "mlp.down"};
    swaps_are_variants("base: pattern-a\n", roles, 3, 4 * LAYERS);
}

Test(attribute, swaps_with_embedding_and_head)
{
    swaps_are_variants("base: pattern-a\nplacement: [attn.*, mlp.*, embed, head]\n", NULL, 0,
                       4 * LAYERS + (model->arch.tied_head ? 1 : 2));
}

/* What others store is storage, too. */
Test(attribute, swaps_with_others)
{
    swaps_are_variants("codec: int8\nplacement: ['mlp.*']\nothers: [{codec: q8_0, placement: [attn.o, attn.v, attn.k, "
                       "attn.q]}]\n",
                       NULL, 0, 4 * LAYERS);
}

Test(attribute, swaps_of_a_chain_whose_widths_change)
{
    qb_model_free(model);
    model = make_model("chain");
    static const char *const roles[] = {"mlp.up"};
    swaps_are_variants("base: pattern-a\nplacement: [mlp.*, head]\n", roles, 1, LAYERS + 2);
}

/* Row blocks of a fused tensor: with the other rows of the model's own, and their costs near the whole's. */
Test(attribute, roles_of_a_fused_tensor)
{
    struct qb_variant *v = read_variant("base: pattern-a\nplacement: [attn.q, attn.k, attn.v]\n");
    struct qb_record record = attribute(v, 0, 1, 0);
    static const char *const roles[] = {"attn.q", "attn.k", "attn.v"};
    double sum = 0, all = mean(qb_record_get(&record, "all_kl", QB_F64, 1)->data, N);
    cr_assert_eq(qb_record_get(&record, "role_kl", QB_F64, 2)->dims[0], 3);
    for (size_t r = 0; r < 3; r++) {
        double one = mean(row(&record, "role_kl", find_text(&record, "role", roles[r])), N);
        cr_expect(one > 0 && one < all * 1.05, "%s: %g of %g", roles[r], one, all);
        sum += one;
    }
    cr_expect(sum > 0.7 * all && sum < 1.4 * all, "%g and %g", sum, all);
    cr_expect_str_eq(text_at(&record, "swap_role", 0), "attn.q+attn.k+attn.v");
    cr_expect_eq(((int64_t *)qb_record_find(&record, "swap_values")->data)[0], 3 * H * H);
    cr_expect_eq(((int32_t *)qb_record_find(&record, "swap_layer")->data)[1], 1);
    qb_record_free(&record);
    qb_variant_free(v);
}

Test(attribute, greedy_order)
{
    enum { T = 4 * LAYERS, FIRST = 2 * CONTEXT };
    struct qb_variant *v = support_variant(registry, "pattern-a");
    struct qb_record record = attribute(v, 0, 1, 2);
    const int32_t *order = qb_record_get(&record, "order", QB_I32, 1)->data;
    const double *kl = qb_record_get(&record, "order_kl", QB_F64, 1)->data;
    bool seen[T] = {false};
    size_t least = 0;
    cr_expect_eq(qb_record_scalar(&record, "order_positions", 0), FIRST);
    for (size_t t = 0; t < T; t++) {
        cr_assert(order[t] >= 0 && order[t] < T && !seen[order[t]], "a permutation");
        seen[order[t]] = true;
        if (mean(row(&record, "swap_kl", t), FIRST) < mean(row(&record, "swap_kl", least), FIRST))
            least = t;
    }
    cr_expect_eq((size_t)order[0], least);
    cr_expect_eq(kl[0], mean(row(&record, "swap_kl", least), FIRST));
    cr_expect_float_eq(kl[T - 1], mean(qb_record_get(&record, "all_kl", QB_F64, 1)->data, FIRST), 1e-3 * kl[T - 1]);
    /* The second step, by trying all pairs as variants. */
    double best = INFINITY;
    int32_t second = -1;
    for (int32_t t = 0; t < T; t++) {
        char yaml[256];
        if (t == order[0])
            continue;
        snprintf(yaml, sizeof yaml, "base: pattern-a\ntensors: [%s, %s]\n", text_at(&record, "swap_tensor", (size_t)t),
                 text_at(&record, "swap_tensor", (size_t)order[0]));
        struct qb_variant *pair = read_variant(yaml);
        double *pair_kl = forced_kl(pair), m = mean(pair_kl, FIRST);
        second = m < best ? t : second;
        best = fmin(best, m);
        qb_free(pair_kl);
        qb_variant_free(pair);
    }
    cr_expect_eq(order[1], second);
    cr_expect_float_eq(kl[1], best, 1e-3 * best);
    qb_record_free(&record);
    qb_variant_free(v);
}

/* A model that reads its own greedy text, causal and not. */
Test(attribute, own_text)
{
    for (int causal = 0; causal < 2; causal++) {
        struct qb_variant *v = support_variant(registry, "calibrated-stored");
        model->arch.causal = causal;
        inputs.text = NULL;
        inputs.chunks = inputs.context = 0;
        inputs.text_greedy = 20;
        struct qb_record record = attribute(v, 1, 1, 4);
        same_as(&record, "kl", 31, "base: calibrated-stored\n", 20);
        same_as(&record, "kl", 1, "base: pattern-a\n", 20);
        cr_expect_null(qb_record_find(&record, "swap_kl"), "tensors are swapped for storage alone");
        qb_record_free(&record);
        qb_variant_free(v);
        v = support_variant(registry, "pattern-a");
        record = attribute(v, 1, 1, 4);
        same_as(&record, "swap_kl", 1, "base: pattern-a\ntensors: [layers.0.attn.out.weight]\n", 20);
        cr_expect_eq(qb_record_scalar(&record, "order_positions", 0), 20);
        qb_record_free(&record);
        qb_variant_free(v);
    }
    inputs.text_greedy = 0;
    struct qb_variant *v = support_variant(registry, "pattern-a");
    const union qb_option_value options[] = {{.i = 1}, {.i = 1}, {.i = 4}};
    struct qb_cell_env env = env_of(v, options);
    struct qb_record record = {0};
    cr_expect_eq(qb_experiment_find("attribute")->run(&env, &record, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "no text"), "%s", err.message);
    qb_record_free(&record);
    qb_variant_free(v);
}

static bool same_records(const struct qb_record *a, const struct qb_record *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct qb_array *x = &a->arrays[i], *y = qb_record_find(b, x->name);
        if (!y || y->count != x->count ||
            (x->dtype != QB_TEXT && memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)) != 0))
            return false;
        for (size_t j = 0; x->dtype == QB_TEXT && j < x->count; j++)
            if (strcmp(((char **)x->data)[j], ((char **)y->data)[j]) != 0)
                return false;
    }
    return a->count == b->count;
}

Test(attribute, the_same_for_any_number_of_threads)
{
    struct qb_variant *v = support_variant(registry, "calibrated-stored");
    struct qb_record two = attribute(v, 1, 1, 1);
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        qb_pool_free(pool);
        pool = support_pool(threads);
        struct qb_record other = attribute(v, 1, 1, 1);
        cr_expect(same_records(&two, &other), "%u threads", threads);
        qb_record_free(&other);
    }
    qb_record_free(&two);
    qb_variant_free(v);
}

/* An allocation that fails is an error, or, where the buffer was for speed alone, changes nothing. */
Test(attribute, no_allocation_failure_leaks_or_changes_a_number)
{
    inputs.chunks = 2;
    inputs.context = 8;
    struct qb_variant *v = support_variant(registry, "calibrated-stored");
    const union qb_option_value options[] = {{.i = 1}, {.i = 1}, {.i = 1}};
    struct qb_cell_env env = env_of(v, options);
    struct qb_record whole = attribute(v, 1, 1, 1);
    size_t allocations = qb_mem_stats().allocations, live = qb_mem_stats().live_bytes, survived = 0;
    struct qb_record once = attribute(v, 1, 1, 1);
    allocations = qb_mem_stats().allocations - allocations;
    qb_record_free(&once);
    for (size_t n = 1; n <= allocations; n += n < 100 ? 1 : allocations / 40) {
        struct qb_error e = {0};
        struct qb_record record = {0};
        qb_mem_fail_at(n);
        enum qb_status s = qb_experiment_find("attribute")->run(&env, &record, &e);
        qb_mem_fail_at(0);
        cr_assert(!s || s == QB_ERR_MEMORY, "allocation %zu: %s", n, e.message);
        survived += !s;
        cr_assert(s || same_records(&whole, &record), "allocation %zu", n);
        qb_record_free(&record);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu", n);
    }
    cr_expect_eq(survived, 1, "%zu: the reference's logits are computed at each use then", survived);
    qb_record_free(&whole);
    qb_variant_free(v);
}
