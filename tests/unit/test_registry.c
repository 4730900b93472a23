/* The registry's refusals, options from YAML, and the checked calls. */
#include <math.h>
#include <sys/wait.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "codec/calls.h"
#include "codec/options.h"
#include "codec/plugin_trial.h"
#include "conformance/plugins.h"
#include "unit/scratch.h"

static struct qb_registry *shipped(void)
{
    struct qb_registry *registry = NULL;
    struct qb_error err = {0};
    const char *const folders[] = {codecs_path(), "/nonexistent/folder", NULL};
    cr_assert_eq(qb_registry_open(folders, NULL, &registry, &err), QB_OK, "%s", err.message);
    return registry;
}

/* The options in canonical form, or the error's message. */
static enum qb_status parse(const struct qb_plugin *plugin, const char *yaml_text, char *text, size_t room)
{
    struct qb_error err = {0};
    struct qb_yaml *yaml = NULL;
    struct qb_format format;
    struct qb_text printed = {0};
    cr_assert_eq(qb_yaml_parse(yaml_text, strlen(yaml_text), "t.yaml", &yaml, &err), QB_OK, "%s", err.message);
    enum qb_status status = qb_format_make(plugin, yaml, QB_ISA_PORTABLE, &format, &err);
    if (!status) {
        qb_format_print(&format, &printed);
        qb_format_free(&format);
    }
    snprintf(text, room, "%s", !status ? printed.data : err.message);
    qb_text_free(&printed);
    qb_yaml_free(yaml);
    return status;
}

