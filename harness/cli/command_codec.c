/* qinsbench codec: a codec by itself, between raw float32 and its bytes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "cli.h"

enum { ENCODE, DECODE, ROWS, COLS, OPTIONS, PLUGIN };
static const struct qb_flag flags[] = {{"encode", 0, NULL, "float32 in, encoded bytes out"},
                                       {"decode", 0, NULL, "encoded bytes in, float32 out"},
                                       {"rows", 0, "N", "of the matrix"},
                                       {"cols", 0, "N", "of the matrix"},
                                       {"options", 0, "K=V,...", "the codec's options; default: its own defaults"},
                                       {"codec", 0, "PLUGIN", "a plugin (.so) from outside; may name ID"},
                                       {0}};
static const struct qb_usage usage = {
    "codec", "ID --encode|--decode --rows N --cols N [options] < IN > OUT",
    "Encodes a matrix of little-endian float32, row by row, or decodes one: standard input to standard output.", flags,
    "  qinsbench codec q8_0 --encode --rows 4 --cols 64 < w.f32 > w.q8_0\n"
    "  qinsbench codec qins8 --decode --rows 4 --cols 64 --options scope=row < w.qins8 > back.f32"};

struct arguments {
    const char *id, *options, *plugin;
    long rows, cols;
    bool encode, decode;
};

/* "k=v,..." as the YAML map that codecs' options are read from; *map NULL: none were given. */
static enum qb_status read_options(const char *text, struct qb_yaml **map, struct qb_error *err)
{
    struct qb_text yaml = {0};
    if (!text)
        return QB_OK;
    for (const char *at = text; *at && !err->status;) {
        size_t size = strcspn(at, ","), key = strcspn(at, "=");
        if (key == 0 || key >= size || strcspn(at, "\n{}[]#&*!|>'\"%@`") < size) /* a plain pair, whatever YAML has */
            qb_fail(err, QB_ERR_INPUT, "--options: expected key=value,..., found '%.*s'", (int)size, at);
        else
            qb_text_add(&yaml, "%.*s: %.*s\n", (int)key, at, (int)(size - key - 1), at + key + 1);
        at += size + (at[size] == ',');
    }
    if (!err->status && yaml.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for options");
    if (!err->status)
        qb_yaml_parse(yaml.data ? yaml.data : "", yaml.size, "--options", map, err);
    qb_text_free(&yaml);
    return err->status;
}

static enum qb_status read_all(void *bytes, size_t size, const char *what, struct qb_error *err)
{
    size_t found = fread(bytes, 1, size, stdin);
    if (ferror(stdin))
        return qb_fail(err, QB_ERR_IO, "standard input: %s", strerror(errno));
    if (found != size || fgetc(stdin) != EOF)
        return qb_fail(err, QB_ERR_INPUT, "standard input: %s%zu bytes, expected %zu of %s",
                       found < size ? "" : "over ", found, size, what);
    return QB_OK;
}

static enum qb_status convert(const struct arguments *a, const struct qb_format *format, struct qb_error *err)
{
    size_t rows = (size_t)a->rows, cols = (size_t)a->cols, bytes = 0;
    void *encoded = NULL;
    float *values = NULL;
    if (qb_encoded_size(format, rows, cols, &bytes, err) || !(encoded = qb_alloc(bytes, 1, "encoded bytes", err)) ||
        !(values = qb_alloc(rows * cols, sizeof *values, "values", err)))
        goto out;
    if (a->encode
            ? read_all(values, rows * cols * sizeof *values, "float32", err) ||
                  qb_encode(format, rows, cols, values, encoded, bytes, err) || qb_print_bytes(encoded, bytes, err)
            : read_all(encoded, bytes, "encoded bytes", err) ||
                  qb_decode(format, rows, cols, encoded, bytes, 0, rows, values, err) ||
                  qb_print_bytes(values, rows * cols * sizeof *values, err))
        qb_wrap(err, "codec %s", a->id);
out:
    qb_free(encoded);
    qb_free(values);
    return err->status;
}

static enum qb_status run(const struct arguments *a, struct qb_error *err)
{
    const char *const extra[] = {a->plugin, NULL};
    struct qb_registry *registry = NULL;
    struct qb_yaml *options = NULL;
    struct qb_format format = {0};
    if (qb_open_registry(extra, &registry, err))
        return err->status;
    const struct qb_plugin *plugin = qb_registry_find(registry, a->id);
    if (!plugin)
        qb_fail(err, QB_ERR_INPUT, "no codec '%s' (qinsbench list codecs)", a->id);
    else if (!read_options(a->options, &options, err) && !qb_format_make(plugin, options, qb_cpu()->isa, &format, err))
        convert(a, &format, err);
    qb_format_free(&format);
    qb_yaml_free(options);
    qb_registry_free(registry);
    return err->status;
}

static enum qb_status take(int flag, struct arguments *a, struct qb_error *err)
{
    switch (flag) {
    case ENCODE:
        a->encode = true;
        break;
    case DECODE:
        a->decode = true;
        break;
    case OPTIONS:
        a->options = optarg;
        break;
    case PLUGIN:
        a->plugin = optarg;
        break;
    default:
        return qb_parse_count(flags[flag].name, optarg, 1, 1 << 30, flag == ROWS ? &a->rows : &a->cols, err);
    }
    return err->status;
}

int qb_command_codec(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {0};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, &a, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || a.encode == a.decode || !a.rows || !a.cols)
        return qb_complain("codec: expected a codec, --encode or --decode, --rows and --cols (qinsbench codec --help)");
    a.id = argv[optind];
    return run(&a, &err) ? qb_complain_error(&err) : QB_EXIT_DONE;
}
