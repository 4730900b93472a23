#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/path.h"
#include "base/temp.h"

#define AROUND ((size_t)1 << 16) /* so much is mapped with a page that is read */

static enum qb_status system_error(struct qb_error *err, const char *path, const char *doing)
{
    return qb_fail(err, QB_ERR_IO, "%s: cannot %s: %s", path, doing, strerror(errno));
}

static enum qb_status check_regular(const char *path, mode_t mode, struct qb_error *err)
{
    if (S_ISREG(mode))
        return QB_OK;
    const char *found = S_ISDIR(mode)                    ? "a folder"
                        : S_ISFIFO(mode)                 ? "a FIFO"
                        : S_ISSOCK(mode)                 ? "a socket"
                        : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
                                                         : "something else";
    return qb_fail(err, QB_ERR_INPUT, "%s: is %s, expected a file", path, found);
}

int qb_file_open(const char *path, struct stat *info, struct qb_error *err)
{
    int fd = -1;
    /* Looked at first, for opening alone already does something to some devices; then again, as what was opened. */
    if (stat(path, info) == 0 && check_regular(path, info->st_mode, err))
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        qb_fail(err, QB_ERR_INPUT, "%s: no such file", path);
    else if (fd < 0)
        system_error(err, path, "open");
    else if (fstat(fd, info) != 0)
        system_error(err, path, "examine");
    else
        check_regular(path, info->st_mode, err);
    if (!err->status)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Reads to the end. A file with a size fits the first buffer; one of /proc grows it. */
static enum qb_status read_all(int fd, const char *path, size_t max_bytes, size_t room, char **data, size_t *size,
                               struct qb_error *err)
{
    size_t used = 0;
    for (;;) {
        char *larger = qb_grow(*data, used ? used + 2 : room, 1, path, err);
        if (!larger)
            return err->status;
        *data = larger;
        ssize_t got = read(fd, *data + used, qb_size_of(*data) - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_error(err, path, "read");
        used += (size_t)got;
        if (used > max_bytes)
            return qb_fail(err, QB_ERR_INPUT, "%s: larger than the limit of %zu bytes", path, max_bytes);
        if (got == 0)
            break;
    }
    (*data)[used] = '\0';
    *size = used;
    return QB_OK;
}

enum qb_status qb_file_read(const char *path, size_t max_bytes, char **data, size_t *size, struct qb_error *err)
{
    char *content = NULL;
    struct stat info;
    *data = NULL;
    *size = 0;
    int fd = qb_file_open(path, &info, err);
    if (fd < 0)
        return err->status;
    if ((uintmax_t)info.st_size > max_bytes)
        qb_fail(err, QB_ERR_INPUT, "%s: %jd bytes, larger than the limit of %zu bytes", path, (intmax_t)info.st_size,
                max_bytes);
    else
        read_all(fd, path, max_bytes, (info.st_size > 0 ? (size_t)info.st_size : 4096) + 2, &content, size, err);
    close(fd);
    if (err->status) {
        qb_free(content);
        *size = 0;
    } else {
        *data = content;
    }
    return err->status;
}

static enum qb_status write_all(int fd, const char *path, const char *data, size_t size, struct qb_error *err)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return system_error(err, path, "write");
        data += put;
        size -= (size_t)put;
    }
    return QB_OK;
}

/* Makes a rename durable. File systems that cannot sync a folder say EINVAL, which is no failure. */
static enum qb_status sync_folder(const char *path, struct qb_error *err)
{
    char folder[PATH_MAX];
    qb_path_folder(path, folder);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return QB_OK; /* one that may be written and not read cannot be synced, either */
    if (fd < 0)
        return system_error(err, folder, "open the folder");
    if (fsync(fd) != 0 && errno != EINVAL)
        system_error(err, folder, "sync the folder");
    close(fd);
    return err->status;
}

