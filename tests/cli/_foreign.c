/* A codec whose every text is what no output may pass on: escape sequences, bytes that are no UTF-8, a direction
 * override, a formula, markup, LaTeX. It stores FP32 as it is; its option `fault` makes encode refuse or crash, with
 * such words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

#define WORDS                                                                                                          \
    "=cmd|' /C calc'!A0 <script>alert(1)</script> \\input{/etc/passwd} \"q\" `x` \x1b]0;x\x07\xff\xe2\x80\xae\xc2\x9b"

enum fault { FAULT_NONE, FAULT_REFUSE, FAULT_CRASH };
static const struct qb_codec_option options[] = {
    {"fault", QB_OPTION_CHOICE, "none", 0, 0, "none|refuse|crash|\x1b[31m", WORDS}, {0}};

static int size(const struct qb_codec_config *config, size_t rows, size_t cols, size_t *bytes,
                struct qb_codec_error *error)
{
    (void)config, (void)error;
    *bytes = rows * cols * sizeof(float);
    return QB_CODEC_OK;
}

static int encode(const struct qb_codec_config *config, size_t rows, size_t cols, const float *x, void *out,
                  size_t out_bytes, struct qb_codec_error *error)
{
    (void)out_bytes;
    if (config->options[0].i == FAULT_CRASH) {
        for (int i = 0; i < 200; i++)
            fprintf(stderr, "\xe2\x82\xac"); /* the kept end of it begins inside a character */
        fprintf(stderr, "\n%s\r\n", WORDS);
        fflush(stderr);
        abort();
    }
    if (config->options[0].i == FAULT_REFUSE) { /* and no end */
        for (size_t i = 0; i < sizeof error->message; i++)
            error->message[i] = WORDS[i % (sizeof WORDS - 1)];
        return QB_CODEC_UNSUPPORTED;
    }
    memcpy(out, x, rows * cols * sizeof *x);
    return QB_CODEC_OK;
}

static int decode(const struct qb_codec_config *config, size_t rows, size_t cols, const void *in, size_t in_bytes,
                  size_t row, size_t count, float *out, struct qb_codec_error *error)
{
    (void)config, (void)rows, (void)in_bytes, (void)error;
    memcpy(out, (const float *)in + row * cols, count * cols * sizeof *out);
    return QB_CODEC_OK;
}

QB_CODEC_EXPORT const struct qb_codec *qb_codec_entry(void)
{
    static const struct qb_codec codec = {.struct_size = sizeof codec,
                                          .abi_version = QB_CODEC_ABI_VERSION,
                                          .id = "foreign",
                                          .version = "=1+1\x1b[31m\xff" VERSION,
                                          .summary = WORDS,
                                          .options = options,
                                          .tolerance = {.sqnr_db = 1e9},
                                          .encoded_size = size,
                                          .encode = encode,
                                          .decode = decode};
    return &codec;
}
