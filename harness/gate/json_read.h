/* Typed reading of JSON that someone else wrote: an error names the file, the place and what was expected. Internal to
 * gate/. */
#ifndef QB_GATE_JSON_READ_H
#define QB_GATE_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "gate/baseline_words.h"

/* Where a value stands: "cells[3].metrics[0].sum". */
struct qb_json_place {
    const char *file;
    char path[200];
    struct qb_error *err;
};
struct qb_json_place qb_json_inside(const struct qb_json_place *at, const char *key);
struct qb_json_place qb_json_item(const struct qb_json_place *at, size_t i);

/* "file: place: <formatted>" as QB_ERR_INPUT. */
enum qb_status qb_json_wrong(const struct qb_json_place *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *qb_json_type(const json_t *value); /* "a text"; "nothing" for NULL */

/* `object` is an object without keys that are not in `keys` (NULL-terminated). */
enum qb_status qb_json_known(const json_t *object, const char *const *keys, const struct qb_json_place *at);

/* The value under `key` of an object. A text is new, for qb_free, and clean (base/utf8.h); at most 64 KiB. */
enum qb_status qb_json_text(const json_t *object, const char *key, const struct qb_json_place *at, char **out);
enum qb_status qb_json_short(const json_t *object, const char *key, const struct qb_json_place *at, char *out,
                             size_t room);
/* 64 hexadecimal digits, or "" for what was not recorded. */
enum qb_status qb_json_hash(const json_t *object, const char *key, const struct qb_json_place *at,
                            char out[QB_HASH_HEX]);
/* The name of a model, variant or experiment (qb_name_ok). */
enum qb_status qb_json_name(const json_t *object, const char *key, const struct qb_json_place *at, char **out);
/* The index of one of three words. */
enum qb_status qb_json_word(const json_t *object, const char *key, const struct qb_json_place *at,
                            const char *const words[QB_BASELINE_WORDS], int *out);
/* A finite number. */
enum qb_status qb_json_finite(const json_t *value, const struct qb_json_place *here, double *out);
/* What qb_json_number writes (base/text_format.h): a number, "inf", "-inf", "nan", or null, which is NaN and *there
 * false. */
enum qb_status qb_json_measured(const json_t *value, const struct qb_json_place *here, double *out, bool *there);
enum qb_status qb_json_list(const json_t *object, const char *key, const struct qb_json_place *here, size_t most,
                            const json_t **list);

#endif
