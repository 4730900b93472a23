/* One weight: bytes in a format until a product reads them. */
#ifndef QB_MATRIX_H
#define QB_MATRIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/registry.h"

/* Borrowed: whoever made it (a model's source, a linear operator) keeps the bytes while it is used. */
struct qb_matrix {
    const char *name;               /* of the tensor: a variant may choose by it */
    uint32_t roles;                 /* of its equal row blocks (q, k, v for a fused qkv) */
    size_t rows, cols;              /* output channels, inputs; row-major */
    const struct qb_format *format; /* of bytes; NULL: FP32 as the machine holds it, aligned to 4 */
    const void *bytes;              /* NULL where only the shape matters */
    size_t size;                    /* of bytes */
    bool mapped;                    /* the pages of bytes may be dropped: they are read again at use */
};

#endif
