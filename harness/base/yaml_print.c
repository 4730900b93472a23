/* A tree as canonical flow YAML that parses back to an equal tree. */
#include "base/yaml_tree.h"

#include <string.h>
#include "base/text.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* May it stand without quotes? A quoted text that a reader could take for a number, boolean or null keeps them. */
static bool is_bare(const char *text, bool quoted)
{
    static const char *const words[] = {"null", "true", "false", "on", "off", "yes", "no"};
    if (text[0] == '\0' || text[strspn(text, LETTERS DIGITS "_./+-")] != '\0')
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0)
            return !quoted;
    if (strchr(LETTERS "_/", text[0]))
        return true;
    return !quoted && strpbrk(text, LETTERS DIGITS) == text + strspn(text, "+-.") && strncmp(text, "--", 2) != 0 &&
           strncmp(text, "..", 2) != 0;
}

/* One character of valid UTF-8 (the parser has checked it). */
static unsigned long code_point(const unsigned char **at)
{
    unsigned char lead = *(*at)++;
    int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    unsigned long code = more == 3 ? lead & 0x07u : more == 2 ? lead & 0x0Fu : more == 1 ? lead & 0x1Fu : lead;
    for (; more > 0 && **at; more--)
        code = code << 6 | (*(*at)++ & 0x3Fu);
    return code;
}

/* ASCII only: some characters beyond it are line breaks to YAML, or may not stand raw. */
static void print_quoted(const char *text, struct qb_text *out)
{
    const unsigned char *at = (const unsigned char *)text;
    qb_text_add(out, "\"");
    while (*at) {
        unsigned long code = code_point(&at);
        if (code == '"' || code == '\\')
            qb_text_add(out, "\\%c", (int)code);
        else if (code >= 0x20 && code < 0x7F)
            qb_text_add(out, "%c", (int)code);
        else if (code <= 0xFF)
            qb_text_add(out, "\\x%02lX", code);
        else if (code <= 0xFFFF)
            qb_text_add(out, "\\u%04lX", code);
        else
            qb_text_add(out, "\\U%08lX", code);
    }
    qb_text_add(out, "\"");
}

static void print_scalar(const char *text, bool quoted, struct qb_text *out)
{
    if (is_bare(text, quoted))
        qb_text_add(out, "%s", text);
    else
        print_quoted(text, out);
}

#define IMPLICIT_KEY 1000 /* YAML takes 1024 characters of a key that is not marked as one */

static void print_key(const char *key, struct qb_text *out)
{
    struct qb_text text = {0};
    print_scalar(key, true, &text);
    if (text.size > IMPLICIT_KEY)
        qb_text_add(out, "? ");
    qb_text_bytes(out, text.data ? text.data : "", text.size);
    out->failed = out->failed || text.failed;
    qb_text_add(out, ": ");
    qb_text_free(&text);
}

void qb_yaml_print(const struct qb_yaml *node, struct qb_text *out)
{
    if (node->kind == QB_YAML_SCALAR) {
        if (qb_yaml_is_null(node))
            qb_text_add(out, "null");
        else
            print_scalar(node->scalar, node->quoted, out);
        return;
    }
    bool is_map = node->kind == QB_YAML_MAP;
    qb_text_add(out, is_map ? "{" : "[");
    for (size_t i = 0; i < node->count; i++) {
        qb_text_add(out, "%s", i ? ", " : "");
        if (is_map)
            print_key(node->children[i]->key, out);
        qb_yaml_print(node->children[i], out);
    }
    qb_text_add(out, is_map ? "}" : "]");
}
