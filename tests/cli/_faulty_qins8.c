/* The shipped qins8 with one planted fault, under its own id and version: what a gate must turn red. The fault is named
 * by $QB_FAULT, the shipped plugin's file by $QB_QINS8. For one range a tensor in the layout `source`, whose bytes are
 * range (8), codes (rows * cols), signs (rows * cols). For tests/cli/gate_faults.sh and
 * tests/long/gate_speed.sh. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec.h"

static const struct qb_codec *shipped;
static const char *fault = "";
static int encoded; /* tensors encoded by this process: a worker encodes one net, in the model's order */

static int planted(const char *name)
{
    return strcmp(fault, name) == 0;
}

/* Left as FP32: the wide half of an mlp. */
static int skipped(size_t rows, size_t cols)
{
    return planted("skip") && rows == 4 * cols;
}

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    int status = shipped->encoded_size(config, rows, cols, bytes, error);
    *bytes = skipped(rows, cols) ? rows * cols * sizeof(float) : *bytes + (size_t)planted("one-byte-more");
    return status;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    unsigned char *bytes = out, *codes = bytes + 8, *signs = codes + rows * cols;
    if (skipped(rows, cols)) {
        memcpy(out, x, rows * cols * sizeof *x);
        return QB_CODEC_OK;
    }
    int status = shipped->encode(config, rows, cols, x, out, out_bytes, error);
    encoded++;
    if (planted("off-by-one")) /* in 1% of the weights, each up or down by its own parity */
        for (size_t i = 0; i < rows * cols; i++)
            if (i * 2654435761u % 100 == 0)
                codes[i] = codes[i] == 255 || (codes[i] > 1 && (i & 1)) ? codes[i] - 1 : codes[i] + 1;
    if (planted("range")) { /* log_min and log_max 1% nearer to each other */
        float range[2];
        memcpy(range, bytes, sizeof range);
        float shift = 0.005f * (range[1] - range[0]);
        range[0] += shift;
        range[1] -= shift;
        memcpy(bytes, range, sizeof range);
    }
    if (planted("sign") && encoded == 5)
        for (size_t i = 0; i < rows * cols; i++)
            signs[i] = (unsigned char)-(signed char)signs[i];
    if (out_bytes > 8 + 2 * rows * cols)
        bytes[8 + 2 * rows * cols] = 0;
    return status;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    if (skipped(rows, cols)) {
        memcpy(out, (const float *)in + row * cols, count * cols * sizeof *out);
        return QB_CODEC_OK;
    }
    double start = now(), slower = planted("slow-20") ? 0.20 : planted("slow-5") ? 0.05 : 0;
    int status = shipped->decode(config, rows, cols, in, in_bytes, row, count, out, error);
    if (planted("nan") && row == 0)
        out[cols / 2] = NAN;
    if (planted("collapse"))
        memset(out, 0, count * cols * sizeof *out);
    double end = now();
    for (double until = end + slower * (end - start); slower > 0 && now() < until;)
        ;
    return status;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static struct qb_codec codec;
    const char *path = getenv("QB_QINS8"), *name = getenv("QB_FAULT");
    void *handle = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    qb_codec_entry_fn entry = handle ? (qb_codec_entry_fn)dlsym(handle, QB_CODEC_ENTRY_NAME) : NULL;
    if (!entry)
        return NULL;
    fault = name ? name : "";
    shipped = entry();
    codec = *shipped;
    codec.encoded_size = size;
    codec.encode = encode;
    codec.encode_passes = 0; /* what is planted looks at whole matrices */
    codec.encode_part = NULL;
    codec.decode = decode;
    codec.coordinates = planted("skip") ? NULL : shipped->coordinates;
    return &codec;
}
