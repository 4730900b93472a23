#include "tokenizer/chat.h"

#include <stdio.h>
#include <string.h>

/* The same before and behind a message of each role but its name. */
#define ROLES(left, right)                                                                                             \
    {                                                                                                                  \
        left "system" right, left "user" right, left "assistant" right                                                 \
    }
#define EACH(text)                                                                                                     \
    {                                                                                                                  \
        text, text, text                                                                                               \
    }

static const struct qb_chat_form phi4_mini = {
    .name = "phi4-mini", .before = ROLES("<|", "|>"), .behind = EACH("<|end|>"), .open = "<|assistant|>"};
static const struct qb_chat_form phi4 = {.name = "phi4",
                                         .before = ROLES("<|im_start|>", "<|im_sep|>"),
                                         .behind = EACH("<|im_end|>"),
                                         .open = "<|im_start|>assistant<|im_sep|>"};
static const struct qb_chat_form chatml = {.name = "chatml",
                                           .before = ROLES("<|im_start|>", "\n"),
                                           .behind = EACH("<|im_end|>\n"),
                                           .open = "<|im_start|>assistant\n"};
static const struct qb_chat_form llama3 = {.name = "llama3",
                                           .before = ROLES("<|start_header_id|>", "<|end_header_id|>\n\n"),
                                           .behind = EACH("<|eot_id|>"),
                                           .open = "<|start_header_id|>assistant<|end_header_id|>\n\n",
                                           .trims = true};
static const struct qb_chat_form gemma = {.name = "gemma",
                                          .before = {"", "<start_of_turn>user\n", "<start_of_turn>model\n"},
                                          .behind = {"\n\n", "<end_of_turn>\n", "<end_of_turn>\n"},
                                          .open = "<start_of_turn>model\n",
                                          .system_joins = true,
                                          .trims = true};
static const struct qb_chat_form phi3 = {
    .name = "phi3", .before = ROLES("<|", "|>\n"), .behind = EACH("<|end|>\n"), .open = "<|assistant|>\n"};
static const struct qb_chat_form zephyr = {.name = "zephyr",
                                           .before = ROLES("<|", "|>\n"),
                                           .behind = EACH(""),
                                           .open = "<|assistant|>\n",
                                           .ends = QB_CHAT_EOS_ALL,
                                           .line = "\n"};
static const struct qb_chat_form mistral7 = {.name = "mistral",
                                             .before = {"[SYSTEM_PROMPT]", "[INST]", ""},
                                             .behind = {"[/SYSTEM_PROMPT]", "[/INST]", ""},
                                             .open = "",
                                             .ends = QB_CHAT_EOS_ANSWERS};
static const struct qb_chat_form llama2 = {.name = "llama2",
                                           .before = {"<<SYS>>\n", "[INST] ", " "},
                                           .behind = {"\n<</SYS>>\n\n", " [/INST]", " "},
                                           .open = "",
                                           .bos_each = true,
                                           .system_joins = true,
                                           .trims = true,
                                           .ends = QB_CHAT_EOS_ANSWERS};
static const struct qb_chat_form mistral = {.name = "mistral", /* take_blanks says the rest */
                                            .before = {"", "[INST] ", ""},
                                            .behind = {"\n\n", " [/INST]", ""},
                                            .open = "",
                                            .system_joins = true,
                                            .ends = QB_CHAT_EOS_ANSWERS};
static const struct qb_chat_form plain = {.name = "plain",
                                          .before = {"", "User: ", "Assistant: "},
                                          .behind = {"\n\n", "\n", "\n"},
                                          .open = "Assistant:",
                                          .trims = true};

/* A form is tried where all of `has` stand in the template; the first that fits counts. */
static const struct row {
    const char *has[3];
    const struct qb_chat_form *form;
} rows[] = {
    {{"<|im_start|>", "<|im_sep|>"}, &phi4},
    {{"<|im_start|>"}, &chatml},
    {{"<|start_header_id|>", "<|end_header_id|>"}, &llama3},
    {{"<start_of_turn>"}, &gemma},
    {{"'<|assistant|>' }}", "<|end|>"}, &phi4_mini},
    {{"'<|assistant|>' -}}", "<|end|>"}, &phi4_mini},
    {{"<|assistant|>", "<|end|>"}, &phi3},
    {{"<|assistant|>", "<|user|>", "eos_token"}, &zephyr},
    {{"[SYSTEM_PROMPT]", "[INST]"}, &mistral7},
    {{"[INST]", "<<SYS>>"}, &llama2},
    {{"[INST]"}, &mistral},
};

static bool fits(const struct row *row, const char *text)
{
    for (size_t i = 0; i < 3 && row->has[i]; i++)
        if (!strstr(text, row->has[i]))
            return false;
    return true;
}

