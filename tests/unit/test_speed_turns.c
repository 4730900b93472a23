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
    *decoder = (struct qb_decoder *)(void *)net;
    return QB_OK;
}

static enum qb_status fake_feed(struct qb_decoder *decoder, const int32_t *tokens, size_t count, float *hidden,
                                struct qb_error *err)
{
    (void)tokens, (void)hidden, (void)err;
    pass(decoder, 0.5 + 0.01 * (double)count);
    return QB_OK;
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
    *rates = (struct qb_ceiling_rates){1, 1, 1, 1, 1, NAN};
    last = NULL;
}

#define qb_clock fake_clock
#define qb_net_forward fake_forward
#define qb_net_logits fake_logits
#define qb_decoder_create fake_create
#define qb_decoder_feed fake_feed
#define qb_decoder_free fake_free
#define qb_net_block fake_block
#define qb_ceilings_measure fake_ceilings
#define qb_experiment_speed speed_under_test
#define QB_CLOCK_H /* base/clock.h is not to declare what stands here */
#include "experiments/speed.c"

/* ---- */

enum { REPEATS = 12, LAYERS = 2 };

struct times {
    double prefill[REPEATS], decode[REPEATS], layer[LAYERS * REPEATS];
};

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

Test(speed_turns, every_arm_stands_everywhere_equally_often)
{
    for (int a = 0; a < ARMS; a++)
        for (int b = 0; b < ARMS; b++) {
            size_t place = 0, next = 0;
            for (size_t o = 0; o < 6; o++) {
                place += orders[o][b] == a;
                for (int k = 0; k + 1 < ARMS; k++)
                    next += orders[o][k] == a && orders[o][k + 1] == b;
            }
            cr_expect_eq(place, 2, "arm %d at place %d", a, b);
            cr_expect_eq(next, a == b ? 0 : 2, "arm %d behind arm %d", b, a);
        }
}
