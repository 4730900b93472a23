/* speed: prefill and decode of the variant, of FP32 and of FP32 once more in turn, repeat by repeat, beside what the
 * machine allows in the same run (speed_ceilings.c). FP32 over FP32 tells whether the taking of turns is fair. Runs
 * alone.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/decoder.h"
#include "model/work.h"
#include "speed_parts.h"

enum { OPTION_REPEATS, OPTION_PREFILL, OPTION_DECODE, OPTION_HOLD, OPTION_DEPTH };
static const struct qb_codec_option options[] = {
    {"repeats", QB_OPTION_INT, "12", 3, 1000, NULL,
     "timed repeats of each arm, their order balanced over 6; under 6 there is no interval"},
    {"prefill", QB_OPTION_INT, "256", 1, 65536, NULL, "tokens of a prefill"},
    {"decode", QB_OPTION_INT, "16", 1, 65536, NULL, "tokens generated one at a time behind a short prompt"},
    {"hold", QB_OPTION_INT, "2048", 0, 1048576, NULL,
     "MiB up to which the arms hold the weights that they do not encode as FP32, where the file has another format"},
    {"depth", QB_OPTION_CHOICE, "none", 0, 0, QB_SPEED_DEPTHS,
     "decode tokens are timed behind long contexts, too: 512, 2048, 8192 and 32768 positions, up to this one; they are "
     "filled untimed"},
    {0}};

#define WARM_TOKENS 16 /* of the untimed pass before a timed one: enough to read every weight as a prefill does */

enum { REFERENCE = QB_SPEED_REFERENCE, VARIANT = QB_SPEED_VARIANT, SELF = QB_SPEED_SELF, ARMS = QB_SPEED_ARMS };

/* One arm: FP32, the variant, or a second FP32 net, built as the first is. */
struct arm {
    struct qb_net *net;
    double *prefill, *decode, *layer; /* seconds [repeats]; layer [layers, repeats] */
};

struct bench {
    const struct qb_cell_env *env;
    size_t repeats, prefill, decode, prompt, layers;
    size_t deepest;  /* positions of the deepest context that decode is timed behind; 0: of none */
    int32_t *tokens; /* [prefill + decode], or [deepest] where that is more */
    float *hidden, *wide_in, *wide_out, *logits;
    double *weight_decode, *weight_encode, *memcpy_gbs, *sgemm_gflops, *lookup_gbs, *read_gbs, *store_gbs;
    struct qb_work work; /* of the variant */
    bool held;           /* no arm decodes what it does not encode */
    struct qb_stored *stored;
    struct qb_ceilings *ceilings;
    struct arm arm[ARMS];
};

/* The tokens that every arm reads: the text or the prompt, repeated to the length. */
static enum qb_status fill_tokens(struct bench *b, struct qb_error *err)
{
    const struct qb_inputs *in = b->env->inputs;
    size_t have = in->text ? in->chunks * in->context : in->prompt_count * in->prompt_length;
    const int32_t *from = in->text ? in->text : in->prompts;
    if (have == 0)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has neither text nor prompt", b->env->model->name);
    const size_t count = b->prefill + b->decode > b->deepest ? b->prefill + b->decode : b->deepest;
    b->tokens = qb_alloc(count, sizeof *b->tokens, "tokens", err);
    for (size_t i = 0; b->tokens && i < count; i++)
        b->tokens[i] = from[i % have];
    return b->tokens ? QB_OK : err->status;
}

/* ---- a timed pass of one arm: directly before it an untimed one, so that each arm finds in the caches what its own
 * passes leave there, whoever ran before. (Without it the arm behind FP32 read weights that FP32 had just fetched, the
 * arm behind the ceilings none: FP32 over FP32 was 0.71 to 0.93.) ---- */

static enum qb_status time_prefill(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    size_t warm = b->prefill < WARM_TOKENS ? b->prefill : WARM_TOKENS;
    if (qb_net_forward(a->net, b->tokens, 1, warm, b->hidden, err))
        return err->status;
    double start = qb_clock();
    qb_net_forward(a->net, b->tokens, 1, b->prefill, b->hidden, err);
    *seconds = qb_clock() - start;
    return err->status;
}

/* A model that sees all positions reads the whole sequence anew for each token, as the source's runs did. (The decoder
 * knows a shorter way for such a model, which would make the variants' share of a step look larger than it is.) */
