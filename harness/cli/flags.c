/* Options of a subcommand: parsed with getopt_long, helped and corrected from one table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "base/data_path.h"
#include "base/cpu.h"
#include "base/file.h"
#include "cli.h"
#include "codec/registry.h"

void qb_tell_interrupted(const struct qb_result *result)
{
    if (qb_result_interrupted(result))
        qb_tell("note: the run was interrupted before all of its cells had run (run --resume goes on)");
}

static int usage_print(const struct qb_usage *usage)
{
    struct qb_text out = {0};
    qb_text_add(&out, "usage: qinsbench %s %s\n\n%s\n\n", usage->name, usage->synopsis, usage->summary);
    for (const struct qb_flag *flag = usage->flags; flag->name; flag++) {
        char left[64];
        snprintf(left, sizeof left, "%c%c%s--%s%s%s", flag->letter ? '-' : ' ', flag->letter ? flag->letter : ' ',
                 flag->letter ? ", " : "  ", flag->name, flag->argument ? " " : "",
                 flag->argument ? flag->argument : "");
        qb_text_add(&out, "  %-28s %s\n", left, flag->help);
    }
    qb_text_add(&out, "  %-28s %s\n", "-h, --help", "this text");
    if (usage->examples)
        qb_text_add(&out, "\nexamples:\n%s\n", usage->examples);
    int code = qb_print(&out);
    qb_text_free(&out);
    return code;
}

static bool is_optional(const struct qb_flag *flag)
{
    return flag->argument && flag->argument[0] == '[';
}

/* The tables that getopt_long reads; --help is the last. */
static void fill_options(struct qb_flags *flags)
{
    size_t n = 0;
    char *letter = flags->letters;
    *letter++ = ':'; /* tells a missing argument from an unknown option */
    for (const struct qb_flag *flag = flags->usage->flags; flag->name && n < QB_FLAGS_MAX; flag++, n++) {
        const int takes = !flag->argument ? no_argument : is_optional(flag) ? optional_argument : required_argument;
        flags->options[n] = (struct option){flag->name, takes, NULL, 256 + (int)n};
        if (flag->letter) {
            *letter++ = flag->letter;
            if (flag->argument)
                *letter++ = ':';
        }
    }
    flags->options[n] = (struct option){"help", no_argument, NULL, 'h'};
    *letter++ = 'h';
    *letter = '\0';
}

static int unknown_flag(const struct qb_flags *flags, const char *given)
{
    const char *names[QB_FLAGS_MAX + 2];
    char word[64];
    size_t n = 0;
    for (; flags->options[n].name; n++)
        names[n] = flags->options[n].name;
    names[n] = NULL;
    snprintf(word, sizeof word, "%s", given + strspn(given, "-"));
    word[strcspn(word, "=")] = '\0';
    const char *nearest = strncmp(given, "--", 2) == 0 ? qb_nearest(word, names) : NULL;
    return qb_complain("%s: unknown option '%s'%s%s%s (qinsbench %s --help)", flags->usage->name, given,
                       nearest ? ", did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "",
                       flags->usage->name);
}

int qb_flags_next(struct qb_flags *flags, int argc, char **argv)
{
    if (!flags->options[0].name) {
        fill_options(flags);
        optind = 0; /* GNU: start over */
        opterr = 0;
    }
    int before = optind < 1 ? 1 : optind;
    int c = getopt_long(argc, argv, flags->letters, flags->options, NULL);
    if (c == -1)
        return QB_FLAG_END;
    if (c == 'h') {
        flags->code = usage_print(flags->usage);
        return QB_FLAG_STOP;
    }
    if (c == ':' || c == '?') {
        char letter[3] = {'-', (char)optopt, '\0'};
        const char *given = optopt > 0 && optopt < 256 ? letter : argv[optind > before ? optind - 1 : before];
        flags->code = c == ':' ? qb_complain("%s: option '%s' needs an argument (qinsbench %s --help)",
                                             flags->usage->name, given, flags->usage->name)
                               : unknown_flag(flags, given);
        return QB_FLAG_STOP;
    }
    if (c >= 256) {
        /* getopt takes an optional argument behind = alone */
        if (is_optional(&flags->usage->flags[c - 256]) && !optarg && optind < argc && argv[optind][0] != '-')
            optarg = argv[optind++];
        return c - 256;
    }
    for (int i = 0; flags->usage->flags[i].name; i++)
        if (flags->usage->flags[i].letter == c)
            return i;
    return QB_FLAG_END;
}

enum qb_status qb_parse_output(const char *text, enum qb_output *output, struct qb_error *err)
{
    static const char *const names[] = {"console", "csv", "json", "markdown"};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *output = (enum qb_output)i;
            return QB_OK;
        }
    return qb_fail(err, QB_ERR_INPUT, "--output: expected console, csv, json or markdown, found '%s'", text);
}

enum qb_status qb_parse_count(const char *flag, const char *text, long min, long max, long *value, struct qb_error *err)
{
    char *end = NULL;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (end == text || *end || errno || n < min || n > max)
        return qb_fail(err, QB_ERR_INPUT, "%s: expected an integer in [%ld, %ld], found '%s'", flag, min, max, text);
    *value = n;
    return QB_OK;
}

enum qb_status qb_parse_isa(const char *text, enum qb_isa *isa, struct qb_error *err)
{
    if (!qb_isa_parse(text, isa))
        return qb_fail(err, QB_ERR_INPUT, "--isa: expected portable, avx2, avx512 or amx, found '%s'", text);
    if (*isa > qb_cpu()->isa)
        return qb_fail(err, QB_ERR_INPUT, "--isa %s: this CPU goes up to %s", text, qb_isa_name(qb_cpu()->isa));
    return QB_OK;
}

enum qb_status qb_open_registry(const char *const *extra, struct qb_registry **registry, struct qb_error *err)
{
    char folders[2][4096];
    const char *list[3] = {0};
    size_t n = qb_registry_folders(folders);
    for (size_t i = 0; i < n && i < 2; i++)
        list[i] = folders[i];
    return qb_registry_open(list, extra, registry, err);
}

bool qb_suites_folder(char out[4096])
{
    struct qb_error ignored = {0};
    return !qb_data_path("suites", out, &ignored) || !qb_data_path("../experiments/suites", out, &ignored);
}

enum qb_status qb_find_suite(const char *text, char out[4096], struct qb_error *err)
{
    char folder[4096];
    int n = snprintf(out, 4096, "%s", text);
    if (n > 0 && n < 4096 && qb_file_exists(out))
        return QB_OK;
    if (!strchr(text, '/') && qb_suites_folder(folder)) {
        n = snprintf(out, 4096, "%s/%s.yaml", folder, text);
        if (n > 0 && n < 4096 && qb_file_exists(out))
            return QB_OK;
    }
    return qb_fail(err, QB_ERR_INPUT, "%s: no such file, and no shipped suite of this name (qinsbench list suites)",
                   text);
}
