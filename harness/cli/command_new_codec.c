/* qinsbench new-codec: writes a codec plugin that builds and passes its tests, from the templates in data/new-codec. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/data_path.h"
#include "base/escape.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cli.h"
#include "codec/registry.h"

enum { NAME_MAX_LENGTH = 40 };
#define LETTERS "abcdefghijklmnopqrstuvwxyz"
/* What a path may hold to go into a Makefile unquoted. */
#define PLAIN LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+,@-"

enum { OUT };
static const struct qb_flag flags[] = {{"out", 'o', "DIR", "folder to make; default ./NAME"}, {0}};
static const struct qb_usage usage = {
    "new-codec", "NAME [-o DIR]",
    "Writes a folder with a codec plugin of your own: source, README, Makefile, tests, variant and suite. It builds "
    "and\n"
    "passes its tests as it stands; NAME.c says where to change the format. NAME: a lower-case letter, then "
    "lower-case\n"
    "letters, digits, '_' and '-'. The tutorial goes on from here: docs/tutorial.md.",
    flags,
    "  qinsbench new-codec my-format\n"
    "  qinsbench new-codec my-format -o ~/src/my-format && make -C ~/src/my-format test"};

/* What is written: @NAME@ in `to` is the codec's name. */
static const struct {
    const char *from, *to;
} files[] = {{"codec.c", "@NAME@.c"},
             {"README.md", "README.md"},
             {"Makefile", "Makefile"},
             {"variant.yaml", "@NAME@.yaml"},
             {"suite.yaml", "suite.yaml"},
             {"gitignore", ".gitignore"},
             {"tests/run.sh", "tests/run.sh"},
             {"tests/round_trip.c", "tests/round_trip.c"},
             {"gate.yml", ".github/workflows/gate.yml"}};
/* The folders among them, inner ones first. */
static const char *const folders[] = {"tests", ".github/workflows", ".github"};
enum { FILES = sizeof files / sizeof *files };

/* The words that templates may hold between two @. */
struct words {
    const char *name;
    char codec_h[PATH_MAX]; /* folder of codec.h, "" where it is not beside this program */
    char program[PATH_MAX];
};

/* ---- the name ---- */

static enum qb_status check_name(const char *name, struct qb_error *err)
{
    char path[4096], relative[NAME_MAX_LENGTH + 32];
    struct qb_registry *registry = NULL;
    struct qb_error ignored = {0};
    size_t length = strlen(name);
    if (!length || length > NAME_MAX_LENGTH || !strchr(LETTERS, name[0]) || name[strspn(name, LETTERS "0123456789_-")])
        return qb_fail(err, QB_ERR_INPUT,
                       "new-codec: expected a name of a lower-case letter, then lower-case letters, digits, '_' and "
                       "'-', at most %d characters, found '%.*s'",
                       NAME_MAX_LENGTH, QB_UPTO(60, name));
    snprintf(relative, sizeof relative, "variants/%s.yaml", name);
    if (!qb_data_path(relative, path, &ignored))
        return qb_fail(err, QB_ERR_INPUT, "new-codec: '%s' is the name of a shipped variant (qinsbench list variants)",
                       name);
    if (strcmp(name, "suite") == 0 || strcmp(name, "reference") == 0)
        return qb_fail(err, QB_ERR_INPUT, "new-codec: the name '%s' is taken: %s", name,
                       *name == 's' ? "suite.yaml lies beside it" : "the FP32 run has it");
    if (qb_open_registry(NULL, &registry, err))
        return err->status;
    if (qb_registry_find(registry, name))
        qb_fail(err, QB_ERR_INPUT, "new-codec: '%s' is the id of a shipped codec (qinsbench list codecs)", name);
    qb_registry_free(registry);
    return err->status;
}

/* ---- where the program and codec.h are ---- */

