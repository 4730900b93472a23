/* bench: encode and decode of every codec at every instruction set level, beside memcpy. */
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
    float *x, *out;
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

/* Work is counted as FP32 bytes, so that a codec and memcpy move the same matrix. */
static enum qb_status add(struct qb_probes *probes, const char *what, enum qb_status (*call)(void *, struct qb_error *),
                          struct codec_probe *p, struct qb_error *err)
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
    probe->ceiling = 0;
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
        qb_encode(&p->format, ROWS, COLS, p->x, p->encoded, p->bytes, err) || add(probes, "encode", encode, p, err) ||
        add(probes, "decode", decode, p, err))
        return err->status;
    return isa == top ? add(probes, "decode, checked", decode_checked, p, err) : QB_OK;
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
    b->items = qb_alloc(qb_registry_count(registry) * 3, sizeof *b->items, "codec probes", err);
    struct qb_probe *ceiling = b->x && b->out && b->items ? qb_probes_add(probes, err) : NULL;
    if (!ceiling)
        return err->status;
    qb_rng_seed(&rng, 42);
    qb_rng_normal(&rng, 0, 0.02f, b->x, (size_t)ROWS * COLS);
    snprintf(ceiling->group, sizeof ceiling->group, "codec");
    snprintf(ceiling->name, sizeof ceiling->name, "memcpy");
    snprintf(ceiling->detail, sizeof ceiling->detail, "%d x %d FP32", ROWS, COLS);
    ceiling->unit = "GB/s";
    ceiling->work = sizeof(float) * ROWS * COLS;
    ceiling->call = copy;
    ceiling->context = b;
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
