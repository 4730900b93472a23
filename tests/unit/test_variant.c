#include "net_support.h"

#include "base/text.h"

static struct qb_registry *registry;
static struct qb_error err;

static void begin(void)
{
    registry = support_registry();
    err = (struct qb_error){0};
    unsetenv("QINS_CODEC_AT_REST");
}

static void end(void)
{
    qb_registry_free(registry);
}

TestSuite(variant, .init = begin, .fini = end);

Test(variant, roles)
{
    uint32_t mask = 0;
    struct qb_text text = {0};
    cr_expect(qb_role_parse("attn.*", &mask));
    cr_expect_eq(mask, QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O);
    cr_expect(qb_role_parse("head", &mask));
    cr_expect_not(qb_role_parse("tail", &mask));
    qb_role_print(mask, &text);
    cr_expect_str_eq(text.data, "attn.q+attn.k+attn.v+attn.o+head");
    qb_text_free(&text);
    for (uint32_t bit = 1; bit <= QB_ROLE_POSITION; bit <<= 1) {
        uint32_t one = 0;
        cr_expect(qb_role_parse(qb_role_name(bit), &one));
        cr_expect_eq(one, bit);
    }
    cr_expect_str_eq(qb_role_name(1u << 30), "");
    cr_expect(qb_role_covered(QB_ROLE_EMBED | QB_ROLE_HEAD, QB_ROLE_EMBED | QB_ROLE_HEAD));
    cr_expect_not(qb_role_covered(QB_ROLE_HEAD, QB_ROLE_EMBED | QB_ROLE_HEAD));
    cr_expect_not(qb_role_covered(~0u, QB_ROLE_NORM));
    cr_expect_not(qb_role_covered(~0u, QB_ROLE_MLP_UP | QB_ROLE_BIAS));
    cr_expect_not(qb_role_covered(~0u, 0));
}

Test(variant, every_built_in_is_read_in_order)
{
    static const char *const promised[] = {
        "fp32",           "fp16",         "bf16",           "pattern-a",  "pattern-a-cached", "legacy",
        "legacy-weights", "legacy-both",  "legacy-asrun",   "calibrated", "calibrated-asrun", "calibrated-range-kept",
        "int8-tensor",    "int8-channel", "fp32-reordered", "fp32-split", "fp32-split2",      "calibrated-stored"};
    char **names;
    size_t count = 0, found = 0;
    MUST(qb_variant_names(&names, &err));
    cr_expect_str_eq(names[0], "fp32");
    for (; names[count]; count++) {
        struct qb_variant *v = support_variant(registry, names[count]);
        cr_expect_str_eq(v->name, names[count]);
        cr_expect(strlen(v->summary) > 10);
        const bool kv = strncmp(v->name, "kv-", 3) == 0, act = strncmp(v->name, "act-", 4) == 0;
        cr_expect_eq(v->encoded, strncmp(v->name, "fp32", 4) != 0 && !kv && !act);
        cr_expect_eq(v->kv_block > 0, kv || strstr(v->name, "-kv-") || strncmp(v->name, "profile-", 8) == 0, "%s",
                     v->name);
        cr_expect_eq(v->act.plugin != NULL, act, "%s", v->name);
        cr_expect_eq(v->warning != NULL, v->path == QB_PATH_DOMAIN || v->split, "%s", v->name);
        for (size_t i = 0; i < count; i++) {
            struct qb_variant *other = support_variant(registry, names[i]);
            cr_expect_str_neq(strchr(v->canonical + 8, ' ') ? strchr(v->canonical + 8, ' ') : "",
                              strchr(other->canonical + 8, ' ') ? strchr(other->canonical + 8, ' ') : "",
                              "%s and %s are the same", v->name, other->name);
            qb_variant_free(other);
        }
        for (size_t i = 0; i < sizeof promised / sizeof *promised; i++)
            found += strcmp(promised[i], names[count]) == 0;
        qb_variant_free(v);
    }
    cr_expect_eq(found, sizeof promised / sizeof *promised);
    for (size_t i = 0; i < count; i++)
        qb_free(names[i]);
    qb_free(names);
}

