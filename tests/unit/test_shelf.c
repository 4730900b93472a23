/* The shelf of a reference: made once whoever comes first, read-only, never beyond what there is room for; and the
 * experiments that read from one, to the bit of what they compute without. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "cell_case.h"
#include "experiment_bench.h"
#include "run/shelf.h"

TestSuite(shelf, .init = fixture_begin, .fini = fixture_end, .timeout = 120);

enum { PIECES = 3, BYTES = 10000 };

static struct qb_shelf *make_shelf(size_t cells)
{
    struct qb_shelf *shelf;
    struct qb_error err = {0};
    cr_assert_eq(qb_shelf_make((struct qb_shelf_shape){PIECES, BYTES}, &shelf, &err), QB_OK, "%s", err.message);
    qb_shelf_expect(shelf, cells);
    return shelf;
}

struct maker {
    int calls, byte; /* calls: so far; byte: what it fills pieces with */
    bool fails, dies;
};

static enum qb_status make(void *context, void *piece, struct qb_error *err)
{
    struct maker *m = context;
    m->calls++;
    memset(piece, m->byte, m->dies ? BYTES / 2 : BYTES);
    if (m->dies)
        kill(getpid(), SIGKILL);
    return m->fails ? qb_fail(err, QB_ERR_NUMERIC, "planted") : QB_OK;
}

static const unsigned char *piece(struct qb_shelf *shelf, size_t i, struct maker *maker)
{
    struct qb_error err = {0};
    const void *found = qb_shelf_piece(shelf, i, make, maker, &err);
    cr_assert_eq(err.status, QB_OK, "%s", err.message);
    return found;
}

