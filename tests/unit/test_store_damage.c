/* Damaged files, full disks and refused memory: an error that names the file, never a crash, and nothing left behind.
 */
#include <hdf5.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "base/file.h"
#include "cell_case.h"
#include "store/hdf5_parts.h"

TestSuite(store_damage, .init = scratch_begin, .fini = scratch_end, .timeout = 600);

static char *whole(const char *path, size_t *size)
{
    struct qb_error err = {0};
    char *data;
    cr_assert_eq(qb_file_read(path, 1u << 30, &data, size, &err), QB_OK);
    return data;
}

static char *small_result(size_t *size)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 300);
    struct qb_cell_source source = {.cell = &cell};
    cr_assert_eq(qb_result_assemble(scratch_path("r"), NULL, &source, 1, &err), QB_OK, "%s", err.message);
    qb_cell_free(&cell);
    return whole(scratch_path("r"), size);
}

/* Opens and reads all; true when everything went well. */
static bool reads(const char *path, struct qb_error *err)
{
    struct qb_result *result;
    struct qb_record record = {0};
    *err = (struct qb_error){0};
    if (qb_result_open(path, &result, err))
        return false;
    for (size_t i = 0; i < qb_result_count(result) && !err->status; i++) {
        qb_result_record(result, i, &record, err);
        qb_record_free(&record);
    }
    qb_result_close(result);
    return !err->status;
}

Test(store_damage, every_truncation_is_an_error)
{
    size_t size;
    struct qb_error err;
    char *data = small_result(&size);
    for (size_t i = 0; i < 200; i++) {
        const char *path = scratch_write("cut", data, i * size / 200);
        cr_assert_not(reads(path, &err), "cut to %zu of %zu bytes", i * size / 200, size);
        cr_assert_not_null(strstr(err.message, "cut"), "%s", err.message);
    }
    cr_assert(reads(scratch_write("cut", data, size), &err), "%s", err.message);
    qb_free(data);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
}

Test(store_damage, every_flipped_byte_is_an_error)
{
    size_t size;
    struct qb_error err;
    char *data = small_result(&size);
    uint32_t random = 20240607;
    for (int i = 0; i < 500; i++) {
        random = random * 1664525u + 1013904223u;
        size_t at = random % size;
        data[at] = (char)(data[at] ^ (1 << (random >> 29)));
        cr_assert_not(reads(scratch_write("flip", data, size), &err), "byte %zu", at);
        data[at] = (char)(data[at] ^ (1 << (random >> 29)));
    }
    qb_free(data);
}

/* What a checksum cannot catch: whole HDF5 files that another program wrote, sealed with a right checksum. */
static const char *sealed(const char *name, void (*build)(hid_t file))
{
    const char *inner = scratch_path("inner");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fcreate(inner, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    build(file);
    H5Fclose(file);
    size_t size;
    char *data = whole(inner, &size), hex[QB_HASH_HEX], *sealed_data = calloc(1, 512 + size);
    memcpy(sealed_data + 512, data, size);
    qb_hash_buffer(data, size, hex);
    snprintf(sealed_data, 512, "qinsbench file; HDF5 from byte 512 on; sha256 of that part: %s\n", hex);
    const char *path = scratch_write(name, sealed_data, 512 + size);
    free(sealed_data);
    qb_free(data);
    return path;
}

static void put_attribute(hid_t object, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, strlen(text));
    H5Tset_cset(type, H5T_CSET_UTF8);
    hid_t a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, type, text);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
}

