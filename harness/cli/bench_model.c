#include "bench_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/data_path.h"
#include "base/energy.h"
#include "base/mem.h"
#include "base/others.h"
#include "base/turns.h"
#include "bench_serve.h"
#include "codec/variant.h"
#include "compute/gemm.h"
#include "compute/linear.h"
#include "model/effect.h"
#include "model/work.h"

enum { LEAST_REPEATS = 12 }; /* by default; under 6 a median has no interval */

struct qb_bench_request qb_bench_request_default(void)
{
    return (struct qb_bench_request){.python = getenv("QINSBENCH_PEER_PYTHON"),
                                     .fused = true,
                                     .prefill = 512,
                                     .decode = 128,
                                     .depths = {{0}, 1},
                                     .batches = {{1}, 1},
                                     .hold = 2048,
                                     .peer_limit = 600};
}

enum qb_status qb_bench_counts(const char *flag, const char *text, long min, long max, struct qb_bench_counts *counts,
                               struct qb_error *err)
{
    counts->count = 0;
    for (const char *at = text;; at++) {
        char part[32];
        const size_t size = strcspn(at, ",");
        if (counts->count == QB_BENCH_LIST)
            return qb_fail(err, QB_ERR_INPUT, "%s: at most %d numbers", flag, QB_BENCH_LIST);
        snprintf(part, sizeof part, "%.*s", (int)(size < 31 ? size : 31), at);
        if (qb_parse_count(flag, part, min, max, &counts->list[counts->count], err))
            return err->status;
        for (size_t i = 0; i < counts->count; i++)
            if (counts->list[i] == counts->list[counts->count])
                return qb_fail(err, QB_ERR_INPUT, "%s: %ld twice", flag, counts->list[i]);
        counts->count++;
        at += size;
        if (!*at)
            return QB_OK;
    }
}

struct bench {
    struct qb_bench_result result;
    struct qb_opened opened;
    struct qb_net *fp32;
    struct qb_work work;  /* of fp32 */
    struct qb_pool *pool; /* for the ceilings, once all arms are there */
    size_t rss_before;    /* bytes of this program before it had a model */
    struct qb_energy energy;
    struct qb_others others;
    struct qb_product_ceiling *products;
    struct qb_read_ceiling **reads; /* [arm_count] of the group at work; NULL: the same as an earlier one's, or none */
    const struct qb_read_ceiling **read_of; /* [arm_count] which of these an arm is held against */
};

/* ---- arms ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A GGUF file, which is all that llama.cpp reads. */
static enum qb_status check_gguf(const char *path, bool own, struct qb_error *err)
{
    char magic[4] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return qb_fail(err, QB_ERR_INPUT, "--peer: cannot open %s", path);
    const bool gguf = fread(magic, 1, 4, file) == 4 && memcmp(magic, "GGUF", 4) == 0;
    fclose(file);
    return gguf ? QB_OK
                : qb_fail(err, QB_ERR_INPUT, "--peer: %s is no GGUF file, which is what llama.cpp reads%s", path,
                          own ? "; name one with --peer FILE" : "");
}

/* Names that no two arms share: a peer's is its file's, with its folders where that is another's. */
static enum qb_status name_arms(struct bench *b, struct qb_error *err)
{
    const struct qb_bench_request *r = b->result.request;
    struct qb_bench_arm *arms = b->result.arms;
    arms[QB_BENCH_FP32].name = "fp32";
    arms[QB_BENCH_SELF].name = "fp32 again";
    for (size_t i = 0; i < b->result.arm_count; i++)
        b->result.files[i] = r->model;
    for (size_t i = 0; i < r->variants.count; i++) /* fp32 is the reference's, which is never fused */
        arms[QB_BENCH_FIRST + i].name =
            r->fused && strcmp(r->variants.list[i], "fp32") == 0 ? "fp32 of generate" : r->variants.list[i];
    for (size_t i = 0; i < r->peers.count; i++) {
        const size_t a = QB_BENCH_FIRST + r->variants.count + i;
        const char *path = r->peers.list[i] ? r->peers.list[i] : r->model;
        b->result.files[a] = path;
        arms[a].name = base_name(path);
        arms[a].peer = true;
        arms[a].limit = (double)r->peer_limit;
        for (size_t k = 0; k < a; k++)
            if (strcmp(arms[k].name, arms[a].name) == 0)
                arms[a].name = path;
    }
    for (size_t i = 0; i < b->result.arm_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(arms[i].name, arms[k].name) == 0)
                return qb_fail(err, QB_ERR_INPUT, "bench model: arm %s twice", arms[i].name);
    return QB_OK;
}

