/* Every shipped codec and the example from outside pass the suite at every level the CPU has; every planted fault is
 * found, by the check and with the words that are due. */
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "codec/conformance.h"
#include "conformance/plugins.h"
#include "unit/sanitized.h"

static void print_failure(void *context, const struct qb_conformance_result *result)
{
    if (result->verdict == QB_VERDICT_FAIL)
        cr_log_error("%s: %s [%s]: %s", (const char *)context, result->check, result->options, result->message);
}

static void passes(const struct qb_plugin *plugin, enum qb_isa isa)
{
    struct qb_conformance_summary summary;
    struct qb_error err = {0};
    struct qb_conformance_limits limits = {.seconds = 300, .seed = 1}; /* for a hang */
    cr_assert_eq(
        qb_conformance(plugin, isa, &limits, print_failure, (void *)(uintptr_t)plugin->codec->id, &summary, &err),
        QB_OK, "%s", err.message);
    cr_expect_eq(summary.failed, 0, "%s at level %s: %zu checks failed", plugin->codec->id, qb_isa_name(isa),
                 summary.failed);
    cr_expect_gt(summary.passed, 14);
    cr_log_info("%s at level %s: %zu passed, %zu skipped", plugin->codec->id, qb_isa_name(isa), summary.passed,
                summary.skipped);
}

enum { PARTS = 4 }; /* the many codecs, side by side */

static void shipped(const char *id, size_t part)
{
    struct qb_registry *registry = NULL;
    struct qb_error err = {0};
    const char *const folders[] = {codecs_path(), NULL};
    cr_assert_eq(qb_registry_open(folders, NULL, &registry, &err), QB_OK, "%s", err.message);
    const struct qb_plugin *known = NULL;
    for (size_t i = 0; i < qb_registry_count(registry); i++) {
        const struct qb_plugin *plugin = qb_registry_at(registry, i);
        bool heavy = strcmp(plugin->codec->id, "qins8") == 0;
        if (id ? strcmp(plugin->codec->id, id) != 0 : heavy || i % PARTS != part)
            continue;
        known = plugin;
        passes(plugin, qb_cpu()->isa);
        if (qb_cpu()->isa > QB_ISA_PORTABLE)
            passes(plugin, QB_ISA_PORTABLE);
    }
    cr_assert_not_null(known, "no codec in %s", folders[0]);
    qb_registry_free(registry);
}

Test(conformance, qins8_passes, .timeout = 600)
{
    shipped("qins8", 0);
}

Test(conformance, every_other_codec_passes, .timeout = 600)
{
    shipped(NULL, 0);
}

/* A group's table serves its values alone: 512 and then 64 of each row of 576. What is due is looked up here. */
Test(conformance, codebooks_of_long_and_short_groups_keep_apart)
{
    enum { ROWS = 2, COLS = 576, GROUP = 512, TABLES = 2 * ROWS, ENTRIES = 256 };
    static struct {
        float table[TABLES][ENTRIES];
        unsigned char code[ROWS][COLS];
    } bytes;
    static float out[ROWS][COLS];
    const char *const folders[] = {codecs_path(), NULL};
    const union qb_option_value scope = {.scope = {QB_SCOPE_GROUP, GROUP}};
    struct qb_registry *registry = NULL;
    struct qb_codec_error error = {0};
    struct qb_error err = {0};
    cr_assert_eq(qb_registry_open(folders, NULL, &registry, &err), QB_OK, "%s", err.message);
    const struct qb_plugin *plugin = qb_registry_find(registry, "codebook8");
    cr_assert_not_null(plugin);
    for (size_t t = 0; t < TABLES; t++)
        for (size_t e = 0; e < ENTRIES; e++)
            bytes.table[t][e] = (float)(1000 * t + e) / 7;
    for (size_t c = 0; c < COLS; c++)
        for (size_t row = 0; row < ROWS; row++)
            bytes.code[row][c] = (unsigned char)(13 * c + row);
    for (int isa = QB_ISA_PORTABLE; isa <= (int)qb_cpu()->isa; isa++) {
        const struct qb_codec_config config = {sizeof config, isa, &scope};
        cr_assert_eq(plugin->codec->decode(&config, ROWS, COLS, &bytes, sizeof bytes, 0, ROWS, &out[0][0], &error),
                     QB_CODEC_OK, "%s", error.message);
        for (size_t row = 0; row < ROWS; row++)
            for (size_t c = 0; c < COLS; c++)
                cr_assert(out[row][c] == bytes.table[2 * row + c / GROUP][bytes.code[row][c]],
                          "%s, row %zu, column %zu", qb_isa_name((enum qb_isa)isa), row, c);
    }
    qb_registry_free(registry);
}

