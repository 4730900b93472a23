#include <float.h>
#include <math.h>
#include "unit/scratch.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"

static struct qb_yaml *parse(const char *text)
{
    struct qb_error err = {0};
    struct qb_yaml *root = NULL;
    cr_assert_eq(qb_yaml_parse(text, strlen(text), "suite.yaml", &root, &err), QB_OK, "%s", err.message);
    cr_assert_not_null(root);
    return root;
}

static void expect_message(const struct qb_error *err, const char *part)
{
    cr_expect_not_null(strstr(err->message, part), "'%s' lacks '%s'", err->message, part);
}

static void expect_refused(const char *text, size_t size, const char *part)
{
    struct qb_error err = {0};
    struct qb_yaml *root = (struct qb_yaml *)&err;
    size_t start = qb_mem_stats().live_bytes;
    cr_expect_eq(qb_yaml_parse(text, size, "suite.yaml", &root, &err), QB_ERR_INPUT, "%s", text);
    cr_expect_null(root);
    expect_message(&err, part);
    cr_expect_eq(qb_mem_stats().live_bytes, start);
}

static void expect_bad(const char *text, const char *part)
{
    expect_refused(text, strlen(text), part);
}

static void expect_print(const struct qb_yaml *node, const char *due)
{
    struct qb_text text = {0};
    qb_yaml_print(node, &text);
    cr_expect_str_eq(text.data, due);
    qb_text_free(&text);
}

static const char suite[] = "name: source\n"
                            "models:\n"
                            "  chain: {generator: chain, vocab: 5000, seed: 42}\n"
                            "  kjv:\n"
                            "    file: 'data/kjv.safetensors'\n"
                            "variants: [fp32, pattern-a,\n"
                            "           legacy]\n"
                            "empty:\n";

/* Parsing. */

