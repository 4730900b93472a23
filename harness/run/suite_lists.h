/* A list as an option's value in a suite's variant, or as its base or kv: a variant each. Only suite*.c include this.
 */
#ifndef QB_SUITE_LISTS_H
#define QB_SUITE_LISTS_H

#include <stdbool.h>
#include "base/text.h"
#include "base/yaml.h"

/* How many variants an entry of a suite's `variants` makes: the product over the lists among its options, its base
 * and its kv, 1 where there is none. An empty list, a list in a list, and more than QB_SUITE_SIDE_MAX are QB_ERR_INPUT.
 */
enum qb_status qb_lists_count(const struct qb_yaml *entry, size_t *count, struct qb_error *err);

/* Is there such a list? */
bool qb_lists_are(const struct qb_yaml *entry);

/* One of them: the entry's map with a value in the place of each list. It borrows from the entry. */
struct qb_lists_choice { /* zero-initialise; free with qb_lists_free, also after a failure */
    struct qb_yaml map, options, *values;
    struct qb_text name; /* the entry's and the value of each list, "-" between: what of the value a name can hold */
};
/* The variant `which` (below the count) of an entry with lists; base and kv in the order written, then options: the
 * first list changes slowest. name: the entry's, "" where its base is a list and names it. */
enum qb_status qb_lists_choose(const struct qb_yaml *entry, const char *name, size_t which,
                               struct qb_lists_choice *choice, struct qb_error *err);
void qb_lists_free(struct qb_lists_choice *choice);

#endif
