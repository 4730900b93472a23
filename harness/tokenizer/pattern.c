#include "tokenizer/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"

#define PATTERN_MAX ((size_t)1 << 16)
#define STEPS_MAX 20000000u /* of one match; a split of a megabyte of blanks takes two million */
#define HEAP_MAX_KIB 65536u
#define STACK_MAX ((size_t)1 << 20)

struct qb_pattern {
    pcre2_code *code; /* NULL: the text is searched as it stands */
    char *text;
    size_t size;
};

/* White_Space of the Unicode database; \w of UTS #18, without its join controls. Both for inside of [...]. */
#define SPACES "\\t-\\r \\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define WORDS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"

/* Appends what an escape of the dialect, `\c`, is for PCRE2. False: it has no such form. */
static bool translate_escape(char c, bool in_class, struct qb_text *out)
{
    const char *set = c == 's' || c == 'S' ? SPACES : c == 'w' || c == 'W' ? WORDS : NULL;
    bool other = c == 'S' || c == 'W';
    if (c == 'h' || c == 'H' || (in_class && c == 'W'))
        return false;
    if (!set || (in_class && other)) /* \S in a class: PCRE2's, which counts U+180E as a blank */
        qb_text_add(out, "\\%c", c);
    else if (in_class)
        qb_text_add(out, "%s", set);
    else
        qb_text_add(out, "[%s%s]", other ? "^" : "", set);
    return true;
}

static enum qb_status translate(const char *text, size_t size, struct qb_text *out, struct qb_error *err)
{
    bool in_class = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < size) {
            if (!translate_escape(text[++i], in_class, out))
                return qb_fail(err, QB_ERR_INPUT, "pattern '%.*s': \\%c is not supported%s", QB_UPTO(200, text),
                               text[i], in_class ? " in a class" : "");
            continue;
        }
        if (in_class &&
            ((c == '[' && (i + 1 == size || text[i + 1] != ':')) || (c == '&' && i + 1 < size && text[i + 1] == '&')))
            return qb_fail(err, QB_ERR_INPUT, "pattern '%.*s': classes within classes are not supported",
                           QB_UPTO(200, text));
        if (in_class && c == '[') { /* [:name:] */
            const char *close = strstr(text + i, ":]");
            size_t length = close ? (size_t)(close - text) + 2 - i : 1;
            qb_text_bytes(out, text + i, length);
            i += length - 1;
            continue;
        }
        qb_text_bytes(out, &c, 1);
        if (!in_class && c == '[') {
            in_class = true;
            if (i + 1 < size && text[i + 1] == '^')
                qb_text_bytes(out, &text[++i], 1);
        } else if (in_class && c == ']') {
            in_class = false;
        }
    }
    return out->failed ? qb_fail(err, QB_ERR_MEMORY, "no memory for a pattern") : QB_OK;
}

enum qb_status qb_pattern_literal(const char *text, size_t size, struct qb_pattern **pattern, struct qb_error *err)
{
    struct qb_pattern *new = qb_alloc(1, sizeof *new, "pattern", err);
    new = new && (new->text = qb_alloc(size + 1, 1, "pattern", err)) ? new : (qb_free(new), NULL);
    if (!new)
        return err->status;
    memcpy(new->text, text, size);
    new->size = size;
    *pattern = new;
    return QB_OK;
}

enum qb_status qb_pattern_regex(const char *text, size_t size, struct qb_pattern **pattern, struct qb_error *err)
{
    struct qb_text own = {0};
    struct qb_pattern *new = NULL;
    int code = 0;
    PCRE2_SIZE place = 0;
    if (size > PATTERN_MAX || strlen(text) != size)
        return qb_fail(err, QB_ERR_INPUT, "a pattern of %zu bytes, expected at most %zu and no NUL", size, PATTERN_MAX);
    if (translate(text, size, &own, err) || qb_pattern_literal(text, size, &new, err))
        goto out;
    new->code = pcre2_compile((PCRE2_SPTR)(own.data ? own.data : ""), own.size,
                              PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &place, NULL);
    if (!new->code) {
        PCRE2_UCHAR say[128] = "";
        pcre2_get_error_message(code, say, sizeof say);
        qb_fail(err, QB_ERR_INPUT, "pattern '%.*s': %s", QB_UPTO(200, text), (const char *)say);
        goto out;
    }
    pcre2_jit_compile(new->code, PCRE2_JIT_COMPLETE); /* without it a match is only slower */
    *pattern = new;
    new = NULL;
out:
    qb_pattern_free(new);
    qb_text_free(&own);
    return err->status;
}

