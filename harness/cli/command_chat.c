/* qinsbench chat: a conversation with a model, under one variant or under two side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli.h"
#include "speaker.h"
#include "tokenizer/chat.h"

enum { SYSTEM = QB_SPEAK_FLAGS };
static const struct qb_flag flags[] = {
    QB_SPEAKING_FLAGS("0.7"), {"system", 's', "TEXT", "system message; default: the template's own"}, {0}};
static const struct qb_usage usage = {
    "chat", "MODEL [options]",
    "A line is a question; the answer comes token by token. The model's chat template is recognised, not run;\n"
    "an unknown one is said. Lines that begin with / are commands: /help lists them.",
    flags,
    "  qinsbench chat smollm2.gguf --variant q4_k\n"
    "  echo 'Why is the sky blue?' | qinsbench chat smollm2.gguf --temperature 0"};

static const char help[] = "/reset              forget the conversation\n"
                           "/system TEXT        another system message, and /reset\n"
                           "/variant NAME       answer under this variant from now on, and /reset\n"
                           "/variant NAME NAME  answer each question under both\n"
                           "/quit               end";

enum { VOICES = 2 };

struct voice {        /* one variant's side of the conversation */
    const char *name; /* owned */
    struct qb_speaker speaker;
    struct qb_chat_message *messages; /* texts owned */
    size_t count;
};

struct chat {
    struct qb_opened opened;
    struct qb_speaking speaking;
    struct qb_chat_form form;
    struct qb_text bos, eos;
    char *system; /* NULL: none */
    struct voice voices[VOICES];
    size_t voice_count;
    int code; /* of what was printed: the conversation ends when it failed */
};

/* ---- voices ---- */

static void forget(struct voice *voice, size_t keep)
{
    while (voice->count > keep)
        qb_free((char *)(uintptr_t)voice->messages[--voice->count].text);
}

static enum qb_status remember(struct voice *voice, enum qb_chat_role role, const char *text, struct qb_error *err)
{
    struct qb_chat_message *messages =
        qb_grow(voice->messages, voice->count + 1, sizeof *messages, "conversation", err);
    if (!messages)
        return err->status;
    voice->messages = messages;
    char *copy = qb_strdup(text, err);
    if (copy)
        messages[voice->count++] = (struct qb_chat_message){role, copy};
    return err->status;
}

static enum qb_status begin_again(struct chat *chat, struct qb_error *err)
{
    for (size_t i = 0; i < chat->voice_count && !err->status; i++) {
        forget(&chat->voices[i], 0);
        qb_rng_seed(&chat->voices[i].speaker.rng, (uint32_t)chat->speaking.seed);
        if (chat->system)
            remember(&chat->voices[i], QB_CHAT_SYSTEM, chat->system, err);
    }
    return err->status;
}

static void voice_free(struct voice *voice)
{
    forget(voice, 0);
    qb_speaker_free(&voice->speaker);
    qb_free((char *)(uintptr_t)voice->name);
    qb_free(voice->messages);
    *voice = (struct voice){0};
}

/* Voices under the variants named, in the place of those that are there; these stay when one cannot be made. */
static enum qb_status set_voices(struct chat *chat, char *const *names, size_t count, struct qb_error *err)
{
    struct voice made[VOICES] = {0};
    for (size_t i = 0; i < count && !err->status; i++)
        if ((made[i].name = qb_strdup(names[i], err)))
            qb_speaker_make(&chat->opened, names[i], &chat->speaking, &made[i].speaker, err);
    for (size_t i = 0; i < VOICES; i++) {
        struct voice old = err->status ? made[i] : chat->voices[i];
        if (!err->status)
            chat->voices[i] = made[i];
        voice_free(&old);
    }
    if (err->status)
        return err->status;
    chat->voice_count = count;
    return begin_again(chat, err);
}

/* ---- a question ---- */

struct hearing {
    struct qb_stream stream;
    bool one_line; /* the answer ends with its line */
};

static bool hear(void *context, int32_t id)
{
    struct hearing *heard = context;
    qb_stream_add(&heard->stream, id);
    const char *text = heard->stream.all.data ? heard->stream.all.data : "";
    return heard->stream.code == QB_EXIT_DONE && !(heard->one_line && strchr(text + strspn(text, " \n"), '\n'));
}

