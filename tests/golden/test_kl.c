/* llama.cpp's KL statistics against NumPy (kl.json and kl_base.dat, by make_kl.py). */
#include <jansson.h>
#include "base/rng.h"
#include "metric/llama.h"
#include "metric/logits_base.h"
#include "unit/metric_case.h"
#include "unit/scratch.h"

enum { ROOM = 512 };
static json_t *golden;

static void begin(void)
{
    json_error_t error;
    scratch_begin();
    golden = json_load_file("tests/golden/kl.json", JSON_REJECT_DUPLICATES, &error);
    cr_assert_not_null(golden, "%s", error.text);
}

static void end(void)
{
    json_decref(golden);
    scratch_end();
}

TestSuite(kl, .init = begin, .fini = end);

static double number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    cr_assert(json_is_number(value), "no number '%s'", name);
    return json_number_value(value);
}

static size_t reals(const json_t *list, float *x)
{
    size_t n = json_array_size(list);
    cr_assert(n > 0 && n <= ROOM);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)json_number_value(json_array_get(list, i));
    return n;
}

/* Numbers that exp and log in float32 made of logits up to 40: two libraries differ in the last bit. */
static bool near(double found, double due)
{
    return fabs(found - due) <= 4e-6 + 2e-6 * fabs(due);
}

/* llama.cpp adds float32 terms in float64 in the order of tokens: its bits at every size, by a loop that does the same.
 */
Test(kl, sums_are_those_of_the_order_of_tokens)
{
    enum { MOST = 3000, ROWS = 400 };
    static float x[MOST];
    static uint16_t row[MOST + QB_LLAMA_HEAD];
    struct qb_rng rng;
    qb_rng_seed(&rng, 20261128);
    for (int r = 0; r < ROWS; r++) {
        const size_t n = r < 70 ? (size_t)r + 1 : 1 + qb_rng_randint(&rng, MOST);
        float head[2], most = -INFINITY;
        double sum = 0;
        qb_rng_normal(&rng, 0, 0.01f * (float)(r * r % 2000), x, n);
        for (size_t i = 0; i < n; i++)
            most = x[i] > most ? x[i] : most;
        for (size_t i = 0; i < n; i++)
            sum += (double)expf(x[i] - most);
        qb_llama_pack(x, n, row);
        memcpy(head, row, sizeof head);
        float least = most;
        for (size_t i = 0; i < n; i++)
            least = x[i] < least ? x[i] : least;
        least = fmaxf(least, most - 16);
        cr_expect_eq(head[1], least - most - (float)log(sum), "row %d of %zu", r, n);
        cr_expect_eq(qb_llama_compare(row, x, n, 0).nll, most + (float)log(sum) - x[0], "row %d of %zu", r, n);
    }
}

Test(kl, a_position_is_llama_cpps)
{
    json_t *one;
    size_t at;
    json_array_foreach(json_object_get(golden, "rows"), at, one)
    {
        float p[ROOM], q[ROOM], head[2];
        uint16_t row[ROOM + QB_LLAMA_HEAD];
        const char *name = json_string_value(json_object_get(one, "name"));
        const size_t n = reals(json_object_get(one, "p"), p);
        reals(json_object_get(one, "q"), q);
        memset(row, 0xff, sizeof row);
        qb_llama_pack(p, n, row);
        memcpy(head, row, sizeof head);
        cr_expect_eq(head[0], (float)number(one, "scale"), "%s", name);
        cr_expect(near(head[1], number(one, "offset")), "%s: %g", name, head[1]);
        for (size_t i = 0; i < n; i++)
            cr_expect_eq(row[QB_LLAMA_HEAD + i], json_integer_value(json_array_get(json_object_get(one, "words"), i)),
                         "%s: word %zu", name, i);
        cr_expect(n % 2 == 0 || row[QB_LLAMA_HEAD + n] == 0, "%s: the padding", name);
        const struct qb_llama_position found = qb_llama_compare(row, q, n, (int32_t)number(one, "target"));
        cr_expect(near(found.kld, number(one, "kld")), "%s: kld %.9g", name, found.kld);
        cr_expect(near(found.nll, number(one, "nll")), "%s: nll %.9g", name, found.nll);
        cr_expect(near(found.nll_base, number(one, "nll_base")), "%s: nll_base %.9g", name, found.nll_base);
        cr_expect(near(found.dp, number(one, "dp")), "%s: dp %.9g", name, found.dp);
        cr_expect_eq(found.same_top, number(one, "same_top") == 1, "%s: same top", name);
    }
}

