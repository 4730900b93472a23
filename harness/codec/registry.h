/* The codecs this process knows: plugins found in the plugin folders and those named with --codec. */
#ifndef QB_REGISTRY_H
#define QB_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/yaml.h"
#include "codec/codec.h"

struct qb_registry;

struct qb_plugin {                /* one loaded codec; lives as long as its registry */
    const struct qb_codec *codec; /* the host's copy: version, summary and options are clean text (base/utf8.h) */
    const char *path;             /* of the shared object */
    char sha256[QB_HASH_HEX];     /* of the shared object */
    bool named;                   /* asked for by its file, not found in a folder */
};

/* Loads every *.so of the folders (NULL-terminated; a missing folder is skipped), then every plugin of `extra`
 * (NULL-terminated, may be NULL; these must load). A plugin that is no plugin, has another ABI version, a
 * duplicate id, a malformed option list or a missing function is an error that names the file and what was expected;
 * for folder plugins the same. Each is loaded in a child first: one that ends the process, crashes or
 * hangs there is an error like the others. */
enum qb_status qb_registry_open(const char *const *folders, const char *const *extra, struct qb_registry **registry,
                                struct qb_error *err);
/* Adds the plugin at path, or every *.so of the folder there, in the same way; a folder without one is QB_ERR_INPUT. */
enum qb_status qb_registry_add(struct qb_registry *registry, const char *path, struct qb_error *err);
void qb_registry_free(struct qb_registry *registry);

size_t qb_registry_count(const struct qb_registry *registry);
const struct qb_plugin *qb_registry_at(const struct qb_registry *registry, size_t index);     /* ordered by id */
const struct qb_plugin *qb_registry_find(const struct qb_registry *registry, const char *id); /* NULL: none */

/* The plugin folders to search: $QINSBENCH_CODECS when set (one folder), else codecs/ beside the running program
 * (build/codecs) and PREFIX/lib/qinsbench/codecs as seen from PREFIX/bin. Filled into buffers of 4096 bytes; returns
 * how many. */
size_t qb_registry_folders(char folders[2][4096]);

/* A codec with options chosen: what a variant uses to store a tensor. */
struct qb_format {
    const struct qb_plugin *plugin;
    struct qb_codec_config config; /* its options point to `values` */
    union qb_option_value *values; /* owned */
    size_t value_count;
};

/* Parses options (a YAML map, or NULL for the defaults) against the codec's list; unknown names, wrong types and values
 * out of range are errors with file and line. isa is the level to hand to the codec. Free with qb_format_free. */
enum qb_status qb_format_make(const struct qb_plugin *plugin, const struct qb_yaml *options, enum qb_isa isa,
                              struct qb_format *format, struct qb_error *err);
void qb_format_free(struct qb_format *format);
/* The chosen options in canonical form, "epsilon=0 layout=packed scope=tensor", for keys and provenance. */
struct qb_text;
void qb_format_print(const struct qb_format *format, struct qb_text *out);

/* Checked calls: sizes are verified, a plugin's refusal becomes a qb_error that names codec, shape and element (row,
 * column). encode checks x for NaN and Inf itself as well, so that no plugin can let them through; decode checks its
 * output (QB_ERR_NUMERIC naming codec and element). */
enum qb_status qb_encoded_size(const struct qb_format *format, size_t rows, size_t cols, size_t *bytes,
                               struct qb_error *err);
enum qb_status qb_encode(const struct qb_format *format, size_t rows, size_t cols, const float *x, void *out,
                         size_t out_bytes, struct qb_error *err);
/* Does the format take matrices of this shape? Not when the codec answers QB_CODEC_UNSUPPORTED (GGUF's types take rows
 * of whole blocks); whatever else is wrong with codec or shape is left to qb_encoded_size. */
bool qb_format_takes(const struct qb_format *format, size_t rows, size_t cols);
enum qb_status qb_decode(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                         size_t row, size_t count, float *out, struct qb_error *err);
enum qb_status qb_coordinates(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                              size_t row, size_t count, float *out, struct qb_error *err);

/* Rows [row, row + count) of a source as FP32. */
typedef enum qb_status qb_row_reader(const void *source, size_t row, size_t count, float *out, struct qb_error *err);
/* qb_encode of rows that come from `read`, to the same bytes: in parts where the codec can, else from an FP32 copy of
 * them all that is freed before it returns. */
enum qb_status qb_encode_rows(const struct qb_format *format, size_t rows, size_t cols, qb_row_reader *read,
                              const void *source, void *out, size_t out_bytes, struct qb_error *err);
/* How many rows to take at a time where all are gone through once: 256 KB of FP32, at least one row, at most all. */
size_t qb_panel_rows(size_t rows, size_t cols);

/* The same reads of bytes that the checked calls have gone over once: of the answer only the status is looked at. */
enum qb_status qb_decode_again(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                               size_t in_bytes, size_t row, size_t count, float *out, struct qb_error *err);
enum qb_status qb_coordinates_again(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                                    size_t in_bytes, size_t row, size_t count, float *out, struct qb_error *err);

/* How the encoded matrix lies in its bytes, by the codec's own words, which must stay within them: *known false where
 * it offers no layout for these options. */
enum qb_status qb_layout_of(const struct qb_format *format, size_t rows, size_t cols, const void *in, size_t in_bytes,
                            struct qb_codec_layout *layout, bool *known, struct qb_error *err);

/* Does the codec offer a product of its own for n inputs? */
bool qb_codec_multiplies(const struct qb_format *format, size_t n);
/* That product, y[n, count] (rows ld apart) = x[n, cols] W[row, row + count)^T, of bytes gone over once. */
enum qb_status qb_codec_multiply(const struct qb_format *format, size_t rows, size_t cols, const void *in,
                                 size_t in_bytes, size_t row, size_t count, const float *x, size_t n, float *y,
                                 size_t ld, struct qb_error *err);

#endif
