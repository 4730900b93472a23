/* speed: prefill and decode of the variant and of FP32 in turn, repeat by repeat, beside what the machine allows in the
 * same run: memcpy for moving bytes, OpenBLAS sgemm for arithmetic, a plain table lookup for 8-bit codes. Runs alone.
 */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "common.h"

enum { OPTION_REPEATS, OPTION_PREFILL, OPTION_DECODE };
static const struct qb_codec_option options[] = {
    {"repeats", QB_OPTION_INT, "5", 3, 1000, NULL, "timed repeats of each arm, interleaved, after one untimed"},
    {"prefill", QB_OPTION_INT, "256", 1, 65536, NULL, "tokens of a prefill"},
    {"decode", QB_OPTION_INT, "16", 1, 65536, NULL, "tokens generated one at a time behind a short prompt"},
    {0}};

#define GEMM 384            /* the sgemm ceiling: a square product of this size */
#define COPY_MIN (1u << 22) /* memcpy's least bytes */
#define LOOKUP (1u << 18)   /* 8-bit codes of the lookup ceiling: their floats fit where a layer's do */
#define TURN 5e-4           /* least seconds of a turn at decoding, memcpy or sgemm */
#define TURNS 16            /* of each in a repeat */
#define TURNS_S 0.1         /* unless they take longer than this together; one is always taken */

/* One arm: the FP32 reference or the variant. */
struct arm {
    struct qb_net *net;
    double *prefill, *decode, *layer; /* seconds [repeats]; layer [layers, repeats] */
};

struct bench {
    const struct qb_cell_env *env;
    size_t repeats, prefill, decode, prompt, layers;
    int32_t *tokens; /* [prefill + decode] */
    float *hidden, *wide_in, *wide_out, *logits;
    void *copy_from, *copy_to;
    size_t copy_bytes;
    float *gemm; /* three GEMM x GEMM matrices */
    double *weight_decode, *memcpy_gbs, *sgemm_gflops, *lookup_gbs;
    struct arm arm[2];
};

/* The tokens that every arm reads: the text or the prompt, repeated to the length. */
static enum qb_status fill_tokens(struct bench *b, struct qb_error *err)
{
    const struct qb_inputs *in = b->env->inputs;
    size_t have = in->text ? in->chunks * in->context : in->prompt_count * in->prompt_length;
    const int32_t *from = in->text ? in->text : in->prompts;
    if (have == 0)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has neither text nor prompt", b->env->model->name);
    b->tokens = qb_alloc(b->prefill + b->decode, sizeof *b->tokens, "tokens", err);
    for (size_t i = 0; b->tokens && i < b->prefill + b->decode; i++)
        b->tokens[i] = from[i % have];
    return b->tokens ? QB_OK : err->status;
}

static enum qb_status time_prefill(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    double start = qb_clock();
    enum qb_status s = qb_net_forward(a->net, b->tokens, 1, b->prefill, b->hidden, err);
    *seconds = qb_clock() - start;
    return s;
}

/* A model that sees all positions reads the whole sequence anew for each token, as the source's runs did. (The decoder
 * knows a shorter way for such a model, which would make the variants' share of a step look larger than it is.) */
static enum qb_status time_recompute(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    size_t width = b->env->model->arch.hidden;
    enum qb_status s = QB_OK;
    double start = qb_clock();
    for (size_t n = b->prefill; n < b->prefill + b->decode && !s; n++) {
        s = qb_net_forward(a->net, b->tokens, 1, n + 1, b->hidden, err);
        if (!s)
            s = qb_net_logits(a->net, b->hidden + n * width, 1, b->logits, err);
    }
    *seconds = qb_clock() - start;
    return s;
}

static enum qb_status time_decode(struct bench *b, struct arm *a, double *seconds, struct qb_error *err)
{
    struct qb_decoder *d = NULL;
    if (b->env->model->arch.attention && !b->env->model->arch.causal)
        return time_recompute(b, a, seconds, err);
    enum qb_status s = qb_decoder_create(a->net, 1, b->prompt + b->decode, &d, err);
    if (!s)
        s = qb_decoder_feed(d, b->tokens, b->prompt, b->hidden, err);
    double start = qb_clock();
    for (size_t i = 0; i < b->decode && !s; i++) {
        s = qb_decoder_feed(d, b->tokens + b->prompt + i, 1, b->hidden, err);
        if (!s)
            s = qb_net_logits(a->net, b->hidden, 1, b->logits, err);
    }
    *seconds = qb_clock() - start;
    qb_decoder_free(d);
    return s;
}