Test(variant, what_the_built_ins_mean)
{
    const uint32_t layers = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O | QB_ROLE_MLP_GATE |
                            QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN;
    struct qb_variant *v = support_variant(registry, "pattern-a");
    cr_expect_eq(v->placement, layers, "the documents' placement has no head and no embedding");
    cr_expect_eq(v->path, QB_PATH_DECODE);
    cr_expect_not(v->cache);
    qb_variant_free(v);
    v = support_variant(registry, "legacy-asrun");
    cr_expect_eq(v->placement, layers | QB_ROLE_HEAD);
    cr_expect_eq(v->path, QB_PATH_DECODE);
    cr_expect_null(v->warning);
    qb_variant_free(v);
    v = support_variant(registry, "calibrated");
    cr_expect(v->path == QB_PATH_DOMAIN && v->domain == QB_DOMAIN_ACTIVATIONS);
    cr_expect(v->calibration.scale && v->calibration.alpha && v->calibrated);
    cr_expect_eq(v->calibration.fp16_roles, QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K);
    cr_expect_str_eq(v->fp16.plugin->codec->id, "fp16");
    cr_expect(strstr(v->canonical, "activations=qins8/") && strstr(v->canonical, "scope=row"), "%s", v->canonical);
    cr_expect(strstr(v->warning, "pattern-a") && !strstr(v->warning, "0.2%"));
    qb_variant_free(v);
    v = support_variant(registry, "calibrated-asrun");
    cr_expect(v->calibration.own_format && strstr(v->canonical, "range=lost") && strstr(v->canonical, "range=kept"),
              "%s", v->canonical);
    cr_expect_eq(v->calibration.rows, 100);
    cr_expect_eq(v->calibration.alpha_min, 0.8);
    qb_variant_free(v);
    v = support_variant(registry, "legacy-both");
    cr_expect_eq(v->domain, QB_DOMAIN_BOTH);
    cr_expect(qb_variant_stores(v) && !v->stored);
    qb_variant_free(v);
    v = support_variant(registry, "calibrated-stored");
    cr_expect(v->stored && v->path == QB_PATH_DOMAIN && v->domain == QB_DOMAIN_ACTIVATIONS && qb_variant_stores(v));
    cr_expect(v->calibration.scale && v->calibration.alpha && v->calibration.alpha_on_model);
    cr_expect_eq(v->calibration.fp16_roles, QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K);
    cr_expect(strstr(v->canonical, "stored=1"), "%s", v->canonical);
    qb_variant_free(v);
    v = support_variant(registry, "domain-exact");
    cr_expect(v->path == QB_PATH_DOMAIN_EXACT && v->logs.fraction == 0 && !v->logs.decoded && qb_variant_stores(v));
    cr_expect(strstr(v->canonical, "path=domain-exact fraction=0 multiply=added"), "%s", v->canonical);
    cr_expect(!v->calibrated && !v->activations.plugin);
    qb_variant_free(v);
    v = support_variant(registry, "transport");
    cr_expect(v->path == QB_PATH_TRANSPORT && v->transport.linear && !v->transport.mean && !qb_variant_stores(v));
    cr_expect(strstr(v->canonical, "path=transport point=position form=linear"), "%s", v->canonical);
    cr_expect(!v->calibrated && v->activations.plugin);
    qb_variant_free(v);
    v = support_variant(registry, "transport-mean");
    cr_expect(v->transport.mean && !v->transport.linear && v->calibrated && v->calibration.rows == 100);
    qb_variant_free(v);
    v = support_variant(registry, "fp32-reordered");
    cr_expect(v->reversed && !v->encoded && !qb_variant_stores(v));
    cr_expect(strstr(v->canonical, "arithmetic=reversed"), "%s", v->canonical);
    qb_variant_free(v);
    v = support_variant(registry, "fp32-split");
    cr_expect(v->split && !v->reversed && !v->encoded && qb_variant_floor(v) == QB_FLOOR_NONE);
    cr_expect_eq(v->split, 3);
    cr_expect_str_eq(v->canonical, "variant fp32-split arithmetic=split");
    cr_expect(strstr(v->warning, "arithmetic: split:"), "%s", v->warning);
    cr_expect_eq(qb_floor_of_definition(v->canonical), QB_FLOOR_NONE);
    qb_variant_free(v);
    v = support_variant(registry, "fp32-split2");
    cr_expect(v->split == 2 && !v->reversed && !v->encoded && qb_variant_floor(v) == QB_FLOOR_NONE);
    cr_expect_str_eq(v->canonical, "variant fp32-split2 arithmetic=split2");
    cr_expect(strstr(v->warning, "arithmetic: split2:"), "%s", v->warning);
    cr_expect_eq(qb_floor_of_definition(v->canonical), QB_FLOOR_NONE);
    qb_variant_free(v);
    v = support_variant(registry, "kv-documented");
    cr_expect_str_eq(v->kv[0].plugin->codec->id, "fp16");
    cr_expect(v->kv_block == 1 && !v->kv_rotate && !qb_variant_stores(v) && qb_variant_floor(v) == QB_FLOOR_NONE);
    cr_expect(strstr(v->canonical, " kv(block=1 rotate=0 keys=fp16/") &&
                  strstr(v->canonical, "layout=source range=kept scope=row"),
              "%s", v->canonical);
    cr_expect_eq(qb_floor_of_definition(v->canonical), QB_FLOOR_NONE);
    qb_variant_free(v);
    v = support_variant(registry, "calibrated");
    cr_expect_not(qb_variant_stores(v), "activations alone are coded");
    qb_variant_free(v);
}

