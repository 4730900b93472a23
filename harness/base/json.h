/* jansson, but without its trust in memory: its parser goes on with a text that it could not store (strbuffer.c of 2.14
 * is not asked whether it failed), asserts, and writes behind buffers. */
#ifndef QB_JSON_H
#define QB_JSON_H

#include <jansson.h>
#include <stddef.h>
#include "base/error.h"

/* json_loadb; NULL with *cause filled, which says so when memory ran out. For json_decref. */
json_t *qb_json_load(const char *text, size_t size, size_t flags, json_error_t *cause);
/* The object that the file at path holds, for json_decref; each key once. NULL with err set (QB_ERR_INPUT with the
 * line) where it holds no object or is over 16 MiB. */
enum qb_status qb_json_read_object(const char *path, json_t **object, struct qb_error *err);
/* Frees what json_dumps returned: jansson's memory is not malloc's here. */
void qb_json_free(void *text);

#endif
