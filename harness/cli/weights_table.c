#include "weights_table.h"

#include <math.h>
#include <stdio.h>

static void add_row(struct qb_listing *listing, const struct qb_converted *row)
{
    struct qb_text roles = {0};
    char numbers[5][32];
    if (row->roles & (QB_ROLE_NORM | QB_ROLE_BIAS))
        qb_text_add(&roles, "norms and biases");
    else
        qb_role_print(row->roles, &roles);
    snprintf(numbers[0], 32, "%zu", row->tensors);
    snprintf(numbers[1], 32, "%zu", row->weights);
    snprintf(numbers[2], 32, "%.4f", 8.0 * (double)row->bytes / (double)row->weights);
    snprintf(numbers[3], 32, "%zu", row->bytes);
    snprintf(numbers[4], 32, "%s", "");
    if (row->signal > 0)
        snprintf(numbers[4], 32, "%.2f", 10 * log10(row->signal / row->noise));
    qb_listing_add(listing, (const char *const[]){roles.data ? roles.data : "", row->store, numbers[0], numbers[1],
                                                  numbers[2], numbers[3], numbers[4]});
    listing->failed = listing->failed || roles.failed;
    qb_text_free(&roles);
}

void qb_weights_table(const struct qb_converted *rows, size_t count, enum qb_output output, struct qb_text *out)
{
    static const char *const columns[] = {"role",          "stored", "tensors", "weights",
                                          "bits_a_weight", "bytes",  "sqnr_db", NULL};
    static const bool numeric[] = {false, false, true, true, true, true, true};
    struct qb_listing listing = {.columns = columns, .numeric = numeric};
    for (size_t i = 0; i < count; i++)
        add_row(&listing, &rows[i]);
    qb_listing_print(&listing, output, out);
    qb_listing_free(&listing);
}
