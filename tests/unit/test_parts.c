/* A cell in pieces: what is kept of it, what is taken again, and what is refused. */
#include "experiment_bench.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/file.h"
#include "run/shards.h"
#include "store/store.h"

TestSuite(parts, .init = fixture_begin, .fini = fixture_end, .timeout = 120);

enum { ROWS = 10, EACH = 3, PIECES = 4, WIDTH = 5 };

static struct qb_cell cell_of(const char *key)
{
    struct qb_cell cell = {.model = "m", .variant = "v", .experiment = "e"};
    cell.options = cell.message = cell.warnings = "";
    memset(cell.key, key[0], sizeof cell.key - 1);
    return cell;
}

/* An experiment of ROWS rows; its scalar is of the last piece. */
struct subject {
    struct qb_record out;
    float *wide;    /* [ROWS, WIDTH] */
    int32_t *codes; /* [ROWS] */
    int64_t *last;
    size_t computed, stop_at; /* pieces */
};

static enum qb_status compute(void *context, size_t first, size_t n, struct qb_error *err)
{
    struct subject *s = context;
    cr_assert_eq(first % EACH, 0);
    cr_assert_eq(n, first + EACH <= ROWS ? EACH : ROWS - first);
    if (s->computed == s->stop_at)
        return qb_fail(err, QB_ERR_CANCELLED, "stopped");
    s->computed++;
    for (size_t i = first; i < first + n; i++) {
        s->codes[i] = (int32_t)(i * i);
        for (size_t k = 0; k < WIDTH; k++)
            s->wide[i * WIDTH + k] = (float)i / (float)(k + 3);
    }
    *s->last = (int64_t)first;
    return QB_OK;
}

/* Runs until it stops before piece `stop_at`, as a kill would stop it; the scratch folder keeps parts. */
static struct subject go(const struct qb_cell *cell, size_t width, size_t stop_at, struct qb_parts_seen *seen)
{
    const size_t rows = ROWS, dims[2] = {ROWS, width};
    struct subject s = {.stop_at = stop_at};
    struct qb_parts parts;
    struct qb_error err = {0};
    s.codes = qb_record_add(&s.out, "codes", QB_I32, 1, &rows, "1", "", &err);
    s.wide = qb_record_add(&s.out, "wide", QB_F32, 2, dims, "1", "", &err);
    s.last = qb_record_add(&s.out, "last", QB_I64, 0, NULL, "1", "", &err);
    *seen = (struct qb_parts_seen){0};
    cr_assert_eq(qb_parts_open(&parts, scratch_folder, cell, 0, seen, &err), QB_OK, "%s", err.message);
    const enum qb_status status = qb_parts_run(&parts, &s.out, ROWS, EACH, compute, &s, &err);
    cr_assert_eq(status, stop_at < PIECES && s.computed == stop_at ? QB_ERR_CANCELLED : QB_OK, "%s", err.message);
    qb_parts_close(&parts);
    return s;
}

static void check_whole(struct subject *s, size_t computed)
{
    cr_expect_eq(s->computed, computed, "%zu pieces were computed, expected %zu", s->computed, computed);
    for (size_t i = 0; i < ROWS; i++) {
        cr_expect_eq(s->codes[i], (int32_t)(i * i));
        for (size_t k = 0; k < WIDTH; k++)
            cr_expect_eq(s->wide[i * WIDTH + k], (float)i / (float)(k + 3));
    }
    cr_expect_eq(*s->last, 9);
    qb_record_free(&s->out);
}

static const char *part_of(const struct qb_cell *cell, size_t first)
{
    static char path[QB_SHARD_PATH];
    qb_part_path(scratch_folder, cell->key, first, path);
    return path;
}

Test(parts, only_the_piece_at_work_is_lost)
{
    const struct qb_cell cell = cell_of("a");
    struct qb_parts_seen seen;
    for (size_t stop = 0; stop <= PIECES; stop++) {
        struct subject cut = go(&cell, WIDTH, stop, &seen);
        cr_expect_eq(seen.done, stop);
        cr_expect_eq(seen.total, PIECES);
        cr_expect(stop == 0 || seen.at > seen.from, "pieces that were computed took time");
        qb_record_free(&cut.out);
        struct subject again = go(&cell, WIDTH, PIECES, &seen);
        check_whole(&again, PIECES - stop);
        cr_expect_eq(seen.taken, stop);
        cr_expect_eq(seen.done, PIECES);
        cr_expect_eq(seen.refused, 0);
        const struct qb_parts parts = {.folder = scratch_folder, .cell = &cell};
        cr_expect(qb_file_exists(part_of(&cell, 0)));
        qb_parts_remove(&parts);
        cr_expect_eq(scratch_count(), 0, "parts of a cell whose shard is there are removed");
    }
}

