/* The parts of the suite reader; only suite*.c, words.c and task_words.c include this. */
#ifndef QB_SUITE_PARTS_H
#define QB_SUITE_PARTS_H

#include "run/suite.h"

enum qb_status qb_suite_read_model(struct qb_suite *suite, const struct qb_yaml *node, bool wanted,
                                   struct qb_suite_model *model, struct qb_error *err);
enum qb_status qb_suite_read_experiment(struct qb_suite *suite, const struct qb_yaml *node,
                                        struct qb_suite_experiment *entry, struct qb_error *err);
/* The experiment of `base` under a model's options, a map of its option names. */
enum qb_status qb_suite_read_override(const struct qb_suite_experiment *base, const struct qb_yaml *options,
                                      struct qb_suite_experiment *entry, struct qb_error *err);
/* plugins: loads them into the suite's registry. */
enum qb_status qb_suite_read_plugins(struct qb_suite *suite, const struct qb_yaml *node, struct qb_error *err);
enum qb_status qb_suite_read_limits(const struct qb_yaml *node, struct qb_suite_limits *limits, struct qb_error *err);
enum qb_status qb_suite_read_variant(const struct qb_suite *suite, const struct qb_suite_options *options,
                                     const struct qb_yaml *node, struct qb_variant **variant, struct qb_error *err);
/* That of an entry with lists as option values, of which it is the variant `which` (suite_lists.h). */
enum qb_status qb_suite_read_listed(const struct qb_suite_options *options, const struct qb_yaml *node, size_t which,
                                    struct qb_variant **variant, struct qb_error *err);

/* A restriction: map's list of names or globs under key, NULL when there is none. */
enum qb_status qb_suite_list(const struct qb_yaml *map, const char *key, const struct qb_yaml **list,
                             struct qb_error *err);

/* map's integer under key, or `otherwise`; `required`: a missing key is an error. */
enum qb_status qb_suite_count(const struct qb_yaml *map, const char *key, int64_t min, int64_t max, bool required,
                              size_t *value, struct qb_error *err);

/* --set: puts "key=value" into the tree. */
enum qb_status qb_suite_set(struct qb_yaml *root, const char *setting, struct qb_error *err);

/* Names that become groups of the result file and parts of MODEL/VARIANT/EXPERIMENT. */
enum qb_status qb_suite_name(const struct qb_yaml *node, const char *name, const char *what, struct qb_error *err);

#endif