/* What makes no sense is said before anything is measured: a variant that encodes nothing of the model would be FP32
 * under another name. */
static enum qb_status check_variant(struct bench *b, const char *name, struct qb_error *err)
{
    struct qb_variant *variant = NULL;
    struct qb_effect effect = {0};
    if (!qb_open_variant(name, b->opened.registry, qb_cpu()->isa, &variant, err) &&
        !qb_effect_of(b->opened.model, variant, false, &effect, err) && effect.refusal)
        qb_fail(err, QB_ERR_INPUT, "variant '%s': %s", name, effect.refusal);
    qb_effect_free(&effect);
    qb_variant_free(variant);
    return err->status;
}

struct serve_variant {
    struct bench *bench;
    const char *name;
};

/* In the arm's process. */
static void serve_variant(void *context, int socket)
{
    const struct serve_variant *of = context;
    struct bench *b = of->bench;
    const struct qb_bench_request *r = b->result.request;
    struct qb_arm arm = {0};
    struct qb_error err = {0};
    if (!qb_pool_create((unsigned)r->threads, &b->opened.pool, &err) &&
        !qb_arm_make(&b->opened, of->name, &arm, &err) && b->result.held)
        qb_net_hold_fp32(arm.net, &err);
    if (err.status)
        qb_serve_error(&err, socket);
    else
        qb_serve_net(&(struct qb_arm_offer){arm.net,
                                            arm.variant->split == 2        ? "split2"
                                            : arm.variant->split           ? "split"
                                            : qb_net_lacks_copies(arm.net) ? "fused, no copy"
                                            : qb_net_fused(arm.net)        ? "fused"
                                                                           : "forward",
                                            (unsigned)r->threads, b->rss_before},
                     socket);
}

static void serve_fp32(void *context, int socket)
{
    struct bench *b = context;
    const struct qb_bench_request *r = b->result.request;
    struct qb_pool *pool = NULL;
    struct qb_error err = {0};
    if (qb_pool_create((unsigned)r->threads, &pool, &err)) {
        qb_serve_error(&err, socket);
        return;
    }
    qb_net_use_pool(b->fp32, pool);
    qb_serve_net(&(struct qb_arm_offer){b->fp32, "fp32", (unsigned)r->threads, b->rss_before}, socket);
}

static enum qb_status start_peer(struct bench *b, struct qb_bench_arm *arm, const char *file, struct qb_error *err)
{
    char script[4096], threads[16];
    struct qb_error ignored = {0};
    const char *python = b->result.request->python;
    if (qb_data_path("peers/llama_cpp_bench.py", script, &ignored) &&
        qb_data_path("../scripts/peers/llama_cpp_bench.py", script, err))
        return err->status;
    snprintf(threads, sizeof threads, "%ld", b->result.request->threads);
    const char *const argv[] = {python && *python ? python : "python3", script, file, threads, NULL};
    return qb_arm_spawn(arm, argv, err);
}

/* What an arm says is wrong with the request ends the command. An arm that ends itself, says rubbish or nothing is told
 * at the end, beside what the others did. */