/* What took less than `unsaved` is kept together with what follows. */
Test(parts, short_pieces_share_a_part)
{
    const struct qb_cell cell = cell_of("a");
    struct qb_parts parts;
    struct subject s = go(&cell, WIDTH, 0, &(struct qb_parts_seen){0});
    struct qb_error err = {0};
    s.stop_at = PIECES;
    cr_assert_eq(qb_parts_open(&parts, scratch_folder, &cell, 1e6, NULL, &err), QB_OK);
    cr_assert_eq(qb_parts_run(&parts, &s.out, ROWS, EACH, compute, &s, &err), QB_OK);
    qb_parts_close(&parts);
    check_whole(&s, PIECES);
    cr_expect_eq(scratch_count(), 0);
}

static void flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    const int byte = fgetc(file);
    cr_assert_eq(fseek(file, -1, SEEK_CUR), 0);
    fputc(byte ^ 4, file);
    fclose(file);
}

/* Parts that are damaged, or not what their name says: each is refused, removed and measured anew, the others hold. */
Test(parts, what_does_not_fit_is_refused)
{
    static const char *const plants[] = {"truncated",      "empty",          "flipped",       "no part",      "a shard",
                                         "another cell's", "another's rows", "another shape", "another place"};
    const struct qb_cell cell = cell_of("a"), other = cell_of("b");
    struct qb_parts_seen seen;
    struct qb_error err = {0};
    char path[QB_SHARD_PATH];
    for (size_t plant = 0; plant < sizeof plants / sizeof *plants; plant++) {
        struct subject first = go(&cell, WIDTH, PIECES, &seen);
        qb_record_free(&first.out);
        snprintf(path, sizeof path, "%s", part_of(&cell, EACH));
        struct stat info;
        cr_assert_eq(stat(path, &info), 0, "%s", plants[plant]);
        struct subject planted = {0};
        if (plant == 0)
            cr_assert_eq(truncate(path, info.st_size / 2), 0);
        if (plant == 1)
            cr_assert_eq(truncate(path, 0), 0);
        if (plant == 2)
            flip(path, info.st_size / 2);
        if (plant == 3)
            cr_assert_eq(qb_file_replace(path, "qinsbench file; not", 19, &err), QB_OK);
        if (plant == 4)
            cr_assert_eq(qb_shard_write(path, &cell, &err), QB_OK);
        if (plant == 5)
            planted = go(&other, WIDTH, PIECES, &seen);
        if (plant == 5)
            cr_assert_eq(rename(part_of(&other, EACH), path), 0);
        if (plant == 6)
            cr_assert_eq(qb_file_copy(part_of(&cell, 0), path, &err), QB_OK);
        if (plant == 7 || plant == 8) {
            struct qb_cell saved = {0};
            cr_assert_eq(qb_part_read(path, &saved, &err), QB_OK, "%s", err.message);
            if (plant == 8) {
                qb_free(saved.variant);
                saved.variant = qb_strdup("w", &err);
            } else {
                for (size_t a = 0; a < saved.record.count; a++)
                    if (strcmp(saved.record.arrays[a].name, "wide") == 0) {
                        saved.record.arrays[a].dims[0] = WIDTH;
                        saved.record.arrays[a].dims[1] = EACH;
                    }
            }
            cr_assert_eq(qb_part_write(path, &saved, &err), QB_OK, "%s", err.message);
            qb_cell_free(&saved);
        }
        qb_record_free(&planted.out);
        struct subject again = go(&cell, WIDTH, PIECES, &seen);
        check_whole(&again, 1);
        cr_expect_eq(seen.refused, 1, "%s: %zu were refused", plants[plant], (size_t)seen.refused);
        cr_expect_eq(seen.taken, PIECES - 1, "%s", plants[plant]);
        cr_expect(strstr(seen.why, path), "%s: %s", plants[plant], seen.why);
        struct subject mended = go(&cell, WIDTH, PIECES, &seen);
        check_whole(&mended, 0);
        cr_expect_eq(seen.refused, 0, "%s: what was measured anew is kept", plants[plant]);
    }
}

/* A part that cannot be written, for files end at 1 KiB: the cell goes on, nothing half written stays. */
Test(parts, what_cannot_be_written_stops_nothing)
{
    const struct qb_cell cell = cell_of("a");
    struct qb_parts_seen seen;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){1024, RLIM_INFINITY});
    struct subject s = go(&cell, WIDTH, PIECES, &seen);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    check_whole(&s, PIECES);
    cr_expect(seen.failed);
    cr_expect(strstr(seen.why, "File too large"), "%s", seen.why);
    cr_expect_eq(scratch_count(), 0);
}

