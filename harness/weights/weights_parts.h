/* Inside of weights.h, shared by the sources. */
#ifndef QB_WEIGHTS_PARTS_H
#define QB_WEIGHTS_PARTS_H

#include <jansson.h>
#include "base/file.h"
#include "weights/weights.h"

struct qb_tensor_type {
    const char *name;
    size_t size;       /* bytes of a value */
    const char *codec; /* id of the plugin that reads it */
};
const struct qb_tensor_type *qb_tensor_type(const char *name); /* NULL: no such type */

struct qb_weights {
    struct qb_map map;
    bool generated;
    json_t *header;                              /* of a file: owns names and metadata */
    char (*names)[64];                           /* of a generator */
    struct qb_source_tensor *tensors, **by_name; /* by_name: sorted */
    size_t count;
    struct qb_format formats[3]; /* of the types in use */
    size_t format_count;
};

/* Makes by_name of the tensors, which stay where they are. */
enum qb_status qb_weights_sort(struct qb_weights *weights, struct qb_error *err);

#endif