static enum qb_status answer(struct chat *chat, struct voice *voice, const char *question, struct qb_error *err)
{
    const bool plain = !chat->form.known;
    struct hearing heard = {.stream.skip_blanks = true, .stream.tokenizer = chat->opened.tokenizer, .one_line = plain};
    struct qb_text text = {0};
    struct qb_speech speech;
    size_t before = voice->count, count = 0;
    int32_t *tokens = NULL;
    if (remember(voice, QB_CHAT_USER, question, err))
        return err->status;
    if (chat->voice_count > 1) {
        qb_text_add(&text, "%s: ", voice->name);
        heard.stream.code = qb_print(&text);
        qb_text_free(&text);
    }
    qb_chat_render(&chat->form, voice->messages, voice->count, true, &text);
    /* A template writes BOS itself where there is one. */
    unsigned how = QB_ENCODE_SPECIAL | (plain ? QB_ENCODE_AFFIXES : 0);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the conversation");
    else if (!qb_tokenizer_encode(chat->opened.tokenizer, text.data, text.size, how, &tokens, &count, err) &&
             !qb_speaker_say(&voice->speaker, &chat->speaking, tokens, count, hear, &heard, &speech, err)) {
        qb_stream_end(&heard.stream, true);
        qb_speech_tell(&speech, voice->name, &voice->speaker);
        remember(voice, QB_CHAT_ASSISTANT, heard.stream.all.data ? heard.stream.all.data : "", err);
    }
    if (err->status)
        forget(voice, before);
    qb_stream_end(&heard.stream, false);
    chat->code = heard.stream.code;
    qb_text_free(&heard.stream.all);
    qb_text_free(&text);
    qb_free(tokens);
    return err->status;
}

/* ---- lines ---- */

static enum qb_status set_system(struct chat *chat, const char *text, struct qb_error *err)
{
    char *copy = *text ? qb_strdup(text, err) : NULL;
    if (err->status)
        return err->status;
    qb_free(chat->system);
    chat->system = copy;
    return begin_again(chat, err);
}

/* False: /quit. */
static bool command(struct chat *chat, char *line, struct qb_error *err)
{
    char *rest = line + strcspn(line, " "), *names[VOICES + 1];
    size_t count = 0;
    if (*rest)
        *rest++ = '\0';
    if (strcmp(line, "/quit") == 0)
        return false;
    if (strcmp(line, "/reset") == 0) {
        begin_again(chat, err);
    } else if (strcmp(line, "/system") == 0) {
        set_system(chat, rest, err);
    } else if (strcmp(line, "/variant") == 0) {
        for (char *name = strtok(rest, " "); name && count <= VOICES; name = strtok(NULL, " "))
            names[count++] = name;
        if (count == 0 || count > VOICES)
            qb_tell("/variant: expected one or two names (qinsbench list variants)");
        else
            set_voices(chat, names, count, err);
    } else {
        if (strcmp(line, "/help") != 0)
            qb_tell("%s: no such command", line);
        qb_tell_lines(help);
    }
    return true;
}

static void talk(struct chat *chat)
{
    const bool asks = isatty(STDIN_FILENO);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    bool goes_on = true;
    while (goes_on && chat->code == QB_EXIT_DONE) {
        if (asks)
            qb_tell_status("> ");
        if ((size = getline(&line, &room, stdin)) < 0)
            break;
        struct qb_error err = {0};
        while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            line[--size] = '\0';
        if (line[0] == '/')
            goes_on = command(chat, line, &err);
        else if (line[0])
            for (size_t i = 0; i < chat->voice_count && !err.status && chat->code == QB_EXIT_DONE; i++)
                answer(chat, &chat->voices[i], line, &err);
        if (err.status)
            qb_complain_error(&err);
    }
    free(line);
}

static int run(const char *model, const char *system, const struct qb_speaking *speaking)
{
    struct chat chat = {.speaking = *speaking,
                        .opened = {.calibration = speaking->calibration, .codecs = speaking->codecs.paths}};
    struct qb_error err = {0};
    char *variant = (char *)(uintptr_t)speaking->variant;
    if (qb_opened_model(&chat.opened, model, (unsigned)speaking->threads, &err) ||
        qb_opened_tokenizer(&chat.opened, &err) || (system && set_system(&chat, system, &err)) ||
        set_voices(&chat, &variant, 1, &err))
        goto out;
    const struct qb_tokenizer *tokenizer = chat.opened.tokenizer;
    qb_text_bytes(&chat.bos, "", 0);
    qb_text_bytes(&chat.eos, "", 0);
    qb_tokenizer_bytes(tokenizer, qb_tokenizer_bos(tokenizer), &chat.bos);
    qb_tokenizer_bytes(tokenizer, qb_tokenizer_eos(tokenizer), &chat.eos);
    qb_chat_recognize(qb_tokenizer_chat_template(tokenizer), chat.bos.data, chat.eos.data, &chat.form);
    if (!chat.form.known) {
        chat.form.bos = "";
        qb_tell("%s: %s; questions and answers are written plainly", model,
                qb_tokenizer_chat_template(tokenizer) ? "the chat template is not known"
                                                      : "the model has no chat template");
    }
    talk(&chat);
out:
    for (size_t i = 0; i < VOICES; i++)
        voice_free(&chat.voices[i]);
    qb_free(chat.system);
    qb_text_free(&chat.bos);
    qb_text_free(&chat.eos);
    qb_opened_free(&chat.opened);
    return err.status ? qb_complain_error(&err) : chat.code;
}

int qb_command_chat(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct qb_speaking speaking = qb_speaking_default(0.7);
    struct qb_error err = {0};
    const char *system = NULL;
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0) {
        if (flag == SYSTEM)
            system = optarg;
        else if (qb_speaking_take(flag, &speaking, &err))
            return qb_complain_error(&err);
    }
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc)
        return qb_complain("chat: expected a model (qinsbench chat --help)");
    return run(argv[optind], system, &speaking);
}
