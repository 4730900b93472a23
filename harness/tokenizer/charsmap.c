/* SentencePiece's precompiled table of replacements (src/normalizer.cc, third_party/darts_clone/darts.h): a double
 * array whose units hold a label, an offset to the children, and whether a key ends here; the value is a place among
 * the replacements. */
#include <string.h>
#include <utf8proc.h>
#include "tokenizer/normalize.h"

struct table {
    const unsigned char *units;
    size_t count;
    const char *replacements;
    size_t size;
};

static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct table table_of(const char *bytes, size_t size)
{
    uint32_t trie = size < 4 ? 0 : word_at((const unsigned char *)bytes);
    if (size < 4 || trie > size - 4 || trie % 4 != 0 || trie < 4)
        return (struct table){0};
    return (struct table){(const unsigned char *)bytes + 4, trie / 4, bytes + 4 + trie, size - 4 - trie};
}

enum qb_status qb_charsmap_check(const char *bytes, size_t size, struct qb_error *err)
{
    struct table table = table_of(bytes, size);
    if (table.count == 0 || table.size == 0 || table.replacements[table.size - 1] != '\0')
        return qb_fail(err, QB_ERR_INPUT, "precompiled_charsmap: %zu bytes, expected a trie and texts ending in NUL",
                       size);
    return QB_OK;
}

/* The replacement of the longest (or shortest) key that text[size] begins with, and the key's size; NULL: none. */
static const char *lookup(const struct table *table, const char *text, size_t size, bool shortest, size_t *key)
{
    const char *found = NULL;
    uint32_t unit = word_at(table->units);
    size_t at = (unit >> 10) << ((unit & 1u << 9) >> 6);
    for (size_t i = 0; i < size; i++) {
        at ^= (unsigned char)text[i];
        if (at >= table->count)
            break;
        unit = word_at(table->units + 4 * at);
        if ((unit & (1u << 31 | 0xff)) != (unsigned char)text[i])
            break;
        at ^= (unit >> 10) << ((unit & 1u << 9) >> 6);
        if ((unit >> 8 & 1) && at < table->count) {
            uint32_t value = word_at(table->units + 4 * at) & 0x7fffffff;
            if (value < table->size) {
                found = table->replacements + value;
                *key = i + 1;
                if (shortest)
                    break;
            }
        }
    }
    return found;
}

/* Bytes of the grapheme cluster that text[size], valid UTF-8 at its start, begins with; 1 for a byte that is none. */
static size_t cluster_size(const char *text, size_t size)
{
    utf8proc_int32_t state = 0;
    uint32_t last, point;
    size_t at = qb_utf8_sequence(text, size, &last), length;
    if (at == 0)
        return 1;
    while (at < size && (length = qb_utf8_sequence(text + at, size - at, &point)) > 0 &&
           !utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)point, &state)) {
        last = point;
        at += length;
    }
    return at;
}

static void apply_longest(const struct table *table, const char *text, size_t size, size_t most, struct qb_text *out)
{
    for (size_t at = 0, length; at < size && out->size <= most; at += length) {
        uint32_t point;
        const char *made = lookup(table, text + at, size - at, false, &length);
        if (made) {
            qb_text_bytes(out, made, strlen(made));
            continue;
        }
        length = qb_utf8_sequence(text + at, size - at, &point);
        length = length ? length : 1;
        qb_text_bytes(out, text + at, length);
    }
}

/* A cluster of fewer than 6 bytes whose start has an entry becomes that entry as a whole, as the tokenizers library
 * (spm_precompiled) does it; else each character by itself. */
static void apply_clusters(const struct table *table, const char *text, size_t size, size_t most, struct qb_text *out)
{
    size_t key;
    for (size_t at = 0, cluster; at < size && out->size <= most; at += cluster) {
        cluster = cluster_size(text + at, size - at);
        const char *whole = cluster < 6 ? lookup(table, text + at, cluster, true, &key) : NULL;
        if (whole)
            qb_text_bytes(out, whole, strlen(whole));
        for (size_t i = at, length; !whole && i < at + cluster; i += length) {
            uint32_t point;
            length = qb_utf8_sequence(text + i, at + cluster - i, &point);
            length = length ? length : 1;
            const char *made = lookup(table, text + i, length, true, &key);
            made ? qb_text_bytes(out, made, strlen(made)) : qb_text_bytes(out, text + i, length);
        }
    }
}

void qb_charsmap_apply(const struct qb_normal_step *step, const char *text, size_t size, size_t most,
                       struct qb_text *out)
{
    struct table table = table_of(step->content, step->size);
    (step->graphemes ? apply_clusters : apply_longest)(&table, text, size, most, out);
}
