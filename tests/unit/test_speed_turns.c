/* The turns of `speed` on a machine made up for the test: a pass takes longer behind a pass of another arm or behind
 * the ceilings (its weights are not in the caches), and everything gets slower and slower. Arms that are alike must
 * come out alike all the same. The clock is the test's own, so nothing depends on the speed of the machine that runs
 * it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "experiments/speed_parts.h"
#include "model/decoder.h"

/* ---- the made-up machine ---- */

static double now, drift; /* drift: how much slower a pass is than the one before */
static double slowness;
static const void *last;                 /* whose pass was the last */
static char nets[3];                     /* three nets, known by their place alone */
static const double pace[3] = {1, 2, 1}; /* of FP32, the variant, FP32 again */
static size_t held[3];                   /* positions that each net's decoder holds, */
static size_t block;                     /* encoded in blocks of so many */
static size_t fills;                     /* calls that filled a cache */

static void pass(const void *net, double seconds)
{
    double cold = last == net ? 1 : last ? 1.1 : 1.4; /* another arm leaves some of the weights, the ceilings none */
    slowness *= 1 + drift;
    now += seconds * cold * pace[(const char *)net - nets] * slowness;
    last = net;
}

static double fake_clock(void)
{
    return now;
}

static enum qb_status fake_forward(struct qb_net *net, const int32_t *tokens, size_t batch, size_t length,
                                   float *hidden, struct qb_error *err)
{
    (void)tokens, (void)batch, (void)hidden, (void)err;
    pass(net, 1 + 0.01 * (double)length);
    return QB_OK;
}

static enum qb_status fake_logits(struct qb_net *net, const float *hidden, size_t n, float *logits,
                                  struct qb_error *err)
{
    (void)hidden, (void)n, (void)logits, (void)err;
    pass(net, 0.25);
    return QB_OK;
}

static enum qb_status fake_create(struct qb_net *net, size_t batch, size_t capacity, struct qb_decoder **decoder,
                                  struct qb_error *err)
{
    (void)batch, (void)capacity, (void)err;
    held[(const char *)(const void *)net - nets] = 0;
    *decoder = (struct qb_decoder *)(void *)net;
    return QB_OK;
}

static enum qb_status fake_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                                struct qb_error *err)
{
    (void)tokens, (void)hidden, (void)err;
    size_t *length = &held[(const char *)(const void *)decoder - nets];
    *length += count;
    pass(decoder, 0.5 + 0.01 * (double)count + 0.001 * (double)*length); /* the more it attends to, the longer */
    return QB_OK;
}

static enum qb_status fake_fill(struct qb_decoder *decoder, size_t length, struct qb_error *err)
{
    (void)err;
    held[(const char *)(const void *)decoder - nets] = length;
    fills++;
    pass(decoder, 100);
    return QB_OK;
}

static enum qb_status fake_rewind(struct qb_decoder *decoder, size_t *length, struct qb_error *err)
{
    (void)err;
    size_t *had = &held[(const char *)(const void *)decoder - nets];
    *length = *length >= *had / block * block ? *length : *length / block * block;
    *had = *length;
    return QB_OK;
}

static double fake_position_bytes(const struct qb_decoder *decoder)
{
    (void)decoder;
    return 24;
}

static void fake_free(struct qb_decoder *decoder)
{
    (void)decoder;
}

static enum qb_status fake_block(struct qb_net *net, size_t layer, const float *in, size_t batch, size_t length,
                                 float *out, struct qb_error *err)
{
    (void)layer, (void)in, (void)batch, (void)length, (void)out, (void)err;
    pass(net, 0.1);
    return QB_OK;
}

static void fake_ceilings(struct qb_ceilings *ceilings, struct qb_ceiling_rates *rates)
{
    (void)ceilings;
    *rates = (struct qb_ceiling_rates){1, 1, 1, 1, 1, .weight_decode_s = NAN, .weight_encode_s = NAN};
    last = NULL;
}

static double read_bytes_asked;

static enum qb_status fake_read_create(struct qb_pool *pool, double bytes, struct qb_read_ceiling **ceiling,
                                       struct qb_error *err)
{
    (void)pool, (void)err;
    read_bytes_asked = bytes;
    *ceiling = NULL;
    return QB_OK;
}

static void fake_read_free(struct qb_read_ceiling *ceiling)
{
    (void)ceiling;
}

static double fake_read(struct qb_read_ceiling *ceiling)
{
    (void)ceiling;
    last = NULL;
    return 1;
}