static enum qb_status hear_facts(struct qb_bench_arm *arm, struct qb_error *err)
{
    if (arm->failed.status || !qb_arm_facts(arm, &arm->failed))
        return QB_OK;
    if (arm->failed.status != QB_ERR_INPUT) {
        qb_arm_end(arm);
        return QB_OK;
    }
    *err = arm->failed;
    return arm->peer ? qb_wrap(err, "peer %s", arm->name) : err->status;
}

/* The variants first: a process that is forked once FP32 is there would have that in its memory, too. FP32's own two
 * processes read the same copy of it: two copies lie differently in the caches, and FP32 over FP32 would not be 1. */
static enum qb_status start_arms(struct bench *b, struct qb_error *err)
{
    const struct qb_bench_request *r = b->result.request;
    struct qb_bench_arm *arms = b->result.arms;
    for (size_t i = 0; i < r->peers.count && !err->status; i++) {
        const size_t a = QB_BENCH_FIRST + r->variants.count + i;
        if (!check_gguf(b->result.files[a], !r->peers.list[i], err) &&
            !start_peer(b, &arms[a], b->result.files[a], err))
            hear_facts(&arms[a], err);
    }
    for (size_t i = 0; i < r->variants.count && !err->status; i++) {
        struct serve_variant of = {b, r->variants.list[i]};
        if (!qb_arm_fork(&arms[QB_BENCH_FIRST + i], serve_variant, &of, err))
            hear_facts(&arms[QB_BENCH_FIRST + i], err);
    }
    if (err->status || qb_net_create(b->opened.model, NULL, b->opened.pool, &b->fp32, err) ||
        (b->result.held && qb_net_hold_fp32(b->fp32, err)) || qb_net_work(b->fp32, &b->work, err))
        return err->status;
    for (int i = QB_BENCH_FP32; i <= QB_BENCH_SELF && !err->status; i++)
        if (!qb_arm_fork(&arms[i], serve_fp32, b, err))
            hear_facts(&arms[i], err);
    return err->status;
}

/* ---- tests ---- */

static void add_test(struct bench *b, enum qb_pass pass, size_t tokens, size_t depth, size_t sequences)
{
    struct qb_bench_test *t = &b->result.tests[b->result.test_count++];
    *t = (struct qb_bench_test){.pass = pass, .tokens = tokens, .depth = depth, .sequences = sequences};
    int n = snprintf(t->name, sizeof t->name, "%s%zu", pass == QB_PASS_PREFILL ? "pp" : "tg", tokens);
    if (depth > 0)
        snprintf(t->name + n, sizeof t->name - (size_t)n, " @ d%zu", depth);
}

/* A group of tests on the same cache, next to each other: prefill, decode. */
static void add_tests(struct bench *b)
{
    const struct qb_bench_request *r = b->result.request;
    for (size_t s = 0; s < r->batches.count; s++)
        for (size_t d = 0; d < r->depths.count; d++) {
            if (r->prefill)
                add_test(b, QB_PASS_PREFILL, (size_t)r->prefill, (size_t)r->depths.list[d], (size_t)r->batches.list[s]);
            if (r->decode)
                add_test(b, QB_PASS_DECODE, (size_t)r->decode, (size_t)r->depths.list[d], (size_t)r->batches.list[s]);
        }
}

static enum qb_status make_times(struct bench *b, struct qb_error *err)
{
    const size_t n = b->result.repeats;
    for (size_t t = 0; t < b->result.test_count; t++) {
        struct qb_bench_test *test = &b->result.tests[t];
        test->arms = qb_alloc(b->result.arm_count, sizeof *test->arms, "times", err);
        for (size_t a = 0; test->arms && a < b->result.arm_count; a++) {
            struct qb_bench_arm_times *times = &test->arms[a];
            if (!(times->seconds = qb_alloc(3 * n, sizeof(double), "times", err)))
                return err->status;
            times->joules = times->seconds + n;
            times->limit = times->seconds + 2 * n;
            times->work = NAN;
            for (size_t r = 0; r < 3 * n; r++)
                times->seconds[r] = NAN;
        }
        if (!test->arms)
            return err->status;
    }
    return QB_OK;
}

