/* Buffers between pages that cannot be touched, with a pattern in the slack: what finds a plugin that reads or writes
 * outside. For the conformance suite's processes, which end soon: a buffer is never freed. */
#ifndef QB_GUARD_H
#define QB_GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum qb_guard_side {
    QB_GUARD_BEFORE, /* the buffer starts at a guard page's end; behind it come pattern bytes (64 at least) */
    QB_GUARD_AFTER   /* the buffer ends where a guard page starts; before it come pattern bytes */
};

struct qb_guard {
    unsigned char *data;
    size_t size;
    unsigned char *pages; /* the pages between the guards: slack and data */
    size_t pages_size;
    const char *name; /* for messages */
};

/* A buffer of size bytes, each set to `fill`. Ends the process with a message on stderr when memory is short. */
struct qb_guard qb_guard_new(const char *name, size_t size, enum qb_guard_side side, unsigned char fill);

/* Whether the slack still holds its pattern; if not, message says where the first and how many changes are. */
bool qb_guard_intact(const struct qb_guard *guard, char *message, size_t message_size);

/* From now on a touch of a guard page of any buffer of this process writes "<verdict byte>touched byte N past the end
 * of <name>" to fd and ends the process with status 0; other faults take the default way. */
void qb_guard_catch(int fd, char verdict);

#endif
