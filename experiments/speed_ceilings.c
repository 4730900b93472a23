/* Ceilings of a speed cell, on working sets as large as its own passes have (compute/ceilings.h). */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/work.h"
#include "speed_parts.h"

struct qb_ceilings {
    const struct qb_stored *stored;
    struct qb_read_ceiling *read;
    struct qb_product_ceiling *products;
    unsigned char *source; /* [source_bytes]: as large as what is stored */
    float *target;         /* [target_count]: as large as the largest decoded tensor */
    size_t source_bytes, target_count;
    size_t *pieces; /* [piece_count]: floats of each decoded tensor */
    size_t piece_count, copied;
};

/* ---- writing ---- */

static void fill(void *context)
{
    struct qb_ceilings *c = context;
    for (size_t i = 0; i < c->piece_count; i++) {
        memset(c->target, (int)(i & 1), c->pieces[i] * sizeof(float));
        __asm__ volatile("" : : "r"(c->target) : "memory");
    }
}

static void copy(void *context)
{
    struct qb_ceilings *c = context;
    size_t at = 0;
    for (size_t i = 0; i < c->piece_count; i++)
        for (size_t done = 0, n; done < c->pieces[i] * sizeof(float); done += n) {
            size_t left = c->pieces[i] * sizeof(float) - done;
            at = at < c->source_bytes ? at : 0;
            n = left < c->source_bytes - at ? left : c->source_bytes - at;
            memcpy((unsigned char *)c->target + done, c->source + at, n);
            __asm__ volatile("" : : "r"(c->target) : "memory");
            at += n;
        }
}

/* What any codec of 8-bit codes could do at best in plain C: a code in, a float of a table of 256 out. It slows down as
 * such a codec does when the processor's clock or a neighbour changes, which memcpy and sgemm do not. */
static void lookup(void *context)
{
    struct qb_ceilings *c = context;
    float table[256];
    size_t at = 0;
    for (int i = 0; i < 256; i++)
        table[i] = (float)i;
    __asm__ volatile("" : : "r"(table) : "memory");
    for (size_t i = 0; i < c->piece_count; i++)
        for (size_t done = 0, n; done < c->pieces[i]; done += n) {
            size_t left = c->pieces[i] - done;
            at = at < c->source_bytes ? at : 0;
            n = left < c->source_bytes - at ? left : c->source_bytes - at;
            const unsigned char *codes = c->source + at;
            float *out = c->target + done;
            for (size_t k = 0; k < n; k++)
                out[k] = table[codes[k]];
            __asm__ volatile("" : : "r"(out) : "memory");
            at += n;
        }
}

static void decode_all(void *context)
{
    struct qb_ceilings *c = context;
    qb_stored_decode((void *)(uintptr_t)c->stored);
}

static void encode_sample(void *context)
{
    struct qb_ceilings *c = context;
    qb_stored_encode((void *)(uintptr_t)c->stored);
}

/* Decoding and writing the same number of bytes alternate, so that what slows the machine for longer slows both and
 * their ratio holds. */
void qb_ceilings_measure(struct qb_ceilings *c, struct qb_ceiling_rates *rates)
{
    double decode = INFINITY, copied = INFINITY, looked = INFINITY, read = INFINITY, filled = INFINITY;
    double encode = INFINITY;
    const double start = qb_clock();
    qb_product_ceiling_reset(c->products);
    for (size_t turn = 0; qb_ceiling_turn(turn, start); turn++) {
        if (qb_stored_count(c->stored)) {
            decode = fmin(decode, qb_ceiling_time(decode_all, c));
            encode = fmin(encode, qb_ceiling_time(encode_sample, c));
        }
        looked = fmin(looked, qb_ceiling_time(lookup, c));
        filled = fmin(filled, qb_ceiling_time(fill, c));
        copied = fmin(copied, qb_ceiling_time(copy, c));
        read = fmin(read, qb_read_ceiling_seconds(c->read));
        qb_product_ceiling_turn(c->products, turn % 2 == 0);
    }
    *rates = (struct qb_ceiling_rates){.read_gbs = qb_read_ceiling_bytes(c->read) / read / 1e9,
                                       .store_gbs = (double)c->copied / filled / 1e9,
                                       .memcpy_gbs = (double)c->copied / copied / 1e9,
                                       .lookup_gbs = (double)c->copied / looked / 1e9,
                                       .sgemm_gflops = qb_product_ceiling_gflops(c->products),
                                       .weight_decode_s = isfinite(decode) ? decode : NAN,
                                       .weight_encode_s = isfinite(encode) ? encode : NAN};
}

