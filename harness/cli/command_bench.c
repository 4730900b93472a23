/* qinsbench bench: codecs against reading and writing memory, products against plain OpenBLAS, OpenBLAS's core types
 * against each other. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/choice.h"
#include "base/cpu.h"
#include "bench_model.h"
#include "bench_probe.h"
#include "cli.h"
#include "metric/metric.h"
#include "compute/linear.h"

extern char **environ;

/* Those from ONLY on are of `bench` and `bench kernels`, those from VARIANT on of `bench model`. */
enum {
    OUTPUT,
    REPEATS,
    THREADS,
    CODEC,
    BLAS_CORE,
    ONLY,
    ISA,
    SQUARE,
    VARIANT,
    CALIBRATION,
    ARITHMETIC,
    PREFILL,
    DECODE,
    DEPTH,
    BATCH,
    HOLD,
    PEER,
    PEER_PYTHON,
    PEER_LIMIT
};
static const struct qb_flag flags[] = {
    {"output", 0, "FORMAT", "console (default), csv, json or markdown"},
    {"repeats", 0, "N", "timed rounds; default 16, to and fro; model: what balances 12 or more"},
    {"threads", 0, "N", "threads of the products and the forward pass; default 1; model: all cores"},
    {"codec", 0, "PLUGIN.so", "load a codec from outside; repeatable"},
    {"blas-core", 0, "NAME", "OpenBLAS core type (OPENBLAS_CORETYPE), or auto"},
    {"only", 0, "GLOB", "codecs whose id matches"},
    {"isa", 0, "LEVEL", "highest level to measure: portable, avx2, avx512 or amx"},
    {"square", 0, NULL, "print OpenBLAS's rate on one square product and end"},
    {"variant", 0, "NAME", "model: an arm under a shipped variant, or a variant's .yaml; repeatable"},
    {"calibration", 0, "FILE", "model: text for a calibrated variant"},
    {"arithmetic", 0, "NAME", "model: fused (default), as generate has it; forward: as run does"},
    {"prefill", 0, "N", "model: tokens of a prefill, llama-bench's pp; default 512; 0: none"},
    {"decode", 0, "N", "model: tokens decoded one at a time, its tg; default 128; 0: none"},
    {"depth", 0, "N,...", "model: positions before those that are timed; default 0"},
    {"batch", 0, "N,...", "model: sequences at once; default 1"},
    {"hold", 0, "N", "model: MiB up to which arms hold what they do not encode as FP32; default 2048"},
    {"peer", 0, "[FILE]", "model: an arm that is llama.cpp on this GGUF file (the model's own); repeatable"},
    {"peer-python", 0, "PROGRAM", "model: a Python that has llama-cpp-python; default python3"},
    {"peer-limit", 0, "N", "model: seconds that a peer may take for an answer; default 600"},
    {0}};
static const struct qb_usage usage = {
    "bench", "[kernels | model MODEL] [options]",
    "Measures encode and decode of every codec at every instruction set level, beside reading and writing as much\n"
    "memory, the kernels beside the portable ones, the products that read encoded weights beside reading the same "
    "bytes\n"
    "and beside OpenBLAS on FP32, the products of the source's transformer against plain OpenBLAS,\n"
    "its forward pass, metrics, and OpenBLAS's core types. Median, least and largest rate of n rounds over everything; "
    "share: of the row named last. With `kernels`, the kernels and the products of encoded weights alone.\n"
    "With `model`, prefill and decoding of a model as llama-bench times them: FP32, FP32 again, variants and\n"
    "peers by turns, each in a process of its own; ratios are speed over FP32's and over each peer's.",
    flags,
    "  qinsbench bench\n"
    "  qinsbench bench kernels --threads 2\n"
    "  qinsbench bench --only qins8 --isa avx2 --output json\n"
    "  qinsbench bench --blas-core Haswell\n"
    "  qinsbench bench model m.gguf --variant q8_0 --depth 0,2048 --peer m-q8_0.gguf --peer-python venv/bin/python"};

struct arguments {
    enum qb_output output;
    const char *only;
    long repeats, threads; /* 0: not given */
    struct qb_plugins codecs;
    enum qb_isa isa;
    bool square;
    struct qb_bench_request model;
    const char *of_kernels, *of_model; /* the last option given that is of these alone */
};

static enum qb_status add_name(struct qb_bench_names *names, const char *flag, const char *name, struct qb_error *err)
{
    if (names->count == QB_BENCH_NAMES)
        return qb_fail(err, QB_ERR_INPUT, "%s: at most %d of them", flag, QB_BENCH_NAMES);
    names->list[names->count++] = name;
    return QB_OK;
}

/* Positions and tokens: as many as any model has, and few enough that no product of them overflows. */
#define COUNT_MOST (1 << 20)