void qb_pattern_free(struct qb_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    qb_free(pattern->text);
    qb_free(pattern);
}

size_t qb_valid_upto(const char *text, size_t size)
{
    size_t at = 0, length;
    uint32_t point;
    while (at < size) {
        if ((unsigned char)text[at] < 0x80)
            at++;
        else if ((length = qb_utf8_sequence(text + at, size - at, &point)) > 0)
            at += length;
        else
            break;
    }
    return at;
}

/* ---- cutting ---- */

struct qb_matcher {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack; /* NULL: the machine's, which is smaller */
};

struct qb_matcher *qb_matcher_new(struct qb_error *err)
{
    struct qb_matcher *matcher = qb_alloc(1, sizeof *matcher, "pattern match", err);
    if (!matcher)
        return NULL;
    matcher->match = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    if (!matcher->match || !matcher->context) {
        qb_matcher_free(matcher);
        qb_fail(err, QB_ERR_MEMORY, "no memory for a pattern's match");
        return NULL;
    }
    matcher->stack = pcre2_jit_stack_create(32 << 10, STACK_MAX, NULL);
    pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    pcre2_set_match_limit(matcher->context, STEPS_MAX);
    pcre2_set_heap_limit(matcher->context, HEAP_MAX_KIB);
    return matcher;
}

void qb_matcher_free(struct qb_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->match);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    qb_free(matcher);
}

/* The next match that is not empty in text[at .. run_end), to match_from, match_to; 0, 0: there is none. Assertions see
 * what stands before `at`, but not over bytes that are no UTF-8. */
static enum qb_status search(struct qb_cut *cut, struct qb_error *err)
{
    const struct qb_pattern *pattern = cut->pattern;
    const struct qb_matcher *matcher = cut->matcher;
    cut->match_from = cut->match_to = 0;
    if (!pattern->code) {
        const char *found =
            pattern->size ? memmem(cut->text + cut->at, cut->run_end - cut->at, pattern->text, pattern->size) : NULL;
        cut->match_from = found ? (size_t)(found - cut->text) : 0;
        cut->match_to = found ? cut->match_from + pattern->size : 0;
        return QB_OK;
    }
    size_t run = cut->run;
    int code = pcre2_match(pattern->code, (PCRE2_SPTR)cut->text + run, cut->run_end - run, cut->at - run,
                           PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, matcher->match, matcher->context);
    if (code == PCRE2_ERROR_NOMATCH)
        return QB_OK;
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(matcher->match);
    PCRE2_UCHAR say[128] = "a match that begins before it";
    if (code < 0)
        pcre2_get_error_message(code, say, sizeof say);
    if (code < 0 || found[0] + run < cut->at || found[1] <= found[0])
        return qb_fail(err, QB_ERR_INPUT, "pattern '%.*s' at byte %zu of a text: %s", QB_UPTO(200, pattern->text),
                       cut->at, (const char *)say);
    cut->match_from = found[0] + run;
    cut->match_to = found[1] + run;
    return QB_OK;
}

/* Where the bytes from `at` on that are no UTF-8 end. */
static size_t invalid_upto(const char *text, size_t size, size_t at)
{
    uint32_t point;
    while (at < size && (unsigned char)text[at] >= 0x80 && !qb_utf8_sequence(text + at, size - at, &point))
        at++;
    return at;
}

enum qb_status qb_cut_next(struct qb_cut *cut, size_t *from, size_t *to, bool *match, struct qb_error *err)
{
    *from = *to = cut->at;
    *match = false;
    if (cut->at == cut->size)
        return QB_OK;
    if (cut->at == cut->run_end) { /* of the last run; the first begins at 0 */
        *to = cut->at = invalid_upto(cut->text, cut->size, cut->at);
        cut->run = cut->at;
        cut->run_end = cut->at + qb_valid_upto(cut->text + cut->at, cut->size - cut->at);
        if (*to > *from)
            return QB_OK;
    }
    if (cut->match_to <= cut->at && search(cut, err))
        return err->status;
    bool found = cut->match_to > cut->at;
    *match = found && cut->match_from == cut->at;
    *to = *match ? cut->match_to : found ? cut->match_from : cut->run_end;
    cut->at = *to;
    return QB_OK;
}