/* An array of the golden file into the record, in the type that the experiment records. */
static void put_array(struct qb_record *record, const json_t *arrays, const char *name, enum qb_dtype type)
{
    const json_t *list = json_object_get(arrays, name);
    const size_t n = json_array_size(list);
    struct qb_error err = {0};
    void *data = qb_record_add(record, name, type, 1, &n, "1", "test", &err);
    cr_assert(n > 0 && data, "%s: %s", name, err.message);
    for (size_t i = 0; i < n; i++) {
        const double x = json_number_value(json_array_get(list, i));
        if (type == QB_F64)
            ((double *)data)[i] = x;
        else if (type == QB_F32)
            ((float *)data)[i] = (float)x;
        else if (type == QB_I32)
            ((int32_t *)data)[i] = (int32_t)x;
        else
            ((uint8_t *)data)[i] = x != 0;
    }
}

static void expect(const struct qb_record *record, const json_t *expected, double tolerance, const char *which)
{
    const char *name;
    json_t *due;
    json_object_foreach((json_t *)(uintptr_t)expected, name, due)
    {
        const struct qb_value value = must("kl", record, name);
        if (json_is_null(due))
            cr_expect(value.flags & QB_FLAG_ABSENT, "%s: %s is %g", which, name, value.value);
        else
            cr_expect(fabs(value.value - json_number_value(due)) <=
                          tolerance * fmax(fabs(json_number_value(due)), 1e-3),
                      "%s: %s is %.17g, not %.17g", which, name, value.value, json_number_value(due));
    }
}

Test(kl, the_block_is_llama_cpps)
{
    json_t *one;
    size_t at;
    json_array_foreach(json_object_get(golden, "blocks"), at, one)
    {
        const json_t *arrays = json_object_get(one, "arrays");
        struct qb_record record = {0};
        put_array(&record, arrays, "llama_kld", QB_F64);
        put_array(&record, arrays, "llama_nll", QB_F32);
        put_array(&record, arrays, "llama_nll_base", QB_F32);
        put_array(&record, arrays, "llama_dp", QB_F32);
        put_array(&record, arrays, "llama_same_top", QB_U8);
        expect(&record, json_object_get(one, "expected"), 1e-12, json_string_value(json_object_get(one, "name")));
        cr_expect_not_null(strstr(must("kl", &record, "llama_ppl").note, "+- "), "the mean says its +-");
        qb_record_free(&record);
    }
    cr_assert_eq(at, 3);
}

Test(kl, the_exact_counterparts)
{
    const json_t *exact = json_object_get(golden, "exact");
    struct qb_record record = {0};
    put_array(&record, exact, "chunk", QB_I32);
    put_array(&record, exact, "nll", QB_F64);
    put_array(&record, exact, "reference_nll", QB_F64);
    put_array(&record, exact, "kl", QB_F64);
    put_array(&record, exact, "target", QB_I32);
    expect(&record, json_object_get(exact, "expected"), 1e-12, "exact");
    static const char *const bounded[] = {
        "log_perplexity_ratio", "perplexity_difference", "likelihood_correlation", "dp_mean", "dp_rms", "dp_median"};
    for (size_t i = 0; i < sizeof bounded / sizeof *bounded; i++) {
        const struct qb_value v = must("kl", &record, bounded[i]);
        cr_expect(v.lo < v.value && v.value < v.hi && strstr(v.note, "chunks"), "%s [%g, %g]: %s", bounded[i], v.lo,
                  v.hi, v.note);
    }
    qb_record_free(&record);
}

/* ---- the base file ---- */

