#include "codec/plugin_trial.h"

#include <signal.h>
#include <string.h>
#include "base/trial.h"

static enum qb_status judge_crash(const char *path, int number, struct qb_error *err)
{
    const char *name = sigabbrev_np(number);
    return qb_fail(err, QB_ERR_CODEC, "%s: the plugin crashed with signal %d (SIG%s) while it was loaded%s", path,
                   number, name ? name : "?", number == SIGBUS ? "; expected a whole shared object" : "");
}

enum qb_status qb_plugin_trial(enum qb_status (*work)(void *context, struct qb_error *err), void *context,
                               const char *path, unsigned seconds, struct qb_error *err)
{
    const struct qb_trial_limits limits = {.seconds = seconds};
    struct qb_trial_result result;
    if (qb_trial(&limits, work, context, &result, err))
        return qb_wrap(err, "%s", path);
    if (result.end == QB_TRIAL_CRASHED)
        return judge_crash(path, result.number, err);
    if (result.end == QB_TRIAL_EXITED)
        return qb_fail(err, QB_ERR_CODEC, "%s: the plugin ended the process with exit code %d while it was loaded",
                       path, result.number);
    if (result.end == QB_TRIAL_LATE)
        return qb_fail(err, QB_ERR_CODEC, "%s: the plugin was not loaded within %u s", path, seconds);
    *err = result.answer;
    return err->status;
}
