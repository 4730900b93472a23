/* What the store's files share: HDF5 errors folded into ours, strings, attributes, arrays. Internal to store/. */
#ifndef QB_HDF5_PARTS_H
#define QB_HDF5_PARTS_H

#include <hdf5.h>
#include "base/utf8.h"
#include "store/store.h"

enum { QB_STORE_NAME_MAX = 100, QB_STORE_BLOCK = 512 };

/* Switches HDF5's own printing and its loading of filter plugins off. Call before any other HDF5 call. */
void qb_hdf5_quiet(void);

/* "path: <what was tried>: <HDF5's innermost message>". */
enum qb_status qb_hdf5_fail(struct qb_error *err, enum qb_status status, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Closes an id of any kind; negative ids are none. */
void qb_hdf5_close(hid_t id);

/* A fixed-length UTF-8 string type, `size` >= 1 bytes; on disk padded with NULs, in memory (`terminated`) ended by one.
 */
hid_t qb_hdf5_string_type(size_t size, bool terminated);

/* A group that keeps no times; `ordered` tracks the order of attributes. */
hid_t qb_hdf5_create_group(hid_t parent, const char *name, bool ordered);

/* Attributes. Writing replaces; HDF5 holds at most 64 KiB in one, so texts over 32 KiB are cut, between characters.
 * Readers check type and shape; a text is a new string for qb_free. Texts are cleaned (base/utf8.h) both
 * ways: the file may be a stranger's. `path` is for messages. */
enum qb_status qb_attribute_put_text(hid_t object, const char *name, const char *text, const char *path,
                                     struct qb_error *err);
enum qb_status qb_attribute_put(hid_t object, const char *name, hid_t type, const void *value, const char *path,
                                struct qb_error *err);
enum qb_status qb_attribute_text(hid_t object, const char *name, const char *path, enum qb_clean kind, char **text,
                                 struct qb_error *err);
enum qb_status qb_attribute_number(hid_t object, const char *name, hid_t type, const char *path, void *value,
                                   struct qb_error *err);

/* Names of the hard links of a group, in order of name; another kind of link is an error (it could lead out of the
 * file). *names is a new list, freed with qb_names_free. */
enum qb_status qb_group_names(hid_t group, const char *path, char ***names, size_t *count, struct qb_error *err);
void qb_names_free(char **names, size_t count);

/* Opens a group or dataset below `parent` and checks its kind; negative with err set. */
hid_t qb_hdf5_open(hid_t parent, const char *name, H5I_type_t kind, const char *path, struct qb_error *err);

/* May arrays of a file claim so many bytes, together? At most 32 times the file's and 16 MiB. */
enum qb_status qb_claim_check(size_t bytes, const char *path, size_t file_bytes, struct qb_error *err);

/* Is a dataset safe to read: stored in this file, no more than 2^31 entries, no more bytes than a file may
 * claim? Gives its dims. */
enum qb_status qb_dataset_check(hid_t dataset, const char *name, const char *path, size_t file_bytes, int *rank,
                                hsize_t dims[QB_RANK_MAX], struct qb_error *err);

/* Arrays of a record <-> datasets of a group (arrays.c). */
enum qb_status qb_record_write(hid_t group, const struct qb_record *record, const char *path, struct qb_error *err);
enum qb_status qb_record_read(hid_t group, const char *path, size_t file_bytes, struct qb_record *record,
                              struct qb_error *err);

/* Bytes of a record's arrays; a text counts as its pointer. */
size_t qb_record_bytes(const struct qb_record *record);

/* What a cell's variant is and encodes <-> attributes of its group (variant_facts.c). A file of an older program holds
 * no floor: then the definition in its provenance `facts` says it, and what is encoded is not known. */
enum qb_status qb_variant_facts_write(hid_t group, const struct qb_cell *cell, const char *path, struct qb_error *err);
enum qb_status qb_variant_facts_read(hid_t group, const struct qb_provenance *facts, const char *path,
                                     struct qb_cell *cell, struct qb_error *err);

/* The summary table (summary.c). Rows of cells <-> /summary. Reading hands each row to the cell it names. */
enum qb_status qb_summary_write(hid_t file, const struct qb_cell *const *cells, size_t count, const char *path,
                                struct qb_error *err);
enum qb_status qb_summary_read(hid_t file, const char *path, size_t file_bytes, struct qb_cell *cells, size_t count,
                               struct qb_error *err);

/* Provenance <-> /provenance (provenance.c). */
enum qb_status qb_provenance_write(hid_t file, const struct qb_provenance *p, const char *path, struct qb_error *err);
enum qb_status qb_provenance_read(hid_t file, const char *path, size_t file_bytes, struct qb_provenance *p,
                                  struct qb_error *err);

/* What a cell says of its run <-> attributes "ran.<name>" of its group (cell_facts.c). Writing takes of `facts` what a
 * cell says; reading leaves out what the group lacks. */
enum qb_status qb_cell_facts_write(hid_t group, const struct qb_provenance *facts, const char *path,
                                   struct qb_error *err);
enum qb_status qb_cell_facts_read(hid_t group, const char *path, struct qb_provenance *facts, struct qb_error *err);

/* Files (image.c): an HDF5 file made in memory, so that no full disk meets libhdf5; then written at once with its
 * checksum in the 512-byte user block before it. Commit closes `file` in any case. */
hid_t qb_image_create(const char *path, struct qb_error *err);
enum qb_status qb_image_commit(hid_t file, const char *path, struct qb_error *err);
/* Is it such a file, whole and as its checksum says? Gives size and checksum. */
enum qb_status qb_image_check(const char *path, size_t *bytes, char hex[QB_HASH_HEX], struct qb_error *err);
/* Checks that, then opens for reading; negative with err set. */
hid_t qb_image_open(const char *path, size_t *bytes, struct qb_error *err);

/* Files of one kind: "qinsbench-result", "qinsbench-shard" or "qinsbench-part" (result_read.c, result_write.c). */
#define QB_FORMAT_RESULT "qinsbench-result"
#define QB_FORMAT_SHARD "qinsbench-shard"
#define QB_FORMAT_PART "qinsbench-part"
enum { QB_FORMAT_VERSION = 1 };
struct qb_result {
    char *path;
    hid_t file;
    size_t bytes;
    struct qb_cell *cells;
    size_t count;
    struct qb_provenance provenance;
};
enum qb_status qb_store_open(const char *path, const char *format, struct qb_result **result, struct qb_error *err);
enum qb_status qb_store_write(const char *path, const char *format, const struct qb_provenance *provenance,
                              const struct qb_cell_source *sources, size_t count, struct qb_error *err);
/* Calls read_all(path, its bytes) in a child within limits of memory and time (trial_read.c): QB_ERR_INPUT where that
 * fails, crashes or meets a limit. Content that went well once is not tried again by this process and those it forks.
 */
typedef enum qb_status (*qb_trial_fn)(const char *path, size_t bytes, struct qb_error *err);
enum qb_status qb_trial_read(qb_trial_fn read_all, const char *path, struct qb_error *err);
/* The group of a cell, opened for reading; negative with err set. */
hid_t qb_cell_group(const struct qb_result *result, size_t index, struct qb_error *err);

/* "done", "failed", "skipped". */
const char *qb_cell_state_name(enum qb_cell_state state);

#endif
