/* The folder of shards beside a run's output, and the lock that keeps two runs off one output. */
#ifndef QB_SHARDS_H
#define QB_SHARDS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

#define QB_SHARD_PATH 4200

struct qb_shards {
    char output[PATH_MAX]; /* result file, where links lead: all names of it share a lock */
    char *folder;          /* "<output>.shards" */
    int lock;              /* of "<output>.lock"; -1: none */
};

/* Locks the output, whose folder it makes, and checks that it is no file of somebody else's; the folder of shards is
 * not made yet. The caller closes it, also after a failure. */
enum qb_status qb_shards_open(struct qb_shards *shards, const char *output, struct qb_error *err);
void qb_shards_close(struct qb_shards *shards); /* an empty folder goes */

/* Where a cell of this key is in a folder of shards, a run's or the cache; is this the name of one, <key>.h5; or of one
 * in the making, which begins with it (temp.h)? */
void qb_shard_path(const char *folder, const char *key, char out[QB_SHARD_PATH]);
bool qb_shard_name(const char *name);
bool qb_shard_ours(const char *name);
/* The same of parts of a cell (parts.h), <key>.<first row>.part; *first may be NULL. Each begins with the key. */
void qb_part_path(const char *folder, const char *key, size_t first, char out[QB_SHARD_PATH]);
bool qb_part_name(const char *name, size_t *first);
/* Does the file of this name in the folder begin as a shard does, whole or damaged? */
bool qb_shard_inside(int folder, const char *name);

/* Removes shards and parts in the making, which killed workers left, links that are named like them, and with `all`
 * the shards and parts but those that `keep` names. What has another name is not ours and stays. */
void qb_shards_sweep(const struct qb_shards *shards, bool all, bool (*keep)(const void *context, const char *name),
                     const void *context);
/* How many parts lie in the folder that `due` names. */
size_t qb_shards_parts(const struct qb_shards *shards, bool (*due)(const void *context, const char *name),
                       const void *context);

#endif
