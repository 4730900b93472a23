#include "registry_fixture.h"

#include <sys/mman.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "compute/matrix.h"
#include "unit/counting_codec.h"
#include "unit/sanitized.h"

TestSuite(matrix, .init = registry_begin, .fini = registry_end);

/* Not accounted: what a test measures is the harness's memory. */
static float *normal(size_t n, uint32_t seed)
{
    struct qb_rng rng;
    float *x = malloc(n * sizeof *x);
    qb_rng_seed(&rng, seed);
    qb_rng_normal(&rng, 0.0f, 0.05f, x, n);
    return x;
}

static struct qb_format format_of(const char *codec)
{
    struct qb_format format;
    MUST(qb_format_make(qb_registry_find(registry, codec), NULL, qb_cpu()->isa, &format, &err));
    return format;
}

static struct qb_matrix floats(const float *w, size_t rows, size_t cols)
{
    return (struct qb_matrix){.name = "layers.0.test.weight",
                              .roles = QB_ROLE_MLP_UP,
                              .rows = rows,
                              .cols = cols,
                              .bytes = w,
                              .size = rows * cols * sizeof *w};
}

static void multiply_each(const struct qb_matrix *matrix, enum qb_reading reading, size_t row, size_t count,
                          const float *x, size_t n, size_t each, unsigned threads, float *y, size_t ld)
{
    struct qb_pool *pool = support_pool(threads);
    struct qb_product product = {.matrix = matrix,
                                 .ops = qb_matrix_ops(matrix, reading),
                                 .row = row,
                                 .count = count,
                                 .x = x,
                                 .n = n,
                                 .each = each};
    product.y = y;
    product.ld = ld;
    product.scratch = malloc(qb_product_scratch(&product, threads) * sizeof(float));
    MUST(qb_product(&product, pool, &err));
    free(product.scratch);
    qb_pool_free(pool);
}

static void multiply(const struct qb_matrix *matrix, enum qb_reading reading, size_t row, size_t count, const float *x,
                     size_t n, unsigned threads, float *y, size_t ld)
{
    multiply_each(matrix, reading, row, count, x, n, 0, threads, y, ld);
}

/* Products of encoded rows are, to the bit, those of the FP32 rows that the codec's own functions give. */
static void expect_products(const char *codec, enum qb_reading reading, size_t rows, size_t cols)
{
    static const size_t ns[] = {1, 7, 40, 41, 300, 1000};
    struct qb_format format = format_of(codec);
    float *w = normal(rows * cols, 1), *x = normal(1000 * cols, 2), *copy = malloc(rows * cols * sizeof *copy);
    float *y[2] = {malloc(1000 * (rows + 3) * sizeof(float)), malloc(1000 * (rows + 3) * sizeof(float))};
    const struct qb_matrix source = floats(w, rows, cols), copied = floats(copy, rows, cols);
    struct qb_matrix matrix;
    MUST(qb_matrix_encode(&source, 0, rows, &format, &matrix, &err));
    MUST((reading == QB_READ_COORDINATES ? qb_coordinates : qb_decode)(&format, rows, cols, matrix.bytes, matrix.size,
                                                                       0, rows, copy, &err));
    for (size_t i = 0; reading == QB_READ_REVERSED && i < rows * cols; i++)
        w[i / cols * cols + cols - 1 - i % cols] = copy[i];
    if (reading == QB_READ_REVERSED)
        memcpy(copy, w, rows * cols * sizeof *copy);
    for (size_t i = 0; i < 6; i++)
        for (unsigned threads = 1; threads <= 3; threads += 2)
            for (size_t part = 0; part < 2; part++) {
                size_t row = part ? rows / 3 : 0, count = part ? rows / 2 : rows, ld = rows + 3;
                for (size_t k = 0; k < 2; k++)
                    memset(y[k], 0x7f, ns[i] * ld * sizeof(float));
                multiply(&matrix, reading, row, count, x, ns[i], threads, y[0], ld);
                multiply(&copied, QB_READ_VALUES, row, count, x, ns[i], 1, y[1], ld);
                cr_expect_eq(memcmp(y[0], y[1], ns[i] * ld * sizeof(float)), 0, "%s %zu x %zu + %zu, n %zu, %u threads",
                             codec, count, cols, row, ns[i], threads);
            }
    qb_free((void *)(uintptr_t)matrix.bytes);
    float *const buffers[] = {w, x, copy, y[0], y[1]};
    for (size_t i = 0; i < 5; i++)
        free(buffers[i]);
    qb_format_free(&format);
}