Test(registry, shipped_codecs_are_ordered_by_id)
{
    struct qb_registry *registry = shipped();
    cr_assert_geq(qb_registry_count(registry), 5);
    for (size_t i = 1; i < qb_registry_count(registry); i++)
        cr_assert_lt(strcmp(qb_registry_at(registry, i - 1)->codec->id, qb_registry_at(registry, i)->codec->id), 0);
    cr_assert_str_eq(qb_registry_find(registry, "qins8")->codec->id, "qins8");
    cr_assert_eq(strlen(qb_registry_find(registry, "qins8")->sha256), 64);
    cr_assert_null(qb_registry_find(registry, "qins9"));
    cr_assert_null(qb_registry_at(registry, qb_registry_count(registry)));
    qb_registry_free(registry);
    qb_registry_free(NULL);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(registry, two_files_of_one_id_are_refused_and_one_file_twice_is_not)
{
    struct qb_registry *registry;
    struct qb_error err = {0};
    const char *const twice[] = {plugin_path("planted/sound.so"), plugin_path("planted/../planted/sound.so"), NULL};
    cr_assert_eq(qb_registry_open(NULL, twice, &registry, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_registry_count(registry), 1);
    qb_registry_free(registry);
    const char *const both[] = {plugin_path("planted/sound.so"), plugin_path("planted/hang.so"), NULL};
    cr_assert_eq(qb_registry_open(NULL, both, &registry, &err), QB_ERR_CODEC);
    cr_assert(strstr(err.message, "hang.so: its codec id 'planted' is taken by"), "%s", err.message);
    cr_assert(strstr(err.message, "sound.so"), "%s", err.message);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(registry, what_is_no_plugin_is_refused, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_registry *registry;
    struct qb_error err = {0};
    const char *const text[] = {scratch_write("text.so", "hello", 5), NULL};
    cr_assert_eq(qb_registry_open(NULL, text, &registry, &err), QB_ERR_INPUT);
    cr_assert(strstr(err.message, "text.so: expected a shared object that exports qb_codec_entry"), "%s", err.message);
    err = (struct qb_error){0};
    cr_assert_eq(qb_registry_open((const char *const[]){scratch_folder, NULL}, NULL, &registry, &err), QB_ERR_INPUT);
    cr_assert(strstr(err.message, "text.so"), "%s", err.message);
    const char *const missing[] = {"/nonexistent/codec.so", NULL};
    err = (struct qb_error){0};
    cr_assert_eq(qb_registry_open(NULL, missing, &registry, &err), QB_ERR_INPUT);
    cr_assert(strstr(err.message, "/nonexistent/codec.so: expected a codec plugin: No such file"), "%s", err.message);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(registry, every_allocation_may_fail)
{
    struct qb_registry *registry;
    const char *const folders[] = {codecs_path(), NULL};
    size_t n = 1;
    for (;; n++) {
        struct qb_error err = {0};
        qb_mem_fail_at(n);
        enum qb_status status = qb_registry_open(folders, NULL, &registry, &err);
        qb_mem_fail_at(0);
        if (!status)
            break;
        cr_assert_eq(status, QB_ERR_MEMORY);
        cr_assert_null(registry);
        cr_assert_eq(qb_mem_stats().live_bytes, 0, "allocation %zu leaks", n);
    }
    cr_assert_gt(n, 5);
    qb_registry_free(registry);
}

Test(registry, folders_come_from_the_environment)
{
    static char folders[2][4096];
    setenv("QINSBENCH_CODECS", "/some/where", 1);
    cr_assert_eq(qb_registry_folders(folders), 1);
    cr_assert_str_eq(folders[0], "/some/where");
    unsetenv("QINSBENCH_CODECS");
    cr_assert_eq(qb_registry_folders(folders), 2);
    cr_assert(strstr(folders[0], "/codecs"));
    cr_assert(strstr(folders[1], "/../lib/qinsbench/codecs"));
}

static enum qb_status hang(void *path, struct qb_error *e)
{
    (void)e;
    while (path)
        pause();
    return QB_OK;
}

static enum qb_status fail(void *path, struct qb_error *e)
{
    return qb_fail(e, QB_ERR_NUMERIC, "%s: its own failure", (const char *)path);
}

Test(trial, what_hangs_is_ended_and_what_fails_says_so)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_plugin_trial(hang, (char[]){"x.so"}, "x.so", 1, &err), QB_ERR_CODEC);
    cr_assert_str_eq(err.message, "x.so: the plugin was not loaded within 1 s");
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
    err = (struct qb_error){0};
    cr_assert_eq(qb_plugin_trial(fail, (char[]){"x.so"}, "x.so", 60, &err), QB_ERR_NUMERIC);
    cr_assert_str_eq(err.message, "x.so: its own failure");
}

Test(options, defaults_and_values_print_in_canonical_form)
{
    struct qb_registry *registry = load_plugin(plugin_path("planted/every_option.so"));
    const struct qb_plugin *plugin = qb_registry_at(registry, 0);
    static const struct {
        const char *yaml, *printed;
    } cases[] = {
        {"{}", "bits=4 clip=0.1 dither=false layout=flat room=none scope=group:32"},
        {"{bits: 8, clip: 1e-08, dither: yes, layout: tiled, scope: row, room: 8192GiB}",
         "bits=8 clip=1e-08 dither=true layout=tiled room=8TiB scope=row"},
        {"{clip: 0.3333333333333333, scope: 'group:1048576', room: 1048577}",
         "bits=4 clip=0.3333333333333333 dither=false layout=flat room=1048577 scope=group:1048576"},
        {"{dither: off, clip: 1.0, scope: tensor, layout: \"tiled\", room: '1536MiB'}",
         "bits=4 clip=1 dither=false layout=tiled room=1536MiB scope=tensor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        cr_expect_eq(parse(plugin, cases[i].yaml, text, sizeof text), QB_OK, "%s: %s", cases[i].yaml, text);
        cr_expect_str_eq(text, cases[i].printed);
    }
    struct qb_error err = {0};
    struct qb_format format;
    cr_assert_eq(qb_format_make(plugin, NULL, QB_ISA_AVX2, &format, &err), QB_OK);
    cr_assert_eq(format.config.isa, QB_ISA_AVX2);
    cr_assert_eq(format.config.struct_size, sizeof format.config);
    cr_assert_eq(format.value_count, 6);
    cr_assert_eq(format.values[0].scope.group, 32);
    cr_assert_eq(format.values[4].i, 1);
    qb_format_free(&format);
    qb_format_free(&format);
    qb_registry_free(registry);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(options, wrong_ones_name_file_line_and_what_was_expected)
{
    struct qb_registry *registry = load_plugin(plugin_path("planted/every_option.so"));
    static const struct {
        const char *yaml, *words;
    } cases[] = {
        {"bits: 9", "expected an integer in [2, 8], found '9'"},
        {"bits: 1", "expected an integer in [2, 8]"},
        {"bits: 4.0", "expected an integer in [2, 8], found '4.0'"},
        {"bits: 99999999999999999999", "expected an integer"},
        {"bits: '4'", "expected a plain value, found the quoted text"},
        {"bits: [4]", "bits"},
        {"bits: four", "found 'four'"},
        {"clip: 1.5", "expected a number in [0, 1], found '1.5'"},
        {"clip: nan", "expected a number in [0, 1], found 'nan'"},
        {"clip: 0x1p-3", "found '0x1p-3'"},
        {"dither: maybe", "expected true or false, found 'maybe'"},
        {"dither: 1", "expected true or false, found '1'"},
        {"layout: fla", "expected one of tiled, flat, found 'fla'"},
        {"layout: 'tiled|flat'", "expected one of tiled, flat"},
        {"scope: rows", "expected tensor, row or group:N (1 <= N <= 1048576), found 'rows'"},
        {"scope: group", "found 'group'"},
        {"scope: 'group:0'", "found 'group:0'"},
        {"scope: 'group:1048577'", "found 'group:1048577'"},
        {"scope: 'group:-1'", "found 'group:-1'"},
        {"scope: 'group: 4'", "found 'group: 4'"},
        {"scope: 'group:4x'", "found 'group:4x'"},
        {"layuot: flat", "layout"},
        {"room: 1", "expected bytes in [2, 8TiB], as 4GiB, 512MiB or 1048576, or none, found '1'"},
        {"room: 0", "found '0'"},
        {"room: 9TiB", "found '9TiB'"},
        {"room: 1e30 GiB", "found '1e30 GiB'"},
        {"room: 18446744073709551616", "found '18446744073709551616'"},
        {"room: 16777216TiB", "found '16777216TiB'"},
        {"room: -4GiB", "found '-4GiB'"},
        {"room: 4 GiB", "found '4 GiB'"},
        {"room: 4GB", "found '4GB'"},
        {"room: 1.5GiB", "found '1.5GiB'"},
        {"room: nan", "found 'nan'"},
        {"room: GiB", "found 'GiB'"},
        {"room: off", "found 'off'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[200], text[1024];
        snprintf(yaml, sizeof yaml, "\n\n%s\n", cases[i].yaml);
        cr_expect_eq(parse(qb_registry_at(registry, 0), yaml, text, sizeof text), QB_ERR_INPUT, "%s gave %s",
                     cases[i].yaml, text);
        cr_expect(strstr(text, cases[i].words), "'%s' does not say '%s'", text, cases[i].words);
        cr_expect(strstr(text, "t.yaml:3"), "'%s' names no line", text);
        cr_expect(strstr(text, "every-option"), "'%s' names no codec", text);
    }
    qb_registry_free(registry);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(options, malformed_lists_are_found)
{
    static const struct qb_codec_option good = {
        .name = "a", .type = QB_OPTION_INT, .default_value = "1", .min = 0, .max = 2, .help = "h"};
    struct qb_codec_option list[3] = {good, {.name = NULL}, {.name = NULL}};
    struct qb_error err = {0};
    cr_assert_eq(qb_options_check(NULL, &err), QB_OK);
    cr_assert_eq(qb_options_check(list, &err), QB_OK);
    list[1] = good;
    cr_expect_eq(qb_options_check(list, &err), QB_ERR_CODEC);
    cr_expect(strstr(err.message, "listed twice"), "%s", err.message);
    list[1].name = NULL;
    static const struct {
        struct qb_codec_option option;
        const char *words;
    } cases[] = {
        {{.name = "A", .default_value = "1", .max = 2, .help = "h"}, "not [a-z_]+"},
        {{.name = "a", .type = (enum qb_option_type)9, .default_value = "1", .help = "h"}, "type 9 is unknown"},
        {{.name = "a", .default_value = "1", .min = 3, .max = 2, .help = "h"}, "is empty or not finite"},
        {{.name = "a", .type = QB_OPTION_FLOAT, .default_value = "1", .max = INFINITY, .help = "h"}, "not finite"},
        {{.name = "a", .type = QB_OPTION_SIZE, .default_value = "1", .max = 2, .help = "h"}, "not in [1, 2^60]"},
        {{.name = "a", .type = QB_OPTION_SIZE, .default_value = "1", .min = 3, .max = 2, .help = "h"}, "is empty"},
        {{.name = "a", .type = QB_OPTION_SIZE, .default_value = "1", .min = 1, .max = 1e30, .help = "h"}, "2^60"},
        {{.name = "a", .type = QB_OPTION_SIZE, .default_value = "0", .min = 1, .max = 2, .help = "h"}, "found '0'"},
        {{.name = "a", .default_value = "1", .max = 2}, "no help line"},
        {{.name = "a", .max = 2, .help = "h"}, "no default"},
        {{.name = "a", .default_value = "3", .max = 2, .help = "h"}, "its default: expected an integer in [0, 2]"},
        {{.name = "a", .type = QB_OPTION_CHOICE, .default_value = "x", .help = "h"}, "no list of different words"},
        {{.name = "a", .type = QB_OPTION_CHOICE, .default_value = "x", .choices = "x||y", .help = "h"}, "no list"},
        {{.name = "a", .type = QB_OPTION_CHOICE, .default_value = "x", .choices = "x|x", .help = "h"}, "no list"},
        {{.name = "a", .type = QB_OPTION_CHOICE, .default_value = "z", .choices = "x|y", .help = "h"}, "found 'z'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        list[0] = cases[i].option;
        cr_expect_eq(qb_options_check(list, &err), QB_ERR_CODEC, "case %zu", i);
        cr_expect(strstr(err.message, cases[i].words), "'%s' does not say '%s'", err.message, cases[i].words);
    }
    struct qb_codec_option endless[QB_OPTIONS_MAX + 2];
    for (size_t i = 0; i < QB_OPTIONS_MAX + 2; i++)
        endless[i] = good;
    cr_expect_eq(qb_options_check(endless, &err), QB_ERR_CODEC);
    cr_expect(strstr(err.message, "no end"), "%s", err.message);
}

/* Plugins that break their contract in a call: the checked calls turn that into errors. */
static int answer;
static int fake_size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                     struct qb_codec_error *error)
{
    (void)config, (void)error;
    *bytes = answer == -1 ? 0 : rows * cols;
    return QB_CODEC_OK;
}
static int fake_encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                       size_t out_bytes, struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)cols, (void)x, (void)out, (void)out_bytes;
    memset(error->message, 'm', sizeof error->message);
    error->message[0] = '\n';
    error->index = 8;
    return answer;
}
static int fake_decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                       size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)in, (void)in_bytes, (void)row, (void)error;
    for (size_t i = 0; i < count * cols; i++)
        out[i] = i == 6 ? NAN : 1;
    return QB_CODEC_OK;
}

Test(calls, what_a_plugin_answers_is_checked)
{
    const struct qb_codec codec = {
        .id = "fake", .encoded_size = fake_size, .encode = fake_encode, .decode = fake_decode};
    const struct qb_plugin plugin = {.codec = &codec, .path = "fake.so"};
    struct qb_format format;
    struct qb_error err = {0};
    float x[20] = {0}, out[20];
    unsigned char bytes[20] = {0};
    size_t size;
    cr_assert_eq(qb_format_make(&plugin, NULL, QB_ISA_PORTABLE, &format, &err), QB_OK);

    answer = 99;
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 20, &err), QB_ERR_CODEC);
    cr_expect(strstr(err.message, "codec 'fake': encode of 4 x 5 returned the unknown status 99"), "%s", err.message);
    answer = QB_CODEC_BAD_INPUT;
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 20, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "element (1, 3):  mmm"), "%s", err.message);
    answer = QB_CODEC_BAD_SIZE;
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 20, &err), QB_ERR_CODEC);
    answer = QB_CODEC_OK;
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 20, &err), QB_OK);
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 19, &err), QB_ERR_INTERNAL);
    x[13] = INFINITY;
    cr_expect_eq(qb_encode(&format, 4, 5, x, bytes, 20, &err), QB_ERR_NUMERIC);
    cr_expect(strstr(err.message, "element (2, 3) is inf"), "%s", err.message);

    cr_expect_eq(qb_decode(&format, 4, 5, bytes, 20, 1, 2, out, &err), QB_ERR_NUMERIC);
    cr_expect(strstr(err.message, "codec 'fake': decode of 4 x 5: element (2, 1) came out as"), "%s", err.message);
    cr_expect_eq(qb_decode(&format, 4, 5, bytes, 20, 1, 1, out, &err), QB_OK);
    cr_expect_eq(qb_decode(&format, 4, 5, bytes, 19, 0, 1, out, &err), QB_ERR_INPUT);
    cr_expect_eq(qb_decode(&format, 4, 5, bytes, 20, 3, 2, out, &err), QB_ERR_INTERNAL);
    cr_expect_eq(qb_coordinates(&format, 4, 5, bytes, 20, 0, 1, out, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "codec 'fake' has no coordinates"), "%s", err.message);

    cr_expect_eq(qb_encoded_size(&format, 0, 5, &size, &err), QB_ERR_INPUT);
    cr_expect_eq(qb_encoded_size(&format, SIZE_MAX / 2, 5, &size, &err), QB_ERR_INPUT);
    answer = -1;
    cr_expect_eq(qb_encoded_size(&format, 4, 5, &size, &err), QB_ERR_CODEC);
    qb_format_free(&format);
}