static enum qb_status take_model(struct qb_bench_request *m, int flag, struct qb_error *err)
{
    switch (flag) {
    case VARIANT:
        return add_name(&m->variants, "--variant", optarg, err);
    case CALIBRATION:
        m->calibration = optarg;
        return QB_OK;
    case ARITHMETIC:
        return qb_parse_arithmetic(optarg, &m->fused, err);
    case PREFILL:
        return qb_parse_count("--prefill", optarg, 0, COUNT_MOST, &m->prefill, err);
    case DECODE:
        return qb_parse_count("--decode", optarg, 0, COUNT_MOST, &m->decode, err);
    case DEPTH:
        return qb_bench_counts("--depth", optarg, 0, COUNT_MOST, &m->depths, err);
    case BATCH:
        return qb_bench_counts("--batch", optarg, 1, 256, &m->batches, err);
    case HOLD:
        return qb_parse_count("--hold", optarg, 0, COUNT_MOST, &m->hold, err);
    case PEER:
        return add_name(&m->peers, "--peer", optarg, err);
    case PEER_PYTHON:
        m->python = optarg;
        return QB_OK;
    default:
        return qb_parse_count("--peer-limit", optarg, 1, 86400, &m->peer_limit, err);
    }
}

static enum qb_status take(struct arguments *a, int flag, struct qb_error *err)
{
    a->of_kernels = flag >= ONLY && flag < VARIANT ? flags[flag].name : a->of_kernels;
    a->of_model = flag >= VARIANT ? flags[flag].name : a->of_model;
    switch (flag) {
    case OUTPUT:
        return qb_parse_output(optarg, &a->output, err);
    case ONLY:
        a->only = optarg;
        return QB_OK;
    case REPEATS:
        return qb_parse_count("--repeats", optarg, 3, 1000, &a->repeats, err);
    case THREADS:
        return qb_parse_count("--threads", optarg, 1, 256, &a->threads, err);
    case CODEC:
        return qb_plugins_add(&a->codecs, optarg, err);
    case ISA:
        return qb_parse_isa(optarg, &a->isa, err);
    case SQUARE:
        a->square = true;
        return QB_OK;
    case BLAS_CORE:
        return QB_OK; /* was read before the program started itself again */
    default:
        return take_model(&a->model, flag, err);
    }
}

/* A child of this program under another core type: its rate and the core that OpenBLAS then runs. */
static bool ask_child(const char *core, double *gflops, char name[64])
{
    int fds[2];
    pid_t pid = 0;
    char line[128] = "";
    char *const argv[] = {(char *)(uintptr_t) "qinsbench", (char *)(uintptr_t) "bench",
                          (char *)(uintptr_t) "--square",  (char *)(uintptr_t) "--blas-core",
                          (char *)(uintptr_t)core,         NULL};
    posix_spawn_file_actions_t actions;
    if (pipe(fds))
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    bool started = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    FILE *in = fdopen(fds[0], "r");
    bool read = started && in && fgets(line, sizeof line, in) != NULL;
    if (in)
        fclose(in);
    else
        close(fds[0]);
    int status = 0;
    if (started)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    return read && WIFEXITED(status) && WEXITSTATUS(status) == 0 && sscanf(line, "%lf %63s", gflops, name) == 2;
}

/* Core types that this CPU's features allow. A newer one on an older CPU would end in SIGILL. */
static void list_cores(struct qb_listing *listing)
{
    static const struct {
        const char *name;
        enum qb_isa needs;
    } cores[] = {
        {"Sandybridge", QB_ISA_AVX2}, {"Haswell", QB_ISA_AVX2}, {"Zen", QB_ISA_AVX2}, {"SkylakeX", QB_ISA_AVX512}};
    enum { CORES = sizeof cores / sizeof *cores, ROUNDS = 4 };
    double rates[CORES][ROUNDS];
    char names[CORES][64] = {""};
    size_t heard[CORES] = {0};
    for (size_t r = 0; r < ROUNDS; r++) /* to and fro, as the probes */
        for (size_t k = 0; k < CORES; k++) {
            size_t i = r % 2 ? CORES - 1 - k : k;
            if (cores[i].needs <= qb_cpu()->isa && ask_child(cores[i].name, &rates[i][r], names[i]))
                heard[i]++;
        }
    for (size_t i = 0; i < CORES; i++) {
        char text[3][32], n[8];
        if (heard[i] < ROUNDS)
            continue;
        qb_sort(rates[i], ROUNDS);
        snprintf(text[0], sizeof text[0], "%.4g", rates[i][0]);
        snprintf(text[1], sizeof text[1], "%.4g", qb_quantile(rates[i], ROUNDS, 0.5));
        snprintf(text[2], sizeof text[2], "%.4g", rates[i][ROUNDS - 1]);
        snprintf(n, sizeof n, "%d", ROUNDS);
        qb_listing_add(listing, (const char *[]){"core", "OpenBLAS 768x768x768", names[i], text[1], text[0], text[2],
                                                 "GFLOPS", n, "", ""});
    }
}

static enum qb_status check_only(const struct qb_registry *registry, const char *glob, struct qb_error *err)
{
    struct qb_choice codecs = {0};
    for (size_t i = 0; i < qb_registry_count(registry); i++)
        qb_choice_add(&codecs, qb_registry_at(registry, i)->codec->id);
    qb_choice_check(&codecs, "--only", "codec", glob, err);
    qb_choice_free(&codecs);
    return err->status;
}