/* The exit code of a process that does `work`; minus the signal that ended it. */
static int in_child(int (*work)(struct qb_shelf *shelf), struct qb_shelf *shelf)
{
    int status;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(work(shelf));
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int makes_sevens(struct qb_shelf *shelf)
{
    struct maker maker = {.byte = 7};
    for (size_t i = 0; i < PIECES; i++)
        piece(shelf, i, &maker);
    return maker.calls;
}

Test(shelf, a_piece_is_made_once_and_read_by_other_processes)
{
    struct qb_shelf *shelf = make_shelf(2);
    struct maker maker = {.byte = 9};
    cr_expect_eq(in_child(makes_sevens, shelf), PIECES);
    cr_expect_eq(in_child(makes_sevens, shelf), 0);
    for (size_t i = 0; i < PIECES; i++) {
        const unsigned char *found = piece(shelf, i, &maker);
        cr_assert(found && found[0] == 7 && found[BYTES - 1] == 7);
    }
    cr_expect_eq(maker.calls, 0);
    qb_shelf_free(shelf);
}

Test(shelf, processes_at_once_make_each_piece_once)
{
    enum { AT_ONCE = 4 };
    struct qb_shelf *shelf = make_shelf(AT_ONCE);
    pid_t pids[AT_ONCE];
    int made = 0, status;
    for (int i = 0; i < AT_ONCE; i++)
        if ((pids[i] = fork()) == 0)
            _exit(makes_sevens(shelf));
    for (int i = 0; i < AT_ONCE; i++) {
        cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
        cr_assert(WIFEXITED(status));
        made += WEXITSTATUS(status);
    }
    cr_expect_eq(made, PIECES);
    qb_shelf_free(shelf);
}

Test(shelf, nothing_is_made_that_nobody_else_reads)
{
    struct qb_shelf *shelf = make_shelf(1);
    struct maker maker = {.byte = 7};
    cr_expect_null(piece(shelf, 0, &maker));
    cr_expect_eq(maker.calls, 0);
    qb_shelf_expect(shelf, 2);
    cr_expect_not_null(piece(shelf, 0, &maker));
    qb_shelf_expect(shelf, 1);
    cr_expect_not_null(piece(shelf, 0, &maker), "the last reads what is there");
    cr_expect_null(piece(shelf, 1, &maker));
    cr_expect_eq(maker.calls, 1);
    cr_expect_null(piece(NULL, 0, &maker));
    cr_expect_null(piece(shelf, PIECES, &maker));
    qb_shelf_free(shelf);
}

Test(shelf, what_a_process_has_of_it_is_in_its_account)
{
    struct qb_shelf *shelf = make_shelf(2);
    struct maker maker = {.byte = 7};
    const size_t before = qb_mem_stats().live_bytes;
    piece(shelf, 1, &maker);
    const size_t one = qb_mem_stats().live_bytes - before;
    cr_expect(one >= BYTES && one < BYTES + qb_page_bytes());
    piece(shelf, 1, &maker);
    cr_expect_eq(qb_mem_stats().live_bytes - before, one, "once");
    in_child(makes_sevens, shelf);
    cr_expect_eq(qb_mem_stats().live_bytes - before, one, "each process its own");
    qb_shelf_free(shelf);
    cr_expect(qb_mem_stats().live_bytes <= before);
}

Test(shelf, without_room_nothing_is_made_and_nothing_taken)
{
    struct qb_shelf *shelf = make_shelf(2);
    struct maker maker = {.byte = 7};
    cr_expect_not_null(piece(shelf, 0, &maker));
    in_child(makes_sevens, shelf);
    qb_mem_limit(qb_mem_stats().live_bytes + 2 * BYTES);
    cr_expect_not_null(piece(shelf, 0, &maker), "it is this process's already");
    cr_expect_null(piece(shelf, 1, &maker), "others made it, and there is no room for it here");
    qb_mem_limit(0);
    cr_expect_not_null(piece(shelf, 1, &maker));
    cr_expect_eq(maker.calls, 1);
    qb_shelf_free(shelf);

    shelf = make_shelf(2);
    qb_mem_limit(qb_mem_stats().live_bytes + 2 * BYTES);
    cr_expect_null(piece(shelf, 0, &maker));
    qb_mem_limit(0);
    cr_expect_eq(maker.calls, 1);
    qb_shelf_free(shelf);
}

static int writes(struct qb_shelf *shelf)
{
    struct maker maker = {.byte = 7};
    unsigned char *bytes = (unsigned char *)(uintptr_t)piece(shelf, 0, &maker);
    signal(SIGSEGV, SIG_DFL);
    *(volatile unsigned char *)bytes = 1;
    return 0;
}

Test(shelf, a_process_that_writes_into_it_ends)
{
    struct qb_shelf *shelf = make_shelf(2);
    cr_expect_eq(in_child(writes, shelf), -SIGSEGV, "that made the piece");
    cr_expect_eq(in_child(writes, shelf), -SIGSEGV, "that did not");
    qb_shelf_free(shelf);
}

static int dies(struct qb_shelf *shelf)
{
    struct maker maker = {.byte = 1, .dies = true};
    piece(shelf, 0, &maker);
    return 0;
}

Test(shelf, what_a_process_left_half_made_the_next_makes_anew)
{
    struct qb_shelf *shelf = make_shelf(2);
    struct maker maker = {.byte = 7};
    cr_expect_eq(in_child(dies, shelf), -SIGKILL);
    const unsigned char *found = piece(shelf, 0, &maker);
    cr_assert(found && found[0] == 7 && found[BYTES - 1] == 7);
    cr_expect_eq(maker.calls, 1);
    cr_expect_eq(in_child(makes_sevens, shelf), PIECES - 1);
    qb_shelf_free(shelf);
}

Test(shelf, a_failure_is_its_makers_and_the_piece_stays_unmade)
{
    struct qb_shelf *shelf = make_shelf(2);
    struct maker maker = {.byte = 7, .fails = true};
    struct qb_error err = {0};
    cr_expect_null(qb_shelf_piece(shelf, 0, make, &maker, &err));
    cr_expect_eq(err.status, QB_ERR_NUMERIC);
    maker.fails = false;
    cr_expect_not_null(piece(shelf, 0, &maker));
    cr_expect_eq(maker.calls, 2);
    qb_shelf_free(shelf);
}

/* OpenBLAS waits without end for address space that it cannot get. */
Test(shelf, bounded_address_space_is_left_to_others)
{
    struct qb_error err = {0};
    struct qb_shelf *shelf = NULL;
    struct rlimit before, bound;
    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    bound = before;
    bound.rlim_cur = (rlim_t)1 << 40; /* far more than it takes */
    cr_assert_eq(setrlimit(RLIMIT_AS, &bound), 0);
    cr_expect_eq(qb_shelf_make((struct qb_shelf_shape){PIECES, BYTES}, &shelf, &err), QB_ERR_MEMORY);
    cr_expect_null(shelf);
    setrlimit(RLIMIT_AS, &before);
}

Test(shelf, absurd_sizes_are_refused)
{
    static const struct qb_shelf_shape shapes[] = {{SIZE_MAX / 2, 1}, {2, SIZE_MAX - 1}, {1024, SIZE_MAX / 1024}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct qb_shelf *shelf;
        struct qb_error err = {0};
        cr_expect_eq(qb_shelf_make(shapes[i], &shelf, &err), QB_ERR_MEMORY);
        cr_expect_null(shelf);
    }
}

/* ---- experiments ---- */

enum { CONTEXT = 70, CHUNKS = 12 };

/* Of kl's logits several groups of a chunk; rooms: for some of their pieces. */
static const struct {
    const char *name;
    int vocab, chunks;
    size_t room;
} experiments[] = {{"kl", 140000, 3, 90 << 20}, {"teacher-forced", 1000, CHUNKS, 6 << 20}};

static const char *suite_of(size_t e)
{
    static char text[1024], ids[8 * CONTEXT * CHUNKS];
    size_t at = 0;
    for (int i = 0; i < CONTEXT * CHUNKS; i++)
        at += (size_t)snprintf(ids + at, sizeof ids - at, "%d ", (i * 37 + 11) % 1000);
    scratch_write("ids.txt", ids, at);
    snprintf(text, sizeof text,
             "name: s\nmodels: {m: {generator: transformer, vocab: %d, hidden: 32, layers: 1}}\n"
             "variants: [fp32, int8-tensor, q8_0]\nexperiments:\n  %s: {corpus: {tokens: ids.txt}, context: %d, "
             "chunks: %d}\n",
             experiments[e].vocab, experiments[e].name, CONTEXT, experiments[e].chunks);
    return text;
}

static struct qb_shelf *shelf_for(const struct bench *b)
{
    const struct qb_suite_experiment *entry = &b->suite->experiments[0];
    const struct qb_cell_env env = {.model = b->model, .inputs = &b->inputs, .options = entry->values};
    struct qb_shelf *shelf;
    struct qb_error err = {0};
    const struct qb_shelf_shape shape = entry->experiment->shelf(&env);
    cr_assert_eq(qb_shelf_make(shape, &shelf, &err), QB_OK, "%s", err.message);
    qb_shelf_expect(shelf, 2);
    return shelf;
}

static bool same_record(const struct qb_record *a, const struct qb_record *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const struct qb_array *x = &a->arrays[i], *y = &b->arrays[i];
        same = strcmp(x->name, y->name) == 0 && x->count == y->count && x->dtype == y->dtype &&
               memcmp(x->data, y->data, x->count * qb_dtype_size(x->dtype)) == 0;
    }
    return same;
}