Test(kl, the_base_file_of_another_program_is_read)
{
    const json_t *due = json_object_get(golden, "base_file");
    struct qb_logits_base base;
    struct qb_error err = {0};
    int32_t tokens[ROOM];
    float x[ROOM], log_p[ROOM];
    uint16_t row[ROOM];
    cr_assert_eq(qb_logits_base_open("tests/golden/kl_base.dat", &base, &err), QB_OK, "%s", err.message);
    cr_expect((double)base.context == number(due, "context") && (double)base.vocab == number(due, "vocab") &&
              (double)base.chunks == number(due, "chunks"));
    qb_logits_base_tokens(&base, tokens);
    for (size_t i = 0; i < base.context * base.chunks; i++)
        cr_expect_eq(tokens[i], json_integer_value(json_array_get(json_object_get(due, "tokens"), i)));
    const size_t n = reals(json_object_get(due, "logits"), x), positions = n / base.vocab;
    cr_assert_eq(positions, base.chunks * qb_llama_scored(base.context));
    for (size_t i = 0; i < positions; i++) {
        const float *logits = x + i * base.vocab;
        qb_logits_base_row(&base, i, row);
        qb_llama_unpack(row, base.vocab, log_p);
        const double normaliser = qb_logsumexp_plain(logits, base.vocab);
        float most = logits[0];
        for (size_t v = 1; v < base.vocab; v++)
            most = fmaxf(most, logits[v]);
        for (size_t v = 0; v < base.vocab; v++)
            if (logits[v] <= most - 16)
                cr_expect(log_p[v] == QB_LLAMA_BELOW, "position %zu, token %zu: %g", i, v, log_p[v]);
            else
                cr_expect_float_eq(log_p[v], logits[v] - normaliser, 2e-4, "position %zu, token %zu", i, v);
    }
    qb_logits_base_close(&base);
}

struct planted {
    const float *logits;
    size_t vocab, scored;
};

static enum qb_status planted_logits(void *context, size_t chunk, size_t from, size_t n, float *logits,
                                     struct qb_error *err)
{
    const struct planted *p = context;
    (void)err;
    memcpy(logits, p->logits + (chunk * p->scored + from) * p->vocab, n * p->vocab * sizeof *logits);
    return QB_OK;
}

/* Byte for byte, but the offset of a row, in which two libraries' logarithms may differ by a bit. */
Test(kl, the_base_file_is_written_as_another_program_does)
{
    const json_t *due = json_object_get(golden, "base_file");
    struct qb_error err = {0};
    float x[ROOM];
    int32_t tokens[ROOM];
    reals(json_object_get(due, "logits"), x);
    const size_t count = json_array_size(json_object_get(due, "tokens"));
    for (size_t i = 0; i < count; i++)
        tokens[i] = (int32_t)json_integer_value(json_array_get(json_object_get(due, "tokens"), i));
    const struct qb_logits_text text = {(size_t)number(due, "context"), (size_t)number(due, "vocab"),
                                        (size_t)number(due, "chunks"), tokens};
    struct planted planted = {x, text.vocab, qb_llama_scored(text.context)};
    const char *path = scratch_path("base.dat");
    cr_assert_eq(qb_logits_base_write(path, &text, planted_logits, &planted, &err), QB_OK, "%s", err.message);
    char *ours, *theirs;
    size_t size, expected;
    cr_assert_eq(qb_file_read(path, 1 << 20, &ours, &size, &err), QB_OK);
    cr_assert_eq(qb_file_read("tests/golden/kl_base.dat", 1 << 20, &theirs, &expected, &err), QB_OK);
    cr_assert_eq(size, expected);
    const size_t head = 20 + 4 * count, row = 2 * qb_llama_words(text.vocab);
    for (size_t i = 0; i < size; i++) {
        const bool offset = i >= head && (i - head) % row >= 4 && (i - head) % row < 8;
        cr_expect(offset || ours[i] == theirs[i], "byte %zu", i);
        if (offset && (i - head) % row == 4) {
            float a, b;
            memcpy(&a, ours + i, 4);
            memcpy(&b, theirs + i, 4);
            cr_expect(near(a, b), "offset %g, not %g", a, b);
        }
    }
    qb_free(ours);
    qb_free(theirs);
}

static enum qb_status no_logits(void *context, size_t chunk, size_t from, size_t n, float *logits, struct qb_error *err)
{
    (void)context, (void)from, (void)n, (void)logits;
    return chunk ? qb_fail(err, QB_ERR_NUMERIC, "planted") : QB_OK;
}

