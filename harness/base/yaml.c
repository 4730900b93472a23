/* libyaml's events become a tree. Events, not libyaml's documents, because only events show anchors and tags and let
 * the depth be checked before anything is built. */
#include "base/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "base/file.h"
#include "base/mem.h"

struct reader {
    yaml_parser_t parser;
    const struct qb_yaml_source *source;
};

/* A node of a tree whose name for messages is `file` (kept, not copied); key may be NULL, else it is copied. */
static struct qb_yaml *new_node(enum qb_yaml_kind kind, const char *key, const char *file, unsigned line,
                                struct qb_error *err)
{
    struct qb_yaml *node = qb_alloc(1, sizeof *node, "a YAML node", err);
    if (!node)
        return NULL;
    node->kind = kind;
    node->file = file;
    node->line = line;
    if (key && !(node->key = qb_strdup(key, err))) {
        qb_free(node);
        return NULL;
    }
    return node;
}

enum qb_status qb_yaml_append(struct qb_yaml *parent, struct qb_yaml *child, struct qb_error *err)
{
    struct qb_yaml **children =
        qb_grow(parent->children, parent->count + 1, sizeof *children, "the children of a YAML node", err);
    if (!children)
        return err->status;
    parent->children = children;
    parent->children[parent->count++] = child;
    return QB_OK;
}

void qb_yaml_free_node(struct qb_yaml *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        qb_yaml_free_node(node->children[i]);
    qb_free(node->children);
    qb_free(node->scalar);
    qb_free(node->key);
    qb_free(node);
}

void qb_yaml_free(struct qb_yaml *root)
{
    if (!root)
        return;
    char *file = (char *)(uintptr_t)root->file;
    qb_yaml_free_node(root);
    qb_free(file);
}

/* The parser gives no line for bytes that are no UTF-8, only their offset. */
static size_t line_of_offset(const struct qb_yaml_source *source, size_t offset)
{
    size_t line = 1;
    for (size_t i = 0; i < offset && i < source->size; i++)
        line += source->text[i] == '\n';
    return line;
}

static enum qb_status parser_error(const struct reader *reader, struct qb_error *err)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *name = reader->source->name, *problem = parser->problem ? parser->problem : "not YAML";
    if (parser->error == YAML_MEMORY_ERROR)
        return qb_fail(err, QB_ERR_MEMORY, "%s: out of memory in the YAML parser", name);
    if (parser->error == YAML_READER_ERROR)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: %s", name, line_of_offset(reader->source, parser->problem_offset),
                       problem);
    if (parser->context)
        return qb_fail(err, QB_ERR_INPUT, "%s:%zu: %s, %s that begins in line %zu", name, parser->problem_mark.line + 1,
                       problem, parser->context, parser->context_mark.line + 1);
    return qb_fail(err, QB_ERR_INPUT, "%s:%zu: %s", name, parser->problem_mark.line + 1, problem);
}

/* The caller deletes the event, also after a failure (then it is empty). */
static enum qb_status next(struct reader *reader, yaml_event_t *event, struct qb_error *err)
{
    memset(event, 0, sizeof *event);
    if (!yaml_parser_parse(&reader->parser, event))
        return parser_error(reader, err);
    return QB_OK;
}

static enum qb_status refuse(const struct reader *reader, const yaml_event_t *event, struct qb_error *err,
                             const char *what)
{
    return qb_fail(err, QB_ERR_INPUT, "%s:%zu: %s", reader->source->name, event->start_mark.line + 1, what);
}

static enum qb_status check_event(const struct reader *reader, const yaml_event_t *event, struct qb_error *err)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
            return refuse(reader, event, err, "a text with a NUL character is not allowed");
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return refuse(reader, event, err, "anchors (&name) are not allowed");
    if (tag)
        return refuse(reader, event, err, "tags (!name) are not allowed");
    if (event->type == YAML_ALIAS_EVENT)
        return refuse(reader, event, err, "aliases (*name) are not allowed; quote a text that begins with '*'");
    return QB_OK;
}

static unsigned line_of(const struct reader *reader, const yaml_event_t *event)
{
    return reader->source->lines ? (unsigned)event->start_mark.line + 1 : 0;
}

static int by_key(const void *a, const void *b)
{
    const struct qb_yaml *const *x = a, *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);
    return order ? order : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* Sorts a copy, so that a large map costs n log n. */