Test(variant, the_documents_flag)
{
    struct qb_variant *v;
    static const char *const cases[][2] = {{NULL, "pattern-a"}, {"", "pattern-a"}, {"1", "pattern-a"}, {"0", "legacy"}};
    for (size_t i = 0; i < 4; i++) {
        if (cases[i][0])
            setenv("QINS_CODEC_AT_REST", cases[i][0], 1);
        v = support_variant(registry, "qins");
        cr_expect_str_eq(v->name, cases[i][1]);
        qb_variant_free(v);
    }
    v = support_variant(registry, "pattern-a"); /* the flag is 0: a name says itself which path it takes */
    cr_expect_str_eq(v->name, "pattern-a");
    qb_variant_free(v);
    setenv("QINS_CODEC_AT_REST", "yes", 1);
    cr_expect_eq(qb_variant_builtin("qins", registry, QB_ISA_PORTABLE, &v, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "'yes'"), "%s", err.message);
}

static enum qb_status read_text(const char *text, struct qb_variant **v)
{
    struct qb_yaml *root = NULL;
    err = (struct qb_error){0};
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    enum qb_status status = qb_variant_read(root, "mine", registry, QB_ISA_PORTABLE, v, &err);
    qb_yaml_free(root);
    return status;
}

Test(variant, a_base_is_taken_first)
{
    struct qb_variant *v;
    MUST(read_text("base: pattern-a\noptions: {scope: row}\n", &v));
    cr_expect(strstr(v->canonical, "layout=source") && strstr(v->canonical, "scope=row"), "%s", v->canonical);
    cr_expect_str_eq(v->name, "mine");
    cr_expect_eq(v->line, 1);
    cr_expect_str_eq(v->file, "my.yaml");
    qb_variant_free(v);
    MUST(read_text("base: pattern-a\ncodec: int8\nplacement: [head]\n", &v));
    cr_expect_eq(v->placement, QB_ROLE_HEAD);
    cr_expect(strstr(v->canonical, "int8"), "%s", v->canonical);
    qb_variant_free(v);
    MUST(read_text("base: calibrated-asrun\ncalibration: {alpha: false, rows: 7}\n", &v));
    cr_expect(v->calibration.scale && !v->calibration.alpha && v->calibration.rows == 7 && v->calibration.own_format);
    qb_variant_free(v);
    MUST(read_text("codec: int8\npath: domain\nplacement: ['*']\n", &v));
    cr_expect(strstr(v->warning, "code values"));
    cr_expect_eq(v->activations.values[0].scope.kind, QB_SCOPE_ROW, "one range a token unless said otherwise");
    qb_variant_free(v);
}

