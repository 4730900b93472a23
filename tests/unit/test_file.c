#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "unit/scratch.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

TestSuite(file, .init = scratch_begin, .fini = scratch_end);

static void expect_content(const char *path, const char *content)
{
    struct qb_error err = {0};
    char *data = NULL;
    size_t size = 0;
    cr_assert_eq(qb_file_read(path, 1000, &data, &size, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(data, content);
    cr_expect_eq(size, strlen(content));
    qb_free(data);
}

Test(file, read_whole)
{
    expect_content(scratch_write("a", "hello", 5), "hello");
    expect_content(scratch_write("empty", "", 0), "");
}

Test(file, read_keeps_nul_bytes)
{
    struct qb_error err = {0};
    char *data = NULL;
    size_t size = 0;
    cr_assert_eq(qb_file_read(scratch_write("a", "x\0y", 3), 3, &data, &size, &err), QB_OK);
    cr_assert_eq(size, 3);
    cr_assert_eq(memcmp(data, "x\0y", 4), 0);
    qb_free(data);
}

static void expect_refused(const char *path, size_t max_bytes, enum qb_status status, const char *part)
{
    struct qb_error err = {0};
    char *data = NULL;
    size_t size = 1, start = qb_mem_stats().live_bytes;
    cr_expect_eq(qb_file_read(path, max_bytes, &data, &size, &err), status);
    cr_expect_null(data);
    cr_expect_eq(size, 0);
    cr_expect_not_null(strstr(err.message, part), "%s", err.message);
    cr_expect_not_null(strstr(err.message, path), "%s", err.message);
    cr_expect_eq(qb_mem_stats().live_bytes, start);
}

Test(file, read_refusals)
{
    expect_refused(scratch_path("missing"), 100, QB_ERR_INPUT, "no such file");
    expect_refused(scratch_folder, 100000, QB_ERR_INPUT, "is a folder, expected a file");
    expect_refused(scratch_write("long", "0123456789", 10), 9, QB_ERR_INPUT, "limit of 9 bytes");
}

/* What would block at opening, or be read without end. */
Test(file, only_regular_files_are_read, .timeout = 60)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *fifo = scratch_path("fifo"), *link = scratch_path("link"), *socket_path = scratch_path("socket"),
               *copy = scratch_path("copy");
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_lt(strlen(socket_path), sizeof address.sun_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    cr_assert_eq(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert(mkfifo(fifo, 0600) == 0 && symlink("/dev/zero", link) == 0);
    const char *const paths[][2] = {
        {fifo, "is a FIFO"}, {socket_path, "is a socket"}, {link, "is a device"}, {"/dev/full", "is a device"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct qb_error map_err = {0}, hash_err = {0}, copy_err = {0};
        struct qb_map map;
        char hex[QB_HASH_HEX];
        expect_refused(paths[i][0], 5000, QB_ERR_INPUT, paths[i][1]);
        cr_expect_eq(qb_file_map(paths[i][0], &map, &map_err), QB_ERR_INPUT);
        cr_expect_eq(qb_hash_file(paths[i][0], hex, &hash_err), QB_ERR_INPUT);
        cr_expect_eq(qb_file_copy(paths[i][0], copy, &copy_err), QB_ERR_INPUT);
        cr_expect(strstr(map_err.message, paths[i][1]) && strstr(hash_err.message, paths[i][1]) &&
                  strstr(copy_err.message, paths[i][1]));
    }
    close(s);
}

Test(file, a_huge_file_is_refused_before_it_is_read)
{
    const char *path = scratch_write("sparse", "", 0);
    cr_assert_eq(truncate(path, (off_t)1 << 40), 0);
    expect_refused(path, (size_t)1 << 20, QB_ERR_INPUT, "1099511627776 bytes");
}

Test(file, read_what_has_no_size)
{
    struct qb_error err = {0};
    char *data = NULL;
    size_t size = 0;
    cr_assert_eq(qb_file_read("/proc/self/status", 1 << 20, &data, &size, &err), QB_OK);
    cr_assert_eq(strlen(data), size);
    cr_assert_not_null(strstr(data, "VmRSS"));
    qb_free(data);
}

Test(file, read_at_every_short_memory)
{
    const char *path = scratch_write("a", "hello", 5);
    static const char *const paths[] = {NULL, "/proc/self/maps"}; /* the second grows its buffer */
    for (int i = 0; i < 2; i++) {
        for (size_t n = 1;; n++) {
            struct qb_error err = {0};
            char *data = NULL;
            size_t size = 0;
            qb_mem_fail_at(n);
            enum qb_status status = qb_file_read(paths[i] ? paths[i] : path, 1 << 20, &data, &size, &err);
            qb_mem_fail_at(0);
            qb_free(data);
            cr_assert_eq(qb_mem_stats().live_bytes, 0);
            if (!status)
                break;
            cr_assert_eq(status, QB_ERR_MEMORY);
        }
    }
}

Test(file, replace_makes_and_replaces)
{
    struct qb_error err = {0};
    struct stat info;
    const char *path = scratch_path("out");
    umask(022);
    cr_assert_eq(qb_file_replace(path, "one", 3, &err), QB_OK, "%s", err.message);
    expect_content(path, "one");
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0644);
    cr_assert_eq(qb_file_replace(path, "second", 6, &err), QB_OK);
    expect_content(path, "second");
    cr_assert_eq(qb_file_replace(path, NULL, 0, &err), QB_OK);
    expect_content(path, "");
    cr_assert_eq(scratch_count(), 1);
}

Test(file, replace_in_the_current_folder)
{
    struct qb_error err = {0};
    cr_assert_eq(chdir(scratch_folder), 0);
    cr_assert_eq(qb_file_replace("out", "x", 1, &err), QB_OK, "%s", err.message);
    expect_content("out", "x");
    cr_assert_eq(scratch_count(), 1);
    cr_assert_eq(chdir("/"), 0);
}

/* A write that stops half-way, as on a full disk: the file-size limit gives EFBIG after the first 4096 bytes. */
Test(file, replace_without_space_keeps_the_old_file)
{
    static char data[10000];
    struct qb_error err = {0};
    const char *path = scratch_write("out", "old", 3);
    struct rlimit before, tight;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &tight);
    enum qb_status status = qb_file_replace(path, data, sizeof data, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    cr_assert_eq(status, QB_ERR_IO);
    cr_assert_not_null(strstr(err.message, "cannot write"));
    expect_content(path, "old");
    cr_assert_eq(scratch_count(), 1);
}

Test(file, copy)
{
    struct qb_error err = {0}, missing = {0};
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "%s/from", scratch_folder);
    snprintf(to, sizeof to, "%s/to", scratch_folder);
    scratch_write("from", "new", 3);
    scratch_write("to", "old", 3);
    cr_assert_eq(qb_file_copy(from, to, &err), QB_OK, "%s", err.message);
    expect_content(to, "new");
    cr_assert_eq(unlink(from), 0);
    cr_assert_eq(qb_file_copy(from, to, &missing), QB_ERR_INPUT);
    expect_content(to, "new");
    cr_assert_eq(scratch_count(), 1);
}

Test(file, replace_refusals)
{
    struct qb_error err = {0};
    struct stat before, after;
    cr_assert_eq(qb_file_replace(scratch_path("no/such/folder/out"), "x", 1, &err), QB_ERR_IO);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_replace(scratch_folder, "x", 1, &err), QB_ERR_INPUT);
    cr_assert_eq(stat("/dev/full", &before), 0);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_replace("/dev/full", "x", 1, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "/dev/full"));
    cr_assert_eq(stat("/dev/full", &after), 0);
    cr_assert(S_ISCHR(after.st_mode) && before.st_ino == after.st_ino);
    char path[5000];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_replace(path, "x", 1, &err), QB_ERR_INPUT);
}

