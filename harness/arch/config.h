/* Inside of arch.h: reading a model's config, be it config.json or GGUF's metadata. */
#ifndef QB_CONFIG_H
#define QB_CONFIG_H

#include <jansson.h>
#include "arch/arch.h"

struct qb_config {
    const json_t *json;
    const char *prefix; /* of the keys: "" or GGUF's "llama." */
    const struct qb_family *family;
    struct qb_arch *arch;
};

/* A key of a config: its number goes into an option, or (option NULL) code reads it. */
struct qb_config_key {
    const char *key, *option;
    const char *families; /* words; NULL: all */
};

/* The family that a source (config.json or GGUF) calls `word`; NULL with err set, which names `key` and the words there
 * are. */
const struct qb_family *qb_config_family(enum qb_source source, const char *key, const char *word,
                                         struct qb_error *err);

/* The value of prefix + key; NULL: none, or null. Of an array of equal numbers, one. */
const json_t *qb_config_get(const struct qb_config *config, const char *key);
/* A number, or `otherwise` where there is none; within [least, most]. */
enum qb_status qb_config_number(const struct qb_config *config, const char *key, double least, double most,
                                double otherwise, double *value, struct qb_error *err);
/* Likewise a whole number; otherwise 0. */
enum qb_status qb_config_size(const struct qb_config *config, const char *key, size_t *value, struct qb_error *err);
enum qb_status qb_config_flag(const struct qb_config *config, const char *key, bool otherwise, bool *value,
                              struct qb_error *err);
/* A text, or NULL where there is none. */
enum qb_status qb_config_text(const struct qb_config *config, const char *key, const char **text, struct qb_error *err);

/* Takes the family's keys of the table (which ends with key NULL) into options; null is 0. */
enum qb_status qb_config_options(const struct qb_config *config, const struct qb_config_key *keys,
                                 struct qb_error *err);
/* Whether the key is in the table for this family. */
bool qb_config_knows(const struct qb_config *config, const struct qb_config_key *keys, const char *key);
/* null, false, 0, 1, "", [] and {}: an option that is off. */
bool qb_config_off(const json_t *value);
enum qb_status qb_config_refuse(const char *key, const json_t *value, struct qb_error *err);

void qb_config_window(struct qb_arch *arch, size_t layer, bool windowed);
/* What follows from the rest, and whether all holds together. */
enum qb_status qb_config_finish(const struct qb_config *config, struct qb_error *err);

/* rope[0] and rope[1] from config.json. */
enum qb_status qb_config_rope(const struct qb_config *config, struct qb_error *err);

#endif