Test(matrix, products_are_those_of_an_fp32_copy)
{
    static const char *const codecs[] = {"fp16", "bf16", "int8"};
    static const size_t shapes[][2] = {{2, 3}, {130, 1}, {515, 70}, {700, 520}};
    for (size_t c = 0; c < 3; c++)
        for (size_t s = 0; s < 4; s++)
            expect_products(codecs[c], QB_READ_VALUES, shapes[s][0], shapes[s][1]);
    expect_products("fp16", QB_READ_VALUES, 4700, 1100); /* more panels than one group */
    expect_products("bf16", QB_READ_REVERSED, 515, 70);
    expect_products("fp32", QB_READ_REVERSED, 700, 521);
    expect_products("qins8", QB_READ_COORDINATES, 515, 70);
}

/* A product of n inputs, `each` at a time, against as many products. */
static void expect_each(const struct qb_matrix *matrix, enum qb_reading reading, size_t n, size_t each)
{
    const size_t rows = matrix->rows, cols = matrix->cols, row = rows / 3, count = rows / 2, ld = count + 3;
    float *x = normal(n * cols, 5), *y[2] = {malloc(n * ld * sizeof **y), malloc(n * ld * sizeof **y)};
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        for (size_t k = 0; k < 2; k++)
            memset(y[k], 0x7f, n * ld * sizeof **y);
        multiply_each(matrix, reading, row, count, x, n, each, threads, y[0], ld);
        for (size_t i = 0; i < n; i += each)
            multiply(matrix, reading, row, count, x + i * cols, n - i < each ? n - i : each, 1, y[1] + i * ld, ld);
        cr_expect_eq(memcmp(y[0], y[1], n * ld * sizeof **y), 0, "%zu x %zu, n %zu, each %zu, %u threads", rows, cols,
                     n, each, threads);
    }
    free(x);
    free(y[0]);
    free(y[1]);
}

Test(matrix, several_products_in_one_are_each_their_own)
{
    static const size_t ns[][2] = {{5, 1}, {70, 32}, {96, 32}, {20, 32}, {95, 47}, {300, 128}, {130, 17}};
    static const size_t shapes[][2] = {{700, 520}, {515, 70}, {300, 2100}}; /* the last: by the packing kernel */
    for (size_t s = 0; s < 3; s++) {
        const size_t rows = shapes[s][0], cols = shapes[s][1];
        float *w = normal(rows * cols, 1);
        const struct qb_matrix source = floats(w, rows, cols);
        struct qb_format fp16 = format_of("fp16");
        struct qb_matrix matrix;
        MUST(qb_matrix_encode(&source, 0, rows, &fp16, &matrix, &err));
        for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
            expect_each(&source, QB_READ_VALUES, ns[i][0], ns[i][1]);
            expect_each(&matrix, QB_READ_VALUES, ns[i][0], ns[i][1]);
            expect_each(&source, QB_READ_SPLIT, ns[i][0], ns[i][1]);
            expect_each(&source, QB_READ_SPLIT2, ns[i][0], ns[i][1]);
        }
        qb_free((void *)(uintptr_t)matrix.bytes);
        qb_format_free(&fp16);
        free(w);
    }
}

Test(matrix, several_products_in_one_decode_once)
{
    enum { ROWS = 300, COLS = 70, N = 96 };
    float *w = normal(ROWS * COLS, 3), *x = normal(N * COLS, 4), *y = malloc(N * ROWS * sizeof *y);
    const struct qb_matrix source = floats(w, ROWS, COLS);
    struct qb_matrix matrix;
    MUST(qb_matrix_encode(&source, 0, ROWS, &counting_format, &matrix, &err));
    for (int offered = 0; offered < 2; offered++) { /* a product of one input by the codec itself: not of 32 */
        counting_codec.gemv = offered ? counting_gemv : NULL;
        counted.rows_decoded = 0;
        multiply_each(&matrix, QB_READ_VALUES, 0, ROWS, x, N, 32, 3, y, ROWS);
        cr_expect_eq(counted.rows_decoded, ROWS, "%ld rows", counted.rows_decoded);
    }
    qb_free((void *)(uintptr_t)matrix.bytes);
    free(w);
    free(x);
    free(y);
}

Test(matrix, what_serves_is_known)
{
    struct qb_format fp16 = format_of("fp16");
    struct qb_matrix matrix = floats(NULL, 4, 4);
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_VALUES)->name, "view");
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_REVERSED)->name, "reversed+blas");
    matrix.format = &fp16;
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_VALUES)->name, "decode+blas");
    matrix.format = &counting_format;
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_VALUES)->name, "decode+blas");
    counting_codec.gemv = counting_gemv;
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_VALUES)->name, "codec");
    cr_expect_str_eq(qb_matrix_ops(&matrix, QB_READ_COORDINATES)->name, "coordinates+blas");
    qb_format_free(&fp16);
}