Test(file, replace_steps_over_stale_temporaries)
{
    struct qb_error err = {0};
    char stale[64];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(stale, sizeof stale, "out.%ld-%u.tmp", (long)getpid(), i);
        scratch_write(stale, "torn", 4);
    }
    cr_assert_eq(qb_file_replace(scratch_path("out"), "new", 3, &err), QB_OK);
    expect_content(scratch_path("out"), "new");
    cr_assert_eq(scratch_count(), 4);
}

Test(file, commit)
{
    struct qb_error err = {0};
    const char *path = scratch_write("out", "old", 3), *temp = scratch_write("temp", "new", 3);
    cr_assert_eq(qb_file_commit(temp, path, &err), QB_OK, "%s", err.message);
    expect_content(path, "new");
    cr_assert_eq(scratch_count(), 1);
    cr_assert_eq(qb_file_commit(temp, path, &err), QB_ERR_IO);
    expect_content(path, "new");
    temp = scratch_write("temp", "newer", 5);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_commit(temp, scratch_folder, &err), QB_ERR_INPUT);
    expect_content(temp, "newer");
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_commit("/dev/full", path, &err), QB_ERR_IO); /* cannot be synced */
    expect_content(path, "new");
}

Test(file, mkdirs)
{
    struct qb_error err = {0};
    struct stat info;
    cr_assert_eq(qb_file_mkdirs(scratch_path("a/b//c/"), &err), QB_OK, "%s", err.message);
    cr_assert(stat(scratch_path("a/b/c"), &info) == 0 && S_ISDIR(info.st_mode));
    cr_assert_eq(qb_file_mkdirs(scratch_path("a/b/c"), &err), QB_OK);
    cr_assert_eq(qb_file_mkdirs("/", &err), QB_OK);
    cr_assert_eq(qb_file_mkdirs("", &err), QB_ERR_INPUT);
    scratch_write("file", "x", 1);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_mkdirs(scratch_path("file/below"), &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "no folder"));
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_mkdirs("/proc/nothing/here", &err), QB_ERR_IO);
}

Test(file, exists)
{
    cr_assert_not(qb_file_exists(scratch_path("a")));
    cr_assert(qb_file_exists(scratch_write("a", "", 0)));
    cr_assert(qb_file_exists(scratch_folder));
}

Test(file, map)
{
    struct qb_error err = {0};
    struct qb_map map;
    cr_assert_eq(qb_file_map(scratch_write("a", "weights", 7), &map, &err), QB_OK);
    cr_assert_eq(map.size, 7);
    cr_assert_eq(memcmp(map.data, "weights", 7), 0);
    qb_file_unmap(&map);
    cr_assert_null(map.data);
    qb_file_unmap(&map);
}

Test(file, map_refusals)
{
    struct qb_error err = {0};
    struct qb_map map;
    cr_assert_eq(qb_file_map(scratch_write("empty", "", 0), &map, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "empty"));
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_map(scratch_path("missing"), &map, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_map(scratch_folder, &map, &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    cr_assert_eq(qb_file_map("/dev/zero", &map, &err), QB_ERR_INPUT);
    cr_assert_null(map.data);
}