/* Content keys follow the canonical text: keys that change what is computed change it. */
Test(variant, names_and_arithmetic_are_in_the_canonical_text)
{
    static const char *const texts[] = {"base: pattern-a\n",
                                        "base: pattern-a\ntensors: ['layers.1.*']\n",
                                        "base: pattern-a\nexcept: ['layers.1.*']\n",
                                        "base: pattern-a\ntensors: ['layers.1.*', 'layers.2.*']\n",
                                        "base: pattern-a\ntensors: ['layers.1.*,layers.2.*']\n",
                                        "base: pattern-a\ntensors: ['layers.1.*']\nexcept: ['*.qkv.*']\n",
                                        "arithmetic: reversed\n",
                                        "arithmetic: forward\n",
                                        "base: pattern-a\narithmetic: fused\n",
                                        "base: legacy\n",
                                        "base: legacy\nstored: true\n"};
    enum { TEXTS = sizeof texts / sizeof *texts };
    struct qb_variant *v[TEXTS];
    for (size_t i = 0; i < TEXTS; i++)
        MUST(read_text(texts[i], &v[i]));
    for (size_t i = 0; i < TEXTS; i++)
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(v[i]->canonical, v[j]->canonical, "%s and %s", texts[i], texts[j]);
    struct qb_variant *same;
    MUST(read_text("base: legacy\nstored: false\n", &same));
    cr_expect_str_eq(same->canonical, v[9]->canonical);
    qb_variant_free(same);
    MUST(read_text("base: pattern-a\narithmetic: forward\n", &same));
    cr_expect_str_eq(same->canonical, v[0]->canonical);
    qb_variant_free(same);
    MUST(read_text("base: legacy\nstored: true\ncache: true\n", &same));
    cr_expect(same->cache && same->stored);
    qb_variant_free(same);
    for (size_t i = 0; i < TEXTS; i++)
        qb_variant_free(v[i]);
}

Test(variant, one_rule_says_what_is_encoded)
{
    const uint32_t qkv = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V, tied = QB_ROLE_EMBED | QB_ROLE_HEAD;
    struct qb_variant *v;
    MUST(read_text("codec: int8\nplacement: [attn.v, mlp.*, head]\ntensors: ['layers.[01].*', head.weight]\n"
                   "except: ['*.down.weight']\n",
                   &v));
    cr_expect_eq(qb_variant_covers(v, v->placement, "layers.0.attn.qkv.weight", qkv), QB_ROLE_ATTN_V);
    cr_expect_eq(qb_variant_covers(v, ~0u, "layers.0.attn.qkv.weight", qkv), qkv);
    cr_expect_eq(qb_variant_covers(v, v->placement, "layers.1.mlp.up.weight", QB_ROLE_MLP_UP), QB_ROLE_MLP_UP);
    cr_expect_eq(qb_variant_covers(v, v->placement, "layers.1.attn.out.weight", QB_ROLE_ATTN_O), 0);
    cr_expect_eq(qb_variant_covers(v, v->placement, "layers.2.mlp.up.weight", QB_ROLE_MLP_UP), 0, "not named");
    cr_expect_eq(qb_variant_covers(v, v->placement, "layers.1.mlp.down.weight", QB_ROLE_MLP_DOWN), 0, "excepted");
    cr_expect_eq(qb_variant_covers(v, v->placement, "head.weight", QB_ROLE_HEAD), QB_ROLE_HEAD);
    cr_expect_eq(qb_variant_covers(v, v->placement, "head.weight", tied), 0, "a tied embedding whole or not at all");
    cr_expect_eq(qb_variant_covers(v, ~0u, "head.weight", tied), tied);
    cr_expect_eq(qb_variant_covers(v, ~0u, "layers.0.mlp.up.bias", QB_ROLE_MLP_UP | QB_ROLE_BIAS), 0);
    cr_expect_eq(qb_variant_covers(v, ~0u, "layers.0.norm1.weight", QB_ROLE_NORM), 0);
    qb_variant_free(v);
}