/* y by the codec's own product where it offers one for n inputs, else decoded; near the plain product in any case. */
static void expect_codec_product(size_t n, bool gemv, bool gemm)
{
    enum { ROWS = 300, COLS = 70 };
    float *w = normal(ROWS * COLS, 3), *x = normal(n * COLS, 4), *y = malloc(n * (ROWS + 5) * sizeof *y), *rows = w;
    const struct qb_matrix source = floats(w, ROWS, COLS);
    struct qb_matrix matrix;
    counting_codec.gemv = gemv ? counting_gemv : NULL;
    counting_codec.gemm_tile = gemm ? counting_gemm : NULL;
    MUST(qb_matrix_encode(&source, 0, ROWS, &counting_format, &matrix, &err));
    MUST(qb_matrix_rows(&matrix, 0, ROWS, rows, &err));
    counted.gemvs = counted.gemms = counted.decodes = counted.sizes = 0;
    multiply(&matrix, QB_READ_VALUES, 7, 290, x, n, 3, y, ROWS + 5);
    bool own = gemm || (gemv && n == 1);
    cr_expect_eq(counted.gemvs > 0, own && n == 1 && gemv, "%zu %d %d: %d", n, gemv, gemm, counted.gemvs);
    cr_expect_eq(counted.gemms > 0, own && !(n == 1 && gemv), "%zu %d %d: %d", n, gemv, gemm, counted.gemms);
    cr_expect_eq(counted.decodes == 0, own, "%zu %d %d: %d decodes", n, gemv, gemm, counted.decodes);
    cr_expect_eq(counted.sizes, 0, "a product asks for no size");
    for (size_t i = 0; i < n * 290; i++) {
        double sum = 0, size = 0;
        for (size_t c = 0; c < COLS; c++) {
            double term = (double)x[i / 290 * COLS + c] * (double)rows[(7 + i % 290) * COLS + c];
            sum += term;
            size += fabs(term);
        }
        cr_assert_float_eq(y[i / 290 * (ROWS + 5) + i % 290], sum, 1e-5 * size + 1e-12, "%zu %d %d", n, gemv, gemm);
    }
    qb_free((void *)(uintptr_t)matrix.bytes);
    free(w);
    free(x);
    free(y);
}

Test(matrix, a_codec_multiplies_where_it_can)
{
    static const size_t ns[] = {1, 7, 600};
    for (size_t i = 0; i < 3; i++)
        for (int offered = 0; offered < 4; offered++)
            expect_codec_product(ns[i], offered & 1, offered & 2);
}

Test(matrix, a_failing_read_is_the_products_error)
{
    enum { ROWS = 600, COLS = 8, N = 600 };
    float *w = normal(ROWS * COLS, 5), *y = malloc(N * ROWS * sizeof *y), *scratch = malloc(ROWS * COLS * sizeof *y);
    const struct qb_matrix source = floats(w, ROWS, COLS);
    struct qb_matrix matrix;
    struct qb_pool *pool = support_pool(2);
    MUST(qb_matrix_encode(&source, 0, ROWS, &counting_format, &matrix, &err));
    MUST(qb_matrix_check(&matrix, QB_READ_VALUES, &err));
    counted.decode_status = QB_CODEC_BAD_BYTES;
    for (size_t i = 0; i < 2; i++) { /* a panel a worker, and a group of panels */
        struct qb_error e = {0};
        const struct qb_product product = {.matrix = &matrix,
                                           .ops = qb_matrix_ops(&matrix, QB_READ_VALUES),
                                           .count = ROWS,
                                           .x = w,
                                           .n = i ? N : 1,
                                           .y = y,
                                           .ld = ROWS,
                                           .scratch = scratch};
        cr_expect_eq(qb_product(&product, pool, &e), QB_ERR_INPUT);
        cr_expect(strstr(e.message, "codec 'counting': decode of 600 x 8: BAD_BYTES"), "%s", e.message);
    }
    counted.decode_status = QB_CODEC_OK;
    counted.nan_row = 599;
    cr_expect_eq(qb_matrix_check(&matrix, QB_READ_VALUES, &err), QB_ERR_NUMERIC);
    cr_expect(strstr(err.message, "element (599, 0) came out as"), "%s", err.message);
    qb_free((void *)(uintptr_t)matrix.bytes);
    free(w);
    free(y);
    free(scratch);
    qb_pool_free(pool);
}