Test(conformance, every_other_codec_passes_2, .timeout = 600)
{
    shipped(NULL, 1);
}

Test(conformance, every_other_codec_passes_3, .timeout = 600)
{
    shipped(NULL, 2);
}

Test(conformance, every_other_codec_passes_4, .timeout = 600)
{
    shipped(NULL, 3);
}

Test(conformance, the_example_from_outside_passes, .timeout = 600)
{
    struct qb_registry *registry = load_plugin(plugin_path("outside/example.so"));
    passes(qb_registry_at(registry, 0), qb_cpu()->isa);
    qb_registry_free(registry);
}

/* What a planted plugin's run found: the failures, and whether one is of `check` with `words` in its message. */
struct finding {
    const char *check, *words;
    bool found;
    size_t failures;
    char first[600]; /* the first failure, for the log */
};

static void look(void *context, const struct qb_conformance_result *result)
{
    struct finding *finding = context;
    if (result->verdict != QB_VERDICT_FAIL)
        return;
    if (finding->failures++ == 0)
        snprintf(finding->first, sizeof finding->first, "%s: %s", result->check, result->message);
    if (finding->check && strcmp(result->check, finding->check) == 0 && strstr(result->message, finding->words))
        finding->found = true;
}

static struct finding run_planted(const char *name, double seconds, const char *check, const char *words)
{
    char path[64];
    snprintf(path, sizeof path, "planted/%s.so", name);
    struct qb_registry *registry = load_plugin(plugin_path(path));
    struct finding finding = {.check = check, .words = words};
    struct qb_conformance_limits limits = {.seconds = seconds, .seed = 1};
    struct qb_conformance_summary summary;
    struct qb_error err = {0};
    cr_assert_eq(qb_conformance(qb_registry_at(registry, 0), qb_cpu()->isa, &limits, look, &finding, &summary, &err),
                 QB_OK, "%s", err.message);
    cr_assert_eq(summary.failed, finding.failures);
    cr_assert_eq(summary.passed + summary.failed + summary.skipped, 22, "the suite did not go on to its end");
    qb_registry_free(registry);
    return finding;
}

Test(planted, the_sound_one_passes, .timeout = 600)
{
    struct finding finding = run_planted("sound", 300, NULL, NULL);
    cr_assert_eq(finding.failures, 0, "%s", finding.first);
}

static void is_found(const char *name, const char *check, const char *words)
{
    /* The short limit is the hanging one's alone: the others' checks may take their time on a busy machine. */
    struct finding finding = run_planted(name, strcmp(name, "hang") == 0 ? 2 : 300, check, words);
    cr_assert(finding.found, "%s: no failure of '%s' says '%s'; %zu failures, the first: %s", name, check, words,
              finding.failures, finding.first);
}

Test(planted, off_by_one, .timeout = 600)
{
    is_found("off_by_one", "idempotence", "decoded again after encoding that it is");
}

Test(planted, nan_in_one_row, .timeout = 600)
{
    is_found("nan_row", "round trip", "left element (22, 0) not finite or not written");
}

Test(planted, crash, .timeout = 600)
{
    is_found("crash", "row ranges", "crashed with signal 11 (SIGSEGV) in check 'row ranges'");
}

Test(planted, hang, .timeout = 600)
{
    is_found("hang", "row ranges", "hung: over 2 s in check 'row ranges'");
}

Test(planted, exits, .timeout = 600)
{
    is_found("exits", "row ranges", "ended the process with status 0 in check 'row ranges'");
}

Test(planted, overrun, .timeout = 600)
{
    is_found("overrun", "round trip", "wrote 1 byte(s) past the end of the encoded bytes, the first at end + 0");
}

Test(planted, overrun_is_caught_at_the_page_too, .timeout = 600)
{
    is_found("overrun", "exact buffers", "touched byte 1 past the end of the encoded bytes");
}

Test(planted, reads_past_the_end, .timeout = 600)
{
    is_found("reads_past_end", "exact buffers", "touched byte 1 past the end of the encoded bytes");
}

Test(planted, columns_that_are_no_whole_blocks, .timeout = 600)
{
    is_found("block_width", "sizes", "encoded_size of 2 x 40, in blocks of 32, gave OK");
}

Test(planted, blocks_that_are_not_named, .timeout = 600)
{
    is_found("block_name", "sizes", "encoded_size of 2 x 1, in blocks of 32, gave UNSUPPORTED");
}

Test(planted, drifts_more_than_promised, .timeout = 600)
{
    is_found("rescales", "idempotence", "30 was promised");
}