static enum qb_status recompute(struct bench *b, struct arm *a, size_t length, struct qb_error *err)
{
    const size_t end = (length - 1) * b->env->model->arch.hidden;
    return qb_net_forward(a->net, b->tokens, 1, length, b->hidden, err) ||
                   qb_net_logits(a->net, b->hidden + end, 1, b->logits, err)
               ? err->status
               : QB_OK;
}

static bool recomputes(const struct bench *b)
{
    return b->env->model->arch.attention && !b->env->model->arch.causal;
}

static enum qb_status time_recompute(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    recompute(b, a, b->prompt, err);
    double start = qb_clock();
    for (size_t n = b->prefill; n < b->prefill + b->decode && !err->status; n++)
        recompute(b, a, n + 1, err);
    *seconds = qb_clock() - start;
    return err->status;
}

static enum qb_status step(struct bench *b, struct arm *a, struct qb_decoder *d, size_t at, struct qb_error *err)
{
    return qb_decoder_feed(d, b->tokens + at, 1, b->hidden, err) || qb_net_logits(a->net, b->hidden, 1, b->logits, err)
               ? err->status
               : QB_OK;
}

/* The prompt's last token is the untimed step. */
static enum qb_status time_decode(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    struct qb_decoder *d = NULL;
    if (recomputes(b))
        return time_recompute(b, a, seconds, err);
    if (qb_decoder_create(a->net, 1, b->prompt + b->decode, &d, err) ||
        (b->prompt > 1 && qb_decoder_feed(d, b->tokens, b->prompt - 1, b->hidden, err)) ||
        step(b, a, d, b->prompt - 1, err))
        goto out;
    double start = qb_clock();
    for (size_t i = 0; i < b->decode && !err->status; i++)
        step(b, a, d, b->prompt + i, err);
    *seconds = qb_clock() - start;
out:
    qb_decoder_free(d);
    return err->status;
}

/* One token through each layer alone. */
static enum qb_status time_layers(struct bench *b, struct arm *a, size_t repeat, struct qb_error *err)
{
    for (size_t l = 0; l < b->layers; l++) {
        if (qb_net_block(a->net, l, b->wide_in, 1, 1, b->wide_out, err))
            return err->status;
        double start = qb_clock();
        qb_net_block(a->net, l, b->wide_in, 1, 1, b->wide_out, err);
        a->layer[l * b->repeats + repeat] = qb_clock() - start;
    }
    return err->status;
}

/* The arms of one kind of pass stand next to each other, so that what slows the machine for longer slows them alike. */
static enum qb_status time_arms(struct bench *b, size_t repeat, struct qb_error *err)
{
    size_t order[ARMS];
    qb_turns_order(ARMS, repeat, order);
    for (int i = 0; i < ARMS && !err->status; i++)
        time_prefill(b, &b->arm[order[i]], &b->arm[order[i]].prefill[repeat], err);
    for (int i = 0; i < ARMS && !err->status; i++)
        time_decode(b, &b->arm[order[i]], &b->arm[order[i]].decode[repeat], err);
    for (int i = 0; i < ARMS && !err->status; i++)
        time_layers(b, &b->arm[order[i]], repeat, err);
    return err->status;
}

static enum qb_status add_scalars(struct bench *b, struct qb_record *out, struct qb_error *err)
{
    const struct qb_arch *arch = &b->env->model->arch;
    const double n = (double)b->prefill;
    struct {
        const char *name, *unit, *description;
        double value;
    } list[] = {
        {"prefill_tokens", "tokens", "tokens of a prefill", n},
        {"decode_tokens", "tokens", "tokens of a decode run", (double)b->decode},
        {"step_rows", "positions", "positions that a decode step computes: 1, or its whole sequence (the mean)",
         recomputes(b) ? n + ((double)b->decode + 1) / 2 : 1},
        {"prefill_flop", "flop", "products of a prefill, head left out", qb_work_prefill(&b->work, arch, n, 0)},
        {"decode_bytes", "bytes", "stored weight bytes that a decode step reads", b->work.step_bytes},
        {"held", "1", "1: no arm decodes weights that it does not encode; 0: as the model's file has them", b->held},
        {"weight_decode_bytes", "bytes", "FP32 bytes written by decoding all stored weights once",
         (double)qb_stored_decoded(b->stored)},
        {"weight_encode_bytes", "bytes", "FP32 bytes of the rows that encoding is timed on",
         (double)qb_stored_sample_bytes(b->stored)}};
    qb_ceilings_record(b->ceilings, out, err);
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++)
        qb_record_f64(out, list[i].name, list[i].value, list[i].unit, list[i].description, err);
    return err->status;
}