/* One token through each layer alone. */
static enum qb_status time_layers(struct bench *b, struct arm *a, size_t repeat, struct qb_error *err)
{
    enum qb_status s = QB_OK;
    for (size_t l = 0; l < b->layers && !s; l++) {
        double start = qb_clock();
        s = qb_net_block(a->net, l, b->wide_in, 1, 1, b->wide_out, err);
        a->layer[l * b->repeats + repeat] = qb_clock() - start;
    }
    return s;
}

static enum qb_status time_arms(struct bench *b, size_t repeat, bool keep, struct qb_error *err)
{
    double seconds;
    for (int i = 0; i < 2; i++) {
        struct arm *a = &b->arm[i];
        enum qb_status s = time_prefill(b, a, &seconds, err);
        if (keep)
            a->prefill[repeat] = seconds;
        if (!s)
            s = time_decode(b, a, &seconds, err);
        if (keep)
            a->decode[repeat] = seconds;
        if (!s)
            s = time_layers(b, a, repeat, err);
        if (s)
            return s;
    }
    return QB_OK;
}

/* The placed tensors, encoded once, for timing nothing but their decoding. */
struct stored {
    void *bytes[1024];
    size_t size[1024], rows[1024], cols[1024];
    size_t count, decoded_bytes;
    float *out; /* room for the largest */
};

static void stored_close(struct stored *st)
{
    for (size_t i = 0; i < st->count; i++)
        qb_free(st->bytes[i]);
    qb_free(st->out);
}

static enum qb_status stored_open(const struct qb_cell_env *env, struct stored *st, struct qb_error *err)
{
    const struct qb_model *m = env->model;
    const struct qb_format *f = &env->variant->weights;
    size_t largest = 0;
    enum qb_status s = QB_OK;
    if (qb_cell_stores_nothing(env))
        return QB_OK;
    for (size_t i = 0; i < m->tensor_count && st->count < 1024 && !s; i++) {
        const struct qb_tensor *t = &m->tensors[i];
        size_t k = st->count;
        if (!qb_cell_places(env->variant, t))
            continue;
        st->rows[k] = t->rows;
        st->cols[k] = t->cols;
        s = qb_encoded_size(f, t->rows, t->cols, &st->size[k], err);
        if (s)
            break;
        st->bytes[k] = qb_alloc(st->size[k], 1, t->name, err);
        if (!st->bytes[k])
            return err->status;
        st->count++;
        s = qb_encode(f, t->rows, t->cols, t->data, st->bytes[k], st->size[k], err);
        st->decoded_bytes += 4 * t->rows * t->cols;
        if (t->rows * t->cols > largest)
            largest = t->rows * t->cols;
    }
    if (!s && !(st->out = qb_alloc(largest, sizeof(float), "decoded tensor", err)))
        s = err->status;
    return s;
}

/* Seconds to decode every stored tensor once, through the plugin alone (the host's NaN check left out). */
static double time_weight_decode(const struct qb_cell_env *env, const struct stored *st)
{
    const struct qb_format *f = &env->variant->weights;
    struct qb_codec_error error;
    double start = qb_clock(), spent = 0;
    size_t calls = 0;
    do {
        for (size_t i = 0; i < st->count; i++)
            f->plugin->codec->decode(&f->config, st->rows[i], st->cols[i], st->bytes[i], st->size[i], 0, st->rows[i],
                                     st->out, &error);
        calls++;
        spent = qb_clock() - start;
    } while (spent < TURN);
    return spent / (double)calls;
}

/* Matrix products of one token, as 2 * weights, and the stored bytes that a decode step reads. */
static void count_work(struct qb_net *net, double *flop_per_token, double *bytes_per_step, struct qb_net_buffer *rows,
                       size_t room)
{
    const uint32_t products = QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V | QB_ROLE_ATTN_O | QB_ROLE_MLP_GATE |
                              QB_ROLE_MLP_UP | QB_ROLE_MLP_DOWN;
    const bool tied = qb_net_model(net)->arch.tied_head;
    size_t n = qb_net_buffers(net, rows, room);
    *flop_per_token = *bytes_per_step = 0;
    for (size_t i = 0; i < n && i < room; i++) {
        if (rows[i].roles & (QB_ROLE_BIAS | QB_ROLE_NORM))
            continue;
        if (rows[i].roles & products)
            *flop_per_token += 2 * (double)rows[i].values;
        if (rows[i].roles & (products | QB_ROLE_HEAD | (tied ? QB_ROLE_EMBED : 0u)))
            *bytes_per_step += (double)(rows[i].cache_bytes ? rows[i].cache_bytes : rows[i].bytes);
    }
}