static void put_integer(hid_t object, const char *name, int value)
{
    hid_t space = H5Screate(H5S_SCALAR), a = H5Acreate2(object, name, H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(a, H5T_NATIVE_INT, &value);
    H5Aclose(a);
    H5Sclose(space);
}

static void nothing(hid_t file)
{
    (void)file;
}
static void other_version(hid_t file)
{
    put_attribute(file, "format", "qinsbench-result");
    put_integer(file, "format_version", 2);
}
static void root_of_a_result(hid_t file)
{
    put_attribute(file, "format", "qinsbench-result");
    put_integer(file, "format_version", 1);
    H5Gclose(H5Gcreate2(file, "provenance", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}
static void soft_link(hid_t file)
{
    root_of_a_result(file);
    hid_t cells = H5Gcreate2(file, "cells", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_external("/etc/hostname", "/", cells, "m", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(cells);
}
static void number_for_text(hid_t file)
{
    put_integer(file, "format", 3);
}
static void no_summary(hid_t file)
{
    root_of_a_result(file);
    H5Gclose(H5Gcreate2(file, "cells", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

Test(store_damage, foreign_files_are_refused_by_what_they_lack)
{
    static const struct {
        void (*build)(hid_t file);
        const char *says;
    } cases[] = {{nothing, "no attribute 'format'"},
                 {other_version, "format version 2, this program reads version 1"},
                 {soft_link, "'m' is a soft or external link"},
                 {number_for_text, "'format' has another type"},
                 {no_summary, "no array 'summary'"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct qb_error err;
        const char *path = sealed("foreign", cases[i].build);
        cr_assert_not(reads(path, &err));
        cr_expect(strstr(err.message, cases[i].says) && strstr(err.message, path), "%s", err.message);
    }
}

static enum qb_status crashes(const char *path, size_t bytes, struct qb_error *err)
{
    (void)path;
    (void)bytes;
    raise(SIGSEGV);
    return err->status;
}

static enum qb_status runs_out_of_time(const char *path, size_t bytes, struct qb_error *err)
{
    (void)path;
    (void)bytes;
    raise(SIGXCPU);
    return err->status;
}

static enum qb_status exits(const char *path, size_t bytes, struct qb_error *err)
{
    (void)path;
    (void)bytes;
    (void)err;
    _exit(0);
}

/* More than a small file's reader may have. */
static enum qb_status takes_memory(const char *path, size_t bytes, struct qb_error *err)
{
    (void)path;
    (void)bytes;
    void *bomb = mmap(NULL, (size_t)300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return bomb == MAP_FAILED ? qb_fail(err, QB_ERR_MEMORY, "a bomb") : QB_OK;
}

static enum qb_status names_no_file(const char *path, size_t bytes, struct qb_error *err)
{
    (void)path;
    (void)bytes;
    return qb_fail(err, QB_ERR_INTERNAL, "array 'X': a name");
}

static enum qb_status goes_well(const char *path, size_t bytes, struct qb_error *err)
{
    return bytes > 0 && path[0] ? QB_OK : qb_fail(err, QB_ERR_INTERNAL, "no file");
}

Test(store_damage, what_ends_a_child_is_the_files_error)
{
    static const struct {
        qb_trial_fn read_all;
        enum qb_status status;
        const char *says;
    } cases[] = {{crashes, QB_ERR_INPUT, "damaged: reading it crashes libhdf5 (SIGSEGV)"},
                 {runs_out_of_time, QB_ERR_INPUT, "damaged: reading it takes over 10 s"},
                 {exits, QB_ERR_INPUT, "damaged: reading it ends the process with code 0"},
                 {takes_memory, QB_ERR_MEMORY, "a bomb"},
                 {names_no_file, QB_ERR_INPUT, "array 'X': a name"}};
    size_t size;
    qb_free(small_result(&size));
    const char *path = scratch_path("r");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error err = {0};
        cr_expect_eq(qb_trial_read(cases[i].read_all, path, &err), cases[i].status);
        cr_expect(strncmp(err.message, path, strlen(path)) == 0 && strstr(err.message, cases[i].says), "%s",
                  err.message);
    }
    struct qb_error err = {0};
    cr_expect_eq(qb_trial_read(goes_well, path, &err), QB_OK, "%s", err.message);
    cr_expect_eq(qb_trial_read(crashes, path, &err), QB_OK, "the same content is not tried again");
}

/* Root groups that lead to where a FIFO would hang a reader, or to another result. */
static char elsewhere[PATH_MAX];
static const char *linked;

static void external_root(hid_t file)
{
    root_of_a_result(file);
    H5Gclose(H5Gcreate2(file, "cells", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    if (strcmp(linked, "summary") != 0)
        H5Ldelete(file, linked, H5P_DEFAULT);
    cr_assert_geq(H5Lcreate_external(elsewhere, "/cells", file, linked, H5P_DEFAULT, H5P_DEFAULT), 0);
}

static void soft_root(hid_t file)
{
    root_of_a_result(file);
    H5Gclose(H5Gcreate2(file, "other", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Gclose(H5Gcreate2(file, "cells", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    if (strcmp(linked, "summary") != 0)
        H5Ldelete(file, linked, H5P_DEFAULT);
    cr_assert_geq(H5Lcreate_soft("/other", file, linked, H5P_DEFAULT, H5P_DEFAULT), 0);
}

Test(store_damage, no_root_group_leads_elsewhere, .timeout = 60)
{
    static const char *const roots[] = {"provenance", "cells", "summary"};
    static void (*const builds[])(hid_t file) = {external_root, soft_root};
    snprintf(elsewhere, sizeof elsewhere, "%s", scratch_path("fifo"));
    cr_assert_eq(mkfifo(elsewhere, 0600), 0);
    for (size_t i = 0; i < 6; i++) {
        struct qb_error err;
        char says[100];
        linked = roots[i % 3];
        const char *path = sealed("linked", builds[i / 3]);
        cr_expect_not(reads(path, &err));
        snprintf(says, sizeof says, "'%s' is a soft or external link", linked);
        cr_expect(err.status == QB_ERR_INPUT && strstr(err.message, says) && strstr(err.message, path), "%s",
                  err.message);
    }
}

/* A result that claims an array of 2^40 entries without storing them (early HDF5 bombs look like this). */
static void huge_array(hid_t cell)
{
    hsize_t dims[] = {(hsize_t)1 << 40}, chunk[] = {1 << 20};
    hid_t space = H5Screate_simple(1, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, chunk);
    hid_t array = H5Dcreate2(cell, "kl", H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    put_attribute(array, "unit", "nat");
    put_attribute(array, "description", "x");
    H5Dclose(array);
    H5Pclose(plist);
    H5Sclose(space);
}

static void large_array(hid_t cell)
{
    hsize_t dims[] = {(hsize_t)1 << 30}, chunk[] = {1 << 20};
    hid_t space = H5Screate_simple(1, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(plist, 1, chunk);
    H5Dclose(H5Dcreate2(cell, "kl", H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    H5Sclose(space);
}

static void external_array(hid_t cell)
{
    hsize_t dims[] = {4};
    hid_t space = H5Screate_simple(1, dims, NULL), plist = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(plist, "/etc/hostname", 0, 32);
    H5Dclose(H5Dcreate2(cell, "kl", H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT));
    H5Pclose(plist);
    H5Sclose(space);
}

static void complex_array(hid_t cell)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t array = H5Dcreate2(cell, "kl", H5T_STD_U16BE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put_attribute(array, "unit", "nat");
    put_attribute(array, "description", "x");
    H5Dclose(array);
    H5Sclose(space);
}

static void (*plant)(hid_t cell);
static struct qb_provenance planted_facts;

static void with_planted(hid_t file)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 3);
    struct qb_cell_source source = {.cell = &cell};
    qb_record_free(&cell.record);
    cell.record = (struct qb_record){0};
    cr_assert_eq(qb_result_assemble(scratch_path("base"), &planted_facts, &source, 1, &err), QB_OK);
    hid_t base = H5Fopen(scratch_path("base"), H5F_ACC_RDONLY, H5P_DEFAULT);
    H5Ocopy(base, "cells", file, "cells", H5P_DEFAULT, H5P_DEFAULT);
    H5Ocopy(base, "summary", file, "summary", H5P_DEFAULT, H5P_DEFAULT);
    H5Ocopy(base, "provenance", file, "provenance", H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(base);
    put_attribute(file, "format", "qinsbench-result");
    put_integer(file, "format_version", 1);
    hid_t group = H5Gopen2(file, "cells/m/v/greedy", H5P_DEFAULT);
    plant(group);
    H5Gclose(group);
    qb_cell_free(&cell);
}

static void nothing_planted(hid_t cell)
{
    (void)cell;
}

Test(store_damage, arrays_that_no_run_writes_are_refused)
{
    static const struct {
        void (*plant)(hid_t cell);
        const char *says;
    } cases[] = {{huge_array, "over 2^31 entries"},
                 {large_array, "claims more bytes than the file can hold"},
                 {external_array, "lies in another file"},
                 {complex_array, "a type that no experiment records"}};
    struct qb_error err;
    plant = nothing_planted;
    cr_assert(reads(sealed("sound", with_planted), &err), "%s", err.message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plant = cases[i].plant;
        cr_assert_not(reads(sealed("planted", with_planted), &err));
        cr_expect(strstr(err.message, cases[i].says) && strstr(err.message, "'kl'"), "%s", err.message);
    }
}

/* The file of a program that knew neither inputs nor options, and whose notes had 160 bytes. */
static void without_newer_parts(hid_t cell)
{
    H5Adelete(cell, "inputs");
    H5Adelete(cell, "options");
    hid_t file = H5Iget_file_id(cell), table = H5Dopen2(file, "summary", H5P_DEFAULT), stored = H5Dget_type(table);
    hid_t note = H5Tcopy(H5T_C_S1), space = H5Dget_space(table);
    size_t at = 0, rows = (size_t)H5Sget_simple_extent_npoints(space);
    H5Tset_size(note, 160);
    H5Tset_cset(note, H5T_CSET_UTF8);
    H5Tset_strpad(note, H5T_STR_NULLPAD);
    hid_t older = H5Tcreate(H5T_COMPOUND, 4096);
    for (unsigned i = 0; i < (unsigned)H5Tget_nmembers(stored); i++) {
        char *name = H5Tget_member_name(stored, i);
        hid_t member = strcmp(name, "note") == 0 ? H5Tcopy(note) : H5Tget_member_type(stored, i);
        H5Tinsert(older, name, at, member);
        at += H5Tget_size(member);
        H5Tclose(member);
        H5free_memory(name);
    }
    H5Tpack(older);
    char *data = calloc(rows, H5Tget_size(older));
    H5Dread(table, older, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(table);
    H5Ldelete(file, "summary", H5P_DEFAULT);
    table = H5Dcreate2(file, "summary", older, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(table, older, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
    H5Dclose(table);
    H5Sclose(space);
    H5Tclose(older);
    H5Tclose(note);
    H5Tclose(stored);
    H5Fclose(file);
    free(data);
}

static void a_long_hash(hid_t cell)
{
    char text[QB_HASH_HEX + 1] = "";
    memset(text, 'a', QB_HASH_HEX);
    H5Adelete(cell, "inputs");
    put_attribute(cell, "inputs", text);
}

Test(store_damage, files_of_older_programs_are_read)
{
    struct qb_error err = {0};
    struct qb_result *result;
    plant = without_newer_parts;
    const char *path = sealed("older", with_planted);
    cr_assert_eq(qb_result_open(path, &result, &err), QB_OK, "%s", err.message);
    const struct qb_cell *cell = qb_result_cell(result, 0);
    cr_expect_str_eq(cell->inputs, "");
    cr_expect_str_eq(cell->options, "");
    cr_assert_eq(cell->value_count, 2);
    cr_expect_str_eq(cell->values[0].note, "cluster t");
    cr_expect_eq(cell->values[0].value, 1e-14);
    qb_result_close(result);
    plant = a_long_hash;
    cr_expect_not(reads(sealed("long", with_planted), &err));
    cr_expect_not_null(strstr(err.message, "a cell's inputs has over 64 characters"), "%s", err.message);
}

Test(store_damage, a_full_disk_leaves_the_old_file_and_no_other)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 100), back;
    const char *path = scratch_path("s");
    cr_assert_eq(qb_shard_write(path, &cell, &err), QB_OK);
    struct qb_cell larger = make_cell("m", "v", "greedy", 20000);
    struct rlimit old, limit;
    getrlimit(RLIMIT_FSIZE, &old);
    limit = (struct rlimit){20000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    enum qb_status status = qb_shard_write(path, &larger, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert_eq(status, QB_ERR_IO);
    cr_assert(strstr(err.message, path) && strstr(err.message, "File too large"), "%s", err.message);
    cr_assert_eq(scratch_count(), 1);
    err = (struct qb_error){0};
    cr_assert_eq(qb_shard_read(path, true, &back, &err), QB_OK, "%s", err.message);
    same_arrays(&cell.record, &back.record);
    qb_cell_free(&back);
    if (access("/dev/full", W_OK) == 0) {
        cr_assert_neq(qb_shard_write("/dev/full", &cell, &err), QB_OK, "a device is not replaced");
        cr_assert_eq(access("/dev/full", W_OK), 0);
    }
    qb_cell_free(&cell);
    qb_cell_free(&larger);
}

Test(store_damage, every_refused_allocation_is_an_error)
{
    struct qb_error err = {0};
    struct qb_cell cell = make_cell("m", "v", "greedy", 5), back;
    struct qb_cell_source source = {.cell = &cell};
    const char *path = scratch_path("s");
    size_t live = qb_mem_stats().live_bytes;
    for (size_t n = 1;; n++) {
        err = (struct qb_error){0};
        qb_mem_fail_at(n);
        enum qb_status status = qb_shard_write(path, &cell, &err);
        qb_mem_fail_at(0);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "writing, allocation %zu", n);
        cr_assert(!status || (status == QB_ERR_MEMORY && scratch_count() == 0), "%s", err.message);
        if (!status)
            break;
    }
    qb_result_assemble(scratch_path("r"), NULL, &source, 1, &err);
    for (size_t n = 1;; n++) {
        err = (struct qb_error){0};
        qb_mem_fail_at(n);
        enum qb_status status = qb_shard_read(path, true, &back, &err);
        qb_mem_fail_at(0);
        if (!status)
            qb_cell_free(&back);
        cr_assert_eq(qb_mem_stats().live_bytes, live, "reading, allocation %zu", n);
        cr_assert(!status || status == QB_ERR_MEMORY, "allocation %zu: %s", n, err.message);
        if (!status)
            break;
    }
    qb_cell_free(&cell);
}

/* A cell as older programs wrote it: what its variant is stands in the provenance alone. */
static void without_variant_facts(hid_t cell)
{
    const char *const newer[] = {"floor", "encoded_tensors", "encoded_weights", "encoded_bytes", "unbound"};
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++)
        cr_assert_geq(H5Adelete(cell, newer[i]), 0);
}

Test(store_damage, floors_of_older_files_follow_from_definitions)
{
    static const struct {
        const char *definition;
        enum qb_floor floor;
    } cases[] = {{NULL, QB_FLOOR_NONE},
                 {"variant v", QB_FLOOR_IDENTITY},
                 {"variant v arithmetic=reversed", QB_FLOOR_ARITHMETIC},
                 {"variant fp32-reordered codec=qins8/1(scope=row) path=decode cache=0 placement=head", QB_FLOOR_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error err = {0};
        struct qb_result *result = NULL;
        if (cases[i].definition)
            cr_assert_eq(qb_provenance_add(&planted_facts, "variant.v", cases[i].definition, &err), QB_OK);
        plant = without_variant_facts;
        cr_assert_eq(qb_result_open(sealed("older", with_planted), &result, &err), QB_OK, "%s", err.message);
        cr_expect_eq(qb_result_cell(result, 0)->floor, cases[i].floor, "case %zu", i);
        cr_expect_not(qb_result_cell(result, 0)->reach.known);
        qb_result_close(result);
        qb_provenance_free(&planted_facts);
        planted_facts = (struct qb_provenance){0};
    }
}

/* The columns that older programs wrote. */
static void without_newer_columns(hid_t file)
{
    hid_t table = H5Dopen2(file, "summary", H5P_DEFAULT), stored = H5Dget_type(table), space = H5Dget_space(table);
    size_t size = H5Tget_size(stored);
    hid_t type = H5Tcreate(H5T_COMPOUND, size);
    char rows[16 * 1024];
    for (unsigned i = 0; i < (unsigned)H5Tget_nmembers(stored); i++) {
        hid_t member = H5Tget_member_type(stored, i);
        char *name = H5Tget_member_name(stored, i);
        if (strcmp(name, "covers") != 0 && strcmp(name, "floor_marks") != 0 && strcmp(name, "own_note") != 0)
            cr_assert_geq(H5Tinsert(type, name, H5Tget_member_offset(stored, i), member), 0);
        H5free_memory(name);
        H5Tclose(member);
    }
    cr_assert_leq((size_t)H5Sget_simple_extent_npoints(space) * size, sizeof rows);
    cr_assert_geq(H5Dread(table, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    H5Dclose(table);
    H5Ldelete(file, "summary", H5P_DEFAULT);
    table = H5Dcreate2(file, "summary", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    cr_assert_geq(H5Dwrite(table, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows), 0);
    H5Dclose(table);
    H5Sclose(space);
    H5Tclose(type);
    H5Tclose(stored);
}

/* A floor of 1 and a variant within it. */
static void two_older_cells(hid_t file)
{
    struct qb_error err = {0};
    struct qb_cell cells[2] = {make_cell("m", "fp32-reordered", "teacher-forced", 3),
                               make_cell("m", "v", "teacher-forced", 3)};
    struct qb_cell_source sources[2] = {{.cell = &cells[0]}, {.cell = &cells[1]}};
    cells[0].floor = QB_FLOOR_ARITHMETIC;
    cells[1].floor = QB_FLOOR_NONE;
    cells[0].values[0].value = 1;
    cr_assert_eq(qb_result_assemble(scratch_path("base"), &planted_facts, sources, 2, &err), QB_OK);
    hid_t base = H5Fopen(scratch_path("base"), H5F_ACC_RDONLY, H5P_DEFAULT);
    const char *const parts[] = {"cells", "summary", "provenance"};
    for (size_t i = 0; i < 3; i++)
        H5Ocopy(base, parts[i], file, parts[i], H5P_DEFAULT, H5P_DEFAULT);
    H5Fclose(base);
    put_attribute(file, "format", "qinsbench-result");
    put_integer(file, "format_version", 1);
    without_newer_columns(file);
    qb_cell_free(&cells[0]);
    qb_cell_free(&cells[1]);
}

/* What floors said in a file of an older program stands, in its note and flags; a new file does not say it twice. */
Test(store_damage, floors_of_older_summaries_stay_as_they_are)
{
    struct qb_error err = {0};
    struct qb_result *older = NULL, *newer = NULL;
    cr_assert_eq(qb_result_open(sealed("older", two_older_cells), &older, &err), QB_OK, "%s", err.message);
    const struct qb_value *value = qb_result_value(older, "m", "v", "teacher-forced", "kl_mean");
    cr_expect(value->flags & QB_FLAG_UNRESOLVED && value->floor_marks == QB_MARK_OLDER && value->covers == 0);
    cr_expect_str_eq(value->note, "cluster t; not resolved: within what FP32 arithmetic in another order costs (1)");
    struct qb_cell_source sources[] = {{.old = older}, {.old = older, .old_index = 1}};
    cr_assert_eq(qb_result_assemble(scratch_path("newer"), NULL, sources, 2, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_result_open(scratch_path("newer"), &newer, &err), QB_OK, "%s", err.message);
    const struct qb_value *again = qb_result_value(newer, "m", "v", "teacher-forced", "kl_mean");
    cr_expect(again->flags == value->flags && again->floor_marks == QB_MARK_OLDER);
    cr_expect_str_eq(again->note, value->note);
    qb_result_close(older);
    qb_result_close(newer);
}

static void a_floor_of_no_name(hid_t cell)
{
    H5Adelete(cell, "floor");
    put_attribute(cell, "floor", "ground");
}

Test(store_damage, an_unknown_floor_is_refused)
{
    struct qb_error err = {0};
    plant = a_floor_of_no_name;
    cr_assert_not(reads(sealed("floor", with_planted), &err));
    cr_expect(strstr(err.message, "floor is 'ground'"), "%s", err.message);
}