/* A rename would put a file in the place of a device or pipe: refuse, /dev/null must survive `-o /dev/null`. */
static enum qb_status check_replaceable(const char *path, struct qb_error *err)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return qb_fail(err, QB_ERR_INPUT, "%s: not a regular file, cannot be replaced", path);
    return QB_OK;
}

static enum qb_status put_in_place(const char *temp, const char *path, struct qb_error *err)
{
    char target[PATH_MAX];
    if (check_replaceable(path, err) || qb_path_target(path, target, err))
        return err->status;
    if (rename(temp, target) != 0)
        return system_error(err, path, "replace");
    return sync_folder(target, err);
}

/* A new file beside path with the user's usual permissions (mkstemp would give 0600); its name in temp. */
static int create_beside(const char *path, char temp[PATH_MAX], struct qb_error *err)
{
    for (int tries = 0; tries < 1000; tries++) {
        if (qb_temp_begin(path, temp, err))
            return -1;
        int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0)
            return fd;
        qb_temp_done(temp); /* it is not ours */
        if (errno != EEXIST)
            break;
    }
    system_error(err, temp, "create");
    return -1;
}

/* What a file is filled with: data[size]; all that can be read from `source`; or what `fill` writes. */
struct content {
    const void *data;
    size_t size;
    int source; /* -1: none */
    qb_file_fill fill;
    void *context;
};

static enum qb_status copy_all(int fd, const char *path, int source, struct qb_error *err)
{
    ssize_t n;
    do
        n = sendfile(fd, source, NULL, (size_t)1 << 30);
    while (n > 0);
    return n < 0 ? system_error(err, path, "write") : QB_OK;
}

static enum qb_status fill_stream(int fd, const char *path, const struct content *content, struct qb_error *err)
{
    int copy = dup(fd);
    FILE *file = copy < 0 ? NULL : fdopen(copy, "wb");
    if (!file) {
        system_error(err, path, "open");
        if (copy >= 0)
            close(copy);
        return err->status;
    }
    if (content->fill(content->context, file, err))
        qb_wrap(err, "%s", path);
    if (fclose(file) != 0 && !err->status)
        system_error(err, path, "write");
    return err->status;
}

static enum qb_status fill_file(int fd, const char *path, const struct content *content, struct qb_error *err)
{
    return content->fill          ? fill_stream(fd, path, content, err)
           : content->source >= 0 ? copy_all(fd, path, content->source, err)
                                  : write_all(fd, path, content->data, content->size, err);
}

static enum qb_status replace(const char *path, const struct content *content, struct qb_error *err)
{
    char temp[PATH_MAX];
    if (qb_mem_lost_text())
        return qb_fail(err, QB_ERR_MEMORY, "%s: not written: no memory for a part of a text", path);
    if (check_replaceable(path, err))
        return err->status;
    int fd = create_beside(path, temp, err);
    if (fd < 0)
        return err->status;
    if (!fill_file(fd, path, content, err) && fsync(fd) != 0)
        system_error(err, path, "sync");
    if (close(fd) != 0 && !err->status)
        system_error(err, path, "close");
    if (!err->status)
        put_in_place(temp, path, err);
    if (err->status)
        unlink(temp); /* gone already when only the folder's sync failed */
    qb_temp_done(temp);
    return err->status;
}

enum qb_status qb_file_replace(const char *path, const void *data, size_t size, struct qb_error *err)
{
    return replace(path, &(struct content){.data = data, .size = size, .source = -1}, err);
}

enum qb_status qb_file_copy(const char *from, const char *to, struct qb_error *err)
{
    struct stat info;
    int source = qb_file_open(from, &info, err);
    if (source < 0)
        return err->status;
    replace(to, &(struct content){.source = source}, err);
    close(source);
    return err->status;
}

enum qb_status qb_file_write(const char *path, qb_file_fill fill, void *context, struct qb_error *err)
{
    qb_temp_sweep(path);
    return replace(path, &(struct content){.source = -1, .fill = fill, .context = context}, err);
}