static enum qb_status add_scalars(struct bench *b, const struct stored *st, struct qb_record *out, struct qb_error *err)
{
    const struct qb_arch *arch = &b->env->model->arch;
    double flop, bytes;
    struct qb_net_buffer *rows = qb_alloc(8192, sizeof *rows, "buffer table", err);
    if (!rows)
        return err->status;
    count_work(b->arm[1].net, &flop, &bytes, rows, 8192);
    qb_free(rows);
    double n = (double)b->prefill;
    flop *= n;
    if (arch->attention) /* q k^T and p v: 2 * 2 * n * n * hidden a layer, about half of it under a causal mask */
        flop += (double)arch->layers * 4 * n * n * (double)arch->hidden * (arch->causal ? 0.5 : 1);
    struct {
        const char *name, *unit, *description;
        double value;
    } list[] = {{"prefill_tokens", "tokens", "tokens of a prefill", n},
                {"decode_tokens", "tokens", "tokens of a decode run", (double)b->decode},
                {"prefill_flop", "flop", "products of a prefill, head left out", flop},
                {"decode_bytes", "bytes", "stored weight bytes that a decode step reads", bytes},
                {"weight_decode_bytes", "bytes", "FP32 bytes written by decoding all stored weights once",
                 (double)st->decoded_bytes},
                {"sgemm_size", "1", "the sgemm ceiling is a square product of this size", GEMM},
                {"memcpy_bytes", "bytes", "the memcpy ceiling copies this many bytes", (double)b->copy_bytes}};
    enum qb_status s = QB_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list && !s; i++)
        s = qb_record_f64(out, list[i].name, list[i].value, list[i].unit, list[i].description, err);
    return s;
}

static enum qb_status add_arrays(struct bench *b, bool stores, struct qb_record *out, struct qb_error *err)
{
    struct {
        const char *name, *unit, *description;
        int rank;
        double **data;
    } list[] = {{"prefill_s", "s", "variant's prefill", 1, &b->arm[1].prefill},
                {"decode_s", "s", "variant's decode run", 1, &b->arm[1].decode},
                {"layer_decode_s", "s", "variant, one token [layer, repeat]", 2, &b->arm[1].layer},
                {"reference_prefill_s", "s", "FP32 prefill", 1, &b->arm[0].prefill},
                {"reference_decode_s", "s", "FP32 decode run", 1, &b->arm[0].decode},
                {"reference_layer_decode_s", "s", "FP32, one token [layer, repeat]", 2, &b->arm[0].layer},
                {"memcpy_gbs", "GB/s", "bytes copied per second, fastest turn", 1, &b->memcpy_gbs},
                {"lookup_gbs", "GB/s", "FP32 bytes written by looking 8-bit codes up in a table, fastest turn", 1,
                 &b->lookup_gbs},
                {"sgemm_gflops", "GFLOP/s", "one OpenBLAS sgemm on one thread, fastest turn", 1, &b->sgemm_gflops},
                {"weight_decode_s", "s", "decoding all stored weights once, fastest turn", 1, &b->weight_decode}};
    for (size_t i = 0; i < sizeof list / sizeof *list - (stores ? 0 : 1); i++) {
        size_t dims[2] = {list[i].rank == 2 ? b->layers : b->repeats, b->repeats};
        *list[i].data =
            qb_record_add(out, list[i].name, QB_F64, list[i].rank, dims, list[i].unit, list[i].description, err);
        if (!*list[i].data)
            return err->status;
    }
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
    if (arch->context && b->prefill + b->decode > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "prefill + decode = %zu tokens, the model has %zu positions",
                       b->prefill + b->decode, arch->context);
    enum qb_status s = fill_tokens(b, err);
    if (s || (s = qb_cell_net(env, true, &b->arm[0].net, err)) || (s = qb_cell_net(env, false, &b->arm[1].net, err)))
        return s;
    size_t width = qb_net_width(b->arm[0].net);
    b->layers = qb_net_layers(b->arm[0].net);
    b->hidden = qb_alloc((b->prefill + b->decode) * arch->hidden, sizeof(float), "hidden states", err);
    b->wide_in = qb_alloc(width, sizeof(float), "hidden state", err);
    b->wide_out = qb_alloc(width, sizeof(float), "hidden state", err);
    b->logits = qb_alloc(arch->vocab, sizeof(float), "logits", err);
    b->gemm = qb_alloc(3u * GEMM * GEMM, sizeof(float), "sgemm matrices", err);
    b->copy_from = qb_alloc(b->copy_bytes, 1, "memcpy source", err);
    b->copy_to = qb_alloc(b->copy_bytes, 1, "memcpy target", err);
    if (!b->hidden || !b->wide_in || !b->wide_out || !b->logits || !b->gemm || !b->copy_from || !b->copy_to)
        return err->status;
    for (size_t i = 0; i < b->copy_bytes; i++)
        ((unsigned char *)b->copy_from)[i] = (unsigned char)(i * 167 + i / 251);
    for (size_t i = 0; i < width; i++)
        b->wide_in[i] = sinf((float)i);
    for (size_t i = 0; i < 2u * GEMM * GEMM; i++)
        b->gemm[i] = cosf((float)i);
    return QB_OK;
}