static void refused(const char *text, const char *say)
{
    struct qb_variant *v = NULL;
    size_t live = qb_mem_stats().live_bytes;
    cr_expect_eq(read_text(text, &v), QB_ERR_INPUT, "accepted: %s", text);
    cr_expect(strstr(err.message, say) && strstr(err.message, "my.yaml"), "'%s' lacks '%s'", err.message, say);
    cr_expect_eq(qb_mem_stats().live_bytes, live, "leak: %s", text);
}

/* kv: NAME is the kv of that variant, also one that it has from its own base, over what the own base has. */
Test(variant, kv_may_be_another_variants)
{
#define INT8_ROW "{codec: int8, options: {scope: row}}"
    static const char *const texts[] = {"base: q8_0\nkv: kv-int8\n", "base: q8_0-kv-q8_0\nkv: kv-int8\n",
                                        ("base: q8_0\nkv: {keys: " INT8_ROW ", values: " INT8_ROW "}\n"),
                                        "base: q8_0\nkv: q4_k-kv-q8_0\n"};
    struct qb_variant *v[4];
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(read_text(texts[i], &v[i]), QB_OK, "%s", err.message);
    cr_expect_str_eq(v[0]->canonical, v[2]->canonical);
    cr_expect_str_eq(v[1]->canonical, v[2]->canonical);
    cr_expect(strstr(v[3]->canonical, "keys=q8_0/"), "%s", v[3]->canonical);
    for (size_t i = 0; i < 4; i++)
        qb_variant_free(v[i]);
}

