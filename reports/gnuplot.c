/* gnuplot processes; what one says becomes the error. */
#include "figure.h"

#include <sys/wait.h>

enum qb_status qb_gnuplot_start(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err)
{
    return qb_tool_start(&run->tool, folder, (const char *const[]){"gnuplot", file, NULL}, err);
}

enum qb_status qb_gnuplot_finish(struct qb_gnuplot *run, const char *folder, const char *file, struct qb_error *err)
{
    char said[600];
    int status;
    qb_tool_finish(&run->tool, said, sizeof said, &status, err);
    if (err->status == QB_ERR_INPUT)
        return qb_fail(err, QB_ERR_IO,
                       "gnuplot is not installed (Debian: apt-get install gnuplot-nox); the data and "
                       "scripts are in %s",
                       folder);
    if (err->status)
        return err->status;
    if (WIFSIGNALED(status))
        return qb_fail(err, QB_ERR_IO, "gnuplot %s/%s ended by signal %d: %s", folder, file, WTERMSIG(status), said);
    if (WEXITSTATUS(status) != 0)
        return qb_fail(err, QB_ERR_IO, "gnuplot %s/%s failed with exit code %d: %s", folder, file, WEXITSTATUS(status),
                       said);
    return QB_OK;
}
