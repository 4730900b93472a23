/* Preloaded: the call number $FAIL_AT fails, counted over all processes of a command. FAIL_KIND=memory: allocations;
 * write: whatever makes, fills or moves a file. FAIL_FROM: a part of the name of the libraries whose calls count, or
 * "own": the program, its codecs and every library but libhdf5, OpenBLAS, libcrypto (whose start cannot fail) and
 * libc. $FAIL_COUNT is a file that the count is
 * kept in, 8 bytes; FAIL_AT=0 counts alone. FAIL_REST: and so do all calls after it. FAIL_TRACE: says who called.
 * FAIL_LEAKS: a file to which a process that ends by exit or by returning from main adds a line of what it has not
 * freed of the allocations that count ("own"). */
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
static int memory, writes, rest;
static const char *from;

/* ---- what is not freed ---- */

enum { SLOTS = 1 << 20 };
static _Atomic(uintptr_t) *held; /* pointers, by open addressing; 1: one that went */
static char leaks[4096];         /* "": not asked for */
static pid_t leaks_of;

static void begin_leaks(void)
{
    const char *file = getenv("FAIL_LEAKS");
    if (!file || strlen(file) >= sizeof leaks)
        return;
    void *map = mmap(NULL, SLOTS * sizeof *held, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return;
    strcpy(leaks, file);
    leaks_of = getpid();
    held = map;
}

static size_t first_slot(const void *p)
{
    return (size_t)((uintptr_t)p * 0x9e3779b97f4a7c15u >> 44);
}

static void *hold(void *p)
{
    if (!held || !p)
        return p;
    for (size_t i = first_slot(p);; i = (i + 1) % SLOTS) {
        uintptr_t there = atomic_load(&held[i]);
        if (there <= 1 && atomic_compare_exchange_strong(&held[i], &there, (uintptr_t)p))
            return p;
    }
}

static int let_go(const void *p)
{
    for (size_t i = first_slot(p); held && p && atomic_load(&held[i]); i = (i + 1) % SLOTS) {
        uintptr_t there = (uintptr_t)p;
        if (atomic_compare_exchange_strong(&held[i], &there, 1))
            return 1;
    }
    return 0;
}

__attribute__((destructor)) static void end_leaks(void)
{
    char line[64];
    size_t n = 0;
    for (size_t i = 0; held && leaks_of == getpid() && i < SLOTS; i++)
        n += atomic_load(&held[i]) > 1;
    int fd = n ? open(leaks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0 && write(fd, line, (size_t)snprintf(line, sizeof line, "%zu allocations left\n", n)) < 0)
        abort();
}

/* ---- which call fails ---- */

__attribute__((constructor)) static void begin(void)
{
    const char *kind = getenv("FAIL_KIND"), *file = getenv("FAIL_COUNT");
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map == MAP_FAILED || !kind || strcmp(program_invocation_short_name, "qinsbench") != 0)
        return; /* also gnuplot inherits all this */
    at = atoll(getenv("FAIL_AT") ? getenv("FAIL_AT") : "0");
    from = getenv("FAIL_FROM") ? getenv("FAIL_FROM") : "own";
    memory = strcmp(kind, "memory") == 0;
    writes = !memory;
    rest = getenv("FAIL_REST") != NULL;
    begin_leaks();
    count = map;
}

static int is_counted(const void *caller)
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

/* dladdr is slow: what it said of an address is kept. A codec that is loaded where another was is one that counts, too.
 */
static int counts(const void *caller)
{
    static _Atomic(uintptr_t) known[1 << 14]; /* the address, times 2, plus whether it counts */
    const uintptr_t twice = (uintptr_t)caller << 1;
    _Atomic(uintptr_t) *slot = &known[(twice ^ twice >> 14) % (sizeof known / sizeof *known)];
    uintptr_t there = atomic_load(slot);
    if ((there | 1) != (twice | 1)) {
        there = twice | (uintptr_t)is_counted(caller);
        atomic_store(slot, there);
    }
    return (int)(there & 1);
}

static int fails(int on, const void *caller)
{
    if (!count || !on || !counts(caller))
        return 0;
    const long long n = atomic_fetch_add(count, 1) + 1;
    if (at <= 0 || (rest ? n < at : n != at))
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
#define HELD(p) (held && counts(__builtin_return_address(0)) ? hold(p) : (p))
#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t size)
{
    extern void *__libc_malloc(size_t);
    FAIL(memory, ENOMEM, NULL);
    return HELD(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    extern void *__libc_calloc(size_t, size_t);
    FAIL(memory, ENOMEM, NULL);
    return HELD(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
    extern void *__libc_realloc(void *, size_t);
    FAIL(memory, ENOMEM, NULL);
    int was = let_go(old);
    void *new = __libc_realloc(old, size);
    if (was && !new)
        hold(old);
    return was ? hold(new) : HELD(new);
}

void *aligned_alloc(size_t to, size_t size)
{
    extern void *__libc_memalign(size_t, size_t);
    FAIL(memory, ENOMEM, NULL);
    return HELD(__libc_memalign(to, size));
}

int posix_memalign(void **out, size_t to, size_t size)
{
    extern void *__libc_memalign(size_t, size_t);
    if (FAILS(memory))
        return ENOMEM;
    *out = HELD(__libc_memalign(to, size));
    return *out ? 0 : ENOMEM;
}

void free(void *p)
{
    extern void __libc_free(void *);
    let_go(p);
    __libc_free(p);
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
