#include "metric/choices.h"

/* Are the items in order, none of them without choices, and the answers among these? */
static bool fits(const struct qb_choices *c)
{
    size_t from = 0, count = 0, item = 0;
    for (; qb_choices_next(c, &from, &count); item++)
        if (item >= c->items || c->item[from] != (int32_t)item || c->answer[item] < 0 ||
            (size_t)c->answer[item] >= count)
            return false;
    return item == c->items;
}

/* Lengths are divided by: NULL where one is under 1. */
static const int32_t *lengths(const struct qb_record *record, const char *name, size_t n)
{
    const int32_t *length = qb_shaped(record, name, QB_I32, n, 0);
    for (size_t i = 0; length && i < n; i++)
        if (length[i] < 1)
            return NULL;
    return length;
}

static size_t runs(const int32_t *id, size_t n)
{
    size_t count = n > 0;
    for (size_t i = 1; i < n; i++)
        count += id[i] != id[i - 1];
    return count;
}

bool qb_choices_load(const struct qb_record *record, enum qb_choice_rule rule, struct qb_choices *c)
{
    const struct qb_array *sum = qb_record_get(record, "sum", QB_F64, 1);
    const struct qb_array *answer = qb_record_get(record, "item_answer", QB_I32, 1);
    if (!sum || !answer || sum->count == 0 || answer->count == 0)
        return false;
    *c = (struct qb_choices){.count = sum->count, .items = answer->count, .sum = sum->data, .answer = answer->data};
    c->reference = qb_shaped(record, "reference_sum", QB_F64, c->count, 0);
    c->item = qb_shaped(record, "choice_item", QB_I32, c->count, 0);
    c->length[QB_BY_CHARACTERS] = lengths(record, "choice_characters", c->count);
    c->length[QB_BY_BYTES] = lengths(record, "choice_bytes", c->count);
    c->length[QB_BY_TOKENS] = lengths(record, "choice_tokens", c->count);
    c->seen = qb_shaped(record, "choice_occurrences", QB_I32, c->count, 0);
    c->subject = qb_shaped(record, "item_subject", QB_I32, c->items, 0);
    c->task = qb_shaped(record, "item_task", QB_I32, c->items, 0);
    if (!c->reference || !c->item || !c->subject || (rule != QB_BY_SUM && !c->length[rule]) || !fits(c))
        return false;
    c->subjects = runs(c->subject, c->items);
    c->tasks = c->task ? runs(c->task, c->items) : 0;
    return true;
}

bool qb_choices_next(const struct qb_choices *c, size_t *from, size_t *count)
{
    *from += *count;
    *count = 0;
    while (*from + *count < c->count && c->item[*from + *count] == c->item[*from])
        ++*count;
    return *count > 0;
}

/* The choice taken by an arm's sums of the item with choices [from, from + count): 0 .. count - 1. */
static size_t pick(const struct qb_choices *c, const double *sums, enum qb_choice_rule rule, size_t from, size_t count)
{
    size_t best = 0;
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const double score = rule == QB_BY_SUM ? sums[from + i] : sums[from + i] / c->length[rule][from + i];
        if (i == 0 || score > most) {
            best = i;
            most = score;
        }
    }
    return best;
}

unsigned qb_choices_outcome(const struct qb_choices *c, enum qb_choice_rule rule, size_t from, size_t count)
{
    const size_t ours = pick(c, c->sum, rule, from, count);
    const size_t theirs = pick(c, c->reference, rule, from, count);
    const size_t answer = (size_t)c->answer[c->item[from]];
    const unsigned right = ours == answer     ? theirs == answer ? QB_BOTH_RIGHT : QB_TO_RIGHT
                           : theirs == answer ? QB_TO_WRONG
                                              : QB_BOTH_WRONG;
    return right | (ours != theirs ? QB_OTHER_CHOICE : 0u);
}

uint64_t qb_choices_count(const struct qb_choices *c, enum qb_choice_rule rule, unsigned set)
{
    uint64_t n = 0;
    for (size_t from = 0, count = 0; qb_choices_next(c, &from, &count);)
        n += (qb_choices_outcome(c, rule, from, count) & set) != 0;
    return n;
}