/* Content keys and provenance take the codecs from this list: none may be missing. */
Test(variant, its_formats_are_all_that_it_has)
{
    static const struct {
        const char *text, *codec;
    } cases[] = {{"codec: q4_k\nplacement: ['*']\n", "q4_k"},
                 {"codec: q4_k\notherwise: q5_0\nplacement: ['*']\n", "q5_0"},
                 {"base: legacy\n", "qins8"},
                 {"base: calibrated\n", "fp16"},
                 {"kv: {keys: int8}\n", "int8"},
                 {"kv: {values: int8}\n", "int8"},
                 {"act: bf16\n", "bf16"},
                 {"codec: int8\nplacement: ['mlp.*']\nothers: [{codec: q4_k, placement: [head]}, {codec: q6_k, "
                  "placement: [embed]}]\n",
                  "q6_k"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct qb_format *formats[QB_VARIANT_FORMATS];
        struct qb_variant *v;
        bool found = false;
        cr_assert_eq(read_text(cases[i].text, &v), QB_OK, "%s", err.message);
        qb_variant_formats(v, formats);
        for (size_t k = 0; k < QB_VARIANT_FORMATS; k++)
            found = found || (formats[k]->plugin && strcmp(formats[k]->plugin->codec->id, cases[i].codec) == 0);
        cr_expect(found, "%s", cases[i].text);
        qb_variant_free(v);
    }
}

Test(variant, mistakes_are_named)
{
    refused("codec: qins8\nplacment: [head]\n", "placement");
    refused("codec: qins9\nplacement: [head]\n", "no codec 'qins9'");
    refused("codec: int8\n", "placement");
    refused("codec: int8\nplacement: []\n", "empty");
    refused("codec: int8\nplacement: head\n", "list");
    refused("codec: int8\nplacement: [heed]\n", "did you mean 'head'");
    refused("codec: int8\nplacement: [norm]\n", "never encoded");
    refused("codec: int8\nplacement: [kv.v]\n", "never encoded");
    refused("codec: int8\nplacement: [head]\npath: decoded\n", "decode, domain");
    refused("codec: int8\nplacement: [head]\ndomain: both\n", "path: domain");
    refused("codec: fp16\nplacement: [head]\npath: domain\n", "no coordinates");
    refused("codec: int8\nplacement: [head]\npath: domain\ncache: true\n", "keeps decoded");
    refused("codec: int8\nplacement: [head]\nactivations: {scope: row}\n", "is the key 'act'");
    refused("codec: int8\nplacement: [head]\noptions: {scop: row}\n", "scop");
    refused("codec: int8\nplacement: [head]\ncalibration: {scales: true}\n", "scales");
    refused("codec: int8\nplacement: [head]\ncalibration: {scale: true, rows: 1}\n", "rows");
    refused("codec: int8\nplacement: [head]\ncalibration: {scale_range: [2, 1]}\n", "2");
    refused("codec: int8\nplacement: [head]\ncalibration: {options: {scope: row}}\n", "scale is off");
    refused("placement: [head]\n", "without a codec");
    refused("tensors: ['*']\n", "without a codec");
    refused("stored: true\n", "without a codec");
    refused("codec: int8\nplacement: [head]\ntensors: []\n", "names nothing");
    refused("codec: int8\nplacement: [head]\ntensors: head.weight\n", "list");
    refused("codec: int8\nplacement: [head]\nexcept: [[a]]\n", "expected a text");
    refused("codec: int8\nplacement: [head]\nstored: true\n", "domain: activations");
    refused("base: legacy-both\nstored: true\n", "domain: activations");
    refused("base: legacy\ncache: true\n", "stored: true");
    refused("codec: int8\nplacement: [head]\narithmetic: reversed\n", "forward, fused");
    refused("arithmetic: fused\n", "forward, reversed");
    refused("codec: q4_k\nplacement: [head]\narithmetic: fused\n", "no kernel reads what codec 'q4_k' stores");
    refused("codec: qins8\noptions: {scope: row}\nplacement: [head]\narithmetic: fused\n", "scope=row");
    refused("codec: q8_0\notherwise: q5_0\nplacement: [head]\narithmetic: fused\n", "codec 'q5_0'");
    refused("base: domain-exact\npath: domain-exact\noptions: {scope: row}\n", "one range for the whole matrix");
    refused("base: domain-exact\npath: domain-exact\ncodec: int8\n", "codes of magnitudes");
    refused("base: domain-exact\nfraction: 13\n", "12");
    refused("base: domain-exact\nmultiply: twice\n", "added, decoded");
    refused("base: domain-exact\ncache: true\n", "path: decode");
    refused("base: domain-exact\npoint: mean\n", "only path: transport");
    refused("base: domain-exact\ndomain: both\n", "only path: domain");
    refused("base: domain-exact\nactivations: {scope: row}\n", "path: transport");
    refused("base: transport\nfraction: 1\n", "only path: domain-exact");
    refused("base: transport\npoint: median\n", "position, mean");
    refused("base: transport\nform: curved\n", "tangent, linear");
    refused("base: transport\nstored: true\n", "path: domain");
    refused("base: transport-mean\ncalibration: {scale: true}\n", "none of the corrections");
    refused("codec: fp16\npath: transport\nplacement: [head]\n", "no coordinates");
    refused("base: pattern-a\nform: linear\n", "only path: transport");
    refused("point: mean\n", "without a codec");
    refused("base: legacy\narithmetic: fused\n", "path: decode without cache");
    refused("base: pattern-a\ncache: true\narithmetic: fused\n", "path: decode without cache");
    refused("arithmetic: backward\n", "forward, reversed");
    refused("kv: fp16x\n", "did you mean 'fp16'");
    refused("kv: fp16\n", "variant 'fp16' has no kv");
    refused("kv: [kv-fp16]\n", "expected a map");
    refused("kv: {key: fp16}\n", "did you mean 'keys'");
    refused("kv: {block: 4}\n", "expected keys, values or both");
    refused("kv: {keys: fp17}\n", "no codec 'fp17'");
    refused("kv: {values: {options: {scope: row}}}\n", "expected a codec, or a map");
    refused("kv: {keys: {codec: int8, options: {scop: row}}}\n", "scop");
    refused("kv: {keys: fp16, block: 0}\n", "from 1 to 4096");
    refused("kv: {keys: fp16, rotate: 2}\n", "rotate");
    refused("codec: int8\nplacement: [act]\n", "activations between layers 'act'");
    refused("act: fp17\n", "no codec 'fp17'");
    refused("act: {keys: fp16}\n", "keys");
    refused("act: [fp16]\n", "act");
    refused("others: [{codec: fp16, placement: [head]}]\n", "without a codec");
    refused("codec: int8\nplacement: [head]\nothers: {codec: fp16, placement: [embed]}\n", "list");
    refused("codec: int8\nplacement: [head]\nothers: []\n", "1 to 4 maps");
    refused("codec: int8\nplacement: [head]\nothers: [fp16]\n", "expected a map");
    refused("codec: int8\nplacement: [head]\nothers: [{codec: fp16}]\n", "'placement'");
    refused("codec: int8\nplacement: [head]\nothers: [{codec: fp16, placement: []}]\n", "empty list");
    refused("codec: int8\nplacement: [head]\nothers: [{codec: fp16, placement: [embed], tensors: ['*']}]\n", "tensors");
    refused("codec: int8\nplacement: ['mlp.*']\nothers: [{codec: fp16, placement: [mlp.gate, head]}]\n",
            "mlp.gate is placed already");
    refused("codec: int8\nplacement: [head]\nothers: [{codec: fp16, placement: [embed]}, {codec: q8_0, placement: "
            "[embed]}]\n",
            "embed is placed already");
    refused("base: legacy\nothers: [{codec: fp16, placement: [head]}]\n", "only path: decode");
    refused("base: patern-a\n", "pattern-a");
    refused("[1, 2]", "map");
    struct qb_variant *v;
    err = (struct qb_error){0};
    cr_expect_eq(qb_variant_builtin("../secret", registry, QB_ISA_PORTABLE, &v, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_expect_eq(qb_variant_builtin("legcy", registry, QB_ISA_PORTABLE, &v, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "'legacy'"), "%s", err.message);
}

Test(variant, no_allocation_failure_leaks)
{
    size_t live = qb_mem_stats().live_bytes, n = 0;
    for (enum qb_status status = QB_ERR_MEMORY; status == QB_ERR_MEMORY && n < 2000;) {
        struct qb_error e = {0};
        struct qb_variant *v = NULL;
        qb_mem_fail_at(++n);
        status = qb_variant_builtin("calibrated-asrun", registry, QB_ISA_PORTABLE, &v, &e);
        qb_mem_fail_at(0);
        qb_variant_free(!status ? v : NULL);
        cr_assert(!status || status == QB_ERR_MEMORY, "%zu: %s", n, e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu", n);
    }
    cr_expect_gt(n, 10);
}

Test(variant, no_allocation_failure_leaks_names)
{
    static const char text[] = "base: legacy\nstored: true\ntensors: [a, b, 'c*']\nexcept: [d, e]\n";
    struct qb_yaml *root = NULL;
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    size_t live = qb_mem_stats().live_bytes, n = 0;
    for (enum qb_status status = QB_ERR_MEMORY; status == QB_ERR_MEMORY && n < 2000;) {
        struct qb_error e = {0};
        struct qb_variant *v = NULL;
        qb_mem_fail_at(++n);
        status = qb_variant_read(root, "mine", registry, QB_ISA_PORTABLE, &v, &e);
        qb_mem_fail_at(0);
        qb_variant_free(!status ? v : NULL);
        cr_assert(!status || status == QB_ERR_MEMORY, "%zu: %s", n, e.message);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "allocation %zu", n);
    }
    cr_expect_gt(n, 10);
    qb_yaml_free(root);
}