Test(planted, state, .timeout = 600)
{
    is_found("state", "determinism", "two encodes of the same 1 x 1 values differ");
}

Test(planted, output_not_written, .timeout = 600)
{
    is_found("tail_unwritten", "round trip", "left element (0, 0) not finite or not written");
}

Test(planted, wrong_rows, .timeout = 600)
{
    is_found("row_ranges", "row ranges", "differ from the same rows of the whole");
}

Test(planted, accepts_nan, .timeout = 600)
{
    is_found("accepts_nan", "NaN and Inf", "BAD_INPUT was due");
}

Test(planted, levels_differ, .timeout = 600)
{
    if (qb_cpu()->isa == QB_ISA_PORTABLE)
        cr_skip_test("the CPU has the portable level only");
    is_found("isa", "instruction sets", "decode of 1 x 1 differs between level 1 and the portable one");
}

Test(planted, accepts_too_few_bytes, .timeout = 600)
{
    is_found("short_size", "small buffers", "decode of 1 x 1 accepted 0 bytes, 1 are needed");
}

Test(planted, part_at_the_wrong_rows, .timeout = 600)
{
    is_found("part_rows", "encode in parts", "23 x 1 encoded row by row differs from what encode gives");
}

Test(planted, part_names_the_wrong_element, .timeout = 600)
{
    is_found("part_index", "encode in parts", "element 66 of 5 x 64 in parts gave BAD_INPUT, index 2");
}

Test(planted, gemv_of_the_wrong_rows, .timeout = 600)
{
    is_found("gemv_rows", "gemv", "gemv: row 22 of input 0 gives");
}

Test(planted, gemv_differs_over_ranges, .timeout = 600)
{
    is_found("gemv_range", "gemv", "gemv: row 22 of input 0 is");
}

Test(planted, gemv_reads_past_x, .timeout = 600)
{
    is_found("gemv_reads_past_x", "gemv", "touched byte 1 past the end of the input values");
}

Test(planted, gemm_tile_of_another_ldy, .timeout = 600)
{
    is_found("gemm_ldy", "gemm tile", "gemm_tile wrote between the rows of y");
}

Test(planted, layout_of_another_row, .timeout = 600)
{
    is_found("layout_row", "layout", "row 1, column 0 of 23 x 1 is");
}

Test(planted, layout_past_the_end, .timeout = 600)
{
    is_found("layout_end", "layout", "the layout of 1 x 1 is of no known kind or not within its");
}

Test(planted, unknown_status, .timeout = 600)
{
    is_found("status", "NaN and Inf", "encode returned the unknown status 77");
}

Test(planted, message_without_end, .timeout = 600)
{
    is_found("message", "NaN and Inf", "encode left a message without an end");
}

/* What the registry refuses to load, and why. */
static void is_refused(const char *name, enum qb_status status, const char *words)
{
    char path[64];
    snprintf(path, sizeof path, "planted/%s.so", name);
    const char *const extra[] = {plugin_path(path), NULL};
    struct qb_registry *registry = NULL;
    struct qb_error err = {0};
    cr_assert_eq(qb_registry_open(NULL, extra, &registry, &err), status);
    cr_assert_null(registry);
    cr_assert(strstr(err.message, words), "'%s' does not say '%s'", err.message, words);
    cr_assert(strstr(err.message, name), "'%s' does not name the file", err.message);
}

Test(planted, a_promise_that_means_nothing, .timeout = 600)
{
    is_found("means_nothing", "tolerance", "decoding every value to 0 would keep it");
}

Test(planted, abi_version)
{
    is_refused("abi_version", QB_ERR_CODEC, "it was built for plugin ABI version 5, this program has version 4");
}

Test(planted, struct_size)
{
    char words[128];
    snprintf(words, sizeof words, "its struct qb_codec has %zu bytes, this program's has %zu",
             sizeof(struct qb_codec) - 8, sizeof(struct qb_codec));
    is_refused("struct_size", QB_ERR_CODEC, words);
}

Test(planted, missing_function)
{
    is_refused("missing_function", QB_ERR_CODEC, "codec 'planted' lacks the mandatory function decode");
}

Test(planted, parts_without_passes)
{
    is_refused("part_passes", QB_ERR_CODEC, "codec 'planted' has encode_part without encode_passes");
}

Test(planted, no_entry)
{
    is_refused("no_entry", QB_ERR_CODEC, "no plugin: it does not export qb_codec_entry");
}

Test(planted, default_out_of_range)
{
    is_refused("options", QB_ERR_CODEC, "option 'bits': its default: expected an integer in [2, 8], found '9'");
}