Test(yaml, a_tree_knows_kinds_keys_and_lines)
{
    struct qb_yaml *root = parse(suite);
    cr_assert_eq(root->kind, QB_YAML_MAP);
    cr_assert_eq(root->count, 4);
    cr_assert_null(root->key);
    cr_assert_str_eq(root->file, "suite.yaml");
    const struct qb_yaml *models = qb_yaml_get(root, "models"), *kjv = qb_yaml_get(models, "kjv");
    cr_assert_eq(models->line, 2);
    cr_assert_str_eq(models->children[0]->key, "chain");
    cr_assert_eq(models->children[0]->line, 3);
    cr_assert_str_eq(qb_yaml_get(models->children[0], "seed")->scalar, "42");
    cr_assert_not(qb_yaml_get(models->children[0], "seed")->quoted);
    cr_assert_eq(qb_yaml_get(kjv, "file")->line, 5);
    cr_assert(qb_yaml_get(kjv, "file")->quoted);
    const struct qb_yaml *variants = qb_yaml_get(root, "variants");
    cr_assert_eq(variants->kind, QB_YAML_LIST);
    cr_assert_eq(variants->count, 3);
    cr_assert_null(variants->children[0]->key);
    cr_assert_eq(variants->children[2]->line, 7);
    cr_assert_str_eq(qb_yaml_get(root, "empty")->scalar, "");
    cr_assert_null(qb_yaml_get(root, "none"));
    cr_assert_null(qb_yaml_get(variants, "fp32"));
    cr_assert_null(qb_yaml_get(NULL, "fp32"));
    qb_yaml_free(root);
    qb_yaml_free(NULL);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(yaml, many_children_keep_their_order)
{
    struct qb_text text = {0};
    for (int i = 0; i < 3000; i++)
        qb_text_add(&text, "k%d: %d\n", i, i);
    struct qb_yaml *root = parse(text.data);
    cr_assert_eq(root->count, 3000);
    for (size_t i = 0; i < 3000; i++) {
        cr_assert_eq(root->children[i]->line, i + 1);
        cr_assert_eq((size_t)atoi(root->children[i]->scalar), i);
    }
    qb_yaml_free(root);
    qb_text_free(&text);
}

Test(yaml, scalars_of_every_style)
{
    struct qb_yaml *root =
        parse("a: plain text\nb: 'single'\nc: \"dou\\tble\"\nd: |\n  two\n  lines\ne: >\n  fol\n  ded\n");
    static const char *const due[] = {"plain text", "single", "dou\tble", "two\nlines\n", "fol ded\n"};
    for (size_t i = 0; i < 5; i++) {
        cr_expect_str_eq(root->children[i]->scalar, due[i]);
        cr_expect_eq(root->children[i]->quoted, i > 0);
    }
    qb_yaml_free(root);
    root = parse("\xEF\xBB\xBFx: 1\r\n"); /* a byte order mark and Windows lines */
    cr_expect_str_eq(qb_yaml_get(root, "x")->scalar, "1");
    qb_yaml_free(root);
}

Test(yaml, refusals_name_file_and_line)
{
    expect_bad("a: 1\nb: 2\na: 3\n", "suite.yaml:3: key 'a': duplicate, first given in line 1");
    expect_bad("x:\n  - {p: 1, q: 2, p: 3}\n", "suite.yaml:2: key 'p': duplicate");
    expect_bad("a: &x 1\n", "suite.yaml:1: anchors");
    expect_bad("a: &x [1]\n", "suite.yaml:1: anchors");
    expect_bad("a:\n  &x {b: 1}\n", "suite.yaml:2: anchors");
    expect_bad("a: 1\n&x b: 1\n", "suite.yaml:2: anchors");
    expect_bad("a: 1\nb: *x\n", "suite.yaml:2: aliases");
    expect_bad("a: 1\n*x : 1\n", "suite.yaml:2: aliases");
    expect_bad("a: !!str 1\n", "suite.yaml:1: tags");
    expect_bad("a: !thing {b: 1}\n", "suite.yaml:1: tags");
    expect_bad("a: ! [1]\n", "suite.yaml:1: tags");
    expect_bad("a: 1\n---\nb: 2\n", "suite.yaml:2: a second document");
    expect_bad("? [a, b]\n: 1\n", "suite.yaml:1: a key must be a name");
    expect_bad("'': 1\n", "suite.yaml:1: a key must be a name");
    expect_bad("a: \"x\\0y\"\n", "suite.yaml:1: a text with a NUL");
    expect_bad("\"a\\0\": 1\n", "suite.yaml:1: a text with a NUL");
}

Test(yaml, syntax_errors_name_file_and_line)
{
    expect_bad("a: 1\nb: [1, 2\nc: 3\n", "suite.yaml:3: ");
    expect_bad("a: {b: 1\n", "suite.yaml:2: ");
    expect_bad("a: 1\n\tb: 2\n", "suite.yaml:2: ");
    expect_bad("a: 'open\n", "that begins in line 1");
    expect_bad("a: 1\n b: 2\n", "suite.yaml:2: ");
    expect_bad("a: 1\nb\n", "suite.yaml:");
    expect_bad("a: 1\nb: \xFF\xFE\n", "suite.yaml:2: ");
    expect_refused("a: 1\nb: x\0y\n", 11, "suite.yaml:2: ");
    expect_refused("a\0:\0 \0", 6, "suite.yaml:1: "); /* UTF-16 */
    expect_bad("a: %x\n", "suite.yaml:1: ");
    expect_bad("%YAML 9.9\n---\na: 1\n", "suite.yaml:1: ");
}

Test(yaml, empty_inputs)
{
    expect_bad("", "suite.yaml:1: empty");
    expect_bad("# only a comment\n\n", "suite.yaml:");
    struct qb_yaml *root = parse("---\n");
    cr_assert_eq(root->kind, QB_YAML_SCALAR);
    qb_yaml_free(root);
}

/* A file cut anywhere parses or is refused, with nothing leaked. */
Test(yaml, torn_at_every_byte)
{
    for (size_t size = 0; size < sizeof suite - 1; size++) {
        struct qb_error err = {0};
        struct qb_yaml *root = NULL;
        enum qb_status status = qb_yaml_parse(suite, size, "suite.yaml", &root, &err);
        cr_assert(!status || (status == QB_ERR_INPUT && !root));
        if (status)
            expect_message(&err, "suite.yaml:");
        qb_yaml_free(root);
        cr_assert_eq(qb_mem_stats().live_bytes, 0);
    }
}

static void nested(char *text, size_t depth)
{
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

Test(yaml, depth_is_bounded)
{
    static char text[400001];
    nested(text, 32);
    qb_yaml_free(parse(text));
    nested(text, 33);
    expect_bad(text, "suite.yaml:1: nested deeper than 32");
    nested(text, 200000);
    expect_bad(text, "suite.yaml:1: nested deeper than 32");
    struct qb_text maps = {0};
    for (int i = 0; i < 33; i++)
        qb_text_add(&maps, "%*sk:\n", i, "");
    expect_bad(maps.data, "nested deeper than 32");
    qb_text_free(&maps);
}

Test(yaml, size_is_bounded)
{
    struct qb_error err = {0};
    size_t limit = (size_t)4 << 20;
    char *text = qb_alloc(limit + 1, 1, "text", &err);
    memset(text, '#', limit + 1);
    memcpy(text, "a: 1\n", 5);
    expect_refused(text, limit + 1, "4194305 bytes, larger than the limit");
    struct qb_yaml *root = NULL;
    cr_assert_eq(qb_yaml_parse(text, limit, "suite.yaml", &root, &err), QB_OK, "%s", err.message);
    qb_yaml_free(root);
    qb_free(text);
}

Test(yaml, every_allocation_may_fail)
{
    size_t start = qb_mem_stats().live_bytes;
    for (size_t n = 1;; n++) {
        struct qb_error err = {0};
        struct qb_yaml *root = NULL;
        qb_mem_fail_at(n);
        enum qb_status status = qb_yaml_parse(suite, sizeof suite - 1, "suite.yaml", &root, &err);
        qb_mem_fail_at(0);
        cr_assert(!status || (status == QB_ERR_MEMORY && !root), "n = %zu: %s", n, err.message);
        qb_yaml_free(root);
        cr_assert_eq(qb_mem_stats().live_bytes, start, "n = %zu leaks", n);
        if (!status) {
            cr_assert_gt(n, 40);
            break;
        }
    }
}

Test(yaml, load, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_error err = {0};
    struct qb_yaml *root = NULL;
    const char *path = scratch_write("a.yaml", "seed: 7\n", 8);
    cr_assert_eq(qb_yaml_load(path, &root, &err), QB_OK, "%s", err.message);
    cr_assert_str_eq(root->file, path);
    qb_yaml_free(root);
    cr_assert_eq(qb_yaml_load(scratch_path("none.yaml"), &root, &err), QB_ERR_INPUT);
    expect_message(&err, "none.yaml: no such file");
    cr_assert_null(root);
    err = (struct qb_error){0};
    cr_assert_eq(qb_yaml_load(scratch_folder, &root, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_assert_eq(qb_yaml_load(scratch_write("empty.yaml", "", 0), &root, &err), QB_ERR_INPUT);
    expect_message(&err, "empty.yaml:1: empty");
    err = (struct qb_error){0};
    cr_assert_eq(qb_yaml_load("/dev/full", &root, &err), QB_ERR_INPUT);
    expect_message(&err, "/dev/full: ");
    path = scratch_write("a.yaml", suite, sizeof suite - 1);
    for (size_t n = 1;; n++) {
        qb_mem_fail_at(n);
        err = (struct qb_error){0};
        enum qb_status status = qb_yaml_load(path, &root, &err);
        qb_mem_fail_at(0);
        qb_yaml_free(root);
        cr_assert_eq(qb_mem_stats().live_bytes, 0);
        if (!status)
            break;
    }
}

/* Typed reading. */

Test(yaml, integers)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0}, {"-1", -1}, {"+7", 7}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct qb_error err = {0};
        int64_t value = 99;
        struct qb_yaml *node = parse(good[i].text);
        cr_expect_eq(qb_yaml_int(node, INT64_MIN, INT64_MAX, &value, &err), QB_OK, "%s", err.message);
        cr_expect_eq(value, good[i].value);
        qb_yaml_free(node);
    }
    static const char *const bad[] = {"'7'",
                                      "7.0",
                                      "1e3",
                                      "0x10",
                                      "010",
                                      "1_000",
                                      "",
                                      "~",
                                      "seven",
                                      "7 8",
                                      "[7]",
                                      "{a: 7}",
                                      "9223372036854775808",
                                      "+",
                                      "--7",
                                      "true",
                                      "-9223372036854775809"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qb_error err = {0};
        int64_t value = 99;
        char text[64];
        snprintf(text, sizeof text, "k: %s", bad[i]);
        struct qb_yaml *root = parse(text);
        cr_expect_eq(qb_yaml_int(root->children[0], INT64_MIN, INT64_MAX, &value, &err), QB_ERR_INPUT, "%s", bad[i]);
        cr_expect_eq(value, 99);
        expect_message(&err, "suite.yaml:1: key 'k': expected an integer, found ");
        qb_yaml_free(root);
    }
}

Test(yaml, integer_ranges)
{
    struct qb_error err = {0};
    int64_t value = 0;
    struct qb_yaml *root = parse("\nseed: 7");
    const struct qb_yaml *seed = root->children[0];
    cr_expect_eq(qb_yaml_int(seed, 7, 7, &value, &err), QB_OK);
    cr_expect_eq(qb_yaml_int(seed, 8, 9, &value, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:2: key 'seed': expected an integer from 8 to 9, found '7'");
    cr_expect_eq(qb_yaml_int(seed, 8, INT64_MAX, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "at least 8");
    cr_expect_eq(qb_yaml_int(seed, INT64_MIN, 6, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "at most 6");
    qb_yaml_free(root);
}

Test(yaml, doubles)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0.8", 0.8}, {"-1e-3", -1e-3}, {"7", 7}, {".5", .5}, {"5.", 5}, {"1E+2", 100}, {"+2.5", 2.5}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct qb_error err = {0};
        double value = 99;
        struct qb_yaml *node = parse(good[i].text);
        cr_expect_eq(qb_yaml_double(node, -INFINITY, INFINITY, &value, &err), QB_OK, "%s", err.message);
        cr_expect_eq(value, good[i].value);
        qb_yaml_free(node);
    }
    static const char *const bad[] = {"'0.8'", "inf",   ".inf", "-.inf", "nan", ".nan", "1e999", "0x1p3",
                                      "1e",    "1.2.3", "",     "~",     "e5",  "[1]",  "1,5",   "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct qb_error err = {0};
        double value = 99;
        char text[64];
        snprintf(text, sizeof text, "k: %s", bad[i]);
        struct qb_yaml *root = parse(text);
        cr_expect_eq(qb_yaml_double(root->children[0], -INFINITY, INFINITY, &value, &err), QB_ERR_INPUT, "%s", bad[i]);
        cr_expect_eq(value, 99);
        expect_message(&err, "suite.yaml:1: key 'k': expected a finite number, found ");
        qb_yaml_free(root);
    }
}

Test(yaml, double_ranges)
{
    struct qb_error err = {0};
    double value = 0;
    struct qb_yaml *root = parse("alpha: 0.8");
    const struct qb_yaml *alpha = root->children[0];
    cr_expect_eq(qb_yaml_double(alpha, 0.8, 0.8, &value, &err), QB_OK);
    cr_expect_eq(qb_yaml_double(alpha, 1, 2, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "expected a number from 1 to 2, found '0.8'");
    cr_expect_eq(qb_yaml_double(alpha, 1, INFINITY, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "at least 1");
    cr_expect_eq(qb_yaml_double(alpha, -INFINITY, 0, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "at most 0");
    cr_expect_eq(qb_yaml_double(alpha, NAN, NAN, &value, &err), QB_ERR_INPUT); /* a NaN bound lets nothing pass */
    qb_yaml_free(root);
}

Test(yaml, booleans)
{
    struct qb_yaml *root = parse("[true, on, yes, false, off, no, 'true', True, 1, ~, [true]]");
    for (size_t i = 0; i < root->count; i++) {
        struct qb_error err = {0};
        bool value = i >= 3;
        enum qb_status status = qb_yaml_bool(root->children[i], &value, &err);
        cr_expect_eq(status, i < 6 ? QB_OK : QB_ERR_INPUT, "item %zu", i);
        if (i < 6)
            cr_expect_eq(value, i < 3);
        else
            expect_message(&err, "suite.yaml:1: expected true or false, found ");
    }
    qb_yaml_free(root);
}

Test(yaml, texts)
{
    struct qb_error err = {0};
    const char *value = NULL;
    struct qb_yaml *root = parse("[word, 42, '', 'null', ~, null, [x], {y: 1}]");
    static const char *const due[] = {"word", "42", "", "null"};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(qb_yaml_text(root->children[i], &value, &err), QB_OK);
        cr_expect_str_eq(value, due[i]);
    }
    static const char *const found[] = {"nothing", "nothing", "a list", "a map"};
    for (size_t i = 4; i < 8; i++) {
        cr_expect_eq(qb_yaml_text(root->children[i], &value, &err), QB_ERR_INPUT);
        expect_message(&err, found[i - 4]);
    }
    qb_yaml_free(root);
}

Test(yaml, kinds)
{
    struct qb_error err = {0};
    struct qb_yaml *root = parse(suite);
    cr_expect_eq(qb_yaml_expect(root, QB_YAML_MAP, &err), QB_OK);
    cr_expect_eq(qb_yaml_expect(qb_yaml_get(root, "variants"), QB_YAML_LIST, &err), QB_OK);
    cr_expect_eq(qb_yaml_expect(qb_yaml_get(root, "name"), QB_YAML_SCALAR, &err), QB_OK);
    cr_expect_eq(qb_yaml_expect(qb_yaml_get(root, "variants"), QB_YAML_MAP, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:6: key 'variants': expected a map, found a list");
    cr_expect_eq(qb_yaml_expect(qb_yaml_get(root, "empty"), QB_YAML_LIST, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:8: key 'empty': expected a list, found nothing");
    qb_yaml_free(root);
}

Test(yaml, long_values_are_shortened_in_messages)
{
    struct qb_error err = {0};
    int64_t value = 0;
    struct qb_text text = {0};
    qb_text_add(&text, "seed: ");
    for (int i = 0; i < 3000; i++)
        qb_text_add(&text, "x");
    struct qb_yaml *root = parse(text.data);
    cr_expect_eq(qb_yaml_int(root->children[0], 0, 9, &value, &err), QB_ERR_INPUT);
    expect_message(&err, "x...'");
    cr_expect_lt(strlen(err.message), 200);
    qb_yaml_free(root);
    qb_text_free(&text);
}

Test(yaml, known_keys)
{
    static const char *const known[] = {"generator", "vocab", "seed", NULL};
    struct qb_error err = {0};
    struct qb_yaml *root = parse(suite);
    const struct qb_yaml *models = qb_yaml_get(root, "models");
    cr_expect_eq(qb_yaml_known(qb_yaml_get(models, "chain"), known, &err), QB_OK);
    cr_expect_eq(qb_yaml_known(models, known, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:3: key 'chain': unknown key (known: generator, vocab, seed)");
    cr_expect_eq(qb_yaml_known(qb_yaml_get(root, "name"), known, &err), QB_ERR_INPUT);
    expect_message(&err, "key 'name': expected a map, found 'source'");
    qb_yaml_free(root);
    root = parse("seed: 1\nvocabs: 2\n");
    cr_expect_eq(qb_yaml_known(root, known, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:2: key 'vocabs': unknown key, did you mean 'vocab'? "
                                  "(known: generator, vocab, seed)");
    qb_mem_fail_at(1); /* the list is lost, the place and the suggestion stay */
    cr_expect_eq(qb_yaml_known(root, known, &err), QB_ERR_INPUT);
    expect_message(&err, "suite.yaml:2: key 'vocabs': unknown key, did you mean 'vocab'?");
    qb_yaml_free(root);
}

Test(yaml, fail_is_for_callers)
{
    struct qb_error err = {0};
    struct qb_yaml *root = parse(suite);
    cr_expect_eq(qb_yaml_fail(qb_yaml_get(root, "name"), &err, "no %s", "such thing"), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml:1: key 'name': no such thing");
    qb_yaml_fail(qb_yaml_get(root, "variants")->children[2], &err, "unknown variant");
    cr_expect_str_eq(err.message, "suite.yaml:7: unknown variant");
    qb_yaml_fail(root, &err, "%s", "x");
    qb_yaml_fail(root, &err, "again: %s", err.message);
    cr_expect_str_eq(err.message, "suite.yaml:1: again: suite.yaml:1: x");
    qb_yaml_free(root);
}

/* --set */

static void set(struct qb_yaml *root, const char *path, const char *text)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_yaml_set(root, path, text, &err), QB_OK, "%s", err.message);
}

Test(yaml, set_replaces_and_adds)
{
    struct qb_yaml *root = parse("name: x\nmodels: {a: {seed: 1}, b: {seed: 2}}\n");
    set(root, "name", "y");
    set(root, "models.a.seed", "7");
    set(root, "models.a.vocab", "50");
    set(root, "models.c", "{seed: 3, list: [1, 2]}");
    set(root, "steps", "'9'");
    expect_print(root, "{name: y, models: {a: {seed: 7, vocab: 50}, b: {seed: 2}, c: {seed: 3, list: [1, 2]}}, "
                       "steps: \"9\"}");
    const struct qb_yaml *models = qb_yaml_get(root, "models"), *seed = qb_yaml_get(models->children[0], "seed");
    struct qb_error err = {0};
    int64_t value = 0;
    cr_expect_eq(seed->line, 0);
    cr_expect_eq(qb_yaml_int(seed, 8, 9, &value, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "suite.yaml: --set: key 'seed': expected an integer from 8 to 9, found '7'");
    qb_yaml_free(root);
    cr_expect_eq(qb_mem_stats().live_bytes, 0);
}

Test(yaml, set_reaches_every_child)
{
    struct qb_yaml *root = parse("models: {a: {seed: 1}, b: {vocab: 2}}\n");
    set(root, "models.*.seed", "7");
    expect_print(root, "{models: {a: {seed: 7}, b: {vocab: 2, seed: 7}}}");
    set(root, "*.*.seed", "8");
    expect_print(root, "{models: {a: {seed: 8}, b: {vocab: 2, seed: 8}}}");
    set(root, "models.b.*", "[x]");
    expect_print(root, "{models: {a: {seed: 8}, b: {vocab: [x], seed: [x]}}}");
    qb_yaml_free(root);
}

Test(yaml, set_many_new_keys)
{
    struct qb_yaml *root = parse("{}");
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(root, key, "1");
    }
    cr_expect_eq(root->count, 100);
    qb_yaml_free(root);
}

static void expect_set_refused(const char *path, const char *text, const char *part)
{
    struct qb_error err = {0};
    struct qb_text before = {0}, after = {0};
    struct qb_yaml *root =
        parse("name: x\nlist: [1]\nnone: {}\nmodels: {alpha: {seed: 1}, beta: {}, gamma: {seed: 2}}\n");
    qb_yaml_print(root, &before);
    cr_expect_eq(qb_yaml_set(root, path, text, &err), QB_ERR_INPUT, "%s=%s", path, text);
    expect_message(&err, part);
    expect_message(&err, path);
    qb_yaml_print(root, &after);
    cr_expect_str_eq(before.data, after.data, "%s=%s changed the tree", path, text);
    qb_text_free(&before);
    qb_text_free(&after);
    qb_yaml_free(root);
    cr_expect_eq(qb_mem_stats().live_bytes, 0);
}

Test(yaml, set_refusals_leave_the_tree)
{
    expect_set_refused("model.alpha.seed", "1", "no key 'model' in 'suite.yaml', did you mean 'models'?");
    expect_set_refused("models.alpah.seed", "1", "no key 'alpah' in 'models', did you mean 'alpha'?");
    expect_set_refused("models.zzzzzzzz.seed", "1", "no key 'zzzzzzzz' in 'models'");
    expect_set_refused("name.seed", "1", "'seed' is to be set in 'name', which is no map");
    expect_set_refused("list.0", "1", "'list', which is no map");
    expect_set_refused("*.seed", "1", "which is no map"); /* models would do, name does not */
    expect_set_refused("models.*.seed.x", "1", "no map");
    expect_set_refused("none.*", "1", "finds nothing");
    expect_set_refused("models.*.*", "9", "finds nothing"); /* alpha would do, beta is empty */
    expect_set_refused("", "1", "names with one dot");
    expect_set_refused(".name", "1", "names with one dot");
    expect_set_refused("models.", "1", "names with one dot");
    expect_set_refused("models..alpha", "1", "names with one dot");
    expect_set_refused("models.*.seed", "[1", "the value:");
    expect_set_refused("name", "", "empty");
    expect_set_refused("name", "{a: 1, a: 2}", "duplicate");
    expect_set_refused("name", "&x 1", "anchors");
    expect_set_refused("name", "a: 1\n---\nb", "second document");
}

Test(yaml, set_counts_depth_from_the_root)
{
    static char text[100];
    struct qb_error err = {0};
    struct qb_yaml *root = parse("a: {b: 1}");
    nested(text, 30);
    set(root, "a.b", text);
    nested(text, 31);
    cr_expect_eq(qb_yaml_set(root, "a.b", text, &err), QB_ERR_INPUT);
    expect_message(&err, "nested deeper than 32");
    qb_yaml_free(root);
}

Test(yaml, set_at_every_short_memory)
{
    for (size_t n = 1;; n++) {
        struct qb_error err = {0};
        struct qb_yaml *root = parse("models: {a: {p: 1, q: 2, r: 3, s: 4}, b: {}}");
        qb_mem_fail_at(n);
        enum qb_status status = qb_yaml_set(root, "models.*.seed", "{x: [1, 2]}", &err);
        qb_mem_fail_at(0);
        cr_assert(!status || status == QB_ERR_MEMORY);
        qb_yaml_free(root);
        cr_assert_eq(qb_mem_stats().live_bytes, 0, "n = %zu leaks", n);
        if (!status)
            break;
    }
}

/* Printing. */

static void expect_canonical(const char *text, const char *due)
{
    struct qb_yaml *root = parse(text);
    expect_print(root, due);
    struct qb_yaml *again = parse(due);
    expect_print(again, due);
    qb_yaml_free(again);
    qb_yaml_free(root);
}

Test(yaml, print_is_canonical_and_parses_back)
{
    expect_canonical("b: 1\na:\n- x\n- {c: -0.5}\n- []\n- {}\n", "{b: 1, a: [x, {c: -0.5}, [], {}]}");
    expect_canonical("[~, null, '']", "[null, null, \"\"]");
    expect_canonical("- \n- 'null'\n", "[null, \"null\"]");
    expect_canonical("[1, '1', true, 'true', 'word', data/x.txt]", "[1, \"1\", true, \"true\", word, data/x.txt]");
    expect_canonical("- a, b\n- 'c: d'\n- \"q\\\"\\\\\"\n- x y\n", "[\"a, b\", \"c: d\", \"q\\\"\\\\\", \"x y\"]");
    expect_canonical("a: |\n  one\n  two\n", "{a: \"one\\x0Atwo\\x0A\"}");
    expect_canonical("[\"-\", '---', '...', '*x', '#', '.5', '+']",
                     "[\"-\", \"---\", \"...\", \"*x\", \"#\", \".5\", \"+\"]");
    expect_canonical("[-5, +5, .5, -.5, 1e-6]", "[-5, +5, .5, -.5, 1e-6]");
    expect_canonical("'12': 1\n\"a b\": 2\nno: 3\n", "{\"12\": 1, \"a b\": 2, \"no\": 3}");
    expect_canonical("[\xC3\xA9, \xE2\x82\xAC, \xF0\x9F\x98\x80, \"\\N\\L\"]",
                     "[\"\\xE9\", \"\\u20AC\", \"\\U0001F600\", \"\\x85\\u2028\"]");
}

Test(yaml, print_tells_texts_from_values)
{
    static const char *const values[] = {"1", "1.5", "true", "off", "null", "~", "-3", ".5", "1e5"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char quoted[16];
        struct qb_text a = {0}, b = {0};
        snprintf(quoted, sizeof quoted, "'%s'", values[i]);
        struct qb_yaml *plain = parse(values[i]), *text = parse(quoted);
        qb_yaml_print(plain, &a);
        qb_yaml_print(text, &b);
        cr_expect_str_neq(a.data, b.data);
        qb_text_free(&a);
        qb_text_free(&b);
        qb_yaml_free(plain);
        qb_yaml_free(text);
    }
}