/* path without . and .. in out, or "" where it is not there or would need quotes in a Makefile. */
static void settle(const char *path, char out[PATH_MAX])
{
    if (!realpath(path, out) || out[strspn(out, PLAIN)])
        out[0] = '\0';
}

/* codec.h lies in the source tree, or where make put it beside the program, or where make install did. */
static void find_places(struct words *words)
{
    static const char *const beside[] = {"include", "../include/qinsbench"};
    char path[PATH_MAX + 64], data[4096];
    struct qb_error ignored = {0};
    settle("/proc/self/exe", words->program);
    if (!qb_data_path("../harness/codec/codec.h", data, &ignored)) {
        *strrchr(data, '/') = '\0';
        settle(data, words->codec_h);
    }
    const char *slash = strrchr(words->program, '/');
    for (size_t i = 0; i < 2 && slash && !words->codec_h[0]; i++) {
        int folder = (int)(slash - words->program);
        snprintf(path, sizeof path, "%.*s/%s/codec.h", folder, words->program, beside[i]);
        if (!qb_file_exists(path))
            continue;
        *strrchr(path, '/') = '\0';
        settle(path, words->codec_h);
    }
}

/* ---- templates ---- */

static const char *word_value(const struct words *words, const char *word, size_t length)
{
    const struct {
        const char *word, *value;
    } known[] = {{"NAME", words->name}, {"CODEC_H", words->codec_h}, {"PROGRAM", words->program}};
    for (size_t i = 0; i < 3; i++)
        if (strlen(known[i].word) == length && memcmp(known[i].word, word, length) == 0)
            return known[i].value;
    return NULL;
}

/* Appends text with each @WORD@ replaced; a word that is not known is an error. An @ without a word of capitals and a
 * second @ stands for itself. `place` is the template's path for messages. */
static enum qb_status fill(const struct words *words, const char *place, const char *text, struct qb_text *out,
                           struct qb_error *err)
{
    unsigned line = 1;
    for (const char *at = text; *at; at++) {
        line += *at == '\n';
        size_t length = *at == '@' ? strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") : 0;
        if (!length || at[1 + length] != '@') {
            qb_text_bytes(out, at, 1);
            continue;
        }
        const char *value = word_value(words, at + 1, length);
        if (!value)
            return qb_fail(err, QB_ERR_INPUT, "%s:%u: expected @NAME@, @CODEC_H@ or @PROGRAM@, found '@%.*s@'", place,
                           line, (int)(length < 40 ? length : 40), at + 1);
        qb_text_add(out, "%s", value);
        at += length + 1;
    }
    return out->failed ? qb_fail(err, QB_ERR_MEMORY, "%s: no memory for the filled template", place) : QB_OK;
}

static enum qb_status write_file(const struct words *words, const char *from, const char *to, struct qb_error *err)
{
    char place[4096], relative[64];
    char *text = NULL;
    size_t size = 0;
    struct qb_text out = {0};
    snprintf(relative, sizeof relative, "new-codec/%s", from);
    if (!qb_data_path(relative, place, err) && !qb_file_read(place, (size_t)1 << 20, &text, &size, err) &&
        (size == 0 || strlen(text) != size))
        qb_fail(err, QB_ERR_INPUT, "%s: expected a template, found %s", place, size ? "a NUL" : "an empty file");
    if (!err->status && !fill(words, place, text, &out, err))
        qb_file_replace(to, out.data, out.size, err);
    qb_text_free(&out);
    qb_free(text);
    return err->status;
}

/* ---- the folder ---- */

/* <folder>/<the i-th file, filled>. */
static enum qb_status file_path(const struct words *words, const char *folder, size_t i, char path[PATH_MAX],
                                struct qb_error *err)
{
    struct qb_text to = {0};
    if (!fill(words, "the list of files", files[i].to, &to, err) &&
        snprintf(path, PATH_MAX, "%s/%s", folder, to.data) >= PATH_MAX)
        qb_fail(err, QB_ERR_INPUT, "%.*s...: path too long", QB_UPTO(100, folder));
    qb_text_free(&to);
    return err->status;
}

