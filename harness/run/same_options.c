/* Whether two recorded option texts ask an experiment for the same thing. */
#include <string.h>
#include "base/text.h"
#include "codec/options.h"
#include "run/experiment.h"

/* The word "name=value" of `options` that gives the option [name, name + span), with its length; NULL: it has none. */
static const char *word_of(const char *options, const char *name, size_t span, size_t *length)
{
    for (const char *at = options; *at; at += strspn(at, " ")) {
        *length = strcspn(at, " ");
        if (*length > span && strncmp(at, name, span) == 0 && at[span] == '=')
            return at;
        at += *length;
    }
    return NULL;
}

/* Whether the word asks for what the experiment does where the option is not named. */
static bool is_default(const struct qb_experiment *experiment, const char *word, size_t length)
{
    const size_t name = strcspn(word, "=");
    for (const struct qb_codec_option *o = experiment ? experiment->options : NULL; o && o->name; o++) {
        union qb_option_value value;
        struct qb_error err = {0};
        struct qb_text text = {0};
        if (strlen(o->name) != name || strncmp(o->name, word, name) != 0 ||
            qb_option_parse(o, o->default_value, &value, &err))
            continue;
        qb_option_print(o, &value, &text);
        const bool same =
            !text.failed && text.size == length - name - 1 && memcmp(text.data, word + name + 1, text.size) == 0;
        qb_text_free(&text);
        return same;
    }
    return false;
}

/* Every option of `a` is `b`'s, or at its default where `b` does not name it. */
static bool within(const struct qb_experiment *experiment, const char *a, const char *b)
{
    for (const char *at = a; *at; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        size_t other = 0;
        const char *there = word_of(b, at, strcspn(at, "= "), &other);
        if (there ? other != length || strncmp(at, there, length) != 0 : !is_default(experiment, at, length))
            return false;
        at += length;
    }
    return true;
}

bool qb_experiment_same_options(const char *experiment, const char *a, const char *b)
{
    const struct qb_experiment *known = qb_experiment_find(experiment);
    return within(known, a, b) && within(known, b, a);
}
