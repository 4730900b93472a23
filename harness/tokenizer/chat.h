/* A conversation as the text that a chat model was trained on. A model's template is a Jinja program; it is not run but
 * recognised by what its text contains, and what it makes is a row of a table. */
#ifndef QB_CHAT_H
#define QB_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include "base/text.h"

enum qb_chat_role { QB_CHAT_SYSTEM, QB_CHAT_USER, QB_CHAT_ASSISTANT };
enum qb_chat_eos { QB_CHAT_EOS_NONE, QB_CHAT_EOS_ANSWERS, QB_CHAT_EOS_ALL };
struct qb_chat_message {
    enum qb_chat_role role;
    const char *text;
};

/* How a template writes messages; made by qb_chat_recognize, borrows nothing. */
struct qb_chat_form {
    const char *name;                  /* "chatml", "llama3", ..., or "plain": it is not known, or there is none */
    bool known;                        /* false: "plain" */
    const char *before[3], *behind[3]; /* around a message of each role */
    const char *open;                  /* the assistant's turn begins */
    const char *bos, *eos;             /* tokens that stand for themselves; "" where the template writes none */
    bool bos_each;                     /* before each user's message, not only once */
    bool system_joins;                 /* a system message goes before the first user's */
    bool joins_last;                   /* ... before the last user's */
    bool trims, trims_answers;         /* white space around a message goes, or around an answer */
    enum qb_chat_eos ends;             /* behind which messages eos stands */
    const char *line;                  /* behind that */
    bool drops_thoughts;               /* an earlier answer loses what stands before </think> */
    char preface[256];                 /* before every system message, which is then always there */
    char system[256];                  /* the system message where a conversation has none; "": none */
};

/* The form of a template (NULL: the model has none). bos, eos: the texts of these tokens, "" where there is none;
 * borrowed by the form. */
void qb_chat_recognize(const char *template_text, const char *bos, const char *eos, struct qb_chat_form *form);
/* Appends a conversation, and with `open` the beginning of the assistant's turn. The text spells out control tokens,
 * BOS among them where the template writes one: it is to be encoded with QB_ENCODE_SPECIAL alone. */
void qb_chat_render(const struct qb_chat_form *form, const struct qb_chat_message *messages, size_t count, bool open,
                    struct qb_text *out);

#endif