static void bench_close(struct bench *b)
{
    qb_free(b->copy_to);
    qb_free(b->copy_from);
    qb_free(b->gemm);
    qb_free(b->logits);
    qb_free(b->wide_out);
    qb_free(b->wide_in);
    qb_free(b->hidden);
    qb_free(b->tokens);
    qb_net_free(b->arm[1].net);
    qb_net_free(b->arm[0].net);
}

static double time_memcpy(struct bench *b)
{
    double start = qb_clock(), spent = 0;
    size_t calls = 0;
    do {
        memcpy(b->copy_to, b->copy_from, b->copy_bytes);
        __asm__ volatile("" : : "r"(b->copy_to) : "memory");
        calls++;
        spent = qb_clock() - start;
    } while (spent < TURN);
    return spent / (double)calls;
}

/* What any codec of 8-bit codes could do at best in plain C: a code in, a float of a table of 256 out. It slows down as
 * such a codec does when the processor's clock or a neighbour changes, which memcpy and sgemm do not. */
static double time_lookup(struct bench *b)
{
    const unsigned char *codes = b->copy_from;
    float *out = b->copy_to, table[256];
    double start = qb_clock(), spent = 0;
    size_t calls = 0;
    for (int i = 0; i < 256; i++)
        table[i] = (float)i;
    do {
        __asm__ volatile("" : : "r"(table) : "memory");
        for (size_t i = 0; i < LOOKUP; i++)
            out[i] = table[codes[i]];
        __asm__ volatile("" : : "r"(out) : "memory");
        calls++;
        spent = qb_clock() - start;
    } while (spent < TURN);
    return spent / (double)calls;
}

static double time_sgemm(struct bench *b)
{
    double start = qb_clock(), spent = 0;
    size_t calls = 0;
    do {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, GEMM, GEMM, GEMM, 1, b->gemm, GEMM, b->gemm + GEMM * GEMM,
                    GEMM, 0, b->gemm + 2 * GEMM * GEMM, GEMM);
        calls++;
        spent = qb_clock() - start;
    } while (spent < TURN);
    return spent / (double)calls;
}

/* What the machine allows, and what decoding takes of it: the fastest of several turns each, for what else runs on the
 * machine only ever adds to a turn. Decoding and copying the same number of bytes alternate, so that what slows the
 * machine for longer slows both and their ratio holds. */
static void time_ceilings(struct bench *b, const struct stored *st, size_t repeat)
{
    double decode = INFINITY, copy = INFINITY, sgemm = INFINITY, lookup = INFINITY;
    const double start = qb_clock();
    for (size_t turn = 0; turn < TURNS && (turn == 0 || qb_clock() - start < TURNS_S); turn++) {
        if (st->count)
            decode = fmin(decode, time_weight_decode(b->env, st));
        lookup = fmin(lookup, time_lookup(b));
        copy = fmin(copy, time_memcpy(b));
        sgemm = fmin(sgemm, time_sgemm(b));
    }
    b->lookup_gbs[repeat] = LOOKUP * sizeof(float) / lookup / 1e9;
    b->memcpy_gbs[repeat] = (double)b->copy_bytes / copy / 1e9;
    b->sgemm_gflops[repeat] = 2.0 * GEMM * GEMM * GEMM / sgemm / 1e9;
    if (st->count)
        b->weight_decode[repeat] = decode;
}

static enum qb_status measure(struct bench *b, const struct stored *st, struct qb_error *err)
{
    enum qb_status s = time_arms(b, 0, false, err);
    time_ceilings(b, st, 0);
    for (size_t r = 0; r < b->repeats && !s; r++) {
        s = time_arms(b, r, true, err);
        time_ceilings(b, st, r);
    }
    return s;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct bench b = {.env = env};
    struct stored *st = qb_alloc(1, sizeof *st, "stored tensors", err);
    if (!st)
        return err->status;
    enum qb_status s = stored_open(env, st, err);
    b.copy_bytes = st->decoded_bytes > COPY_MIN ? st->decoded_bytes : COPY_MIN;
    if (!s && !(s = bench_open(&b, err)) && !(s = add_arrays(&b, st->count > 0, out, err)) &&
        !(s = measure(&b, st, err)))
        s = add_scalars(&b, st, out, err);
    bench_close(&b);
    stored_close(st);
    qb_free(st);
    return s;
}

const struct qb_experiment qb_experiment_speed = {
    .name = "speed",
    .summary = "prefill and decode against FP32 in turn, beside memcpy and sgemm in the same run",
    .options = options,
    .exclusive = true,
    .run = run,
};