#define qb_clock fake_clock
#define qb_decoder_rewind fake_rewind
#define qb_decoder_fill fake_fill
#define qb_decoder_position_bytes fake_position_bytes
#define qb_read_ceiling_create fake_read_create
#define qb_read_ceiling_free fake_read_free
#define qb_read_ceiling_measure fake_read
#define qb_net_forward fake_forward
#define qb_net_logits fake_logits
#define qb_decoder_create fake_create
#define qb_decoder_feed fake_feed
#define qb_decoder_free fake_free
#define qb_net_block fake_block
#define qb_ceilings_measure fake_ceilings
#define qb_experiment_speed speed_under_test
size_t deepest_under_test(const struct qb_arch *arch, size_t asked);
enum qb_status depths_under_test(const struct qb_speed_depths *of, struct qb_record *out, struct qb_error *err);
#define qb_speed_deepest deepest_under_test
#define qb_record_speed_depths depths_under_test
#define QB_CLOCK_H /* base/clock.h is not to declare what stands here */
#include "experiments/speed.c"
#define step depth_step /* speed.c has its own */
#include "experiments/speed_depth.c"
#undef step

/* ---- */

enum { REPEATS = 12, LAYERS = 2 };

struct times {
    double prefill[REPEATS], decode[REPEATS], layer[LAYERS * REPEATS];
};

/* The deeper, the longer; a pass of an arm that finds another's in the caches, longer. So only passes over the same
 * positions, behind a step of its own and with no filling among them, take the same time. */
static void run_depths(size_t blocks, size_t asked, struct qb_arch arch, struct qb_record *out)
{
    static int32_t tokens[32768];
    struct qb_model model = {.arch = arch};
    struct qb_cell_env env = {.model = &model};
    struct qb_error err = {0};
    struct qb_speed_depths of = {
        .env = &env, .asked = asked, .repeats = REPEATS, .decode = 4, .tokens = tokens, .weight_bytes = 1000};
    for (int i = 0; i < ARMS; i++)
        of.nets[i] = (struct qb_net *)(void *)&nets[i];
    now = drift = 0;
    slowness = 1;
    last = NULL;
    block = blocks;
    fills = 0;
    cr_assert_eq(depths_under_test(&of, out, &err), QB_OK, "%s", err.message);
}

static void run_turns(double slower, bool causal, struct times out[ARMS])
{
    static float hidden[64 * 4], wide[4], logits[8];
    static int32_t tokens[64];
    double ceilings[5][REPEATS];
    struct qb_model model = {.arch = {.attention = true, .causal = causal}};
    struct qb_cell_env env = {.model = &model};
    struct qb_error err = {0};
    struct bench b = {.env = &env,
                      .repeats = REPEATS,
                      .prefill = 32,
                      .decode = 4,
                      .prompt = 8,
                      .layers = LAYERS,
                      .tokens = tokens,
                      .hidden = hidden,
                      .wide_in = wide,
                      .wide_out = wide,
                      .logits = logits,
                      .read_gbs = ceilings[0],
                      .memcpy_gbs = ceilings[1],
                      .lookup_gbs = ceilings[2],
                      .sgemm_gflops = ceilings[3],
                      .store_gbs = ceilings[4]};
    for (int i = 0; i < ARMS; i++)
        b.arm[i] = (struct arm){(struct qb_net *)(void *)&nets[i], out[i].prefill, out[i].decode, out[i].layer};
    now = 0;
    slowness = 1;
    drift = slower;
    block = 1;
    last = NULL;
    cr_assert_eq(measure(&b, &err), QB_OK);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of over[r] / under[r]. */
static double ratio(const double *over, const double *under, size_t n)
{
    double x[LAYERS * REPEATS];
    for (size_t r = 0; r < n; r++)
        x[r] = over[r] / under[r];
    qsort(x, n, sizeof *x, by_size);
    return (x[(n - 1) / 2] + x[n / 2]) / 2;
}

/* A warm pass of each: FP32 over FP32 is 1 in every repeat, and the variant's ratio is its pace, whatever ran before.
 */
Test(speed_turns, no_arm_finds_the_caches_of_another)
{
    for (int causal = 0; causal < 2; causal++) {
        struct times t[ARMS];
        run_turns(0, causal, t);
        for (size_t r = 0; r < REPEATS; r++) {
            cr_expect_float_eq(t[SELF].prefill[r] / t[REFERENCE].prefill[r], 1, 1e-12);
            cr_expect_float_eq(t[SELF].decode[r] / t[REFERENCE].decode[r], 1, 1e-12);
            cr_expect_float_eq(t[VARIANT].prefill[r] / t[REFERENCE].prefill[r], 2, 1e-12);
            cr_expect_float_eq(t[VARIANT].decode[r] / t[REFERENCE].decode[r], 2, 1e-12);
        }
        for (size_t i = 0; i < LAYERS * REPEATS; i++)
            cr_expect_float_eq(t[SELF].layer[i] / t[REFERENCE].layer[i], 1, 1e-12);
    }
}

/* Every pass 1% slower than the one before it: the arm behind is always slower, and each is behind as often. What is
 * left of 1% a pass is of second order. */
Test(speed_turns, a_machine_that_slows_down_favours_no_arm)
{
    struct times t[ARMS];
    run_turns(0.01, true, t);
    cr_expect_float_eq(ratio(t[SELF].prefill, t[REFERENCE].prefill, REPEATS), 1, 2e-3);
    cr_expect_float_eq(ratio(t[SELF].decode, t[REFERENCE].decode, REPEATS), 1, 2e-2);
    cr_expect_float_eq(ratio(t[SELF].layer, t[REFERENCE].layer, LAYERS * REPEATS), 1, 1e-2);
    cr_expect_float_eq(ratio(t[VARIANT].prefill, t[REFERENCE].prefill, REPEATS), 2, 4e-3);
    size_t over = 0;
    for (size_t r = 0; r < REPEATS; r++)
        over += t[SELF].decode[r] > t[REFERENCE].decode[r];
    cr_expect_eq(over, REPEATS / 2, "the second FP32 net was the slower one in %zu of %d repeats", over, REPEATS);
}

static const double *times_of(const struct qb_record *record, const char *name)
{
    const struct qb_array *array = qb_record_get(record, name, QB_F64, 1);
    cr_assert(array && array->count == REPEATS, "%s", name);
    return array->data;
}

static void expect_depth(const struct qb_record *record, const char *name, size_t depth)
{
    static const char *const arms[] = {"reference_decode_", "decode_", "self_decode_"};
    char array[64];
    double seconds = 0; /* of the last four positions before the depth, and their logits */
    for (size_t i = depth - 3; i <= depth; i++)
        seconds += 0.5 + 0.01 + 0.001 * (double)i + 0.25;
    for (int a = 0; a < ARMS; a++) {
        snprintf(array, sizeof array, "%s%s_s", arms[a], name);
        const double *x = times_of(record, array);
        for (size_t r = 0; r < REPEATS; r++)
            cr_expect_float_eq(x[r], pace[a] * seconds, 1e-6, "%s, repeat %zu: %g", array, r, x[r]);
    }
}

Test(speed_turns, a_depth_times_the_same_steps_in_every_pass_and_no_filling)
{
    static const size_t blocks[] = {1, 32, 100, 4096};
    const struct qb_arch arch = {.attention = true, .causal = true, .layers = 2, .hidden = 4, .vocab = 8};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct qb_record record = {0};
        run_depths(blocks[i], 3, arch, &record);
        expect_depth(&record, "512", 512);
        expect_depth(&record, "2k", 2048);
        expect_depth(&record, "8k", 8192);
        cr_expect_null(qb_record_find(&record, "decode_32k_s"), "not asked for");
        cr_expect_geq(fills, ARMS * 3, "%zu fills", fills);
        qb_record_free(&record);
    }
}

