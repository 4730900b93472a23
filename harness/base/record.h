/* A record: the named raw arrays, scalars and notes that an experiment leaves behind. The store writes records as
 * HDF5 groups, the metrics read them. No metric is stored that cannot be derived again from a record. */
#ifndef QB_RECORD_H
#define QB_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum qb_dtype { QB_F32, QB_F64, QB_I32, QB_I64, QB_U8, QB_TEXT }; /* QB_TEXT: a list of strings, rank 1 */

#define QB_RANK_MAX 4

struct qb_array {
    char *name;        /* [a-z0-9_]+, unique in its record */
    char *unit;        /* "nat", "token id", "bytes", "1" for a pure number */
    char *description; /* one line: what an entry is and what each dimension counts */
    enum qb_dtype dtype;
    int rank; /* 0: a scalar */
    size_t dims[QB_RANK_MAX];
    size_t count; /* product of dims */
    void *data;   /* qb_alloc'ed; for QB_TEXT an array of char* */
};

struct qb_record {
    struct qb_array *arrays;
    size_t count;
};

/* Adds an array of zeros and returns its data for filling (owned by the record); NULL with err set on failure.
 * The name must be new; a bad name, rank or type is QB_ERR_INTERNAL. dims may be NULL for rank 0. Entries of a QB_TEXT
 * array are filled with qb_strdup. */
void *qb_record_add(struct qb_record *record, const char *name, enum qb_dtype dtype, int rank, const size_t *dims,
                    const char *unit, const char *description, struct qb_error *err);

/* Scalars: rank 0. */
enum qb_status qb_record_f64(struct qb_record *record, const char *name, double value, const char *unit,
                             const char *description, struct qb_error *err);
enum qb_status qb_record_i64(struct qb_record *record, const char *name, int64_t value, const char *unit,
                             const char *description, struct qb_error *err);
/* A list of strings (copied, each as one clean line: base/utf8.h). */
enum qb_status qb_record_text(struct qb_record *record, const char *name, const char *const *values, size_t count,
                              const char *description, struct qb_error *err);

/* The array of that name, or NULL. The pointer holds until the next addition; the array's data stays where it is. */
const struct qb_array *qb_record_find(const struct qb_record *record, const char *name);
/* The array of that name with that type and rank, or NULL: what a metric uses to ask for its inputs. */
const struct qb_array *qb_record_get(const struct qb_record *record, const char *name, enum qb_dtype dtype, int rank);
/* The value of a scalar of any numeric type; `otherwise` when it is missing. */
double qb_record_scalar(const struct qb_record *record, const char *name, double otherwise);

size_t qb_dtype_size(enum qb_dtype dtype);
void qb_record_free(struct qb_record *record); /* frees the content; the struct is the caller's */

#endif