enum qb_status qb_file_put(FILE *file, const void *bytes, size_t size, struct qb_error *err)
{
    return fwrite(bytes, 1, size, file) == size ? QB_OK : qb_fail(err, QB_ERR_IO, "%s", strerror(errno));
}

enum qb_status qb_file_commit(const char *temp, const char *path, struct qb_error *err)
{
    int fd = open(temp, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return system_error(err, temp, "open");
    if (fsync(fd) != 0)
        system_error(err, temp, "sync");
    close(fd);
    return err->status ? err->status : put_in_place(temp, path, err);
}

static enum qb_status make_folder(const char *path, struct qb_error *err)
{
    struct stat info;
    if (mkdir(path, 0777) == 0)
        return QB_OK;
    int reason = errno;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return QB_OK;
        return qb_fail(err, QB_ERR_INPUT, "%s: is no folder", path);
    }
    errno = reason;
    return system_error(err, path, "make the folder");
}

enum qb_status qb_file_mkdirs(const char *path, struct qb_error *err)
{
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof prefix)
        return qb_fail(err, QB_ERR_INPUT, "%s: %s", path, length ? "path too long" : "empty folder name");
    memcpy(prefix, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (prefix[i] != '/' && prefix[i] != '\0')
            continue;
        prefix[i] = '\0';
        if (make_folder(prefix, err))
            return err->status;
        if (i < length)
            prefix[i] = '/';
    }
    return QB_OK;
}

bool qb_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool qb_file_has(int folder, const char *path, off_t offset, const char *start)
{
    char found[64];
    const size_t size = strlen(start);
    struct stat info;
    const int fd = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const bool has = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && size <= sizeof found &&
                     pread(fd, found, size, offset) == (ssize_t)size && memcmp(found, start, size) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

enum qb_status qb_file_same_kind(const char *option, const char *out, off_t offset, const char *start, const char *kind,
                                 struct qb_error *err)
{
    struct stat info;
    if (!out || stat(out, &info) != 0 || info.st_size == 0 || qb_file_has(AT_FDCWD, out, offset, start))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "%s %s: is there and no %s; it is left alone", option, out, kind);
}

enum qb_status qb_file_map(const char *path, struct qb_map *map, struct qb_error *err)
{
    struct stat info;
    *map = (struct qb_map){0};
    int fd = qb_file_open(path, &info, err);
    if (fd < 0)
        return err->status;
    void *data = MAP_FAILED;
    if (info.st_size == 0)
        qb_fail(err, QB_ERR_INPUT, "%s: empty file", path);
    else if ((data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        system_error(err, path, "map");
    close(fd);
    if (!err->status)
        *map = (struct qb_map){data, (size_t)info.st_size, info.st_dev, info.st_ino, info.st_mtim};
    return err->status;
}

enum qb_status qb_map_unchanged(const struct qb_map *map, const char *path, struct qb_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || info.st_dev != map->device || info.st_ino != map->inode ||
        ((size_t)info.st_size == map->size && info.st_mtim.tv_sec == map->written.tv_sec &&
         info.st_mtim.tv_nsec == map->written.tv_nsec))
        return QB_OK;
    return qb_fail(err, QB_ERR_INPUT, "%s: the file was written while it was read", path);
}

enum qb_status qb_memory_map(size_t size, const char *what, struct qb_map *map, struct qb_error *err)
{
    void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return qb_fail(err, QB_ERR_MEMORY, "%s: no memory for %zu bytes", what, size);
    *map = (struct qb_map){.data = data, .size = size};
    return QB_OK;
}

void qb_map_drop(const void *bytes, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)bytes / page * page;
    madvise((void *)begin, (uintptr_t)bytes + size - begin, MADV_DONTNEED); /* only advice: a refusal costs memory */
}

void qb_map_drop_read(const void *bytes, size_t from, size_t to)
{
    size_t begin = from > AROUND ? from - AROUND : 0;
    qb_map_drop((const uint8_t *)bytes + begin, to - begin);
}

void qb_file_unmap(struct qb_map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct qb_map){0};
}