/* 24 bytes a position over two layers, one of which sees 256: (1000 + 12 (2046.5 + 256)). */
Test(speed_turns, a_step_reads_weights_and_what_it_attends_to)
{
    struct qb_arch arch = {.attention = true, .causal = true, .layers = 2, .hidden = 4, .vocab = 8, .window = 256};
    struct qb_record record = {0};
    arch.windowed[0] = 2;
    run_depths(1, 2, arch, &record);
    const struct qb_array *bytes = qb_record_find(&record, "decode_2k_bytes");
    cr_assert(bytes && bytes->count == 1);
    cr_expect_float_eq(((double *)bytes->data)[0], 1000 + 12 * (2046.5 + 256), 1e-9);
    cr_expect_float_eq(read_bytes_asked, 1000 + 12 * (2046.5 + 256), 1e-9, "the ceiling reads as much");
    qb_record_free(&record);
}

/* A depth that the model has not is asked of nobody; what was asked for and what there is are told. */
Test(speed_turns, depths_that_the_model_has)
{
    const struct qb_arch full = {.attention = true, .causal = true, .layers = 2, .context = 8192},
                         open = {.attention = true, .layers = 2}, chain = {.layers = 2, .causal = true};
    cr_expect_eq(deepest_under_test(&full, 4), 8192);
    cr_expect_eq(deepest_under_test(&full, 2), 2048);
    cr_expect_eq(deepest_under_test(&full, 0), 0);
    cr_expect_eq(deepest_under_test(&open, 4), 0);
    cr_expect_eq(deepest_under_test(&chain, 4), 0);
    struct qb_record record = {0};
    run_depths(1, 4, chain, &record);
    cr_expect_eq(record.count, 2);
    cr_expect_eq(((double *)qb_record_find(&record, "depth")->data)[0], 32768);
    cr_expect_eq(((double *)qb_record_find(&record, "depth_most")->data)[0], 0);
    qb_record_free(&record);
}

Test(speed_turns, more_steps_than_a_depth_has_are_refused)
{
    struct qb_model model = {.arch = {.attention = true, .causal = true, .layers = 2}};
    struct qb_cell_env env = {.model = &model};
    struct qb_speed_depths of = {.env = &env, .asked = 1, .repeats = REPEATS, .decode = 511};
    struct qb_record record = {0};
    struct qb_error err = {0};
    cr_expect_eq(depths_under_test(&of, &record, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "decode 511") && strstr(err.message, "at most 510"), "%s", err.message);
    qb_record_free(&record);
}
