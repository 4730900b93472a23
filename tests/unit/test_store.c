#include "cell_case.h"

TestSuite(store, .init = scratch_begin, .fini = scratch_end);

Test(store, a_shard_comes_back_whole)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("source-chain", "pattern-a", "teacher-forced", 5000), back;
    const char *path = scratch_path("a.shard.h5");
    cr_assert_eq(qb_shard_write(path, &cell, &err), QB_OK, "%s", err.message);
    cr_assert_eq(scratch_count(), 1);
    cr_assert_eq(qb_shard_read(path, true, &back, &err), QB_OK, "%s", err.message);
    same_cell(&cell, &back);
    same_arrays(&cell.record, &back.record);
    qb_cell_free(&back);
    cr_assert_eq(qb_shard_read(path, false, &back, &err), QB_OK, "%s", err.message);
    same_cell(&cell, &back);
    cr_assert_eq(back.record.count, 0);
    qb_cell_free(&back);
    cr_assert_eq(qb_shard_write(path, &cell, &err), QB_OK, "over the old one: %s", err.message);
    qb_cell_free(&cell);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(store, a_failed_cell_comes_back)
{
    struct qb_error err = {0};
    struct qb_cell cell = {.model = "m", .variant = "v", .experiment = "greedy", .state = QB_CELL_FAILED}, back;
    cell.message = "worker ended by signal 11";
    const char *path = scratch_path("f.h5");
    cr_assert_eq(qb_shard_write(path, &cell, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_shard_read(path, true, &back, &err), QB_OK, "%s", err.message);
    cr_assert(back.state == QB_CELL_FAILED && back.value_count == 0 && back.record.count == 0);
    cr_assert_str_eq(back.message, "worker ended by signal 11");
    cr_assert_str_eq(back.warnings, "");
    cr_assert_str_eq(back.inputs, "");
    cr_assert_str_eq(back.options, "", "one that failed before its options were known");
    qb_cell_free(&back);
}

Test(store, a_result_gathers_shards_memory_and_old_results)
{
    struct qb_error err = {0};
    struct qb_cell one = make_cell("m2", "v", "greedy", 10), two = make_cell("m1", "v", "greedy", 700);
    struct qb_cell lost = {.model = "m1", .variant = "a", .experiment = "speed", .state = QB_CELL_SKIPPED};
    struct qb_provenance facts = {0};
    struct qb_result *old = NULL, *result = NULL;
    struct qb_record record = {0};
    char suite[100000];
    memset(suite, 'x', sizeof suite - 1);
    suite[sizeof suite - 1] = 0;
    lost.message = "nothing to encode";
    cr_assert_eq(qb_shard_write(scratch_path("1"), &one, &err), QB_OK);
    cr_assert_eq(qb_provenance_addf(&facts, &err, "zeta", "%d", 7), QB_OK);
    qb_provenance_add(&facts, "alpha", "caf\xc3\xa9", &err);
    qb_provenance_add(&facts, "suite", suite, &err);
    qb_provenance_add(&facts, "empty", NULL, &err);

    struct qb_cell_source first[] = {{.cell = &two}};
    cr_assert_eq(qb_result_assemble(scratch_path("old.h5"), NULL, first, 1, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_open(scratch_path("old.h5"), &old, &err), QB_OK, "%s", err.message);
    struct qb_cell_source sources[] = {{.shard = scratch_path("1")}, {.cell = &lost}, {.old = old, .old_index = 0}};
    cr_assert_eq(qb_result_assemble(scratch_path("r.h5"), &facts, sources, 3, &err), QB_OK, "%s", err.message);
    qb_result_close(old);

    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_count(result), 3);
    same_cell(qb_result_cell(result, 0), &one); /* the order given, not that of names */
    same_cell(qb_result_cell(result, 2), &two);
    cr_assert_str_eq(qb_result_cell(result, 1)->message, "nothing to encode");
    cr_assert_null(qb_result_cell(result, 3));
    cr_assert_eq(qb_result_find(result, "m1", "v", "greedy"), 2);
    cr_assert_eq(qb_result_find(result, "m1", "v", "speed"), SIZE_MAX);
    cr_assert_eq(qb_result_value(result, "m2", "v", "greedy", "kl_mean")->value, 1e-14);
    cr_assert_null(qb_result_value(result, "m2", "v", "greedy", "kl"));
    cr_assert_eq(qb_result_record(result, 2, &record, &err), QB_OK, "%s", err.message);
    same_arrays(&two.record, &record);
    const struct qb_provenance *p = qb_result_provenance(result);
    cr_assert_eq(p->count, 4);
    cr_assert_str_eq(p->pairs[0].name, "zeta");
    cr_assert_str_eq(qb_provenance_get(p, "alpha"), "caf\xc3\xa9");
    cr_assert_str_eq(qb_provenance_get(p, "suite"), suite);
    cr_assert_str_eq(qb_provenance_get(p, "empty"), "");
    qb_record_free(&record);
    qb_result_close(result);
    qb_provenance_free(&facts);
    qb_cell_free(&one);
    qb_cell_free(&two);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

static const char *fact_of(const struct qb_result *result, const char *variant, const char *name)
{
    const char *fact = qb_result_fact(result, qb_result_find(result, "m", variant, "speed"), name);
    return fact ? fact : "(none)";
}

/* A run on machine B takes a cell of a file of machine A, once from a program that noted no facts and once from one
 * that did, and a shard of its own: each says where it was measured, and a file that says nothing is not spoken for. */
Test(store, a_cell_says_itself_where_it_was_measured)
{
    struct qb_error err = {0};
    struct qb_cell cells[3] = {make_cell("m", "older", "speed", 10), make_cell("m", "old", "speed", 10),
                               make_cell("m", "new", "speed", 10)};
    struct qb_provenance a = {0}, b = {0};
    struct qb_result *old = NULL, *result = NULL;
    qb_provenance_add(&a, "cpu", "processor A", &err);
    qb_provenance_add(&a, "threads", "1", &err);
    qb_provenance_add(&a, "suite", "not a fact of a cell", &err);
    qb_provenance_add(&b, "cpu", "processor B", &err);
    qb_provenance_add(&b, "threads", "4", &err);
    qb_provenance_add(&b, "isa", "avx512", &err);
    cr_assert_eq(qb_cell_facts_take(&cells[1].facts, &a, &err), QB_OK);
    cr_assert_eq(cells[1].facts.count, 2);
    struct qb_cell_source first[] = {{.cell = &cells[0]}, {.cell = &cells[1]}};
    cr_assert_eq(qb_result_assemble(scratch_path("old.h5"), &a, first, 2, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_cell_facts_take(&cells[2].facts, &b, &err), QB_OK);
    cr_assert_eq(qb_shard_write(scratch_path("new"), &cells[2], &err), QB_OK, "%s", err.message);

    cr_assert_eq(qb_result_open(scratch_path("old.h5"), &old, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(fact_of(old, "older", "cpu"), "processor A", "the file speaks for a cell that says nothing");
    struct qb_cell_source sources[] = {
        {.old = old, .old_index = 0}, {.old = old, .old_index = 1}, {.shard = scratch_path("new")}};
    cr_assert_eq(qb_result_assemble(scratch_path("r.h5"), &b, sources, 3, &err), QB_OK, "%s", err.message);
    qb_result_close(old);
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    cr_expect_str_eq(fact_of(result, "older", "cpu"), "processor A");
    cr_expect_str_eq(fact_of(result, "older", "threads"), "1");
    cr_expect_str_eq(fact_of(result, "older", "isa"), "(none)", "not B's");
    cr_expect_str_eq(fact_of(result, "old", "cpu"), "processor A");
    cr_expect_str_eq(fact_of(result, "new", "cpu"), "processor B");
    cr_expect_str_eq(fact_of(result, "new", "isa"), "avx512");
    qb_result_close(result);
    for (int i = 0; i < 3; i++)
        qb_cell_free(&cells[i]);
    qb_provenance_free(&a);
    qb_provenance_free(&b);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

/* Infinite, NaN and absent are three things in the file, too. */
Test(store, infinite_nan_and_absent_survive)
{
    static const double values[] = {INFINITY, -INFINITY, NAN, NAN};
    static const uint32_t flags[] = {QB_FLAG_NO_INTERVAL, QB_FLAG_NO_INTERVAL, QB_FLAG_NONFINITE, QB_FLAG_ABSENT};
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 4), back;
    for (size_t i = 0; i < 4; i++) {
        cell.values[0].value = values[i];
        cell.values[0].flags = flags[i];
        cr_assert_eq(qb_shard_write(scratch_path("s"), &cell, &err), QB_OK, "%s", err.message);
        cr_assert_eq(qb_shard_read(scratch_path("s"), false, &back, &err), QB_OK, "%s", err.message);
        double value = back.values[0].value;
        cr_expect(value == values[i] || (isnan(value) && isnan(values[i])), "%g", value);
        cr_expect_eq(back.values[0].flags, flags[i]);
        cr_expect_eq(qb_value_there(back.values[0].flags), i < 3);
        qb_cell_free(&back);
    }
    qb_cell_free(&cell);
}

Test(store, every_flag_and_a_full_note_survive)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 4), back;
    for (uint32_t flags = 0; flags < 256; flags++) {
        cell.values[0].flags = flags;
        memset(cell.values[0].note, 'n', QB_NOTE_MAX - 1);
        cr_assert_eq(qb_shard_write(scratch_path("s"), &cell, &err), QB_OK, "%s", err.message);
        cr_assert_eq(qb_shard_read(scratch_path("s"), false, &back, &err), QB_OK, "%s", err.message);
        cr_expect_eq(back.values[0].flags, flags, "%x came back as %x", flags, back.values[0].flags);
        cr_expect_eq(strlen(back.values[0].note), QB_NOTE_MAX - 1);
        qb_cell_free(&back);
    }
    qb_cell_free(&cell);
}

static uint32_t flags_of(const struct qb_result *result, const char *variant)
{
    return qb_result_value(result, "m", variant, "teacher-forced", "kl_mean")->flags;
}

/* kl_mean is 1e-14 in every cell; the floor's is put above or below it. */
Test(store, a_result_knows_its_floors)
{
    const uint32_t unresolved = QB_FLAG_UNRESOLVED;
    struct qb_error err = {0};
    struct qb_result *result = NULL, *again = NULL;
    struct qb_cell floor = make_cell("m", "mine", "teacher-forced", 4);
    struct qb_cell cell = make_cell("m", "pattern-a", "teacher-forced", 4), back;
    cell.floor = QB_FLOOR_NONE;
    floor.floor = QB_FLOOR_ARITHMETIC;
    cr_assert_eq(qb_shard_write(scratch_path("s"), &cell, &err), QB_OK);
    struct qb_cell_source sources[] = {{.shard = scratch_path("s")}, {.cell = &floor}};
    floor.values[0].value = 3e-14;
    cr_assert_eq(qb_result_assemble(scratch_path("r"), NULL, sources, 2, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_open(scratch_path("r"), &result, &err), QB_OK, "%s", err.message);
    cr_expect_eq(flags_of(result, "pattern-a"), QB_FLAG_DEGENERATE | unresolved, "under the floor, the floor after it");
    cr_expect_eq(flags_of(result, "mine") & unresolved, 0);
    cr_expect_eq(cell.values[0].flags | floor.values[0].flags, QB_FLAG_DEGENERATE, "the sources stay as they were");
    cr_assert_eq(qb_shard_read(scratch_path("s"), false, &back, &err), QB_OK);
    cr_expect_eq(back.values[0].flags, QB_FLAG_DEGENERATE, "a shard has no floor");
    /* A later run's floor is lower: the flag of the older file goes. */
    floor.values[0].value = 5e-15;
    struct qb_cell_source later[] = {{.old = result, .old_index = 0}, {.cell = &floor}};
    cr_assert_eq(qb_result_assemble(scratch_path("l"), NULL, later, 2, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_open(scratch_path("l"), &again, &err), QB_OK, "%s", err.message);
    cr_expect_eq(flags_of(again, "pattern-a"), QB_FLAG_DEGENERATE);
    const struct qb_value *value = qb_result_value(again, "m", "pattern-a", "teacher-forced", "kl_mean");
    cr_expect(value->floor_marks == 0 && strcmp(value->note, cell.values[0].note) == 0, "%s", value->note);
    qb_result_close(again);
    qb_result_close(result);
    qb_cell_free(&back);
    qb_cell_free(&floor);
    qb_cell_free(&cell);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(store, kinds_of_files_are_not_mixed_up)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 4), back;
    struct qb_result *result;
    qb_shard_write(scratch_path("s"), &cell, &err);
    cr_assert_eq(qb_result_open(scratch_path("s"), &result, &err), QB_ERR_INPUT);
    cr_assert_null(result);
    cr_assert_not_null(strstr(err.message, "expected 'qinsbench-result'"), "%s", err.message);
    err = (struct qb_error){0};
    const char *text = scratch_write("t", "hello, this is no HDF5 file at all\n", 35);
    cr_assert_eq(qb_shard_read(text, true, &back, &err), QB_ERR_INPUT);
    cr_assert(strstr(err.message, text) && strstr(err.message, "not a result file"), "%s", err.message);
    err = (struct qb_error){0};
    cr_assert_neq(qb_shard_read(scratch_path("none"), true, &back, &err), QB_OK);
    qb_cell_free(&cell);
}

Test(store, names_that_would_leave_their_place_are_refused)
{
    const char *const bad[] = {"", ".", "..", "a/b", "a b", "\xc3\xa9", "a\n"}, *const good[] = {"a", "int8-tensor",
                                                                                                 "...", "A_1.2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(qb_name_ok(bad[i]), "'%s'", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect(qb_name_ok(good[i]), "'%s'", good[i]);
    cr_assert_not(qb_name_ok(NULL));
    char longest[102];
    memset(longest, 'a', 101);
    longest[101] = 0;
    cr_assert_not(qb_name_ok(longest));
    longest[100] = 0;
    cr_assert(qb_name_ok(longest));
    struct qb_error err = {0};
    struct qb_cell cell = {.model = "m", .variant = "../../x", .experiment = "greedy"};
    cr_assert_eq(qb_shard_write(scratch_path("n"), &cell, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "variant '../../x'"), "%s", err.message);
    cr_assert_eq(scratch_count(), 0);
}

Test(store, the_same_cell_twice_is_refused)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 4);
    struct qb_cell_source sources[] = {{.cell = &cell}, {.cell = &cell}};
    cr_assert_eq(qb_result_assemble(scratch_path("r"), NULL, sources, 2, &err), QB_ERR_INTERNAL);
    cr_assert_not_null(strstr(err.message, "comes twice"), "%s", err.message);
    cr_assert_eq(scratch_count(), 0);
    qb_cell_free(&cell);
}

Test(store, provenance_states_the_run)
{
    struct qb_error err = {0};
    struct qb_provenance p = {0};
    struct qb_run_facts facts = {"avx2", "OpenBLAS 0.3.21", "Haswell", 2};
    cr_assert_eq(qb_provenance_collect(&p, &facts, &err), QB_OK, "%s", err.message);
    const char *const names[] = {"program_version", "compiler", "build_flags", "cpu",       "cpu_features", "cores",
                                 "threads",         "isa",      "blas",        "blas_core", "hdf5",         "kernel",
                                 "started"};
    cr_assert_eq(p.count, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < p.count; i++)
        cr_assert_str_eq(p.pairs[i].name, names[i]);
    cr_assert_str_eq(qb_provenance_get(&p, "program_version"), QB_VERSION);
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; i < p.count && strlen(host) > 3; i++)
        cr_assert_null(strstr(p.pairs[i].value, host), "%s names the host", p.pairs[i].name);
    cr_assert_eq(qb_provenance_add(&p, "isa", "portable", &err), QB_OK);
    cr_assert_str_eq(qb_provenance_get(&p, "isa"), "portable");
    cr_assert_eq(qb_provenance_add(&p, "a/b", "", &err), QB_ERR_INTERNAL);
    qb_provenance_free(&p);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(store, five_hundred_cells_are_assembled)
{
    enum { CELLS = 500 };
    struct qb_error err = {0};
    static struct qb_cell_source sources[CELLS];
    static char paths[CELLS][PATH_MAX];
    for (int i = 0; i < CELLS; i++) {
        char variant[32];
        snprintf(variant, sizeof variant, "variant-%d", i);
        struct qb_cell cell = make_cell("model", variant, "teacher-forced", 1000);
        snprintf(paths[i], PATH_MAX, "%s", scratch_path(variant));
        cr_assert_eq(qb_shard_write(paths[i], &cell, &err), QB_OK, "%s", err.message);
        sources[i].shard = paths[i];
        qb_cell_free(&cell);
    }
    cr_assert_eq(qb_result_assemble(scratch_path("r.h5"), NULL, sources, CELLS, &err), QB_OK, "%s", err.message);
    struct qb_result *result;
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_count(result), CELLS);
    for (size_t i = 0; i < CELLS; i++) {
        char variant[32];
        snprintf(variant, sizeof variant, "variant-%zu", i);
        cr_expect_eq(qb_result_find(result, "model", variant, "teacher-forced"), i, "%s", variant);
    }
    qb_result_close(result);
}
