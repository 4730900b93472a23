/* References kept from run to run, one file a content key, in a folder that may be deleted at any time. Runs may share
 * it: files appear by rename or by hard link, and a run works on a shard of its own, which shares the entry's bytes
 * where the file system lets it. */
#ifndef QB_CACHE_H
#define QB_CACHE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"

struct qb_cache {
    const char *folder; /* borrowed; NULL: no cache */
    uint64_t most;      /* bytes of all entries; what a run has at work is not counted out */
};

/* Puts the entry of key at `path`, in the place of what is there; false when there is none. */
bool qb_cache_get(const struct qb_cache *cache, const char *key, const char *path);
/* Keeps the file at `path` under key. */
enum qb_status qb_cache_put(const struct qb_cache *cache, const char *key, const char *path, struct qb_error *err);
void qb_cache_drop(const struct qb_cache *cache, const char *key);
/* Removes the entries that were used longest ago until the rest is within bounds; none that a run works on. */
void qb_cache_trim(const struct qb_cache *cache);

#endif
