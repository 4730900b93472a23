#include "base/json.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

/* Stands before each of jansson's buffers: its neighbours in the ring of what a parse has taken so far, or itself. */
struct piece {
    alignas(max_align_t) struct piece *next;
    struct piece *before;
};

struct parse {
    jmp_buf out;
    struct piece ring;
};
static _Thread_local struct parse *at_work;

static void leave(struct piece *piece)
{
    piece->next->before = piece->before;
    piece->before->next = piece->next;
    piece->next = piece->before = piece;
}

static void *take(size_t size)
{
    struct piece *piece = size < SIZE_MAX - sizeof *piece ? malloc(sizeof *piece + size) : NULL;
    if (!piece && at_work)
        longjmp(at_work->out, 1);
    if (!piece) {
        qb_mem_lose_text(); /* what is being made lacks something, and not all who make it ask */
        return NULL;
    }
    piece->next = piece->before = piece;
    if (at_work) {
        piece->next = at_work->ring.next;
        piece->before = &at_work->ring;
        piece->next->before = piece->before->next = piece;
    }
    return piece + 1;
}

void qb_json_free(void *text)
{
    struct piece *piece = text ? (struct piece *)text - 1 : NULL;
    if (piece)
        leave(piece);
    free(piece);
}

/* Before anything else of jansson is called. */
__attribute__((constructor)) static void begin(void)
{
    json_set_alloc_funcs(take, qb_json_free);
}

json_t *qb_json_load(const char *text, size_t size, size_t flags, json_error_t *cause)
{
    struct parse parse;
    parse.ring.next = parse.ring.before = &parse.ring;
    at_work = &parse;
    if (setjmp(parse.out)) {
        at_work = NULL;
        while (parse.ring.next != &parse.ring)
            qb_json_free(parse.ring.next + 1);
        *cause = (json_error_t){0};
        snprintf(cause->text, sizeof cause->text, "out of memory");
        return NULL;
    }
    json_t *root = json_loadb(text, size, flags, cause);
    at_work = NULL;
    while (parse.ring.next != &parse.ring)
        leave(parse.ring.next);
    return root;
}

enum qb_status qb_json_read_object(const char *path, json_t **object, struct qb_error *err)
{
    json_error_t json_err;
    char *text = NULL;
    size_t size = 0;
    *object = NULL;
    if (qb_file_read(path, (size_t)16 << 20, &text, &size, err))
        return err->status;
    json_t *root = qb_json_load(text, size, JSON_REJECT_DUPLICATES, &json_err);
    if (!root)
        qb_fail(err, QB_ERR_INPUT, "%s:%d: %s", path, json_err.line, json_err.text);
    else if (!json_is_object(root))
        qb_fail(err, QB_ERR_INPUT, "%s: expected an object", path);
    qb_free(text);
    if (err->status)
        json_decref(root);
    else
        *object = root;
    return err->status;
}
