/* Inside of weights.h, shared by the sources. */
#ifndef QB_WEIGHTS_PARTS_H
#define QB_WEIGHTS_PARTS_H

#include <jansson.h>
#include "base/file.h"
#include "weights/weights.h"

struct qb_tensor_type {
    const char *name;    /* the source's word */
    uint32_t number;     /* in GGUF */
    size_t block, bytes; /* values of a row that are stored together, and the bytes that these take */
    const char *codec;   /* id of the plugin that reads it; NULL: none does */
};
const struct qb_tensor_type *qb_tensor_type(const char *name); /* NULL: no such type; likewise below */
const struct qb_tensor_type *qb_tensor_type_numbered(uint32_t number);
const struct qb_tensor_type *qb_tensor_type_at(size_t index); /* of all types; NULL past the last */

struct qb_weights_file {
    char *path;
    struct qb_map map; /* of a generator: memory, and path NULL */
};

/* A format in use; `format` stays where it is. */
struct qb_weights_format {
    struct qb_format *format;
    const char *encoded; /* the first tensor that our own layout says to be encoded so; NULL: a type's format */
};

#define QB_GGUF_NAME_MAX 64

struct qb_weights {
    enum qb_source source;
    struct qb_weights_file *files;
    size_t file_count;
    json_t *headers;     /* of safetensors files, an array in their order: they own names and metadata */
    json_t *config;      /* of weights.h */
    json_t *arrays;      /* of GGUF: key -> where in the file its array begins */
    size_t metadata_end; /* of GGUF: where in the file its metadata end */
    char (*names)[QB_GGUF_NAME_MAX + 1];         /* of a generator and of GGUF */
    struct qb_source_tensor *tensors, **by_name; /* by_name: sorted */
    size_t count;
    json_t *encodings;                 /* of our own layout: a tensor's name -> how it is encoded */
    struct qb_weights_format *formats; /* of the types in use */
    size_t format_count;
};

/* Makes by_name of the tensors, which stay where they are; two of one name are QB_ERR_INPUT. */
enum qb_status qb_weights_sort(struct qb_weights *weights, struct qb_error *err);

/* Maps one more file, or that much memory (path NULL, size bytes); *file is borrowed until the next is added. */
enum qb_status qb_weights_add_file(struct qb_weights *weights, const char *path, size_t size,
                                   struct qb_weights_file **file, struct qb_error *err);

/* Reads the last file added into weights, which its caller frees on failure. Messages do not name the file. */
enum qb_status qb_safetensors_read(struct qb_weights *weights, struct qb_error *err);
enum qb_status qb_gguf_read(struct qb_weights *weights, struct qb_error *err);
bool qb_gguf_begins(const struct qb_map *map);
/* Reads the folder's config.json and weights; messages name the file. */
enum qb_status qb_huggingface_read(struct qb_weights *weights, const char *folder, struct qb_error *err);

/* Encoded tensors. How the metadata say that a tensor is encoded, or NULL; type and shape of one; its format; whether
 * two are encoded in the same. */
#define QB_ENCODED_KEY "encoded."
const char *qb_encoding_of(const json_t *metadata, const char *name);
enum qb_status qb_encoding_read(struct qb_weights *weights, const char *text, struct qb_source_tensor *tensor,
                                const json_t **shape, struct qb_error *err);
enum qb_status qb_encoding_format(const struct qb_weights *weights, const struct qb_source_tensor *tensor,
                                  const struct qb_plugin *plugin, enum qb_isa isa, struct qb_format *format,
                                  struct qb_error *err);
bool qb_encoding_same(const struct qb_weights *weights, const char *a, const char *b);

#endif
