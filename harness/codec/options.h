/* Options of a codec as data: parsed from text, printed, checked when a plugin is loaded. */
#ifndef QB_OPTIONS_H
#define QB_OPTIONS_H

#include <stddef.h>
#include "base/error.h"
#include "codec/codec.h"

#define QB_OPTIONS_MAX 32          /* entries of a codec's option list */
#define QB_SCOPE_GROUP_MAX 1048576 /* largest N of "group:N" */

/* Parses text as the option's type into *value; an error (QB_ERR_INPUT) says what was expected and what was found,
 * without naming the option. Numbers are decimal, as YAML writes them, without blanks around. */
enum qb_status qb_option_parse(const struct qb_codec_option *option, const char *text, union qb_option_value *value,
                               struct qb_error *err);

struct qb_text;
/* The value as its canonical text: what qb_option_parse reads back to the same value. */
void qb_option_print(const struct qb_codec_option *option, const union qb_option_value *value, struct qb_text *out);
/* What the option takes, for help and messages: "an integer in [1, 8]", "one of packed, source", ... */
void qb_option_domain(const struct qb_codec_option *option, struct qb_text *out);

/* Entries of a codec's list; NULL gives 0. At most QB_OPTIONS_MAX + 1 entries are looked at. */
size_t qb_options_count(const struct qb_codec_option *options);

/* Whether the list is well formed: names, types, ranges, choices, help, and defaults that parse; QB_ERR_CODEC. */
enum qb_status qb_options_check(const struct qb_codec_option *options, struct qb_error *err);

#endif