static enum qb_status write_all(const struct words *words, const char *folder, struct qb_error *err)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < FILES; i++)
        if (file_path(words, folder, i, path, err) || write_file(words, files[i].from, path, err))
            return err->status;
    return QB_OK;
}

/* Takes away what write_all may have left. */
static void remove_all(const struct words *words, const char *folder)
{
    char path[PATH_MAX];
    struct qb_error ignored = {0};
    for (size_t i = 0; i < FILES; i++)
        if (!file_path(words, folder, i, path, &ignored))
            unlink(path);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%.4000s/%s", folder, folders[i]);
        rmdir(path);
    }
    rmdir(folder);
}

/* Everything is written into a folder beside `folder`, which then takes the name: never half of it, never over
 * something. */
static enum qb_status write_folder(const struct words *words, const char *folder, struct qb_error *err)
{
    char temp[PATH_MAX - 64], inner[PATH_MAX];
    struct stat info;
    if (snprintf(temp, sizeof temp, "%s.%ld.tmp", folder, (long)getpid()) >= (int)sizeof temp)
        return qb_fail(err, QB_ERR_INPUT, "%.*s...: path too long", QB_UPTO(100, folder));
    if (lstat(folder, &info) == 0)
        return qb_fail(err, QB_ERR_INPUT, "%s: is there already; expected a folder that is yet to be made", folder);
    if (mkdir(temp, 0777) != 0)
        return qb_fail(err, errno == ENOENT || errno == ENOTDIR ? QB_ERR_INPUT : QB_ERR_IO,
                       "%s: cannot make a folder here: %s", folder, strerror(errno));
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !err->status; i++) {
        snprintf(inner, sizeof inner, "%s/%s", temp, folders[i]);
        qb_file_mkdirs(inner, err);
    }
    if (!err->status)
        write_all(words, temp, err);
    /* File systems without RENAME_NOREPLACE say EINVAL; a plain rename replaces nothing but an empty folder. */
    if (!err->status && renameat2(AT_FDCWD, temp, AT_FDCWD, folder, RENAME_NOREPLACE) != 0 &&
        (errno != EINVAL || rename(temp, folder) != 0))
        qb_fail(err, QB_ERR_IO, "%s: cannot put the new folder here: %s", folder, strerror(errno));
    if (err->status)
        remove_all(words, temp);
    return err->status;
}

static int write_codec(const char *name, const char *out)
{
    struct words words = {.name = name};
    char folder[PATH_MAX];
    struct qb_text word = {0};
    struct qb_error err = {0};
    size_t length = strlen(out);
    if (check_name(name, &err))
        return qb_complain_error(&err);
    while (length > 1 && out[length - 1] == '/')
        length--;
    if (length == 0 || length >= sizeof folder)
        return qb_complain("new-codec: -o: expected a folder's name, found %s", length ? "a path too long" : "''");
    snprintf(folder, sizeof folder, "%.*s", (int)length, out);
    find_places(&words);
    if (write_folder(&words, folder, &err))
        return qb_complain_error(&err);
    if (!words.codec_h[0])
        qb_tell("note: codec.h was not found: give its folder with make CODEC_H=FOLDER");
    qb_escape_shell(&word, folder);
    qb_tell("%s: a codec that builds and passes its tests; next: make -C %s test", folder, word.data ? word.data : "");
    qb_text_free(&word);
    return QB_EXIT_DONE;
}

int qb_command_new_codec(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    const char *out = NULL;
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (flag == OUT)
            out = optarg;
    if (flag == QB_FLAG_STOP)
        return parse.code;
    if (optind + 1 != argc)
        return qb_complain("new-codec: expected one name, found %d (qinsbench new-codec --help)", argc - optind);
    return write_codec(argv[optind], out ? out : argv[optind]);
}
