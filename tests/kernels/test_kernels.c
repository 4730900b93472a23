/* Every level of the kernel table against the portable one, bit for bit, at odd lengths and offsets, with canaries.
 * What the kernels compute is tested in test_rowwise and test_metric_logits. A failure names the seed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/rng.h"
#include "compute/kernels.h"

enum { ROOM = 1024, PAD = 32, CANARY = 0x6b };

static float x[ROOM], y[ROOM], weight[ROOM];
static uint32_t seed;

static void fill(void)
{
    const char *set = getenv("SEED");
    seed = set ? (uint32_t)strtoul(set, NULL, 10) : 20261127;
    static const float special[] = {0, -0.0f, 1e-40f, -1e-40f, 88, -88, 4.5f, -4.5f, 0.93f, 1e-6f};
    struct qb_rng rng;
    qb_rng_seed(&rng, seed);
    qb_rng_normal(&rng, 0, 3, x, ROOM);
    qb_rng_normal(&rng, 0, 3, y, ROOM);
    qb_rng_normal(&rng, 1, 0.5f, weight, ROOM);
    for (size_t i = 3; i < ROOM; i += 11)
        x[i] = special[qb_rng_randint(&rng, 10)];
    for (size_t i = 0; i < ROOM; i += 5) /* near x: the small differences of a divergence */
        y[i] = x[i] + 1e-4f * y[i];
}

/* One kernel on n inputs from element `at` on; out[n], of which it fills n floats or leaves some as they are. */
typedef void kernel_call(const struct qb_kernels *k, size_t at, size_t n, float *out);

static void call_layernorm(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    k->layernorm(x + at, n, weight + at, y + at, 1e-5f, out);
}

static void call_rmsnorm(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    k->rmsnorm(x + at, n, weight + at, at % 2 ? 1.0f : 0.0f, 1e-6f, out);
}

static void call_relu(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->relu(out, n);
}

static void call_gelu(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->gelu(out, n);
}

static void call_gelu_tanh(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->gelu_tanh(out, n);
}

static void call_silu(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->silu(out, n);
}

static void call_softcap(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->softcap(out, n, at % 2 ? 50.0f : 3.0f);
}

static void call_add(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->add(out, y + at, n);
}

static void call_multiply(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->multiply(out, y + at, n);
}

static void call_affine(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->affine(out, n, at % 3 == 1 ? NULL : weight + at, at % 3 == 2 ? NULL : y + at);
}

static void call_softmax(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    memcpy(out, x + at, n * sizeof *out);
    k->softmax(out, n);
}

/* Results that are no row: as many of their bytes as fit. */
static void give(const void *result, size_t size, size_t n, float *out)
{
    memcpy(out, result, size < n * sizeof *out ? size : n * sizeof *out);
}

static void call_max(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    bool nan = true;
    out[0] = k->max(x + at, n, &nan) + 0.0f; /* of 0 and -0 either may be the largest */
    cr_assert_not(nan);
    float keep = x[at + n / 2];
    x[at + n / 2] = NAN;
    k->max(x + at, n, &nan);
    x[at + n / 2] = keep;
    cr_assert(nan);
}

static void call_find(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    size_t found[2] = {k->find(x + at, n, 0, 4), k->find(x + at, n, n / 2, x[at + n / 2])};
    cr_assert_eq(found[1], n / 2);
    give(found, sizeof found, n, out);
}

static void call_sums(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    const double sums[4] = {k->sum_exp(x + at, n, 88), k->sum_expf(x + at, n, 88), k->sum_power(x + at, n, 0.1, 1),
                            k->sum_power(x + at, n, 0.1, 2)};
    give(sums, sizeof sums, n, out);
}

static void call_kl_sums(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    struct qb_kl_sums sums = k->kl_sums(x + at, y + at, n, n / 2);
    give(&sums, sizeof sums, n, out);
}

/* Rows of n columns or a few fewer. */
static void call_gemv(const struct qb_kernels *k, size_t at, size_t n, float *out)
{
    const size_t rows = n < 3 ? n : 3, cols = (n + at) / 4 * 4;
    if (cols <= ROOM / 3 - at)
        k->gemv(x + at, rows, cols, y + at, out);
}

static const struct {
    const char *name;
    kernel_call *call;
} calls[] = {{"layernorm", call_layernorm}, {"rmsnorm", call_rmsnorm}, {"relu", call_relu},       {"gelu", call_gelu},
             {"gelu_tanh", call_gelu_tanh}, {"silu", call_silu},       {"softcap", call_softcap}, {"add", call_add},
             {"multiply", call_multiply},   {"affine", call_affine},   {"softmax", call_softmax}, {"max", call_max},
             {"find", call_find},           {"sums", call_sums},       {"kl_sums", call_kl_sums}, {"gemv", call_gemv}};
/* "sums" is of three kernels; those that read encoded weights are in test_dots, those of BF16
 * terms in test_split. */
enum { DOTS = 10, SPLIT = 2 };
_Static_assert(sizeof(struct qb_kernels) == (sizeof calls / sizeof *calls + 2 + DOTS + SPLIT) * sizeof(void (*)(void)),
               "a new kernel has its line in calls[]");

static void compare(enum qb_isa isa)
{
    static float out[2][ROOM + 2 * PAD];
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (size_t n = 1; n < 700; n += n < 70 ? 1 : 61)
            for (size_t at = 0; at < 9; at++) {
                for (int which = 0; which < 2; which++) {
                    memset(out[which], CANARY, sizeof out[which]);
                    calls[c].call(qb_kernels_at(which ? isa : QB_ISA_PORTABLE), at, n, out[which] + PAD + at);
                }
                cr_assert_eq(memcmp(out[0], out[1], sizeof out[0]), 0,
                             "%s of level %s differs from the portable one: n %zu, offset %zu, seed %u", calls[c].name,
                             qb_isa_name(isa), n, at, seed);
                uint32_t around[2];
                memcpy(around, out[1] + PAD + at - 1, sizeof *around);
                memcpy(around + 1, out[1] + PAD + at + n, sizeof *around);
                cr_assert(around[0] == 0x6b6b6b6b && around[1] == 0x6b6b6b6b, "%s of level %s wrote outside: n %zu",
                          calls[c].name, qb_isa_name(isa), n);
            }
}

Test(kernels, every_level_gives_the_portable_bits)
{
    fill();
    for (enum qb_isa isa = QB_ISA_PORTABLE; isa <= qb_cpu()->isa; isa++)
        compare(isa);
}

Test(kernels, a_process_uses_the_level_that_it_chose)
{
    cr_expect_eq(qb_kernels(), qb_kernels_at(qb_cpu()->isa), "the best level until one is chosen");
    qb_kernels_use(QB_ISA_PORTABLE);
    cr_expect_eq(qb_kernels(), qb_kernels_at(QB_ISA_PORTABLE));
}
