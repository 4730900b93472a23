/* Decoding behind long contexts: each arm keeps one cache that is filled for each depth, untimed, with numbers that no
 * model made, for what a step costs hangs on how many there are; at a depth the last steps before it are timed in turn,
 * repeat by repeat, each pass over the same positions. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/decoder.h"
#include "speed_parts.h"

static const struct {
    size_t positions;
    const char *name;
} depths[] = {{512, "512"}, {2048, "2k"}, {8192, "8k"}, {32768, "32k"}}; /* as QB_SPEED_DEPTHS, behind none */
#define DEPTHS (sizeof depths / sizeof *depths)

struct depth_arm {
    struct qb_net *net;
    struct qb_decoder *decoder;
    size_t length; /* positions that it holds */
    double *seconds;
};

struct depth_bench {
    const struct qb_speed_depths *of;
    float *hidden, *logits; /* [H], [vocab] */
    double *read_gbs;
    struct qb_read_ceiling *ceiling;
    struct depth_arm arm[QB_SPEED_ARMS];
};

/* Positions that the model has; infinite: any number; 0: it keeps no keys and values. */
static double most_positions(const struct qb_arch *arch)
{
    if (qb_arch_no_kv(arch))
        return 0;
    return arch->context ? (double)arch->context : INFINITY;
}

size_t qb_speed_deepest(const struct qb_arch *arch, size_t asked)
{
    size_t deepest = 0;
    for (size_t i = 0; i < DEPTHS && i < asked; i++)
        if ((double)depths[i].positions <= most_positions(arch))
            deepest = depths[i].positions;
    return deepest;
}

/* ---- a pass ---- */

/* Exactly `length` positions: what is behind them is forgotten, and with a block that is encoded already all of it,
 * which is then filled anew. */
static enum qb_status fill_to(struct depth_arm *a, size_t length, struct qb_error *err)
{
    if (a->length > length) {
        size_t left = length;
        if (qb_decoder_rewind(a->decoder, &left, err))
            return err->status;
        a->length = left;
    }
    if (a->length < length && !qb_decoder_fill(a->decoder, length, err))
        a->length = length;
    return err->status;
}

static enum qb_status step(struct depth_bench *b, struct depth_arm *a, struct qb_error *err)
{
    if (qb_decoder_feed(a->decoder, b->of->tokens + a->length, 1, b->hidden, err))
        return err->status;
    a->length++;
    return qb_net_logits(a->net, b->hidden, 1, b->logits, err);
}

/* The untimed step before the timed ones puts what they read where the arm's own steps leave it. */
static enum qb_status time_pass(struct depth_bench *b, struct depth_arm *a, size_t depth, double *seconds,
                                struct qb_error *err)
{
    if (fill_to(a, depth - b->of->decode - 1, err) || step(b, a, err))
        return err->status;
    double start = qb_clock();
    for (size_t i = 0; i < b->of->decode && !err->status; i++)
        step(b, a, err);
    *seconds = qb_clock() - start;
    return err->status;
}

static enum qb_status time_depth_arms(struct depth_bench *b, size_t depth, size_t repeat, struct qb_error *err)
{
    size_t order[QB_SPEED_ARMS];
    qb_turns_order(QB_SPEED_ARMS, repeat, order);
    for (int i = 0; i < QB_SPEED_ARMS && !err->status; i++) {
        struct depth_arm *a = &b->arm[order[i]];
        time_pass(b, a, depth, &a->seconds[repeat], err);
    }
    return err->status;
}

/* The first round is untimed: what it stores is overwritten. */
static enum qb_status measure_depth(struct depth_bench *b, size_t depth, struct qb_error *err)
{
    time_depth_arms(b, depth, 0, err);
    for (size_t r = 0; r < b->of->repeats && !err->status; r++)
        if (!time_depth_arms(b, depth, r, err))
            b->read_gbs[r] = qb_read_ceiling_measure(b->ceiling);
    return err->status;
}

/* ---- what is recorded ---- */

/* Keys and values that a timed step of the variant attends to, the mean over the steps: all before it and its own. As
 * if all were encoded: of a block that is not full they are FP32. */