/* ---- working sets ---- */

static size_t at_most(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

/* The tensors that decoding writes; of a variant that stores none, the FP32 weights that a step reads stand in. */
static enum qb_status make_pieces(struct qb_ceilings *c, struct qb_error *err)
{
    const struct qb_stored *st = c->stored;
    size_t most = qb_beyond_caches() / sizeof(float), stored = qb_stored_bytes(st);
    c->piece_count = qb_stored_count(st) ? qb_stored_count(st) : 1;
    c->pieces = qb_alloc(c->piece_count, sizeof *c->pieces, "the copy ceiling's sizes", err);
    for (size_t i = 0; c->pieces && i < c->piece_count; i++) {
        c->pieces[i] = at_most(qb_stored_count(st) ? qb_stored_values(st, i)
                                                   : (size_t)qb_read_ceiling_bytes(c->read) / sizeof(float),
                               most);
        c->target_count = c->pieces[i] > c->target_count ? c->pieces[i] : c->target_count;
        c->copied += c->pieces[i] * sizeof(float);
    }
    c->source_bytes = at_most(stored ? stored : (size_t)qb_read_ceiling_bytes(c->read), qb_beyond_caches());
    c->source = qb_alloc(c->source_bytes, 1, "the copy ceiling's source", err);
    c->target = qb_alloc(c->target_count, sizeof *c->target, "the copy ceiling's target", err);
    for (size_t i = 0; c->source && i < c->source_bytes; i++)
        c->source[i] = (unsigned char)(i * 167 + i / 251);
    return c->pieces && c->source && c->target ? QB_OK : err->status;
}

static enum qb_status make_products(struct qb_ceilings *c, const struct qb_cell_env *env, struct qb_net *fp32,
                                    size_t tokens, struct qb_error *err)
{
    if (qb_product_ceiling_create(env->pool, tokens, &c->products, err))
        return err->status;
    qb_net_products(fp32, c->products);
    return qb_product_ceiling_fill(c->products, err);
}

enum qb_status qb_ceilings_create(const struct qb_cell_env *env, struct qb_net *fp32, const struct qb_stored *stored,
                                  double bytes, size_t tokens, struct qb_ceilings **ceilings, struct qb_error *err)
{
    struct qb_ceilings *c = *ceilings = qb_alloc(1, sizeof *c, "ceilings", err);
    if (!c)
        return err->status;
    c->stored = stored;
    if (qb_read_ceiling_create(env->pool, bytes, &c->read, err) || make_pieces(c, err))
        return err->status;
    return make_products(c, env, fp32, tokens, err);
}

void qb_ceilings_free(struct qb_ceilings *c)
{
    if (!c)
        return;
    qb_read_ceiling_free(c->read);
    qb_product_ceiling_free(c->products);
    void *owned[] = {c->source, c->target, c->pieces};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        qb_free(owned[i]);
    qb_free(c);
}

enum qb_status qb_ceilings_record(const struct qb_ceilings *c, struct qb_record *out, struct qb_error *err)
{
    struct {
        const char *name, *unit, *description;
        double value;
    } list[] = {{"read_bytes", "bytes", "the read ceiling's working set", qb_read_ceiling_bytes(c->read)},
                {"memcpy_bytes", "bytes", "the memcpy ceiling copies this many bytes a pass", (double)c->copied},
                {"memcpy_source_bytes", "bytes", "working set that memcpy and lookup read", (double)c->source_bytes},
                {"memcpy_target_bytes", "bytes", "and write", (double)(c->target_count * sizeof(float))},
                {"sgemm_flop", "flop", "the sgemm ceiling: the products of a prefill of at most 512 tokens",
                 qb_product_ceiling_flop(c->products)}};
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++)
        qb_record_f64(out, list[i].name, list[i].value, list[i].unit, list[i].description, err);
    return err->status;
}
