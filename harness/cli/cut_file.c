/* A mapped file that becomes shorter while it is read raises SIGBUS where its bytes are missing. */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/temp.h"
#include "cli.h"

/* The next line of fd without its end, cut to size - 1 bytes; false at the end. One byte a read: it happens once. */
static bool next_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    char c = '\0';
    while (read(fd, &c, 1) == 1 && c != '\n')
        if (n + 1 < size)
            line[n++] = c;
    line[n] = '\0';
    return c == '\n';
}

/* The file mapped at `at`, of /proc/self/maps ("FROM-TO rw-p OFFSET DEVICE INODE PATH"), in line; NULL: none. */
static const char *file_at(uintptr_t at, char *line, size_t size)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && next_line(fd, line, size)) {
        char *dash = NULL;
        uintptr_t from = strtoul(line, &dash, 16), to = *dash == '-' ? strtoul(dash + 1, NULL, 16) : 0;
        if (at >= from && at < to)
            return strchr(line, '/');
    }
    return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    char line[4096];
    if (atomic_flag_test_and_set(&begun)) /* another thread tells of it and ends all */
        for (;;)
            pause();
    const char *path = file_at((uintptr_t)info->si_addr, line, sizeof line);
    (void)context;
    qb_temp_remove_all();
    if (!path) {
        signal(number, SIG_DFL); /* no file of ours: returning faults again, and ends the process by the signal */
        return;
    }
    qb_tell_at_once((const char *const[]){"qinsbench: ", path,
                                          ": the file became shorter while it was read; what was finished is kept, and "
                                          "no file was left half written",
                                          NULL});
    _exit(QB_EXIT_INPUT);
}

void qb_tell_cut_files(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
