/* A result file is a stranger's, and libhdf5 has known crashes on damaged metadata, which a right checksum cannot tell.
 * So a child reads all of it first, as this process will, within limits; what ends the child is the file's error. */
#include <signal.h>
#include <string.h>
#include "base/trial.h"
#include "store/hdf5_parts.h"

#define MIB ((uint64_t)1 << 20)
#define REMEMBERED 512 /* files: the shards of a run that is resumed are each read twice */
/* Address space and seconds of a processor for `bytes` of file. Real files take a tenth. */
#define MEMORY(bytes) (256 * MIB + 64 * (uint64_t)(bytes))
#define SECONDS(bytes) (10 + (uint64_t)(bytes) / MIB)

struct reading {
    qb_trial_fn read_all;
    const char *path;
    size_t bytes;
};

static enum qb_status read_file(void *context, struct qb_error *err)
{
    const struct reading *reading = context;
    return reading->read_all(reading->path, reading->bytes, err);
}

static enum qb_status judge(const char *path, size_t bytes, const struct qb_trial_result *result, struct qb_error *err)
{
    if (result->end == QB_TRIAL_EXITED)
        return qb_fail(err, QB_ERR_INPUT, "%s: damaged: reading it ends the process with code %d", path,
                       result->number);
    if (result->number == SIGXCPU)
        return qb_fail(err, QB_ERR_INPUT, "%s: damaged: reading it takes over %zu s", path, (size_t)SECONDS(bytes));
    const char *name = sigabbrev_np(result->number);
    return qb_fail(err, QB_ERR_INPUT, "%s: damaged: reading it crashes libhdf5 (SIG%s)", path, name ? name : "?");
}

/* The child's error. Whatever the rooms below say of what they were given, it is the file that is wrong. */
static enum qb_status tell(const char *path, const struct qb_error *answer, struct qb_error *err)
{
    const bool named = strncmp(answer->message, path, strlen(path)) == 0;
    return qb_fail(err, answer->status == QB_ERR_MEMORY ? QB_ERR_MEMORY : QB_ERR_INPUT, "%s%s%s", named ? "" : path,
                   named ? "" : ": ", answer->message);
}

static enum qb_status run(qb_trial_fn read_all, const char *path, size_t bytes, struct qb_error *err)
{
    const struct qb_trial_limits limits = {.processor = SECONDS(bytes), .memory = MEMORY(bytes)};
    struct qb_trial_result result;
    if (qb_trial(&limits, read_file, &(struct reading){read_all, path, bytes}, &result, err))
        return qb_wrap(err, "%s", path);
    if (result.end != QB_TRIAL_DONE)
        return judge(path, bytes, &result, err);
    return result.answer.status ? tell(path, &result.answer, err) : QB_OK;
}

enum qb_status qb_trial_read(qb_trial_fn read_all, const char *path, struct qb_error *err)
{
    static char read_before[REMEMBERED][QB_HASH_HEX]; /* by content; workers inherit it */
    static size_t next;
    char hex[QB_HASH_HEX];
    size_t bytes = 0;
    if (qb_image_check(path, &bytes, hex, err))
        return err->status;
    for (size_t i = 0; i < REMEMBERED; i++)
        if (strcmp(read_before[i], hex) == 0)
            return QB_OK;
    if (!run(read_all, path, bytes, err))
        memcpy(read_before[next++ % REMEMBERED], hex, sizeof hex);
    return err->status;
}
