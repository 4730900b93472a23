/* qinsbench tokenize: the token ids of a text. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "cli.h"
#include "tokenizer/tokenizer.h"

#define TEXT_MAX ((size_t)256 << 20)

enum { FILE_FLAG, LINES, OUTPUT, NO_SPECIAL, NO_BOS };
static const struct qb_flag flags[] = {
    {"file", 'f', "FILE", "the text is this file's bytes"},
    {"lines", 0, NULL, "each line of the text is a text by itself"},
    {"output", 0, "FORMAT", "console (a token a line: id, piece) or json; default console"},
    {"no-special", 0, NULL, "control tokens spelled out in the text are plain text"},
    {"no-bos", 0, NULL, "without the tokens that the tokenizer puts before and behind a text"},
    {0}};
static const struct qb_usage usage = {
    "tokenize", "MODEL (TEXT | --file FILE) [options]",
    "Prints the token ids of a text, with the tokens as the tokenizer's file spells them. MODEL: a GGUF file, a\n"
    "Hugging Face folder, a tokenizer.json, or a model in our layout.",
    flags,
    "  qinsbench tokenize smollm2.gguf 'Hello there' --output json\n"
    "  qinsbench tokenize data/models/kjv-transformer.safetensors --file data/corpus/kjv.heldout"};

struct arguments {
    const char *file;
    enum qb_output output;
    unsigned encode;
    bool lines;
};

static void print_json(const struct qb_tokenizer *tokenizer, const int32_t *ids, size_t count, struct qb_text *out)
{
    qb_text_add(out, "{\"ids\": [");
    for (size_t i = 0; i < count; i++)
        qb_text_add(out, "%s%d", i ? ", " : "", (int)ids[i]);
    qb_text_add(out, "], \"pieces\": [");
    for (size_t i = 0; i < count; i++) {
        struct qb_text piece = {0};
        qb_tokenizer_spell(tokenizer, ids[i], &piece);
        qb_text_add(out, "%s", i ? ", " : "");
        qb_json_bytes(out, piece.data, piece.size);
        qb_text_free(&piece);
    }
    qb_text_add(out, "]}\n");
}

static void print_lines(const struct qb_tokenizer *tokenizer, const int32_t *ids, size_t count, struct qb_text *out)
{
    for (size_t i = 0; i < count; i++) {
        struct qb_text piece = {0};
        qb_tokenizer_spell(tokenizer, ids[i], &piece);
        qb_text_add(out, "%7d  ", (int)ids[i]);
        qb_clean_bytes(out, piece.data ? piece.data : "", piece.size, QB_CLEAN_LINE);
        qb_text_add(out, "\n");
        qb_text_free(&piece);
    }
}

static enum qb_status print(const struct qb_tokenizer *tokenizer, const char *text, size_t size,
                            const struct arguments *arguments, struct qb_text *out, struct qb_error *err)
{
    int32_t *ids = NULL;
    size_t count = 0;
    if (!qb_tokenizer_encode(tokenizer, text, size, arguments->encode, &ids, &count, err))
        (arguments->output == QB_OUTPUT_JSON ? print_json : print_lines)(tokenizer, ids, count, out);
    qb_free(ids);
    return err->status;
}

static enum qb_status print_all(const struct qb_tokenizer *tokenizer, const char *text, size_t size,
                                const struct arguments *arguments, struct qb_text *out, struct qb_error *err)
{
    for (size_t at = 0; arguments->lines && at < size && !err->status;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        print(tokenizer, text + at, length, arguments, out, err);
        at += length + 1;
    }
    return arguments->lines ? err->status : print(tokenizer, text, size, arguments, out, err);
}

static int tokenize(const char *model, const char *text, const struct arguments *arguments)
{
    struct qb_tokenizer *tokenizer = NULL;
    struct qb_text out = {0};
    struct qb_error err = {0};
    char *data = NULL;
    size_t size = text ? strlen(text) : 0;
    int code;
    if ((arguments->file && qb_file_read(arguments->file, TEXT_MAX, &data, &size, &err)) ||
        qb_tokenizer_open(model, &tokenizer, &err) ||
        print_all(tokenizer, data ? data : text, size, arguments, &out, &err))
        code = qb_complain_error(&err);
    else
        code = qb_print(&out);
    qb_text_free(&out);
    qb_free(data);
    qb_tokenizer_free(tokenizer);
    return code;
}

static enum qb_status take(int flag, struct arguments *arguments, struct qb_error *err)
{
    switch (flag) {
    case FILE_FLAG:
        arguments->file = optarg;
        break;
    case LINES:
        arguments->lines = true;
        break;
    case OUTPUT:
        if (!qb_parse_output(optarg, &arguments->output, err) && arguments->output != QB_OUTPUT_CONSOLE &&
            arguments->output != QB_OUTPUT_JSON)
            qb_fail(err, QB_ERR_INPUT, "tokenize: --output %s, expected console or json", optarg);
        break;
    case NO_SPECIAL:
        arguments->encode &= ~(unsigned)QB_ENCODE_SPECIAL;
        break;
    default:
        arguments->encode &= ~(unsigned)QB_ENCODE_AFFIXES;
        break;
    }
    return err->status;
}

int qb_command_tokenize(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments arguments = {.encode = QB_ENCODE_SPECIAL | QB_ENCODE_AFFIXES};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(flag, &arguments, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + (arguments.file ? 1 : 2) != argc)
        return qb_complain(
            "tokenize: expected a model and a text, or a model and --file FILE (qinsbench tokenize --help)");
    return tokenize(argv[optind], arguments.file ? NULL : argv[optind + 1], &arguments);
}
