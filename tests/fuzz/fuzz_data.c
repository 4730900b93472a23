/* Result files, logits base files, encoded bytes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cpu.h"
#include "base/hash.h"
#include "base/mem.h"
#include "fuzz.h"
#include "metric/logits_base.h"
#include "metric/llama.h"
#include "readers.h"

/* The HDF5 part of a result file, under a line with its checksum, as a stranger can make it. */
void fuzz_result(const uint8_t *data, size_t size, struct qb_error *err)
{
    char hex[QB_HASH_HEX];
    char *file = qb_alloc(size + 512, 1, "result file", err);
    if (!file)
        return;
    memcpy(file + 512, data, size);
    qb_hash_buffer(data, size, hex);
    snprintf(file, 512, "qinsbench file; HDF5 from byte 512 on; sha256 of that part: %s\n", hex);
    const char *path = fuzz_file("input", file, size + 512);
    qb_free(file);
    if (read_result(path, err) && err->status)
        fuzz_found("what a child has read is refused later: %s", err->message);
    if (strstr(err->message, "ends the process with code")) /* as sanitizers do; libhdf5 alone crashes */
        fuzz_found("a sanitizer's finding in the child: %s", err->message);
}

void fuzz_logits(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_logits_base base = {0};
    if (!qb_logits_base_open(fuzz_file("input", data, size), &base, err)) {
        const size_t words = qb_llama_words(base.vocab), rows = base.chunks * qb_llama_scored(base.context);
        int32_t *tokens = qb_alloc(base.chunks * base.context, sizeof *tokens, "tokens", err);
        uint16_t *row = qb_alloc(words, sizeof *row, "row", err);
        float *log_p = qb_alloc(base.vocab, sizeof *log_p, "log-probabilities", err);
        if (tokens && row && log_p) {
            qb_logits_base_tokens(&base, tokens);
            for (size_t i = 0; i < rows; i++) {
                qb_logits_base_row(&base, i, row);
                qb_llama_unpack(row, base.vocab, log_p);
                for (size_t v = 0; v < base.vocab; v++)
                    if (!isfinite(log_p[v]))
                        fuzz_found("log p of token %zu is %g", v, (double)log_p[v]);
            }
        }
        qb_free(tokens);
        qb_free(row);
        qb_free(log_p);
    }
    qb_logits_base_close(&base);
}

/* Encoded bytes of any plugin: the first four bytes choose plugin, rows, columns and the rows that are read; the rest,
 * over and over, is what is decoded, in a buffer of its exact size. What decodes gives finite values, any range of rows
 * the same, and every product of these bytes ends. */
void fuzz_decode(const uint8_t *data, size_t size, struct qb_error *err)
{
    static const size_t columns[] = {1, 3, 16, 32, 48, 64, 96, 256, 257, 512};
    const struct qb_registry *registry = fuzz_registry();
    struct qb_format format = {0};
    size_t bytes = 0;
    if (size < 5)
        return;
    const struct qb_plugin *plugin = qb_registry_at(registry, data[0] % qb_registry_count(registry));
    const size_t rows = 1 + data[1] % 5, cols = columns[data[2] % 10], row = data[3] % rows;
    if (qb_format_make(plugin, NULL, data[3] & 128 ? QB_ISA_PORTABLE : qb_cpu()->isa, &format, err))
        fuzz_found("%s", err->message);
    if (qb_format_takes(&format, rows, cols) && !qb_encoded_size(&format, rows, cols, &bytes, err)) {
        uint8_t *in = malloc(bytes); /* not qb_alloc's, which is longer */
        float *out = qb_alloc(2 * rows * cols + rows + cols, sizeof *out, "values", err);
        for (size_t i = 0; in && i < bytes; i++)
            in[i] = data[4 + i % (size - 4)];
        if (in && out && !qb_decode(&format, rows, cols, in, bytes, 0, rows, out, err)) {
            float *part = out + rows * cols, *x = part + rows * cols, *y = x + cols;
            if (qb_decode(&format, rows, cols, in, bytes, row, rows - row, part, err) ||
                memcmp(part, out + row * cols, (rows - row) * cols * sizeof *part) != 0)
                fuzz_found("%s: rows from %zu on are others than of the whole: %s", plugin->codec->id, row,
                           err->message);
            for (size_t i = 0; i < cols; i++)
                x[i] = 1;
            if (qb_codec_multiplies(&format, 1))
                qb_codec_multiply(&format, rows, cols, in, bytes, row, rows - row, x, 1, y, rows, err);
            if (plugin->codec->coordinates)
                qb_coordinates(&format, rows, cols, in, bytes, 0, rows, part, err);
        }
        if (err->status == QB_ERR_NUMERIC)
            fuzz_found("%s", err->message); /* bytes are refused, or they decode */
        free(in);
        qb_free(out);
    }
    qb_format_free(&format);
}
