/* Floors: variants that say what arithmetic or 16-bit storage alone cost, so that a format's loss can be read against
 * them. Which variant is one follows from its definition (qb_variant_floor), never from its name. */
#ifndef QB_FLOOR_H
#define QB_FLOOR_H

#include <stdbool.h>

enum qb_floor {
    QB_FLOOR_NONE,       /* a format under test */
    QB_FLOOR_IDENTITY,   /* FP32 itself: agrees with the reference bit for bit */
    QB_FLOOR_ARITHMETIC, /* FP32 whose products sum their terms from the last to the first */
    QB_FLOOR_FP16,       /* every weight matrix in FP16, decoded before use */
    QB_FLOOR_BF16        /* likewise in BF16 */
};
enum { QB_FLOORS = 5 };

/* "", "identity", "arithmetic", "fp16", "bf16"; static. */
const char *qb_floor_name(enum qb_floor floor);
/* The floor of that name; false, and *floor is QB_FLOOR_NONE, when there is none. */
bool qb_floor_parse(const char *name, enum qb_floor *floor);

/* The floor that a variant's canonical text (variant.h) defines, for result files and baselines that hold this text and
 * no floor. Text that no program wrote, also "", is none. */
enum qb_floor qb_floor_of_definition(const char *definition);

#endif
