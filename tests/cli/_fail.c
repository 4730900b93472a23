/* Preloaded: the call number $FAIL_AT fails, counted over all processes of a command. FAIL_KIND=memory: allocations;
 * write: whatever makes, fills or moves a file. FAIL_FROM: a part of the name of the libraries whose calls count, or
 * "own": the program, its codecs and every library but libhdf5, OpenBLAS, libcrypto (whose start cannot fail) and
 * libc. $FAIL_COUNT is a file that the count is
 * kept in, 8 bytes; FAIL_AT=0 counts alone. FAIL_TRACE:
 * says who called. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_llong *count;
static long long at;
static int memory, writes;
static const char *from;

__attribute__((constructor)) static void begin(void)
{
    const char *kind = getenv("FAIL_KIND"), *file = getenv("FAIL_COUNT");
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map == MAP_FAILED || !kind)
        return;
    at = atoll(getenv("FAIL_AT") ? getenv("FAIL_AT") : "0");
    from = getenv("FAIL_FROM") ? getenv("FAIL_FROM") : "own";
    memory = strcmp(kind, "memory") == 0;
    writes = !memory;
    count = map;
}

static int counts(const void *caller)
{
    static _Thread_local int inside;
    Dl_info info;
    if (inside)
        return 0;
    inside = 1;
    int known = dladdr(caller, &info) && info.dli_fname;
    inside = 0;
    if (!known)
        return 0;
    if (strcmp(from, "own") != 0)
        return strstr(info.dli_fname, from) != NULL;
    const char *slash = strrchr(info.dli_fname, '/'), *name = slash ? slash + 1 : info.dli_fname;
    return !strstr(name, "hdf5") && !strstr(name, "blas") && strncmp(name, "libc.", 5) != 0 &&
           strncmp(name, "ld-", 3) != 0 && strncmp(name, "lib_fail", 8) != 0 && !strstr(name, "libgcc") &&
           !strstr(name, "libcrypto");
}

static int fails(int on, const void *caller)
{
    if (!count || !on || !counts(caller))
        return 0;
    if (atomic_fetch_add(count, 1) + 1 != at)
        return 0;
    if (getenv("FAIL_TRACE")) { /* on stderr, for addr2line */
        void *calls[32];
        long long all = at;
        at = -1;
        backtrace_symbols_fd(calls, backtrace(calls, 32), 2);
        at = all;
    }
    return 1;
}
#define FAILS(on) fails((on), __builtin_return_address(0))
#define FAIL(on, cause, value)                                                                                         \
    do {                                                                                                               \
        if (FAILS(on)) {                                                                                               \
            errno = (cause);                                                                                           \
            return value;                                                                                              \
        }                                                                                                              \
    } while (0)
#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t size)
{
    extern void *__libc_malloc(size_t);
    FAIL(memory, ENOMEM, NULL);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    extern void *__libc_calloc(size_t, size_t);
    FAIL(memory, ENOMEM, NULL);
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    extern void *__libc_realloc(void *, size_t);
    FAIL(memory, ENOMEM, NULL);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t to, size_t size)
{
    extern void *__libc_memalign(size_t, size_t);
    FAIL(memory, ENOMEM, NULL);
    return __libc_memalign(to, size);
}

int posix_memalign(void **out, size_t to, size_t size)
{
    extern void *__libc_memalign(size_t, size_t);
    if (FAILS(memory))
        return ENOMEM;
    *out = __libc_memalign(to, size);
    return *out ? 0 : ENOMEM;
}

ssize_t write(int fd, const void *data, size_t size)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(write)(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(pwrite)(fd, data, size, offset);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *file)
{
    FAIL(writes, ENOSPC, 0);
    return REAL(fwrite)(data, size, n, file);
}

int fflush(FILE *file)
{
    FAIL(writes, ENOSPC, EOF);
    return REAL(fflush)(file);
}

int fclose(FILE *file)
{
    int failed = FAILS(writes), code = REAL(fclose)(file);
    if (failed)
        errno = ENOSPC;
    return failed ? EOF : code;
}

int fsync(int fd)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(ftruncate)(fd, size);
}

int rename(const char *a, const char *b)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(rename)(a, b);
}

int link(const char *a, const char *b)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(link)(a, b);
}

int mkdir(const char *path, mode_t mode)
{
    FAIL(writes, ENOSPC, -1);
    return REAL(mkdir)(path, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    if (mode[0] != 'r')
        FAIL(writes, ENOSPC, NULL);
    return REAL(fopen)(path, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list list;
        va_start(list, flags);
        mode = va_arg(list, mode_t);
        va_end(list);
        FAIL(writes, ENOSPC, -1);
    }
    return REAL(open)(path, flags, mode);
}