static enum qb_status check_positions(const struct bench *b, struct qb_error *err)
{
    const struct qb_arch *arch = &b->opened.model->arch;
    const char *none = qb_arch_no_kv(arch);
    if (none)
        return qb_fail(err, QB_ERR_INPUT, "bench model: %s, so there is no decoding behind a prompt to time", none);
    for (size_t t = 0; t < b->result.test_count; t++) {
        const struct qb_bench_test *test = &b->result.tests[t];
        if (arch->context && test->depth + test->tokens > arch->context)
            return qb_fail(err, QB_ERR_INPUT, "bench model: %s needs %zu positions, the model has %zu (--depth)",
                           test->name, test->depth + test->tokens, arch->context);
    }
    return QB_OK;
}

/* ---- what the machine allows ---- */

/* Bytes of a step of the arm's: its weights, and keys and values of all sequences, the mean over the steps. */
static double step_bytes(const struct bench *b, const struct qb_bench_arm *arm, const struct qb_bench_test *test)
{
    const struct qb_arch *arch = &b->opened.model->arch;
    const struct qb_arm_facts *f = &arm->facts;
    const double seen = (double)test->depth + ((double)test->tokens + 1) / 2;
    const double values = 2 * (double)(qb_arch_kv_heads(arch) * qb_arch_head_dim(arch)); /* of a layer */
    const double layer =
        isnan(f->position_bytes) ? values * f->kv_value_bytes : f->position_bytes / (double)arch->layers;
    const double weights = !isnan(f->step_bytes) ? f->step_bytes : arch->tied_head ? f->model_size : NAN;
    return weights + (double)test->sequences * layer * qb_arch_attended(arch, seen);
}

static void count_work(struct bench *b, struct qb_bench_test *test)
{
    const struct qb_arch *arch = &b->opened.model->arch;
    for (size_t a = 0; a < b->result.arm_count; a++)
        test->arms[a].work =
            test->pass == QB_PASS_DECODE
                ? step_bytes(b, &b->result.arms[a], test) * (double)test->tokens
                : (double)test->sequences * qb_work_prefill(&b->work, arch, (double)test->tokens, (double)test->depth);
}

/* One working set for all arms that read as much. */
static enum qb_status open_reads(struct bench *b, const struct qb_bench_test *test, struct qb_error *err)
{
    for (size_t a = 0; a < b->result.arm_count && !err->status; a++) {
        const double bytes = fmin(test->arms[a].work / (double)test->tokens, (double)qb_beyond_caches());
        b->read_of[a] = NULL;
        if (isnan(test->arms[a].work))
            continue;
        for (size_t k = 0; k < a && !b->read_of[a]; k++)
            if (b->reads[k] && fabs(qb_read_ceiling_bytes(b->reads[k]) - bytes) < sizeof(float))
                b->read_of[a] = b->reads[k];
        if (!b->read_of[a] && !qb_read_ceiling_create(b->pool, bytes, &b->reads[a], err))
            b->read_of[a] = b->reads[a];
    }
    return err->status;
}

static enum qb_status open_products(struct bench *b, const struct qb_bench_test *test, struct qb_error *err)
{
    if (qb_product_ceiling_create(b->pool, test->tokens * test->sequences, &b->products, err))
        return err->status;
    qb_net_products(b->fp32, b->products);
    return qb_product_ceiling_fill(b->products, err);
}

static void close_ceilings(struct bench *b)
{
    for (size_t a = 0; a < b->result.arm_count; a++) {
        qb_read_ceiling_free(b->reads[a]);
        b->reads[a] = NULL;
    }
    qb_product_ceiling_free(b->products);
    b->products = NULL;
}

