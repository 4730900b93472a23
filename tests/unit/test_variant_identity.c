/* What a variant is follows from its definition: floors, and names that are taken. */
#include "net_support.h"
#include "base/yaml.h"

static struct qb_error err;
static struct qb_registry *registry;

static void setup(void)
{
    registry = support_registry();
}

static void teardown(void)
{
    qb_registry_free(registry);
}
TestSuite(variant_identity, .init = setup, .fini = teardown);

/* Reads it under this name and checks the name as a suite does. */
static enum qb_status define(const char *text, const char *name, struct qb_variant **v)
{
    struct qb_yaml *root = NULL;
    err = (struct qb_error){0};
    MUST(qb_yaml_parse(text, strlen(text), "my.yaml", &root, &err));
    MUST(qb_variant_read(root, name, registry, qb_cpu()->isa, v, &err));
    enum qb_status status = qb_variant_check_name(*v, root, registry, qb_cpu()->isa, &err);
    qb_yaml_free(root);
    return status;
}

static const struct {
    const char *name, *text;
    enum qb_floor floor;
} defined[] = {{"a", "summary: nothing at all", QB_FLOOR_IDENTITY},
               {"b", "arithmetic: forward", QB_FLOOR_IDENTITY},
               {"c", "arithmetic: reversed", QB_FLOOR_ARITHMETIC},
               {"d", "base: fp16", QB_FLOOR_FP16},
               {"e", "codec: bf16\nplacement: ['*']", QB_FLOOR_BF16},
               {"f", "base: bf16\ncache: true", QB_FLOOR_BF16}, /* the same values, kept */
               {"g", "base: fp16\nplacement: ['attn.*', 'mlp.*']", QB_FLOOR_NONE},
               {"h", "base: bf16\nexcept: ['layers.0.*']", QB_FLOOR_NONE},
               {"i", "base: bf16\ntensors: ['*']", QB_FLOOR_NONE},
               {"j", "base: fp16\ncalibration: {scale: true}", QB_FLOOR_NONE},
               {"k", "codec: fp32\nplacement: ['*']", QB_FLOOR_NONE},
               {"l", "codec: int8\nplacement: ['*']", QB_FLOOR_NONE},
               {"m", "base: pattern-a", QB_FLOOR_NONE},
               {"n", "base: fp16\narithmetic: fused", QB_FLOOR_NONE}}; /* another arithmetic besides */

Test(variant_identity, definitions_make_floors)
{
    for (size_t i = 0; i < sizeof defined / sizeof *defined; i++) {
        struct qb_variant *v = NULL;
        MUST(define(defined[i].text, defined[i].name, &v));
        cr_expect_eq(qb_variant_floor(v), defined[i].floor, "%s", defined[i].text);
        cr_expect_eq(qb_floor_of_definition(v->canonical), defined[i].floor, "%s", v->canonical);
        qb_variant_free(v);
    }
}

/* Of the shipped ones these four, and the text of older files says the same of all. */
Test(variant_identity, shipped_floors)
{
    static const char *const floors[] = {NULL, "fp32", "fp32-reordered", "fp16", "bf16"};
    char **names = NULL;
    size_t found = 0;
    MUST(qb_variant_names(&names, &err));
    for (size_t i = 0; names[i]; i++) {
        struct qb_variant *v = support_variant(registry, names[i]);
        enum qb_floor floor = qb_variant_floor(v);
        cr_expect_eq(qb_floor_of_definition(v->canonical), floor, "%s", v->canonical);
        if (floor)
            cr_expect_str_eq(v->name, floors[floor]);
        found += floor != QB_FLOOR_NONE;
        qb_variant_free(v);
        qb_free(names[i]);
    }
    qb_free(names);
    cr_expect_eq(found, 4);
}

Test(variant_identity, text_that_no_program_wrote_is_no_floor)
{
    static const char all[] = "placement=attn.q+attn.k+attn.v+attn.o+mlp.gate+mlp.up+mlp.down+embed+head";
    static const char *const texts[] = {"",
                                        "fp32",
                                        "fp32-reordered",
                                        "variant",
                                        "variant  arithmetic=reversed ",
                                        "variant v arithmetic=reversed cache=0"};
    char text[256];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_expect_eq(qb_floor_of_definition(texts[i]), QB_FLOOR_NONE, "'%s'", texts[i]);
    snprintf(text, sizeof text, "variant v codec=fp16/1() path=decode cache=0 %s", all);
    cr_expect_eq(qb_floor_of_definition(text), QB_FLOOR_FP16);
    snprintf(text, sizeof text, "variant v codec=fp16/1(scope=row) path=decode cache=0 %s", all);
    cr_expect_eq(qb_floor_of_definition(text), QB_FLOOR_NONE);
    snprintf(text, sizeof text, "variant v codec=fp16/1() path=decode cache=0 %s tensors='a'", all);
    cr_expect_eq(qb_floor_of_definition(text), QB_FLOOR_NONE);
}

Test(variant_identity, names_of_floors)
{
    enum qb_floor floor = QB_FLOOR_NONE;
    for (int i = 0; i < QB_FLOORS; i++) {
        cr_expect(qb_floor_parse(qb_floor_name((enum qb_floor)i), &floor));
        cr_expect_eq((int)floor, i);
    }
    cr_expect_not(qb_floor_parse("fp32-reordered", &floor), "a floor is no variant's name");
    cr_expect_eq(floor, QB_FLOOR_NONE);
}

Test(variant_identity, a_shipped_name_keeps_its_definition)
{
    static const char *const taken[][2] = {{"fp32-reordered", "codec: int8\nplacement: ['mlp.*']"},
                                           {"fp32", "arithmetic: reversed"},
                                           {"legacy", "base: pattern-a"},
                                           {"pattern-a", "base: pattern-a\noptions: {scope: row}"},
                                           {"bf16", "base: bf16\nplacement: ['mlp.*']"},
                                           {"calibrated", "base: calibrated\ncalibration: {alpha: false}"}};
    static const char *const same[][2] = {{"legacy", "base: legacy"},
                                          {"fp32", "summary: mine"},
                                          {"fp32-reordered", "arithmetic: reversed"},
                                          {"mine", "base: legacy"},
                                          {"fp32-reorder", "codec: int8\nplacement: ['mlp.*']"}};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct qb_variant *v = NULL, *shipped = support_variant(registry, taken[i][0]);
        cr_expect_eq(define(taken[i][1], taken[i][0], &v), QB_ERR_INPUT, "%s as %s", taken[i][0], taken[i][1]);
        cr_expect(strstr(err.message, "my.yaml:1") && strstr(err.message, taken[i][0]) &&
                      strstr(err.message, shipped->canonical),
                  "%s", err.message);
        qb_variant_free(shipped);
        qb_variant_free(v);
    }
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct qb_variant *v = NULL;
        cr_expect_eq(define(same[i][1], same[i][0], &v), QB_OK, "%s", err.message);
        qb_variant_free(v);
    }
}
