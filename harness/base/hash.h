/* SHA-256 (libcrypto): model bytes, inputs and content keys. */
#ifndef QB_HASH_H
#define QB_HASH_H

#include <stddef.h>
#include "base/error.h"

#define QB_HASH_HEX 65 /* 64 hexadecimal digits and the NUL */

struct qb_hash; /* a running hash */

struct qb_hash *qb_hash_new(void); /* NULL when memory is short; free with qb_hash_hex or qb_hash_drop */
void qb_hash_bytes(struct qb_hash *hash, const void *data, size_t size);
/* A tagged string: its length goes in first, so that ("ab","c") and ("a","bc") differ. NULL counts as "". */
void qb_hash_text(struct qb_hash *hash, const char *text);
/* What should go in could not be made: the digest will be "". */
void qb_hash_fail(struct qb_hash *hash);
/* Ends the hash, frees it and writes the hexadecimal digest; "" if libcrypto or
 * the caller failed on the way. */
void qb_hash_hex(struct qb_hash *hash, char hex[QB_HASH_HEX]);
void qb_hash_drop(struct qb_hash *hash);

/* The digest of a buffer ("" if libcrypto failed) and of a file's bytes. */
void qb_hash_buffer(const void *data, size_t size, char hex[QB_HASH_HEX]);
enum qb_status qb_hash_file(const char *path, char hex[QB_HASH_HEX], struct qb_error *err);

#endif
