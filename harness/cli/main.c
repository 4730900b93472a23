/* qinsbench: the subcommand table, and the environment that OpenBLAS needs before the program starts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "cli.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", qb_command_run, "run a suite and write its result file"},
    {"show", qb_command_show, "the metrics of a result file as tables, CSV or JSON"},
    {"list", qb_command_list, "codecs, variants, models, families, experiments, metrics or suites"},
    {"claims", qb_command_claims, "the ledger of published numbers against a result file"},
    {"report", qb_command_report, "figures and tables of a result file"},
    {"gate", qb_command_gate, "a result file against a baseline, by rules, for CI"},
    {"baseline", qb_command_baseline, "accept result files as the baseline of later gates"},
    {"compare", qb_command_compare, "the differences between two result files, or two variants of one"},
    {"search", qb_command_search, "the best options of a format, by successive halving on calibration text"},
    {"inspect", qb_command_inspect, "what is in a model, result file, codec plugin or suite"},
    {"coverage", qb_command_coverage, "what the 95% intervals really cover, simulated"},
    {"new-codec", qb_command_new_codec, "write a codec plugin of your own that builds and passes its tests"},
    {"bench", qb_command_bench, "codec and BLAS speed on this machine"},
    {"convert", qb_command_convert, "a model's weights as a variant stores them, in a file"},
    {"generate", qb_command_generate, "a text continued by a model"},
    {"chat", qb_command_chat, "talk with a model, under one variant or two side by side"},
    {"make-model", qb_command_make_model, "write a generated model as safetensors"},
    {"tokenize", qb_command_tokenize, "the token ids of a text"},
    {"kl-base", qb_command_kl_base, "a model's logits of a text as llama.cpp's logits base file"},
    {"logits", qb_command_logits, "a model's logits for token ids, as an HDF5 file"},
    {"codec", qb_command_codec, "encode or decode a raw matrix"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int print_help(void)
{
    struct qb_text out = {0};
    qb_text_add(&out,
                "qinsbench %s - what encoding a model's weights does to it, measured\n\n"
                "usage: qinsbench COMMAND [options]     qinsbench help COMMAND     qinsbench --version\n\n",
                QB_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        qb_text_add(&out, "  %-12s%s\n", commands[i].name, commands[i].summary);
    qb_text_add(&out, "\nexample: qinsbench run experiments/suites/source.yaml -o results/source.h5\n"
                      "         qinsbench show results/source.h5\n\n"
                      "exit codes: 0 done, 1 a gate or claim fell short, 2 usage or input error, 3 some cells failed,\n"
                      "            4 a gate stayed open, 130 interrupted (what is finished is kept)\n");
    int code = qb_print(&out);
    qb_text_free(&out);
    return code;
}

static int print_version(void)
{
    struct qb_text out = {0};
    qb_text_add(&out, "qinsbench %s\n", QB_VERSION);
    int code = qb_print(&out);
    qb_text_free(&out);
    return code;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMANDS + 1];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    names[COMMANDS] = NULL;
    const char *nearest = qb_nearest(name, names);
    return qb_complain("no command '%s'%s%s%s (qinsbench --help lists them)", name, nearest ? ", did you mean '" : "",
                       nearest ? nearest : "", nearest ? "'?" : "");
}

/* The value of --blas-core, wherever it stands; NULL when it is not given. */
static const char *blas_core_flag(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--blas-core=", 12) == 0)
            return argv[i] + 12;
        if (strcmp(argv[i], "--blas-core") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

/* OpenBLAS reads its environment when it is loaded, before main: the program sets it and starts itself again, once. The
 * mark holds the process id, which exec keeps and a child does not have. What the user set wins. */
static void start_again(int argc, char **argv)
{
    char mine[32];
    const char *mark = getenv("QINSBENCH_STARTED"), *flag = blas_core_flag(argc, argv);
    snprintf(mine, sizeof mine, "%ld", (long)getpid());
    if (mark && strcmp(mark, mine) == 0)
        return;
    const char *core = flag && strcmp(flag, "auto") != 0 ? flag : qb_blas_coretype();
    if (flag || !getenv("OPENBLAS_CORETYPE")) {
        if (core)
            setenv("OPENBLAS_CORETYPE", core, 1);
        else
            unsetenv("OPENBLAS_CORETYPE");
    }
    /* One thread: workers are forked from this process, and the harness does its own threading. */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("QINSBENCH_STARTED", mine, 1);
    execv("/proc/self/exe", argv); /* when it fails the program goes on with OpenBLAS's own choice */
}

static int run_command(int argc, char **argv)
{
    if (argc < 2) {
        print_help();
        return QB_EXIT_INPUT;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return print_version();
    const bool help = strcmp(argv[1], "help") == 0;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (help && argc == 2))
        return print_help();
    if (help && argc > 3)
        return qb_complain("help: expected one command, found %d (qinsbench --help lists them)", argc - 2);
    const struct command *command = find_command(argv[1 + help]);
    if (!command)
        return unknown_command(argv[1 + help]);
    return help ? command->run(2, (char *[]){argv[2], "--help", NULL}) : command->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    start_again(argc, argv);
    qb_tell_cut_files();
    qb_tell_signals();
    qb_tell_exits();
    return qb_end(qb_printed(run_command(argc, argv)));
}