/* Mistral's versions differ in blanks (mistral-common, "tokenizers"). */
static void take_blanks(const char *text, struct qb_chat_form *form)
{
    bool spaced = strstr(text, "' [INST] '") || strstr(text, "\" [INST] \"");
    bool answer = strstr(text, "' ' + message") || strstr(text, "\" \" + message");
    form->before[QB_CHAT_USER] = spaced ? " [INST] " : strstr(text, "[INST] ") ? "[INST] " : "[INST]";
    form->behind[QB_CHAT_USER] = strstr(text, " [/INST]") ? " [/INST]" : "[/INST]";
    form->before[QB_CHAT_ASSISTANT] = answer ? " " : "";
    form->joins_last = strstr(text, "loop.last and system") != NULL;
    form->trims_answers = strstr(text, "|trim") || strstr(text, "| trim");
}

/* The text that a template writes as a system message of its own: what stands in it between the beginning of one and
 * its end, and is no part of a program. */
static void take_system(const char *text, struct qb_chat_form *form)
{
    static const char *const begins[] = {"<|im_start|>system\\n", "<|im_start|>system\n",
                                         "<|im_start|>system<|im_sep|>"};
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        for (const char *at = strstr(text, begins[i]); at; at = strstr(at + 1, begins[i])) {
            const char *from = at + strlen(begins[i]), *to = strstr(from, "<|im_end|>");
            size_t size = to ? (size_t)(to - from) : 0;
            if (size == 0 || size >= sizeof form->system || strcspn(from, "'\"{}\\") < size)
                continue;
            memcpy(form->system, from, size);
            form->system[size] = '\0';
            return;
        }
}

void qb_chat_recognize(const char *text, const char *bos, const char *eos, struct qb_chat_form *form)
{
    *form = plain;
    form->bos = bos;
    form->eos = eos;
    if (!text)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fits(&rows[i], text)) {
            *form = *rows[i].form;
            form->known = true;
            form->bos = strstr(text, "bos_token") || strstr(text, "<|begin_of_text|>") ? bos : "";
            form->eos = eos;
            form->drops_thoughts = strstr(text, "</think>") != NULL;
            if (rows[i].form == &mistral)
                take_blanks(text, form);
            take_system(text, form);
            if (rows[i].form == &llama3 && strstr(text, "Cutting Knowledge Date"))
                snprintf(form->preface, sizeof form->preface, "%s",
                         "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
            return;
        }
}

/* ---- writing ---- */

static void write_text(const char *text, bool trims, struct qb_text *out)
{
    static const char white[] = " \t\n\v\f\r";
    size_t size = strlen(text), skip = trims ? strspn(text, white) : 0;
    while (trims && size > skip && strchr(white, text[size - 1]))
        size--;
    qb_text_bytes(out, text + skip, size - skip);
}

/* What stands behind the last </think> and its line ends. */
static const char *without_thoughts(const char *text)
{
    const char *answer = text;
    for (const char *next; (next = strstr(answer, "</think>"));)
        answer = next + strlen("</think>");
    return answer > text ? answer + strspn(answer, "\n") : text;
}

static void write_message(const struct qb_chat_form *form, const struct qb_chat_message *message, const char *system,
                          struct qb_text *out)
{
    enum qb_chat_role role = message->role;
    bool answer = role == QB_CHAT_ASSISTANT;
    const char *text = answer && form->drops_thoughts ? without_thoughts(message->text) : message->text;
    qb_text_add(out, "%s%s", form->bos_each && role == QB_CHAT_USER ? form->bos : "", form->before[role]);
    if (system)
        write_message(form, &(struct qb_chat_message){QB_CHAT_SYSTEM, system}, NULL, out);
    if (role == QB_CHAT_SYSTEM)
        qb_text_add(out, "%s", form->preface);
    write_text(text, form->trims || (answer && form->trims_answers), out);
    bool ends = form->ends == QB_CHAT_EOS_ALL || (answer && form->ends == QB_CHAT_EOS_ANSWERS);
    qb_text_add(out, "%s%s%s", form->behind[role], ends ? form->eos : "", form->line ? form->line : "");
}

void qb_chat_render(const struct qb_chat_form *form, const struct qb_chat_message *messages, size_t count, bool open,
                    struct qb_text *out)
{
    size_t from = count > 0 && messages[0].role == QB_CHAT_SYSTEM, joins = count;
    const char *system = from ? messages[0].text : form->system[0] || form->preface[0] ? form->system : NULL;
    for (size_t i = from; form->system_joins && system && i < count; i++)
        if (messages[i].role == QB_CHAT_USER && (joins == count || form->joins_last))
            joins = i;
    qb_text_add(out, "%s", form->bos_each ? "" : form->bos);
    if (system && !form->system_joins)
        write_message(form, &(struct qb_chat_message){QB_CHAT_SYSTEM, system}, NULL, out);
    for (size_t i = from; i < count; i++)
        write_message(form, &messages[i], i == joins ? system : NULL, out);
    qb_text_add(out, "%s", open ? form->open : "");
}