static enum qb_status measure(const struct arguments *a, bool kernels_only, struct qb_listing *listing,
                              struct qb_error *err)
{
    struct qb_registry *registry = NULL;
    const size_t repeats = a->repeats ? (size_t)a->repeats : 16;
    const unsigned threads = a->threads ? (unsigned)a->threads : 1;
    struct qb_probes codecs = {.repeats = repeats}, rest = {.repeats = repeats};
    struct qb_bench_codecs *buffers = NULL;
    struct qb_bench_kernels *kernels = NULL;
    struct qb_bench_dots *dots = NULL;
    struct qb_bench_net *net = NULL;
    struct qb_bench_metrics *metrics = NULL;
    if (!kernels_only &&
        (qb_open_registry(a->codecs.paths, &registry, err) || (a->only && check_only(registry, a->only, err)) ||
         qb_bench_codecs(registry, a->only ? a->only : "*", a->isa, &codecs, &buffers, err) ||
         qb_probes_run(&codecs, err) || qb_probes_list(&codecs, listing, err) || a->only))
        goto out;
    if (qb_bench_kernels(a->isa, &rest, &kernels, err) || qb_bench_dots(a->isa, threads, &rest, &dots, err) ||
        (!kernels_only && (qb_bench_net(threads, &rest, &net, err) || qb_bench_metrics(&rest, &metrics, err))) ||
        qb_probes_run(&rest, err) || qb_probes_list(&rest, listing, err))
        goto out;
    if (!kernels_only)
        list_cores(listing);
out:
    qb_bench_codecs_free(buffers);
    qb_bench_kernels_free(kernels);
    qb_bench_dots_free(dots);
    qb_bench_net_free(net);
    qb_bench_metrics_free(metrics);
    qb_probes_free(&codecs);
    qb_probes_free(&rest);
    qb_registry_free(registry);
    return err->status;
}

static int print_square(void)
{
    struct qb_error err = {0};
    double gflops = 0;
    if (qb_bench_square(&gflops, &err))
        return qb_complain_error(&err);
    struct qb_text out = {0};
    qb_text_add(&out, "%.6g %s\n", gflops, qb_blas_core());
    int code = qb_print(&out);
    qb_text_free(&out);
    return code;
}

static int bench_kernels(const struct arguments *a, bool kernels_only)
{
    static const char *const columns[] = {"group", "what", "detail", "median", "min", "max",
                                          "unit",  "n",    "share",  "of",     NULL};
    static const bool numeric[] = {false, false, false, true, true, true, false, true, true, false};
    struct qb_listing listing = {.columns = columns, .numeric = numeric};
    struct qb_error err = {0};
    struct qb_text out = {0};
    if (!measure(a, kernels_only, &listing, &err))
        qb_listing_print(&listing, a->output, &out);
    int code = err.status ? qb_complain_error(&err) : qb_print(&out);
    qb_text_free(&out);
    qb_listing_free(&listing);
    return code;
}

static int bench_model(struct arguments *a, const char *model)
{
    if (a->of_kernels)
        return qb_complain("bench model: --%s is without effect (qinsbench bench --help)", a->of_kernels);
    if (!a->model.prefill && !a->model.decode)
        return qb_complain("bench model: --prefill 0 and --decode 0 leave nothing to measure");
    a->model.model = model;
    a->model.codecs = a->codecs;
    a->model.output = a->output;
    a->model.threads = a->threads;
    a->model.repeats = a->repeats;
    return qb_bench_model(&a->model);
}

int qb_command_bench(int argc, char **argv)
{
    struct qb_flags parse = {.usage = &usage};
    struct arguments a = {.isa = qb_cpu()->isa, .model = qb_bench_request_default()};
    struct qb_error err = {0};
    int flag;
    while ((flag = qb_flags_next(&parse, argc, argv)) >= 0)
        if (take(&a, flag, &err))
            return qb_complain_error(&err);
    if (flag == QB_FLAG_STOP)
        return parse.code;
    const char *what = optind < argc ? argv[optind] : "";
    const bool kernels_only = optind + 1 == argc && strcmp(what, "kernels") == 0;
    if (strcmp(what, "model") == 0)
        return optind + 2 == argc ? bench_model(&a, argv[optind + 1])
                                  : qb_complain("bench model: expected one model, found %d (qinsbench bench --help)",
                                                argc - optind - 1);
    if (optind != argc && !kernels_only)
        return qb_complain("bench: expected 'kernels', 'model' or nothing, found '%s' (qinsbench bench --help)", what);
    if (a.of_model)
        return qb_complain("bench: --%s belongs to bench model (qinsbench bench --help)", a.of_model);
    if (kernels_only && (a.only || a.codecs.count))
        return qb_complain("bench kernels: measures no codec, --only and --codec are without effect");
    return a.square ? print_square() : bench_kernels(&a, kernels_only);
}