Test(calls, first_nonfinite_is_found_wherever_it_is)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t n = 0; n < 70; n++) {
        float x[70];
        for (size_t i = 0; i < 70; i++)
            x[i] = i % 2 ? 3.4028235e38f : -1e-45f;
        cr_assert_eq(qb_first_nonfinite(x, n), n);
        for (size_t place = n; place-- > 0;) {
            x[place] = wrong[place % 3];
            cr_assert_eq(qb_first_nonfinite(x, n), place);
        }
    }
}

/* Bytes that no encode gives are refused by name, in each codec. */
Test(calls, corrupt_bytes_are_refused_with_a_place)
{
    struct qb_registry *registry = shipped();
    struct qb_format format;
    struct qb_error err = {0};
    float x[12] = {1, 2, -3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, out[12];
    static const struct {
        const char *id;
        size_t byte;
        unsigned char value;
        const char *words;
    } cases[] = {
        {"qins8", 8 + 5, 0, "the code of element 5 is 0"},
        {"qins8", 3, 0x7f, "range 0 is ["},
        {"qins8", 8 + 12 + 1, 0x80, "behind the last sign"},
        {"int8", 4 + 7, 0x80, "the code of element 7 is -128"},
        {"int8", 3, 0xbf, "scale 0 is -"},
        {"int8", 3, 0x7f, "scale 0 is"},
        {"fp16", 7, 0x7c, "byte 6 starts a NaN or Inf"},
        {"bf16", 9, 0xff, "byte 8 starts a NaN or Inf"},
        {"fp32", 4 * 11 + 3, 0x7f, "byte 44 starts a NaN or Inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[64];
        size_t size;
        cr_assert_eq(qb_format_make(qb_registry_find(registry, cases[i].id), NULL, QB_ISA_PORTABLE, &format, &err),
                     QB_OK);
        cr_assert_eq(qb_encoded_size(&format, 3, 4, &size, &err), QB_OK);
        cr_assert_eq(qb_encode(&format, 3, 4, x, bytes, sizeof bytes, &err), QB_OK, "%s", err.message);
        bytes[cases[i].byte] = cases[i].value;
        if (cases[i].value == 0x7f || cases[i].id[0] == 'b') /* an exponent of all ones needs its last bit too */
            bytes[cases[i].byte - 1] |= 0x80;
        cr_expect_eq(qb_decode(&format, 3, 4, bytes, size, 0, 3, out, &err), QB_ERR_INPUT, "%s took byte %zu",
                     cases[i].id, cases[i].byte);
        cr_expect(strstr(err.message, cases[i].words), "'%s' does not say '%s'", err.message, cases[i].words);
        qb_format_free(&format);
    }
    qb_registry_free(registry);
}
