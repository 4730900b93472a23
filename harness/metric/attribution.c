#include "metric/attribution.h"

#include <string.h>
#include "base/mem.h"
#include "metric/parts.h"

const char *const qb_factor_names[QB_FACTORS] = {"storage", "domain", "scale", "alpha", "fp16"};

static size_t bits(size_t mask)
{
    size_t count = 0;
    for (; mask; mask &= mask - 1)
        count++;
    return count;
}

/* Adds m(set) to the coefficients. */
static void add_moebius(size_t set, double *c)
{
    size_t subset = set;
    for (;;) {
        c[subset] += (bits(set) - bits(subset)) % 2 ? -1 : 1;
        if (subset == 0)
            return;
        subset = (subset - 1) & set;
    }
}

/* |S|! (k - |S| - 1)! / k!, the share of orders in which exactly S comes before a part, by the product
 * 1 / (k binomial(k - 1, |S|)). */
static double share_of_orders(size_t factors, size_t before)
{
    double binomial = 1;
    for (size_t i = 1; i <= before; i++)
        binomial = binomial * (double)(factors - i) / (double)i;
    return 1 / ((double)factors * binomial);
}

/* c[2^factors] for the parts numbered 0..factors-1, combination S being the mask of its parts: effect = sum c[S] v(S).
 * a: the part; b: the other of a pair. factors <= QB_FACTORS. */
static void effect_coefficients(enum qb_effect effect, size_t factors, size_t a, size_t b, double *c)
{
    size_t count = (size_t)1 << factors, part = (size_t)1 << a;
    for (size_t s = 0; s < count; s++)
        c[s] = 0;
    switch (effect) {
    case QB_EFFECT_TOTAL:
        c[count - 1] += 1;
        c[0] -= 1;
        break;
    case QB_EFFECT_ALONE:
        add_moebius(part, c);
        break;
    case QB_EFFECT_INTERACTION:
        add_moebius(part | (size_t)1 << b, c);
        break;
    case QB_EFFECT_HIGHER:
        for (size_t s = 0; s < count; s++)
            if (bits(s) > 2)
                add_moebius(s, c);
        break;
    case QB_EFFECT_SHAPLEY:
        for (size_t s = 0; s < count; s++)
            c[s] = s & part ? share_of_orders(factors, bits(s) - 1) : -share_of_orders(factors, bits(s));
        break;
    }
}

/* "storage+scale" as bits of qb_factor_names; SIZE_MAX when a name is unknown or comes twice. */
static size_t parse(const char *text)
{
    size_t mask = 0;
    if (strcmp(text, "none") == 0)
        return 0;
    for (;;) {
        size_t length = strcspn(text, "+"), i = 0;
        while (i < QB_FACTORS && (strlen(qb_factor_names[i]) != length || strncmp(text, qb_factor_names[i], length)))
            i++;
        if (i == QB_FACTORS || mask >> i & 1)
            return SIZE_MAX;
        mask |= (size_t)1 << i;
        if (text[length] == '\0')
            return mask;
        text += length + 1;
    }
}

struct factorial {
    size_t factors, positions;
    size_t number[QB_FACTORS];          /* of a named part among those of the variant; SIZE_MAX: it has none */
    const double *kl[1u << QB_FACTORS]; /* [positions] of combination S, parts by number */
    const int32_t *chunk;
};

static bool read_factorial(const struct qb_record *record, struct factorial *f)
{
    const struct qb_array *name = qb_record_get(record, "combination", QB_TEXT, 1);
    const struct qb_array *kl = qb_record_get(record, "kl", QB_F64, 2);
    size_t masks[1u << QB_FACTORS], all = 0;
    *f = (struct factorial){0};
    if (!name || !kl || name->count == 0 || name->count > 1u << QB_FACTORS || kl->dims[0] != name->count)
        return false;
    f->positions = kl->dims[1];
    f->chunk = qb_shaped(record, "chunk", QB_I32, f->positions, 0);
    for (size_t c = 0; c < name->count; c++) {
        const char *text = ((char *const *)name->data)[c];
        masks[c] = text ? parse(text) : SIZE_MAX;
        if (masks[c] == SIZE_MAX)
            return false;
        all |= masks[c];
    }
    for (size_t i = 0; i < QB_FACTORS; i++)
        f->number[i] = all >> i & 1 ? f->factors++ : SIZE_MAX;
    for (size_t c = 0; c < name->count; c++) {
        size_t s = 0;
        for (size_t i = 0; i < QB_FACTORS; i++)
            if (masks[c] >> i & 1)
                s |= (size_t)1 << f->number[i];
        if (f->kl[s])
            return false;
        f->kl[s] = (const double *)kl->data + c * f->positions;
    }
    return f->chunk && f->factors > 0 && name->count == (size_t)1 << f->factors;
}

/* An effect of `part` weighs v(S with it) - v(S without): the two coefficients are opposite. Taken as differences, a
 * part that changes no KL has an effect of exactly 0 instead of some rounding. */
static void add_differences(const struct factorial *f, const double *c, size_t part, double *x)
{
    for (size_t s = 0; s < (size_t)1 << f->factors; s++) {
        if (!(s & part) || c[s] == 0)
            continue;
        const double *with = f->kl[s], *without = f->kl[s ^ part];
        for (size_t i = 0; i < f->positions; i++)
            x[i] += c[s] * (with[i] - without[i]);
    }
}

bool qb_effect_sample(const struct qb_record *record, enum qb_effect effect, size_t a, size_t b,
                      struct qb_sample *sample)
{
    struct factorial f;
    struct qb_error err = {0};
    double c[1u << QB_FACTORS];
    const bool one = effect == QB_EFFECT_ALONE || effect == QB_EFFECT_SHAPLEY, two = effect == QB_EFFECT_INTERACTION;
    if (!read_factorial(record, &f) || ((one || two) && f.number[a] == SIZE_MAX) || (two && f.number[b] == SIZE_MAX) ||
        (effect == QB_EFFECT_HIGHER && f.factors < 3))
        return false;
    effect_coefficients(effect, f.factors, one || two ? f.number[a] : 0, two ? f.number[b] : 0, c);
    *sample = (struct qb_sample){
        .kind = QB_KIND_REAL, .unit = "chunks", .nonnegative = effect == QB_EFFECT_TOTAL || effect == QB_EFFECT_ALONE};
    double *x = qb_alloc(f.positions, sizeof *x, "effects", &err);
    if (!x)
        return true; /* without totals: memory ran out */
    if (one || two)
        add_differences(&f, c, (size_t)1 << f.number[a], x);
    else
        for (size_t s = 0; s < (size_t)1 << f.factors; s++)
            for (size_t i = 0; c[s] != 0 && i < f.positions; i++)
                x[i] += c[s] * f.kl[s][i];
    bool there = qb_sample_fill(sample, x, f.chunk, NULL, f.positions);
    qb_free(x);
    return there;
}
