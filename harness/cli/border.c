/* The border between the program and who reads it: every byte on stdout and stderr passes here, and
 * tests/cli/structure.sh holds that no other file writes there. Texts are cleaned as they go (base/utf8.h), in no
 * memory but a buffer's. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli.h"

/* Where clean text gathers on its way to a descriptor or a stream. */
struct gate {
    FILE *stream; /* NULL: stderr's descriptor, which a signal handler may use */
    size_t used;
    bool lost;
    char bytes[1024];
};

static void pass_on(struct gate *gate)
{
    size_t done = gate->stream ? fwrite(gate->bytes, 1, gate->used, gate->stream) : 0;
    while (!gate->stream && done < gate->used) {
        ssize_t n = write(STDERR_FILENO, gate->bytes + done, gate->used - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    gate->lost = gate->lost || done != gate->used;
    gate->used = 0;
}

static void add(struct gate *gate, const char *text, size_t size, enum qb_clean kind)
{
    char unit[QB_CLEAN_ONE];
    for (size_t at = 0, made; at < size; gate->used += made) {
        at += qb_clean_one(text + at, size - at, kind, unit, &made);
        if (made > sizeof gate->bytes - gate->used)
            pass_on(gate);
        memcpy(gate->bytes + gate->used, unit, made);
    }
}

/* Our own words, which may hold the sequences that move a cursor. */
static void add_own(struct gate *gate, const char *words)
{
    size_t size = strlen(words);
    if (size > sizeof gate->bytes - gate->used)
        pass_on(gate);
    memcpy(gate->bytes + gate->used, words, size);
    gate->used += size;
}

/* ---- stderr ---- */

static void tell(const char *before, const char *format, va_list args)
{
    struct gate gate = {.stream = stderr};
    char *said = NULL;
    int size = vasprintf(&said, format, args);
    const char *text = size < 0 ? format : said; /* without memory the words without what they are about */
    add_own(&gate, before);
    add(&gate, text, strlen(text), QB_CLEAN_LINE);
    add_own(&gate, "\n");
    pass_on(&gate);
    free(size < 0 ? NULL : said);
}

void qb_tell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell("", format, args);
    va_end(args);
}

int qb_complain(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell("qinsbench: ", format, args);
    va_end(args);
    return QB_EXIT_INPUT;
}

int qb_complain_error(const struct qb_error *err)
{
    return qb_complain("%s", err->message);
}

void qb_tell_lines(const char *text)
{
    struct gate gate = {.stream = stderr};
    size_t size = strlen(text);
    add(&gate, text, size, QB_CLEAN_LINES);
    if (size && text[size - 1] != '\n')
        add_own(&gate, "\n");
    pass_on(&gate);
}

void qb_tell_status(const char *line)
{
    struct gate gate = {.stream = stderr};
    add_own(&gate, "\r\033[K");
    add(&gate, line, strlen(line), QB_CLEAN_LINE);
    pass_on(&gate);
    fflush(stderr);
}

void qb_tell_at_once(const char *const *parts)
{
    struct gate gate = {0};
    for (; *parts; parts++)
        add(&gate, *parts, strlen(*parts), QB_CLEAN_LINE);
    add_own(&gate, "\n");
    pass_on(&gate);
}

/* ---- stdout ---- */

static const char no_room[] = "cannot write to stdout: %s";

int qb_print(const struct qb_text *text)
{
    struct gate gate = {.stream = stdout};
    if (text->failed || qb_mem_lost_text())
        return qb_complain("no memory for the output");
    add(&gate, text->data ? text->data : "", text->size, QB_CLEAN_LINES);
    pass_on(&gate);
    return gate.lost || fflush(stdout) ? qb_complain(no_room, strerror(errno)) : QB_EXIT_DONE;
}

enum qb_status qb_print_bytes(const void *bytes, size_t size, struct qb_error *err)
{
    if (isatty(STDOUT_FILENO))
        return qb_fail(err, QB_ERR_INPUT,
                       "stdout is a terminal, and what comes is no text: send it to a file or a pipe");
    return fwrite(bytes, 1, size, stdout) != size || fflush(stdout) ? qb_fail(err, QB_ERR_IO, no_room, strerror(errno))
                                                                    : QB_OK;
}

int qb_printed(int code)
{
    errno = 0;
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (code == QB_EXIT_DONE && qb_mem_lost_text())
        return qb_complain("no memory for a part of a text, of the output or of what it was made from");
    return lost && code != QB_EXIT_INPUT ? qb_complain(no_room, errno ? strerror(errno) : "not all of it arrived")
                                         : code;
}
