/* bench: encode and decode of every codec at every instruction set level, beside what bounds them: encoding reads the
 * FP32 matrix, decoding writes it. memcpy, which does both, stands there too and bounds neither. */
#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench_probe.h"

#define ROWS 1024
#define COLS 1024

struct codec_probe {
    struct qb_format format;
    const float *x;
    void *encoded; /* own */
    size_t bytes;
    float *out; /* shared scratch */
};

struct qb_bench_codecs {
    float *x, *out, sum;
    struct codec_probe *items;
    size_t count;
};

static enum qb_status copy(void *context, struct qb_error *err)
{
    const struct qb_bench_codecs *b = context;
    (void)err;
    memcpy(b->out, b->x, sizeof(float) * ROWS * COLS);
    return QB_OK;
}

static enum qb_status read(void *context, struct qb_error *err)
{
    struct qb_bench_codecs *b = context;
    (void)err;
    b->sum = cblas_sasum(ROWS * COLS, b->x, 1);
    return QB_OK;
}

static enum qb_status store(void *context, struct qb_error *err)
{
    const struct qb_bench_codecs *b = context;
    (void)err;
    memset(b->out, 0, sizeof(float) * ROWS * COLS);
    return QB_OK;
}

/* The plugin's own functions: what the host's checks cost is the row "decode, checked". */
static enum qb_status encode(void *context, struct qb_error *err)
{
    struct codec_probe *p = context;
    struct qb_codec_error cause = {0};
    if (p->format.plugin->codec->encode(&p->format.config, ROWS, COLS, p->x, p->encoded, p->bytes, &cause))
        return qb_fail(err, QB_ERR_CODEC, "%s", cause.message);
    return QB_OK;
}

static enum qb_status decode(void *context, struct qb_error *err)
{
    struct codec_probe *p = context;
    struct qb_codec_error cause = {0};
    if (p->format.plugin->codec->decode(&p->format.config, ROWS, COLS, p->encoded, p->bytes, 0, ROWS, p->out, &cause))
        return qb_fail(err, QB_ERR_CODEC, "%s", cause.message);
    return QB_OK;
}

static enum qb_status decode_checked(void *context, struct qb_error *err)
{
    struct codec_probe *p = context;
    return qb_decode(&p->format, ROWS, COLS, p->encoded, p->bytes, 0, ROWS, p->out, err);
}

enum { MEMCPY, READ, STORE, CEILINGS }; /* the first probes */

/* Work is counted as FP32 bytes, so that a codec and its ceiling move the same matrix. */
static enum qb_status add_ceilings(struct qb_bench_codecs *b, struct qb_probes *probes, struct qb_error *err)
{
    static const struct {
        const char *name;
        enum qb_status (*call)(void *, struct qb_error *);
    } ceilings[CEILINGS] = {[MEMCPY] = {"memcpy", copy}, [READ] = {"sasum (reads)", read}, [STORE] = {"memset", store}};
    for (size_t i = 0; i < CEILINGS; i++) {
        struct qb_probe *probe = qb_probes_add(probes, err);
        if (!probe)
            return err->status;
        snprintf(probe->group, sizeof probe->group, "codec");
        snprintf(probe->name, sizeof probe->name, "%s", ceilings[i].name);
        snprintf(probe->detail, sizeof probe->detail, "%d x %d FP32", ROWS, COLS);
        probe->unit = "GB/s";
        probe->work = sizeof(float) * ROWS * COLS;
        probe->call = ceilings[i].call;
        probe->context = b;
    }
    return QB_OK;
}

static enum qb_status add(struct qb_probes *probes, const char *what, enum qb_status (*call)(void *, struct qb_error *),
                          size_t ceiling, struct codec_probe *p, struct qb_error *err)
{
    struct qb_probe *probe = qb_probes_add(probes, err);
    if (!probe)
        return err->status;
    snprintf(probe->group, sizeof probe->group, "codec");
    snprintf(probe->name, sizeof probe->name, "%s %s", p->format.plugin->codec->id, what);
    snprintf(probe->detail, sizeof probe->detail, "%s", qb_isa_name((enum qb_isa)p->format.config.isa));
    probe->unit = "GB/s";
    probe->work = sizeof(float) * ROWS * COLS;
    probe->call = call;
    probe->context = p;
    probe->ceiling = ceiling;
    return QB_OK;
}

static enum qb_status add_codec(struct qb_bench_codecs *b, const struct qb_plugin *plugin, enum qb_isa isa,
                                enum qb_isa top, struct qb_probes *probes, struct qb_error *err)
{
    struct codec_probe *p = &b->items[b->count];
    if (qb_format_make(plugin, NULL, isa, &p->format, err))
        return err->status;
    b->count++;
    p->x = b->x;
    p->out = b->out;
    if (qb_encoded_size(&p->format, ROWS, COLS, &p->bytes, err) ||
        !(p->encoded = qb_alloc(p->bytes, 1, "encoded matrix", err)) ||
        qb_encode(&p->format, ROWS, COLS, p->x, p->encoded, p->bytes, err) ||
        add(probes, "encode", encode, READ, p, err) || add(probes, "decode", decode, STORE, p, err))
        return err->status;
    return isa == top ? add(probes, "decode, checked", decode_checked, STORE, p, err) : QB_OK;
}

enum qb_status qb_bench_codecs(const struct qb_registry *registry, const char *glob, enum qb_isa top,
                               struct qb_probes *probes, struct qb_bench_codecs **out, struct qb_error *err)
{
    struct qb_rng rng;
    struct qb_bench_codecs *b = qb_alloc(1, sizeof *b, "codec probes", err);
    *out = b;
    if (!b)
        return err->status;
    b->x = qb_alloc((size_t)ROWS * COLS, sizeof *b->x, "matrix", err);
    b->out = qb_alloc((size_t)ROWS * COLS, sizeof *b->out, "matrix", err);
    b->items = qb_alloc(qb_registry_count(registry) * (QB_ISA_AMX + 1), sizeof *b->items, "codec probes", err);
    if (!b->x || !b->out || !b->items || add_ceilings(b, probes, err))
        return err->status;
    qb_rng_seed(&rng, 42);
    qb_rng_normal(&rng, 0, 0.02f, b->x, (size_t)ROWS * COLS);
    for (size_t i = 0; i < qb_registry_count(registry); i++) {
        const struct qb_plugin *plugin = qb_registry_at(registry, i);
        for (int isa = QB_ISA_PORTABLE; qb_glob(glob, plugin->codec->id) && isa <= (int)top; isa++)
            if (add_codec(b, plugin, (enum qb_isa)isa, top, probes, err))
                return err->status;
    }
    return QB_OK;
}

void qb_bench_codecs_free(struct qb_bench_codecs *b)
{
    for (size_t i = 0; b && i < b->count; i++) {
        qb_format_free(&b->items[i].format);
        qb_free(b->items[i].encoded);
    }
    if (b) {
        qb_free(b->items);
        qb_free(b->x);
        qb_free(b->out);
    }
    qb_free(b);
}
