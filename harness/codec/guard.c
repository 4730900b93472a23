#include "codec/guard.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 0xc5, SLACK = 64, GUARDS_MAX = 4096 };

/* What the fault handler can reach; a process of the suite has one thread that allocates. */
static struct qb_guard guards[GUARDS_MAX];
static volatile sig_atomic_t guard_count;
static int report_fd = -1;
static char report_verdict;

struct qb_guard qb_guard_new(const char *name, size_t size, enum qb_guard_side side, unsigned char fill)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (size + SLACK + page - 1) / page * page;
    unsigned char *base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0 || guard_count == GUARDS_MAX) {
        perror("conformance: guarded buffer");
        abort();
    }
    struct qb_guard guard = {.size = size, .pages = base + page, .pages_size = inner, .name = name};
    guard.data = side == QB_GUARD_BEFORE ? guard.pages : guard.pages + inner - size;
    memset(guard.pages, PATTERN, inner);
    memset(guard.data, fill, size);
    guards[guard_count] = guard;
    guard_count = guard_count + 1;
    return guard;
}

bool qb_guard_intact(const struct qb_guard *guard, char *message, size_t message_size)
{
    size_t changed = 0;
    ptrdiff_t first = 0;
    for (unsigned char *at = guard->pages; at < guard->pages + guard->pages_size; at++) {
        if (at == guard->data)
            at += guard->size;
        if (at == guard->pages + guard->pages_size)
            break;
        if (*at != PATTERN && changed++ == 0)
            first = at - guard->data;
    }
    if (changed == 0)
        return true;
    if (first < 0)
        snprintf(message, message_size, "wrote %zu byte(s) outside %s, the first %td before its start", changed,
                 guard->name, -first);
    else
        snprintf(message, message_size, "wrote %zu byte(s) past the end of %s, the first at end + %td", changed,
                 guard->name, first - (ptrdiff_t)guard->size);
    return false;
}

/* Formatting in a signal handler is safe enough here: the process was in the plugin's code and ends below. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = guard_count - 1; i >= 0; i--) {
        const struct qb_guard *guard = &guards[i];
        uintptr_t start = (uintptr_t)guard->pages, end = start + guard->pages_size;
        char text[160];
        int size = 0;
        if (at >= end && at < end + page)
            size = snprintf(text, sizeof text, "%ctouched byte %zu past the end of %s", report_verdict,
                            (size_t)(at - end) + 1, guard->name);
        else if (at < start && at >= start - page)
            size = snprintf(text, sizeof text, "%ctouched byte %zu before the start of %s", report_verdict,
                            (size_t)(start - at), guard->name);
        if (size > 0) {
            ssize_t ignored = write(report_fd, text, (size_t)size);
            (void)ignored;
            _exit(0);
        }
    }
    signal(number, SIG_DFL); /* not ours: returning faults again, and ends the process by the signal */
}

void qb_guard_catch(int fd, char verdict)
{
    report_fd = fd;
    report_verdict = verdict;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}
