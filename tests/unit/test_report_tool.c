/* Programs run without a shell: how they end, and what they said. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "reports/tool.h"
#include "unit/scratch.h"

static int run(const char *script, char *said, size_t room)
{
    struct qb_error err = {0};
    const char *argv[] = {"sh", "-c", script, NULL};
    int code = qb_tool_run("/", argv, said, room, &err);
    cr_expect_eq(err.status, QB_OK, "%s", err.message);
    return code;
}

Test(report_tool, codes_and_signals, .timeout = 600)
{
    char said[80];
    cr_expect_eq(run("pwd; echo talk >&2; echo; exit 3", said, sizeof said), 3);
    cr_expect_str_eq(said, "/\ntalk");
    cr_expect_eq(run("kill -9 $$", said, sizeof said), 128 + SIGKILL);
    cr_expect_str_eq(said, "");
    cr_expect_eq(run("read line || echo empty", said, sizeof said), 0);
    cr_expect_str_eq(said, "empty");
}

/* More than a pipe holds: the writer must not block, and its end is kept. */
Test(report_tool, the_end_of_long_talk_is_kept, .timeout = 600)
{
    char said[9];
    cr_expect_eq(run("i=0; while [ $i -lt 5000 ]; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; i=$((i+1)); done; "
                     "echo 12345; exit 1",
                     said, sizeof said),
                 1);
    cr_expect_str_eq(said, "a\n12345");
}

Test(report_tool, what_cannot_run)
{
    char said[80];
    int status;
    struct qb_error err = {0};
    struct qb_tool tool;
    const char *missing[] = {"no-such-program-of-qinsbench", NULL}, *argv[] = {"true", NULL};
    cr_assert_eq(qb_tool_start(&tool, "/", missing, &err), QB_OK);
    cr_expect_eq(qb_tool_finish(&tool, said, sizeof said, &status, &err), QB_ERR_INPUT);
    cr_expect_str_eq(err.message, "no-such-program-of-qinsbench is not installed");
    err = (struct qb_error){0};
    cr_expect_eq(qb_tool_run("/", missing, said, sizeof said, &err), -1);
    cr_expect_eq(err.status, QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_expect_eq(qb_tool_run("/no-such-folder-of-qinsbench", argv, said, sizeof said, &err), 126);
}

/* Two at once, finished in the other order: each has its own words and its own end. The first ends when the second has
 * been waited for. */
Test(report_tool, two_at_once, .timeout = 600)
{
    char said[80];
    int status;
    struct qb_error err = {0};
    struct qb_tool first, second;
    scratch_begin();
    cr_assert_eq(qb_tool_start(&first, scratch_folder,
                               (const char *[]){"sh", "-c", "echo one; until [ -e go ]; do sleep 0.01; done", NULL},
                               &err),
                 QB_OK);
    cr_assert_eq(qb_tool_start(&second, "/", (const char *[]){"sh", "-c", "echo two; exit 2", NULL}, &err), QB_OK);
    cr_assert_eq(qb_tool_finish(&second, said, sizeof said, &status, &err), QB_OK);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    cr_expect_str_eq(said, "two");
    scratch_write("go", "", 0);
    cr_assert_eq(qb_tool_finish(&first, said, sizeof said, &status, &err), QB_OK);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_expect_str_eq(said, "one");
    scratch_end();
}