static void run_all(struct bench *b, struct qb_shelf *shelf, struct qb_record out[3])
{
    b->shelf = shelf;
    for (size_t v = 0; v < 3; v++) {
        out[v] = (struct qb_record){0};
        bench_run(b, v, &out[v]);
    }
}

/* Pieces that were made. */
static size_t count_made(const struct bench *b, struct qb_shelf *shelf)
{
    const struct qb_suite_experiment *entry = &b->suite->experiments[0];
    const struct qb_cell_env env = {.model = b->model, .inputs = &b->inputs, .options = entry->values};
    const size_t pieces = entry->experiment->shelf(&env).pieces;
    struct maker maker = {0};
    size_t made = 0;
    qb_shelf_expect(shelf, 1);
    for (size_t i = 0; i < pieces; i++)
        made += piece(shelf, i, &maker) != NULL;
    cr_assert(maker.calls == 0 && pieces > 1);
    return made == pieces ? SIZE_MAX : made;
}

Test(shelf, experiments_measure_the_same_with_it)
{
    for (size_t e = 0; e < 2; e++) {
        struct bench b = bench_open(suite_of(e), 0);
        struct qb_record without[3], with[3];
        struct qb_shelf *shelf = shelf_for(&b);
        run_all(&b, NULL, without);
        run_all(&b, shelf, with); /* fp32 makes it, the others read it */
        for (size_t v = 0; v < 3; v++) {
            cr_expect(same_record(&without[v], &with[v]), "%s, variant %zu", experiments[e].name, v);
            qb_record_free(&with[v]);
        }
        cr_expect_eq(count_made(&b, shelf), SIZE_MAX, "%s: all", experiments[e].name);
        qb_shelf_free(shelf);
        shelf = shelf_for(&b);
        qb_mem_limit(qb_mem_stats().live_bytes + experiments[e].room);
        run_all(&b, shelf, with);
        qb_mem_limit(0);
        const size_t made = count_made(&b, shelf);
        cr_expect(made > 0 && made != SIZE_MAX, "%s: some, not all", experiments[e].name);
        for (size_t v = 0; v < 3; v++) {
            cr_expect(same_record(&without[v], &with[v]), "%s, variant %zu, little room", experiments[e].name, v);
            qb_record_free(&with[v]);
            qb_record_free(&without[v]);
        }
        qb_shelf_free(shelf);
        bench_close(&b);
    }
}

/* What lies on it is what they read, piece by piece: of another model's logits comes something else. */
Test(shelf, experiments_read_what_lies_on_it)
{
    for (size_t e = 0; e < 2; e++) {
        struct bench b = bench_open(suite_of(e), 0);
        struct qb_record right = {0}, wrong = {0};
        struct qb_shelf *shelf = shelf_for(&b);
        bench_run(&b, 1, &right);
        float *weight = tensor_floats(&b.model->tensors[0]) + (size_t)11 * 32; /* of the first token */
        const float was = *weight;
        *weight += 1;
        b.shelf = shelf;
        bench_run(&b, 0, &wrong); /* lays out the other model's */
        *weight = was;
        qb_record_free(&wrong);
        wrong = (struct qb_record){0};
        bench_run(&b, 1, &wrong);
        cr_expect(!same_record(&right, &wrong), "%s", experiments[e].name);
        qb_record_free(&wrong);
        wrong = (struct qb_record){0};
        b.shelf = NULL;
        bench_run(&b, 1, &wrong);
        cr_expect(same_record(&right, &wrong), "%s", experiments[e].name);
        qb_record_free(&right);
        qb_record_free(&wrong);
        qb_shelf_free(shelf);
        bench_close(&b);
    }
}