static void measure_ceilings(struct bench *b, struct qb_bench_test *test, size_t repeat)
{
    if (test->pass == QB_PASS_PREFILL) {
        const double gflops = qb_product_ceiling_measure(b->products);
        for (size_t a = 0; a < b->result.arm_count; a++)
            test->arms[a].limit[repeat] = gflops;
        return;
    }
    for (size_t a = 0; a < b->result.arm_count; a++) {
        const double gbs = b->reads[a] ? qb_read_ceiling_measure(b->reads[a]) : NAN;
        for (size_t k = a; k < b->result.arm_count && b->reads[a]; k++)
            if (b->read_of[k] == b->reads[a])
                test->arms[k].limit[repeat] = gbs;
    }
}

/* ---- turns ---- */

static void turn(struct bench *b, struct qb_bench_test *test, size_t a, size_t repeat, bool timed)
{
    struct qb_bench_arm *arm = &b->result.arms[a];
    double seconds = NAN;
    if (!qb_arm_prepare(arm, test->pass, test->tokens, test->depth))
        return;
    const double before = qb_energy_joules(&b->energy);
    if (!qb_arm_time(arm, &seconds) || !timed)
        return;
    test->arms[a].joules[repeat] = qb_energy_joules(&b->energy) - before;
    test->arms[a].seconds[repeat] = seconds;
}

static void take_turns(struct bench *b, struct qb_bench_test *test, size_t *order, size_t repeat, bool timed)
{
    qb_turns_order(b->result.arm_count, repeat, order);
    for (size_t i = 0; i < b->result.arm_count; i++)
        turn(b, test, order[i], repeat, timed);
}

/* Tests [first, first + count), which share a cache. A round before the first is untimed. */
static enum qb_status measure_group(struct bench *b, size_t first, size_t count, size_t *order, struct qb_error *err)
{
    struct qb_bench_test *tests = &b->result.tests[first];
    size_t most = 0;
    for (size_t t = 0; t < count; t++)
        most = tests[t].tokens > most ? tests[t].tokens : most;
    for (size_t a = 0; a < b->result.arm_count; a++)
        qb_arm_open(&b->result.arms[a], tests->sequences, tests->depth + most);
    for (size_t t = 0; t < count && !err->status; t++) {
        count_work(b, &tests[t]);
        (void)(tests[t].pass == QB_PASS_DECODE ? open_reads(b, &tests[t], err) : open_products(b, &tests[t], err));
    }
    for (size_t t = 0; t < count && !err->status; t++)
        take_turns(b, &tests[t], order, 0, false);
    for (size_t r = 0; r < b->result.repeats && !err->status; r++)
        for (size_t t = 0; t < count; t++) {
            take_turns(b, &tests[t], order, r, true);
            measure_ceilings(b, &tests[t], r);
        }
    close_ceilings(b);
    return err->status;
}

static enum qb_status measure(struct bench *b, struct qb_error *err)
{
    const size_t group = (b->result.request->prefill > 0) + (size_t)(b->result.request->decode > 0);
    size_t *order = qb_alloc(b->result.arm_count, sizeof *order, "turns", err);
    b->reads = order ? qb_alloc(b->result.arm_count, sizeof *b->reads, "ceilings", err) : NULL;
    b->read_of = b->reads ? qb_alloc(b->result.arm_count, sizeof *b->read_of, "ceilings", err) : NULL;
    qb_energy_start(&b->energy, QB_ENERGY_FOLDER);
    b->result.no_energy = b->energy.count ? NULL : b->energy.why;
    if (b->read_of)
        qb_pool_create((unsigned)b->result.request->threads, &b->pool, err);
    for (size_t t = 0; t < b->result.test_count && !err->status; t += group)
        measure_group(b, t, group, order, err);
    qb_free(order);
    for (size_t a = 0; a < b->result.arm_count; a++) /* what they took is ours once they were waited for */
        qb_arm_end(&b->result.arms[a]);
    b->result.others = qb_others_share(&b->others);
    return err->status;
}

/* ---- the command ---- */