static double cache_bytes(const struct depth_bench *b, size_t depth)
{
    const struct qb_arch *arch = &b->of->env->model->arch;
    const double layer = qb_decoder_position_bytes(b->arm[QB_SPEED_VARIANT].decoder) / (double)arch->layers;
    return layer * qb_arch_attended(arch, (double)depth - ((double)b->of->decode - 1) / 2);
}

static double *add(struct depth_bench *b, const char *before, const char *depth, const char *after, const char *unit,
                   const char *description, struct qb_record *out, struct qb_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", before, depth, after);
    return qb_record_add(out, name, QB_F64, 1, &b->of->repeats, unit, description, err);
}

static enum qb_status add_depth(struct depth_bench *b, size_t depth, const char *name, struct qb_record *out,
                                struct qb_error *err)
{
    static const char *const before[] = {
        [QB_SPEED_REFERENCE] = "reference_decode_", [QB_SPEED_VARIANT] = "decode_", [QB_SPEED_SELF] = "self_decode_"};
    static const char *const description[] = {[QB_SPEED_REFERENCE] = "FP32's last steps before this many positions",
                                              [QB_SPEED_VARIANT] = "variant's last steps before this many positions",
                                              [QB_SPEED_SELF] =
                                                  "second FP32 net's last steps before this many positions"};
    const double bytes = b->of->weight_bytes + cache_bytes(b, depth);
    char scalar[64];
    for (int i = 0; i < QB_SPEED_ARMS; i++)
        if (!(b->arm[i].seconds = add(b, before[i], name, "_s", "s", description[i], out, err)))
            return err->status;
    b->read_gbs =
        add(b, "read_", name, "_gbs", "GB/s", "bytes read per second, as many as a step reads, fastest turn", out, err);
    snprintf(scalar, sizeof scalar, "decode_%s_bytes", name);
    if (!b->read_gbs || qb_record_f64(out, scalar, bytes, "bytes", "weights and cache that a step reads", err))
        return err->status;
    return qb_read_ceiling_create(b->of->env->pool, bytes, &b->ceiling, err);
}

static enum qb_status open_depths(struct depth_bench *b, size_t deepest, struct qb_error *err)
{
    const struct qb_arch *arch = &b->of->env->model->arch;
    if (b->of->decode + 1 >= depths[0].positions)
        return qb_fail(err, QB_ERR_INPUT, "decode %zu with depth: at most %zu steps fit before the first depth",
                       b->of->decode, depths[0].positions - 2);
    b->hidden = qb_alloc(arch->hidden, sizeof *b->hidden, "hidden state", err);
    b->logits = qb_alloc(arch->vocab, sizeof *b->logits, "logits", err);
    for (int i = 0; i < QB_SPEED_ARMS && !err->status; i++) {
        b->arm[i].net = b->of->nets[i];
        qb_decoder_create(b->arm[i].net, 1, deepest, &b->arm[i].decoder, err);
    }
    return err->status;
}

static void close_depths(struct depth_bench *b)
{
    for (int i = 0; i < QB_SPEED_ARMS; i++)
        qb_decoder_free(b->arm[i].decoder);
    qb_free(b->logits);
    qb_free(b->hidden);
}

enum qb_status qb_record_speed_depths(const struct qb_speed_depths *of, struct qb_record *out, struct qb_error *err)
{
    const size_t deepest = qb_speed_deepest(&of->env->model->arch, of->asked);
    const double most = most_positions(&of->env->model->arch);
    struct depth_bench b = {.of = of};
    if (qb_record_f64(out, "depth", (double)depths[of->asked - 1].positions, "positions", "asked for", err) ||
        (isfinite(most) && qb_record_f64(out, "depth_most", most, "positions",
                                         "that the model has; 0: it keeps no keys and values", err)) ||
        deepest == 0)
        return err->status;
    open_depths(&b, deepest, err);
    for (size_t i = 0; i < DEPTHS && depths[i].positions <= deepest && !err->status; i++) {
        if (!add_depth(&b, depths[i].positions, depths[i].name, out, err))
            measure_depth(&b, depths[i].positions, err);
        qb_read_ceiling_free(b.ceiling);
        b.ceiling = NULL;
    }
    close_depths(&b);
    return err->status;
}
