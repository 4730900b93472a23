#include "compute/log_product.h"

#include <math.h>
#include <string.h>
#include "base/mem.h"

#define TABLE_MOST ((double)(1 << 24))
#define LONE_STEP 0.0625 /* nat: of a grid with one magnitude alone, where any will do */

/* d: codes of magnitudes above 0 are as many steps apart as there are codes between them. */
static double step_of(const float magnitudes[256])
{
    double most = 0, least = INFINITY;
    size_t count = 0;
    for (size_t code = 0; code < 256; code++) {
        const double magnitude = (double)magnitudes[code];
        most = magnitude > most ? magnitude : most;
        least = magnitude > 0 && magnitude < least ? magnitude : least;
        count += magnitude > 0;
    }
    return count > 1 && most > least ? log(most / least) / (double)(count - 1) : LONE_STEP;
}

static enum qb_status place_codes(struct qb_log_product *p, const char *name, struct qb_error *err)
{
    const double d = step_of(p->layout.values), parts = (double)(1u << p->options.fraction);
    for (size_t code = 0; code < 256; code++)
        p->most = fmax(p->most, (double)p->layout.values[code]);
    p->step = d / parts;
    const double end = ceil(((double)p->bits + 1) * log(2) / p->step);
    if (!(end < TABLE_MOST))
        return qb_fail(err, QB_ERR_INPUT,
                       "tensor %s: its codes are %g apart in logarithms, which takes a table of %.0f products; "
                       "expected at most %.0f",
                       name, d, end, TABLE_MOST);
    p->end = (uint32_t)end;
    for (size_t code = 0; code < 256; code++) {
        const float magnitude = p->layout.values[code];
        const double t = magnitude > 0 ? rint(log(p->most / (double)magnitude) / d) * parts : end;
        p->steps[code] = t < end ? (uint32_t)t : p->end;
        if (!(t < end))
            continue;
        const double off = fabs(log(p->most / (double)magnitude) - t * p->step);
        p->off_grid = fmax(p->off_grid, off);
        if (off > 0.01 * d)
            return qb_fail(err, QB_ERR_INPUT,
                           "tensor %s: the magnitude %g of code %zu is no whole number of steps of %g under %g in "
                           "logarithms: its codes cannot be added",
                           name, (double)magnitude, code, d, p->most);
    }
    return QB_OK;
}

enum qb_status qb_log_product_make(const struct qb_codec_layout *layout, const void *bytes, size_t cols,
                                   const struct qb_log_options *options, const char *name,
                                   struct qb_log_product **product, struct qb_error *err)
{
    struct qb_log_product *p = qb_alloc(1, sizeof *p, "a product of logarithms", err);
    if (!p)
        return err->status;
    *p = (struct qb_log_product){.layout = *layout, .bytes = bytes, .cols = cols, .options = *options, .bits = 62};
    while (p->bits && (size_t)1 << (62 - p->bits) < cols)
        p->bits--;
    if (!place_codes(p, name, err))
        p->table = qb_alloc(2 * (size_t)p->end + 1, sizeof *p->table, "table of products", err);
    if (!err->status && options->decoded)
        p->numbers = qb_alloc((size_t)p->end + 1, sizeof *p->numbers, "numbers of codes", err);
    if (err->status) {
        qb_log_product_free(p);
        return err->status;
    }
    for (uint32_t t = 0; t < p->end; t++) {
        const double number = exp(-(double)t * p->step);
        p->table[t] = llrint(ldexp(number, (int)p->bits));
        if (p->numbers)
            p->numbers[t] = number;
    }
    *product = p;
    return QB_OK;
}

void qb_log_product_free(struct qb_log_product *product)
{
    if (product) {
        qb_free(product->table);
        qb_free(product->numbers);
    }
    qb_free(product);
}

size_t qb_log_table_bytes(const struct qb_log_product *product)
{
    return product ? qb_size_of(product->table) + qb_size_of(product->numbers) : 0;
}

/* Doubles first, aligned to their size wherever scratch begins. */
size_t qb_log_scratch(const struct qb_log_product *product, size_t n)
{
    return (n + 1) * sizeof(double) / sizeof(float) + n * product->cols;
}

struct qb_log_inputs qb_log_prepare(const struct qb_log_product *product, const float *x, size_t n, float *scratch)
{
    const size_t cut = (uintptr_t)scratch % sizeof(double), cols = product->cols;
    double *most = (double *)(void *)((unsigned char *)scratch + (cut ? sizeof(double) - cut : 0));
    uint32_t *codes = (uint32_t *)(void *)(most + n);
    for (size_t i = 0; i < n; i++, x += cols) {
        most[i] = 0;
        for (size_t j = 0; j < cols; j++)
            most[i] = fmax(most[i], fabs((double)x[j]));
        for (size_t j = 0; j < cols; j++) {
            const double magnitude = fabs((double)x[j]);
            const double t = magnitude > 0 ? rint(log(most[i] / magnitude) / product->step) : INFINITY;
            codes[i * cols + j] = (t < product->end ? (uint32_t)t : product->end) << 1 | (x[j] < 0);
        }
    }
    return (struct qb_log_inputs){.n = n, .most = most, .codes = codes};
}

/* Is weight j of the row whose signs these are negative? */
static inline uint32_t minus(const struct qb_codec_layout *layout, const unsigned char *signs, size_t j)
{
    return layout->sign_bits ? signs[j / 8] >> (j % 8) & 1u : (uint32_t)signs[j] >> 7;
}

/* The sum of table entries, in units. */
static int64_t sum_added(const struct qb_log_product *p, const unsigned char *codes, const unsigned char *signs,
                         const uint32_t *inputs)
{
    int64_t sum = 0;
    for (size_t j = 0; j < p->cols; j++) {
        const int64_t term = p->table[p->steps[codes[j]] + (inputs[j] >> 1)];
        sum += (minus(&p->layout, signs, j) ^ (inputs[j] & 1u)) ? -term : term;
    }
    return sum;
}

/* The control: the same codes, each as its number. */
static double sum_decoded(const struct qb_log_product *p, const unsigned char *codes, const unsigned char *signs,
                          const uint32_t *inputs)
{
    double sum = 0;
    for (size_t j = 0; j < p->cols; j++) {
        const double w = p->numbers[p->steps[codes[j]]], x = p->numbers[inputs[j] >> 1];
        sum += (minus(&p->layout, signs, j) ? -w : w) * (inputs[j] & 1u ? -x : x);
    }
    return sum;
}

void qb_log_multiply(const struct qb_log_product *product, size_t row, size_t count, const struct qb_log_inputs *in,
                     float *y, size_t ld)
{
    const struct qb_codec_layout *l = &product->layout;
    for (size_t r = 0; r < count; r++) {
        const unsigned char *codes = product->bytes + l->first + (row + r) * l->row_bytes;
        const unsigned char *signs = product->bytes + l->signs + (row + r) * l->sign_row;
        for (size_t i = 0; i < in->n; i++) {
            const uint32_t *inputs = in->codes + i * product->cols;
            const double sum = product->options.decoded
                                   ? sum_decoded(product, codes, signs, inputs)
                                   : ldexp((double)sum_added(product, codes, signs, inputs), -(int)product->bits);
            y[i * ld + r] = (float)(product->most * in->most[i] * sum);
        }
    }
}
