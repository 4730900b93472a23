/* What the subcommands share. Only this room prints to stdout or decides exit codes. */
#ifndef QB_CLI_H
#define QB_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/text.h"
#include "codec/registry.h"
#include "store/store.h"

enum {
    QB_EXIT_DONE = 0,
    QB_EXIT_SHORT = 1,
    QB_EXIT_INPUT = 2,
    QB_EXIT_CELLS = 3,
    QB_EXIT_INCONCLUSIVE = 4,
    QB_EXIT_INTERRUPTED = 130
};

/* Subcommands, one file each; argv[0] is the subcommand's name. They return the exit code. */
int qb_command_run(int argc, char **argv);
int qb_command_show(int argc, char **argv);
int qb_command_list(int argc, char **argv);
int qb_command_claims(int argc, char **argv);
int qb_command_report(int argc, char **argv);
int qb_command_inspect(int argc, char **argv);
int qb_command_bench(int argc, char **argv);
int qb_command_generate(int argc, char **argv);
int qb_command_make_model(int argc, char **argv);
int qb_command_chat(int argc, char **argv);
int qb_command_gate(int argc, char **argv);
int qb_command_baseline(int argc, char **argv);
int qb_command_compare(int argc, char **argv);
int qb_command_new_codec(int argc, char **argv);
int qb_command_coverage(int argc, char **argv);
int qb_command_convert(int argc, char **argv);
int qb_command_tokenize(int argc, char **argv);
int qb_command_kl_base(int argc, char **argv);
int qb_command_logits(int argc, char **argv);
int qb_command_search(int argc, char **argv);
int qb_command_codec(int argc, char **argv);

/* ---- options and help as data ---- */

#define QB_FLAGS_MAX 24

struct qb_flag {
    const char *name;     /* long name; NULL ends the list */
    char letter;          /* short name, or 0 */
    const char *argument; /* what it takes, for the help ("FILE", or "[FILE]": the next word, if that is no option; a
                             long name's alone), or NULL */
    const char *help;
};

struct qb_usage {
    const char *name;            /* of the subcommand */
    const char *synopsis;        /* what follows it */
    const char *summary;         /* a sentence or two */
    const struct qb_flag *flags; /* --help is added */
    const char *examples;        /* lines, each a command */
};

enum { QB_FLAG_END = -1, QB_FLAG_STOP = -2 };
struct qb_flags { /* a parse in progress; zero-initialise with usage */
    const struct qb_usage *usage;
    struct option options[QB_FLAGS_MAX + 2];
    char letters[3 * QB_FLAGS_MAX + 4];
    int code; /* QB_FLAG_STOP: the exit code (help was printed, or an unknown option with the nearest one) */
};
/* The index of the next flag of argv in usage->flags, its argument in optarg; QB_FLAG_END: optind is at the first
 * positional argument; QB_FLAG_STOP: return flags->code. */
int qb_flags_next(struct qb_flags *flags, int argc, char **argv);

/* ---- messages and exit codes ---- */

/* border.c: all that goes to stdout and stderr, cleaned (base/utf8.h). A message is one line, whatever it quotes: line
 * ends in it become blanks. */

/* "<message>" and a line end on stderr. */
void qb_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From now on an exit() from inside a library is said and ends with QB_EXIT_INPUT; main ends with qb_end's code. */
void qb_tell_exits(void);
int qb_end(int code);
/* "qinsbench: <message>" on stderr; returns QB_EXIT_INPUT. */
int qb_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
int qb_complain_error(const struct qb_error *err);
/* A text of lines on stderr, such as a table; ends its last line. */
void qb_tell_lines(const char *text);
/* In the place of the line that a terminal's cursor is in; "" erases it. */
void qb_tell_status(const char *line);
/* The parts, up to NULL, as one message on stderr; a signal handler may call it. */
void qb_tell_at_once(const char *const *parts);
/* Writes text to stdout and checks that it arrived. */
int qb_print(const struct qb_text *text);
/* Writes bytes as they are to stdout, which may be no terminal. */
enum qb_status qb_print_bytes(const void *bytes, size_t size, struct qb_error *err);
/* The exit code of a program whose command ended with `code`: QB_EXIT_INPUT, with a message, where what it printed has
 * not arrived. */
int qb_printed(int code);

/* Says of a result whose run was interrupted that it was. */
void qb_tell_interrupted(const struct qb_result *result);
/* From now on a mapped file that becomes shorter while it is read ends the process, and those forked from it, with
 * QB_EXIT_INPUT and the file's name on stderr, not with a bare SIGBUS. */
void qb_tell_cut_files(void);
/* From now on SIGHUP, SIGINT and SIGTERM remove the files in the making, say so and then end the process; a full disk,
 * a file size limit and a closed pipe are errors where they are met, not signals. */
void qb_tell_signals(void);

/* ---- argument values ---- */
enum qb_output { QB_OUTPUT_CONSOLE, QB_OUTPUT_CSV, QB_OUTPUT_JSON, QB_OUTPUT_MARKDOWN };
enum qb_status qb_parse_output(const char *text, enum qb_output *output, struct qb_error *err);
enum qb_status qb_parse_count(const char *flag, const char *text, long min, long max, long *value,
                              struct qb_error *err);
/* --isa NAME, refused when the CPU lacks it. */
enum qb_status qb_parse_isa(const char *text, enum qb_isa *isa, struct qb_error *err);

/* The plugin folders' codecs and those of `extra` (NULL-terminated, may be NULL). */
enum qb_status qb_open_registry(const char *const *extra, struct qb_registry **registry, struct qb_error *err);

/* A suite argument: a file, or the name of a shipped suite. Writes out[4096]. */
enum qb_status qb_find_suite(const char *text, char out[4096], struct qb_error *err);
/* The folder of the shipped suites; false when there is none. */
bool qb_suites_folder(char out[4096]);

/* ---- output formats (values as JSON and CSV: base/text_format.h) ---- */

/* Columns of a text: the terminal's, $COLUMNS, or 100. */
size_t qb_columns(int fd);

/* A table with aligned columns: cells[rows][cols], row 0 the header; the first column left, others right. Columns that
 * do not fit `width` go into further tables under the first, each with the first column again. */
void qb_table(struct qb_text *out, const char *const *cells, size_t rows, size_t cols, size_t width);

/* The same as a table of GitHub's Markdown, an empty line behind it. */
void qb_table_markdown(struct qb_text *out, const char *const *cells, size_t rows, size_t cols);
/* Lines as they are, as Markdown's indented code: nothing in them is markup, nor can they end it. Nothing of no text.
 */
void qb_lines_markdown(struct qb_text *out, const struct qb_text *lines);

/* A list of records as console table, CSV, JSON or Markdown: the same columns each. A value that looks like a number in
 * a column with `numeric` is one in JSON. */
struct qb_listing {
    const char *const *columns; /* NULL-terminated */
    const bool *numeric;        /* per column, or NULL */
    const bool *lists;          /* per column, or NULL: its values are numbers with blanks between, an array in JSON */
    char **values;              /* [rows * columns], qb_strdup'ed */
    size_t rows;
    bool failed; /* memory ran out: what is printed of it has failed, too */
};
void qb_listing_add(struct qb_listing *listing, const char *const *values);
void qb_listing_print(const struct qb_listing *listing, enum qb_output output, struct qb_text *out);
/* For a console where values are long: a record a paragraph under its first value, a line or more a column. */
void qb_listing_blocks(const struct qb_listing *listing, size_t width, struct qb_text *out);
void qb_listing_free(struct qb_listing *listing);

#endif
