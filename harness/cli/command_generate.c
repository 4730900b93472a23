/* qinsbench generate: a text continued by a model. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli.h"
#include "speaker.h"
#include "tokenizer/chat.h"

#define TEXT_MAX ((size_t)16 << 20)

enum { PROMPT = QB_SPEAK_FLAGS, FILE_FLAG, OUTPUT };
static const struct qb_flag flags[] = {
    QB_SPEAKING_FLAGS("0"),
    {"prompt", 'p', "TEXT", "the text; control tokens may be spelled out in it"},
    {"file", 'f', "FILE", "the text is this file's bytes"},
    {"output", 'o', "FILE", "no option of generate; with it the command is make-model"},
    {0}};
static const struct qb_usage usage = {
    "generate", "MODEL --prompt TEXT [options]",
    "Continues a text: the continuation on stdout as it comes, tokens a second on stderr.", flags,
    "  qinsbench generate smollm2.gguf --prompt 'The capital of France is' --steps 20\n"
    "  qinsbench generate data/models/kjv-transformer.safetensors -p 'In the beginning' --variant pattern-a\n"
    "  qinsbench generate smollm2.gguf -p 'Once' --temperature 0.8 --seed 7"};

static bool hear(void *context, int32_t id)
{
    struct qb_stream *stream = context;
    qb_stream_add(stream, id);
    return stream->code == QB_EXIT_DONE;
}

static int generate(const char *model, const char *prompt, const char *file, const struct qb_speaking *speaking)
{
    struct qb_opened opened = {.calibration = speaking->calibration, .codecs = speaking->codecs.paths};
    struct qb_speaker speaker = {0};
    struct qb_speech speech;
    struct qb_error err = {0};
    char *data = NULL;
    int32_t *tokens = NULL;
    size_t size = prompt ? strlen(prompt) : 0, count = 0;
    struct qb_stream stream = {0};
    if ((file && qb_file_read(file, TEXT_MAX, &data, &size, &err)) ||
        qb_opened_model(&opened, model, (unsigned)speaking->threads, &err) || qb_opened_tokenizer(&opened, &err) ||
        qb_tokenizer_encode(opened.tokenizer, data ? data : prompt, size, QB_ENCODE_SPECIAL | QB_ENCODE_AFFIXES,
                            &tokens, &count, &err))
        goto out;
    stream.tokenizer = opened.tokenizer;
    if (count == 0)
        qb_fail(&err, QB_ERR_INPUT, "generate: the prompt has no tokens");
    else if (!qb_speaker_make(&opened, speaking->variant, speaking, &speaker, &err) &&
             !qb_speaker_say(&speaker, speaking, tokens, count, hear, &stream, &speech, &err)) {
        qb_stream_end(&stream, true);
        qb_speech_tell(&speech, speaking->variant, &speaker);
    }
out:
    qb_stream_end(&stream, false);
    qb_text_free(&stream.all);
    qb_speaker_free(&speaker);
    qb_opened_free(&opened);
    qb_free(tokens);
    qb_free(data);
    return err.status ? qb_complain_error(&err) : stream.code;
}

/* "generate GENERATOR -o FILE" was make-model's name. */
static bool asks_make_model(int argc, char **argv)
{
    bool output = false;
    for (int i = 1; i < argc; i++) {
        output = output || strcmp(argv[i], "-o") == 0 || strncmp(argv[i], "--output", 8) == 0;
        if (strcmp(argv[i], "-p") == 0 || strncmp(argv[i], "--prompt", 8) == 0 || strncmp(argv[i], "--file", 6) == 0)
            return false;
    }
    return output;
}

int qb_command_generate(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_speaking speaking = qb_speaking_default(0);
    struct qb_error err = {0};
    const char *prompt = NULL, *file = NULL;
    int flag;
    if (asks_make_model(argc, argv))
        return qb_command_make_model(argc, argv);
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == PROMPT)
            prompt = optarg;
        else if (flag == FILE_FLAG)
            file = optarg;
        else if (flag == OUTPUT)
            return qb_complain("generate: --output belongs to make-model");
        else if (qb_speaking_take(flag, &speaking, &err))
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc || !prompt == !file)
        return qb_complain("generate: expected a model and --prompt TEXT or --file FILE (qinsbench generate --help)");
    return generate(argv[optind], prompt, file, &speaking);
}