static enum qb_status add_arrays(struct bench *b, struct qb_record *out, struct qb_error *err)
{
    struct {
        const char *name, *unit, *description;
        int rank;
        double **data;
    } list[] = {
        {"prefill_s", "s", "variant's prefill", 1, &b->arm[VARIANT].prefill},
        {"decode_s", "s", "variant's decode run", 1, &b->arm[VARIANT].decode},
        {"layer_decode_s", "s", "variant, one token [layer, repeat]", 2, &b->arm[VARIANT].layer},
        {"reference_prefill_s", "s", "FP32 prefill", 1, &b->arm[REFERENCE].prefill},
        {"reference_decode_s", "s", "FP32 decode run", 1, &b->arm[REFERENCE].decode},
        {"reference_layer_decode_s", "s", "FP32, one token [layer, repeat]", 2, &b->arm[REFERENCE].layer},
        {"self_prefill_s", "s", "second FP32 net's prefill", 1, &b->arm[SELF].prefill},
        {"self_decode_s", "s", "second FP32 net's decode run", 1, &b->arm[SELF].decode},
        {"self_layer_decode_s", "s", "second FP32 net, one token [layer, repeat]", 2, &b->arm[SELF].layer},
        {"read_gbs", "GB/s", "bytes read per second by sasum or in eight streams, fastest turn", 1, &b->read_gbs},
        {"store_gbs", "GB/s", "bytes written per second by memset, fastest turn", 1, &b->store_gbs},
        {"memcpy_gbs", "GB/s", "bytes copied per second, fastest turn", 1, &b->memcpy_gbs},
        {"lookup_gbs", "GB/s", "FP32 bytes written by looking 8-bit codes up in a table, fastest turn", 1,
         &b->lookup_gbs},
        {"sgemm_gflops", "GFLOP/s", "the products of a prefill alone, fastest turn", 1, &b->sgemm_gflops},
        {"weight_decode_s", "s", "decoding all stored weights once, fastest turn", 1, &b->weight_decode},
        {"weight_encode_s", "s", "encoding some rows of the largest block, fastest turn", 1, &b->weight_encode}};
    const size_t count = sizeof list / sizeof *list - (qb_stored_count(b->stored) ? 0 : 2);
    for (size_t i = 0; i < count; i++) {
        size_t dims[2] = {list[i].rank == 2 ? b->layers : b->repeats, b->repeats};
        *list[i].data =
            qb_record_add(out, list[i].name, QB_F64, list[i].rank, dims, list[i].unit, list[i].description, err);
        if (!*list[i].data)
            return err->status;
    }
    return QB_OK;
}

/* FP32 as a user of FP32 has it: nobody decodes a file's F16 at every step who can keep it decoded. All arms or none,
 * and all read the same copy: two copies lie differently in the caches, and FP32 over FP32 would not be 1. */
static enum qb_status hold_fp32(struct bench *b, struct qb_error *err)
{
    struct qb_net *reference = b->arm[REFERENCE].net;
    b->held = qb_net_foreign_bytes(reference) <= (size_t)b->env->options[OPTION_HOLD].i << 20;
    if (!b->held || qb_net_hold_fp32(reference, err))
        return err->status;
    qb_net_share_fp32(b->arm[VARIANT].net, reference);
    qb_net_share_fp32(b->arm[SELF].net, reference);
    return QB_OK;
}