static enum qb_status check_duplicates(const struct reader *reader, const struct qb_yaml *map, struct qb_error *err)
{
    if (map->count < 2)
        return QB_OK;
    struct qb_yaml **sorted = qb_alloc(map->count, sizeof *sorted, "the keys of a YAML map", err);
    if (!sorted)
        return err->status;
    memcpy(sorted, map->children, map->count * sizeof *sorted);
    qsort(sorted, map->count, sizeof *sorted, by_key);
    for (size_t i = 1; i < map->count && !err->status; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            qb_fail(err, QB_ERR_INPUT, "%s:%u: key '%s': duplicate, first given in line %u", reader->source->name,
                    sorted[i]->line, sorted[i]->key, sorted[i - 1]->line);
    qb_free(sorted);
    return err->status;
}

static enum qb_status build(struct reader *reader, const yaml_event_t *event, const char *key, unsigned line,
                            unsigned depth, struct qb_yaml **node, struct qb_error *err);

/* Reads the value that follows (of a map's key, or a list's item that has begun with *event) and appends it. */
static enum qb_status build_child(struct reader *reader, const yaml_event_t *event, const char *key, unsigned line,
                                  unsigned depth, struct qb_yaml *parent, struct qb_error *err)
{
    struct qb_yaml *child = NULL;
    if (build(reader, event, key, line, depth, &child, err))
        return err->status;
    if (qb_yaml_append(parent, child, err))
        qb_yaml_free_node(child);
    return err->status;
}

static enum qb_status build_entry(struct reader *reader, const yaml_event_t *key, unsigned depth, struct qb_yaml *map,
                                  struct qb_error *err)
{
    yaml_event_t value;
    if (check_event(reader, key, err))
        return err->status;
    if (key->type != YAML_SCALAR_EVENT || key->data.scalar.length == 0)
        return refuse(reader, key, err, "a key must be a name");
    if (!next(reader, &value, err))
        build_child(reader, &value, (const char *)key->data.scalar.value, line_of(reader, key), depth, map, err);
    yaml_event_delete(&value);
    return err->status;
}

/* The children of a list or map, up to its end event. */
static enum qb_status build_children(struct reader *reader, unsigned depth, struct qb_yaml *parent,
                                     struct qb_error *err)
{
    bool is_map = parent->kind == QB_YAML_MAP, ended = false;
    while (!ended && !err->status) {
        yaml_event_t event;
        if (next(reader, &event, err))
            return err->status;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
            ended = true;
        else if (is_map)
            build_entry(reader, &event, depth, parent, err);
        else
            build_child(reader, &event, NULL, line_of(reader, &event), depth, parent, err);
        yaml_event_delete(&event);
    }
    return !err->status && is_map ? check_duplicates(reader, parent, err) : err->status;
}

/* line: of the key where there is one, for that is what a message names. */
static enum qb_status build(struct reader *reader, const yaml_event_t *event, const char *key, unsigned line,
                            unsigned depth, struct qb_yaml **node, struct qb_error *err)
{
    if (check_event(reader, event, err))
        return err->status;
    if (depth >= QB_YAML_DEPTH_MAX)
        return refuse(reader, event, err, "nested deeper than 32 levels");
    enum qb_yaml_kind kind = event->type == YAML_MAPPING_START_EVENT    ? QB_YAML_MAP
                             : event->type == YAML_SEQUENCE_START_EVENT ? QB_YAML_LIST
                                                                        : QB_YAML_SCALAR;
    struct qb_yaml *made = new_node(kind, key, reader->source->file, line, err);
    if (!made)
        return err->status;
    if (kind == QB_YAML_SCALAR) {
        made->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        made->scalar = qb_strdup((const char *)event->data.scalar.value, err);
    } else {
        build_children(reader, depth + 1, made, err);
    }
    if (err->status)
        qb_yaml_free_node(made);
    else
        *node = made;
    return err->status;
}

/* Takes the next event, which must be of that type. */
static enum qb_status skip(struct reader *reader, yaml_event_type_t type, const char *otherwise, struct qb_error *err)
{
    yaml_event_t event;
    if (!next(reader, &event, err) && event.type != type)
        refuse(reader, &event, err, otherwise);
    yaml_event_delete(&event);
    return err->status;
}

static enum qb_status read_document(struct reader *reader, const char *key, struct qb_yaml **node, struct qb_error *err)
{
    yaml_event_t event = {0};
    if (skip(reader, YAML_STREAM_START_EVENT, "no YAML stream", err) ||
        skip(reader, YAML_DOCUMENT_START_EVENT, "empty: a YAML value was expected", err))
        return err->status;
    if (!next(reader, &event, err))
        build(reader, &event, key, line_of(reader, &event), reader->source->depth, node, err);
    yaml_event_delete(&event);
    if (err->status || skip(reader, YAML_DOCUMENT_END_EVENT, "end of the document expected", err))
        return err->status;
    return skip(reader, YAML_STREAM_END_EVENT, "a second document in one file is not allowed", err);
}

enum qb_status qb_yaml_read(const struct qb_yaml_source *source, const char *key, struct qb_yaml **node,
                            struct qb_error *err)
{
    struct reader reader = {.source = source};
    *node = NULL;
    if (source->size > QB_YAML_BYTES_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s: %zu bytes, larger than the limit of %zu bytes", source->name,
                       source->size, QB_YAML_BYTES_MAX);
    if (!yaml_parser_initialize(&reader.parser))
        return qb_fail(err, QB_ERR_MEMORY, "%s: out of memory in the YAML parser", source->name);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source->text, source->size);
    if (read_document(&reader, key, node, err)) {
        qb_yaml_free_node(*node);
        *node = NULL;
    }
    yaml_parser_delete(&reader.parser);
    return err->status;
}

enum qb_status qb_yaml_parse(const char *text, size_t size, const char *name, struct qb_yaml **root,
                             struct qb_error *err)
{
    *root = NULL;
    char *file = qb_strdup(name, err);
    if (!file)
        return err->status;
    const size_t mark =
        size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* U+FEFF, which some editors put first */
    struct qb_yaml_source source = {
        .text = text + mark, .size = size - mark, .name = name, .file = file, .lines = true};
    if (qb_yaml_read(&source, NULL, root, err))
        qb_free(file);
    return err->status;
}

enum qb_status qb_yaml_load(const char *path, struct qb_yaml **root, struct qb_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *root = NULL;
    if (qb_file_read(path, QB_YAML_BYTES_MAX, &text, &size, err))
        return err->status;
    qb_yaml_parse(text, size, path, root, err);
    qb_free(text);
    return err->status;
}