Test(kl, a_base_file_that_cannot_be_finished_is_none)
{
    const int32_t tokens[16] = {0};
    const struct qb_logits_text text = {8, 4, 2, tokens};
    struct qb_error err = {0};
    const char *path = scratch_path("none.dat");
    cr_assert_eq(qb_logits_base_write(path, &text, no_logits, NULL, &err), QB_ERR_NUMERIC);
    cr_expect_not_null(strstr(err.message, "planted"));
    cr_expect_not(qb_file_exists(path));
    size_t files = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *e; (e = readdir(folder));)
        files += e->d_name[0] != '.';
    closedir(folder);
    cr_expect_eq(files, 0, "nothing is left");
}

/* ---- a base file from a stranger ---- */

static const char *refused(const char *data, size_t size, struct qb_error *err)
{
    struct qb_logits_base base;
    *err = (struct qb_error){0};
    const enum qb_status status = qb_logits_base_open(scratch_write("bad.dat", data, size), &base, err);
    qb_logits_base_close(&base);
    cr_expect(!status || status == QB_ERR_INPUT || status == QB_ERR_IO, "%s", err->message);
    return status ? err->message : "";
}

Test(kl, a_damaged_base_file_is_refused)
{
    enum { ROWS = 20 + 9 * 4 * 2 }; /* where the first row begins: two chunks of 9 tokens */
    struct qb_error err = {0};
    char *data;
    size_t size;
    cr_assert_eq(qb_file_read("tests/golden/kl_base.dat", 1 << 20, &data, &size, &err), QB_OK);
    cr_assert_str_empty(refused(data, size, &err));
    for (size_t cut = 0; cut < size; cut++)
        cr_expect_str_not_empty(refused(data, cut, &err), "cut to %zu bytes", cut);
    struct {
        size_t at;
        uint32_t word;
        const char *says;
    } const faults[] = {
        {0, 0, "begins with '_logits_'"},
        {8, 0, "a context of 0"},
        {8, 0xffffffff, "a context of"},
        {8, 1 << 20, "chunks of 1048576 tokens"},
        {8, 10, "positions of"},
        {12, 0xffffffff, "a vocabulary of"},
        {12, 1, "a vocabulary of 1"},
        {12, 1 << 24, "positions of 33554440 bytes"},
        {16, 0, "and 0 chunks"},
        {16, 0x80000000, "expected"},
        {16, 1 << 20, "chunks of 9 tokens need"},
        {20, 13, "token 0 is 13, the vocabulary has 13"},
        {24, 0xffffffff, "token 1 is -1"},
        {ROWS, 0x7fc00000, "position 0: log-probabilities from"}, /* NaN, infinite, under 0, too large: a scale */
        {ROWS, 0x7f800000, "position 0: log-probabilities from"},
        {ROWS, 0xb8800000, "position 0: log-probabilities from"},
        {ROWS, 0x3f800000, "position 0: log-probabilities from"},
        {ROWS + 4, 0x7fc00000, "expected those of a distribution"}, /* likewise an offset */
        {ROWS + 4, 0xff800000, "expected those of a distribution"},
        {ROWS + 4, 0x40a00000, "from 5 to"},
    };
    struct qb_rng rng; /* any byte of the head, or a cut, at random: a status, and nothing read beyond the file */
    qb_rng_seed(&rng, 1);
    for (int i = 0; i < 2000; i++) {
        const size_t at = qb_rng_u32(&rng) % 24;
        const char before = data[at];
        data[at] = (char)qb_rng_u32(&rng);
        refused(data, qb_rng_u32(&rng) % 4 ? size : qb_rng_u32(&rng) % (uint32_t)size, &err);
        data[at] = before;
    }
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        char before[4];
        memcpy(before, data + faults[i].at, 4);
        memcpy(data + faults[i].at, &faults[i].word, 4);
        const char *said = refused(data, size, &err);
        cr_expect_not_null(strstr(said, faults[i].says), "fault %zu: '%s'", i, said);
        memcpy(data + faults[i].at, before, 4);
    }
    qb_free(data);
}