static enum qb_status bench_open(struct bench *b, struct qb_error *err)
{
    const struct qb_cell_env *env = b->env;
    const struct qb_arch *arch = &env->model->arch;
    b->repeats = (size_t)env->options[OPTION_REPEATS].i;
    b->prefill = (size_t)env->options[OPTION_PREFILL].i;
    b->decode = (size_t)env->options[OPTION_DECODE].i;
    b->prompt = b->prefill < 8 ? b->prefill : 8;
    b->deepest = qb_speed_deepest(arch, (size_t)env->options[OPTION_DEPTH].i);
    if (arch->context && b->prefill + b->decode > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "prefill + decode = %zu tokens, the model has %zu positions",
                       b->prefill + b->decode, arch->context);
    b->arm[VARIANT].net = env->prepared->net;
    if (fill_tokens(b, err) || qb_cell_fp32(env, &b->arm[REFERENCE].net, err) ||
        qb_cell_fp32(env, &b->arm[SELF].net, err) || hold_fp32(b, err) ||
        qb_net_work(b->arm[VARIANT].net, &b->work, err) ||
        qb_stored_create(env->prepared->net, b->arm[REFERENCE].net, &b->stored, err) ||
        qb_ceilings_create(env, b->arm[REFERENCE].net, b->stored, b->work.step_bytes, b->prefill, &b->ceilings, err))
        return err->status;
    size_t width = qb_net_width(b->arm[REFERENCE].net);
    b->layers = qb_net_layers(b->arm[REFERENCE].net);
    b->hidden = qb_alloc((b->prefill + b->decode) * arch->hidden, sizeof(float), "hidden states", err);
    b->wide_in = qb_alloc(width, sizeof(float), "hidden state", err);
    b->wide_out = qb_alloc(width, sizeof(float), "hidden state", err);
    b->logits = qb_alloc(arch->vocab, sizeof(float), "logits", err);
    if (!b->hidden || !b->wide_in || !b->wide_out || !b->logits)
        return err->status;
    for (size_t i = 0; i < width; i++)
        b->wide_in[i] = sinf((float)i);
    return QB_OK;
}

static void bench_close(struct bench *b)
{
    qb_ceilings_free(b->ceilings);
    qb_stored_free(b->stored);
    qb_free(b->logits);
    qb_free(b->wide_out);
    qb_free(b->wide_in);
    qb_free(b->hidden);
    qb_free(b->tokens);
    qb_net_free(b->arm[REFERENCE].net);
    qb_net_free(b->arm[SELF].net);
}

static void measure_ceilings(struct bench *b, size_t repeat)
{
    struct qb_ceiling_rates rates;
    qb_ceilings_measure(b->ceilings, &rates);
    b->read_gbs[repeat] = rates.read_gbs;
    b->store_gbs[repeat] = rates.store_gbs;
    b->memcpy_gbs[repeat] = rates.memcpy_gbs;
    b->lookup_gbs[repeat] = rates.lookup_gbs;
    b->sgemm_gflops[repeat] = rates.sgemm_gflops;
    if (b->weight_decode) {
        b->weight_decode[repeat] = rates.weight_decode_s;
        b->weight_encode[repeat] = rates.weight_encode_s;
    }
}

/* The first round is untimed: what it stores is overwritten. */
static enum qb_status measure(struct bench *b, struct qb_error *err)
{
    time_arms(b, 0, err);
    for (size_t r = 0; r < b->repeats && !err->status; r++) {
        time_arms(b, r, err);
        measure_ceilings(b, r);
    }
    return err->status;
}

static enum qb_status measure_depths(struct bench *b, struct qb_record *out, struct qb_error *err)
{
    struct qb_speed_depths depths = {.env = b->env,
                                     .asked = (size_t)b->env->options[OPTION_DEPTH].i,
                                     .repeats = b->repeats,
                                     .decode = b->decode,
                                     .tokens = b->tokens,
                                     .weight_bytes = b->work.step_bytes};
    for (int i = 0; i < ARMS; i++)
        depths.nets[i] = b->arm[i].net;
    return depths.asked ? qb_record_speed_depths(&depths, out, err) : QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct bench b = {.env = env};
    if (!bench_open(&b, err) && !add_arrays(&b, out, err) && !measure(&b, err) && !add_scalars(&b, out, err))
        measure_depths(&b, out, err);
    bench_close(&b);
    return err->status;
}

const struct qb_experiment qb_experiment_speed = {
    .name = "speed",
    .summary = "prefill and decode against FP32 in balanced turns, beside FP32 over FP32 and the machine's ceilings",
    .reads = QB_READS_PROMPT | QB_READS_TEXT,
    .options = options,
    .exclusive = true,
    .net = true,
    .run = run,
};