/* One thread at first: a process with more cannot be forked. */
static enum qb_status open_bench(struct bench *b, struct qb_error *err)
{
    const struct qb_bench_request *r = b->result.request;
    struct qb_bench_result *result = &b->result;
    b->opened = (struct qb_opened){.calibration = r->calibration, .codecs = r->codecs.paths, .fused = r->fused};
    b->rss_before = qb_rss_bytes();
    result->opened = &b->opened;
    result->variant_count = r->variants.count;
    result->arm_count = QB_BENCH_FIRST + r->variants.count + r->peers.count;
    const size_t period = qb_turns_period(result->arm_count);
    result->repeats = r->repeats ? (size_t)r->repeats : (LEAST_REPEATS + period - 1) / period * period;
    result->arms = qb_alloc(result->arm_count, sizeof *result->arms, "arms", err);
    result->files = result->arms ? qb_alloc(result->arm_count, sizeof *result->files, "arms", err) : NULL;
    result->tests =
        result->files ? qb_alloc(2 * QB_BENCH_LIST * QB_BENCH_LIST, sizeof *result->tests, "tests", err) : NULL;
    if (!result->tests || name_arms(b, err))
        return err->status;
    add_tests(b);
    if (qb_opened_model(&b->opened, r->model, 1, err) || check_positions(b, err) || make_times(b, err))
        return err->status;
    for (size_t i = 0; i < r->variants.count && !err->status; i++)
        check_variant(b, r->variants.list[i], err);
    return err->status;
}

/* FP32 is held as FP32 where the file's own format is another one and there is room for it, as in experiment speed. */
static enum qb_status decide_hold(struct bench *b, struct qb_error *err)
{
    struct qb_net *net = NULL;
    if (!qb_net_create(b->opened.model, NULL, b->opened.pool, &net, err))
        b->result.held = qb_net_foreign_bytes(net) <= (size_t)b->result.request->hold << 20;
    qb_net_free(net);
    return err->status;
}

static void close_bench(struct bench *b)
{
    for (size_t a = 0; b->result.arms && a < b->result.arm_count; a++)
        qb_arm_end(&b->result.arms[a]);
    for (size_t t = 0; b->result.tests && t < b->result.test_count; t++) {
        for (size_t a = 0; b->result.tests[t].arms && a < b->result.arm_count; a++)
            qb_free(b->result.tests[t].arms[a].seconds);
        qb_free(b->result.tests[t].arms);
    }
    qb_free(b->result.tests);
    qb_free(b->result.arms);
    qb_free(b->result.files);
    qb_free(b->reads);
    qb_free(b->read_of);
    qb_net_free(b->fp32);
    qb_opened_free(&b->opened);
    qb_pool_free(b->pool);
}

/* Tells of arms that failed. */
static int tell_failed(const struct qb_bench_result *result)
{
    int code = QB_EXIT_DONE;
    for (size_t a = 0; a < result->arm_count; a++)
        if (result->arms[a].failed.status) {
            qb_complain("bench model: %s %s failed: %s", result->arms[a].peer ? "peer" : "arm", result->arms[a].name,
                        result->arms[a].failed.message);
            code = QB_EXIT_CELLS;
        }
    return code;
}

int qb_bench_model(const struct qb_bench_request *request)
{
    struct qb_bench_request asked = *request;
    struct bench b = {.result = {.request = &asked}};
    struct qb_error err = {0};
    struct qb_text out = {0};
    int code = QB_EXIT_DONE;
    qb_others_start(&b.others);
    asked.threads = asked.threads ? asked.threads : (long)qb_cpu()->cores;
    if (!open_bench(&b, &err) && !decide_hold(&b, &err) && !start_arms(&b, &err) && !measure(&b, &err)) {
        qb_bench_model_print(&b.result, &out);
        code = qb_print(&out);
        code = code ? code : tell_failed(&b.result);
    }
    qb_text_free(&out);
    close_bench(&b);
    return err.status ? qb_complain_error(&err) : code;
}