/* From another format: the same bytes as from FP32 rows; in parts, no buffer is larger than what is encoded. */
Test(matrix, encoding_goes_part_by_part)
{
    enum { ROWS = 8192, COLS = 512, FROM = 3000, COUNT = 5000 };
    float *w = normal((size_t)ROWS * COLS, 6), *copy = malloc((size_t)ROWS * COLS * sizeof *copy);
    struct qb_format fp16 = format_of("fp16");
    const struct qb_matrix source = floats(w, ROWS, COLS), copied = floats(copy, ROWS, COLS);
    struct qb_matrix half, parts, whole;
    counting_codec.encode_part = counting_part;
    counting_codec.encode_passes = 2;
    MUST(qb_matrix_encode(&source, 0, ROWS, &fp16, &half, &err));
    MUST(qb_matrix_rows(&half, 0, ROWS, copy, &err));
    MUST(qb_matrix_encode(&copied, FROM, COUNT, &counting_format, &whole, &err));
    cr_expect_eq(counted.parts, 0, "FP32 rows need no parts");
    qb_mem_limit((size_t)COUNT * COLS); /* the encoded bytes */
    MUST(qb_matrix_encode(&half, FROM, COUNT, &counting_format, &parts, &err));
    qb_mem_limit(0);
    cr_expect(counted.parts == 2 * ((COUNT + 127) / 128) && counted.most_at_once == 128, "%d parts of up to %ld rows",
              counted.parts, counted.most_at_once);
    cr_expect(counted.wrong_order == 0 && counted.next_pass == 2);
    cr_expect(parts.size == whole.size && memcmp(parts.bytes, whole.bytes, parts.size) == 0);
    qb_free((void *)(uintptr_t)whole.bytes);
    counting_codec.encode_part = NULL;
    counting_codec.encode_passes = 0;
    qb_mem_limit((size_t)COUNT * COLS);
    cr_expect_eq(qb_matrix_encode(&half, FROM, COUNT, &counting_format, &whole, &err), QB_ERR_MEMORY);
    cr_expect_null(whole.bytes);
    qb_mem_limit(0);
    err = (struct qb_error){0};
    MUST(qb_matrix_encode(&half, FROM, COUNT, &counting_format, &whole, &err));
    cr_expect_eq(memcmp(parts.bytes, whole.bytes, parts.size), 0, "from one FP32 copy");
    const struct qb_matrix *made[] = {&half, &parts, &whole};
    for (size_t i = 0; i < 3; i++)
        qb_free((void *)(uintptr_t)made[i]->bytes);
    qb_format_free(&fp16);
    free(w);
    free(copy);
}

Test(matrix, pages_of_an_encoded_source_are_dropped)
{
    enum { ROWS = 8192, COLS = 1024 };
    size_t size = (size_t)ROWS * COLS * sizeof(float);
    float *w = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(w, MAP_FAILED);
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++)
        w[i] = 0.5f;
    struct qb_matrix source = floats(w, ROWS, COLS), encoded;
    for (int mapped = 0; mapped < 2; mapped++) {
        size_t before = qb_rss_bytes();
        source.mapped = mapped;
        MUST(qb_matrix_encode(&source, 0, ROWS, &counting_format, &encoded, &err));
        qb_free((void *)(uintptr_t)encoded.bytes);
        size_t after = qb_rss_bytes();
        cr_expect_eq(after + size / 2 < before, mapped, "mapped %d: %zu resident, then %zu", mapped, before, after);
    }
    cr_expect_eq(w[12345], 0.5f, "read again");
    munmap(w, size);
}

static size_t most_resident;

static int resident_part(const struct qb_codec_config *config, size_t rows, size_t cols, unsigned pass, size_t row,
                         size_t count, const float *x, void *out, size_t out_bytes, struct qb_codec_error *error)
{
    size_t now = qb_rss_bytes();
    most_resident = now > most_resident ? now : most_resident;
    return counting_part(config, rows, cols, pass, row, count, x, out, out_bytes, error);
}

/* Beside what is encoded, no more of the source than a part: neither its floats nor its halves. */
Test(matrix, pages_of_a_source_are_dropped_while_it_is_encoded, .disabled = QB_SANITIZED)
{
    enum { ROWS = 8192, COLS = 1024 };
    struct qb_format fp16 = format_of("fp16");
    for (size_t width = 2; width <= 4; width += 2) {
        size_t size = (size_t)ROWS * COLS * width;
        void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(bytes, MAP_FAILED);
        memset(bytes, 0x30, size);
        qb_map_drop(bytes, size);
        struct qb_matrix source = floats(bytes, ROWS, COLS), encoded;
        source.format = width == 2 ? &fp16 : NULL;
        source.size = size;
        source.mapped = true;
        counting_codec.encode_part = resident_part;
        counting_codec.encode_passes = 2;
        most_resident = 0;
        size_t before = qb_rss_bytes(), allowed = (size_t)ROWS * COLS + ((size_t)2 << 20);
        MUST(qb_matrix_encode(&source, 0, ROWS, &counting_format, &encoded, &err));
        cr_expect(most_resident > 0 && most_resident < before + allowed, "%zu bytes a value: %zu resident, then %zu",
                  width, before, most_resident);
        qb_free((void *)(uintptr_t)encoded.bytes);
        munmap(bytes, size);
    }
    qb_format_free(&fp16);
}