Test(parts, names)
{
    const struct qb_cell cell = cell_of("a");
    char name[200];
    size_t first;
    static const struct {
        const char *rest;
        bool part;
    } cases[] = {
        {".0.part", true},  {".64.part", true},  {".064.part", false},       {"..part", false},
        {".x.part", false}, {".6.parts", false}, {".6.part.7-1.tmp", false}, {".99999999999999999999999.part", false},
        {".h5", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(name, sizeof name, "%s%s", cell.key, cases[i].rest);
        cr_expect_eq(qb_part_name(name, &first), cases[i].part, "%s", name);
    }
    cr_expect_not(qb_part_name("aa.0.part", &first));
}

/* ---- experiments ---- */

static const char *suite_of(const char *experiment, size_t context, size_t chunks)
{
    static char text[400], ids[4000];
    ids[0] = '\0';
    for (size_t i = 0; i < context * chunks; i++)
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%zu ", (i * 37 + 11) % 60);
    scratch_write("ids.txt", ids, strlen(ids));
    snprintf(text, sizeof text,
             "name: s\nmodels: {m: {generator: transformer, vocab: 60, hidden: 32, layers: 1}}\n"
             "variants: [fp32, int8-tensor]\nexperiments:\n  %s: {corpus: {tokens: ids.txt}, context: %zu, "
             "chunks: %zu, spread: false}\n",
             experiment, context, chunks);
    return text;
}

static void same_records(const struct qb_record *a, const struct qb_record *b, const char *what)
{
    cr_expect_eq(a->count, b->count, "%s", what);
    for (size_t i = 0; i < a->count; i++) {
        const struct qb_array *x = &a->arrays[i], *y = qb_record_get(b, x->name, x->dtype, x->rank);
        cr_assert(y && y->count == x->count, "%s: %s", what, x->name);
        cr_expect(x->dtype == QB_TEXT || memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)) == 0,
                  "%s: %s differs", what, x->name);
    }
}

/* A cell that takes some of its pieces has what one that computed all has, to the bit; references, too. */
Test(parts, experiments_take_pieces_to_the_bit)
{
    static const struct {
        const char *name;
        size_t context, chunks, pieces;
    } cases[] = {{"kl", 12, 4, 4}, {"teacher-forced", 64, 10, 3}, {"teacher-forced", 12, 4, 1}};
    const struct qb_cell cells[2] = {cell_of("a"), cell_of("b")};
    struct qb_error err = {0};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct bench b = bench_open(suite_of(cases[k].name, cases[k].context, cases[k].chunks), 0);
        struct qb_record plain = {0}, whole = {0}, resumed = {0}, reference;
        struct qb_parts parts[2];
        struct qb_parts_seen seen[2];
        bench_run(&b, 1, &plain);
        reference = b.reference;
        b.reference = (struct qb_record){0};
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < 2; i++) {
                memset(&seen[i], 0, sizeof seen[i]);
                cr_assert_eq(qb_parts_open(&parts[i], scratch_folder, &cells[i], 0, &seen[i], &err), QB_OK);
                b.parts[i] = &parts[i];
            }
            bench_run(&b, 1, round ? &resumed : &whole);
            for (size_t i = 0; i < 2; i++) {
                cr_expect_eq(seen[i].total, cases[k].pieces, "%s: %zu pieces", cases[k].name, (size_t)seen[i].total);
                cr_expect_eq(seen[i].done, cases[k].pieces);
                cr_expect_eq(seen[i].refused, 0, "%s", seen[i].why);
                const size_t lost = cases[k].pieces > 1; /* the first is computed, the last is taken */
                cr_expect_eq(seen[i].taken, round ? cases[k].pieces - lost : 0, "%s: %zu taken", cases[k].name,
                             (size_t)seen[i].taken);
                if (round == 0 && lost)
                    cr_assert_eq(unlink(part_of(&cells[i], 0)), 0);
                qb_parts_close(&parts[i]);
            }
            same_records(&plain, round ? &resumed : &whole, cases[k].name);
            same_records(&reference, &b.reference, cases[k].name);
        }
        for (size_t i = 0; i < 2; i++)
            qb_parts_remove(&(struct qb_parts){.folder = scratch_folder, .cell = &cells[i]});
        qb_record_free(&plain);
        qb_record_free(&whole);
        qb_record_free(&resumed);
        qb_record_free(&reference);
        bench_close(&b);
    }
}
