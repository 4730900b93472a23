/* Numbers, marks and captions of figures, from planted arrays; expected values by hand. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include "figure_plants.h"
#include "reports/figure.h"
#include "reports/claims.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(figures_numbers, .init = begin, .fini = scratch_end, .timeout = 600);

static void draw(struct planted *p, const char *formats)
{
    struct qb_text report = {0};
    struct qb_error err = {0};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    struct qb_figure_options options = {.folder = folder, .formats = formats};
    cr_assert_eq(draw_figures(p, &options, NULL, &report, &err), QB_OK, "%s", err.message);
    qb_text_free(&report);
    free(p);
}

static void expect_no_text(const char *name, const char *unwanted)
{
    char *text = read_back(name);
    cr_expect_null(strstr(text, unwanted), "%s has '%s'", name, unwanted);
    qb_free(text);
}

Test(figures_numbers, come_from_the_arrays)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_greedy(p, "m", "pattern-a", 2, 40, 10, 0);
    plant_forced(p, "m", "pattern-a", 100, 1e-6, true);
    plant_depth(p, "m", "pattern-a", 3, 0.01);
    plant_memory(p, "m", "pattern-a", 1 << 20, 429056);
    plant_speed(p, "m", "pattern-a", 1.5);
    draw(p, "svg");
    expect_text("out/figures/match.dat", "\n10 100\n11 90.9091\n");
    expect_text("out/figures/match.dat", "\n40 25\n");
    expect_text("out/figures/match.txt", "m 2 prompts x 40 steps");
    expect_text("out/figures/kl.dat", "\n5e-05 50\n");
    expect_text("out/figures/depth.dat", "\n3 0.033 0.03 0.036 0.011\n"); /* errors 0.03, 0.033, 0.036 */
    expect_text("out/figures/memory.dat", "\n1 1 2 4 0 0.000976562 0 0.40918\n");
    expect_text("out/figures/memory.txt", "The diamond marks");
    expect_text("out/figures/memory.txt", "0.41, where the buffers hold 7.00");
    expect_text("out/figures/speed.dat", "\n1 1.5 1.5 1.5 1.5 1.5 1.5 ");
    expect_text("out/figures/speed.dat", " 15.6 93.6\n"); /* its own ceilings: 1.04 * 15 GB/s, 1.04 * 90 GFLOP/s */
    /* 5e8 flop / 250 tokens / 4e6 bytes; 10 steps in 1.04 * 15 ms under 0.5 * 1.04 * 12 GB/s; a prefill in as many */
    expect_text("out/figures/roofline.dat", "\n 0.5 1.28205 1.23457 1.33333 6.24 125 32.0513 30.8642 33.3333 93.6\n");
    expect_text("out/README.md", "figures/match.svg");
    expect_text("out/README.md", "n: m 100 positions.");
}

/* The source's formula subtracts more than the model has: no size, no diamond. */
Test(figures_numbers, a_formula_that_gives_no_size_is_not_marked)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_memory(p, "m", "pattern-a", 1 << 20, -429056);
    draw(p, "svg");
    expect_text("out/figures/memory.dat", "\n1 1 2 4 0 0.000976562 0 nan\n");
    expect_no_text("out/figures/memory.txt", "diamond");
    expect_no_text("out/figures/memory.svg", "published formula");
}

/* The published squares are the ledger's, and none is drawn without one or for what is not due to reproduce. */
Test(figures_numbers, published_numbers_come_from_the_ledger)
{
    static const char ledger_text[] =
        "document: d\ntitle: t\nclaims:\n"
        "  - {id: a, place: p, lines: 1, what: w, quote: q, says: s, published: 7.7%, reproduces: yes,\n"
        "     cell: source-chain/legacy-asrun/greedy/match_rate, format: \"%.1f%%\", expect: 7.7%}\n"
        "  - {id: b, place: p, lines: 2, what: w, quote: q, says: s, published: 9.9%, reproduces: no, reason: r,\n"
        "     cell: source-chain/pattern-a/greedy/match_rate, format: \"%.1f%%\", expect: 9.9%}\n";
    for (int with = 0; with < 2; with++) {
        struct planted *p = calloc(1, sizeof *p);
        struct qb_ledger *ledger = NULL;
        struct qb_text report = {0};
        struct qb_error err = {0};
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%s", scratch_path("out"));
        plant_greedy(p, "source-chain", "legacy-asrun", 1, 40, 10, 0);
        plant_greedy(p, "source-chain", "pattern-a", 1, 40, 10, 0);
        mkdir(scratch_path("ledger"), 0777);
        scratch_write("ledger/d.yaml", ledger_text, strlen(ledger_text));
        cr_assert_eq(qb_ledger_load(scratch_path("ledger"), &ledger, &err), QB_OK, "%s", err.message);
        struct qb_figure_options options = {
            .folder = folder, .formats = "svg", .only = "controlled", .ledger = with ? ledger : NULL};
        cr_assert_eq(draw_figures(p, &options, NULL, &report, &err), QB_OK, "%s", err.message);
        expect_text("out/figures/controlled.dat",
                    with ? "\n2 nan 7.7 nan nan nan 0 25 " : "\n2 nan nan nan nan nan 0 25 ");
        expect_text("out/figures/controlled.dat", "\n1 nan nan nan nan nan 0 25 ");
        qb_ledger_free(ledger);
        qb_text_free(&report);
        free(p);
    }
}

/* Divergence at steps 11, 21, 31, one censored at 35: S = 3/4, 2/4, 1/4. Intervals: S^exp(+-1.96 sqrt(sum d/(n(n-d))) /
 * ln S), in Python. */
Test(figures_numbers, survival_is_kaplan_meier)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_greedy(p, "m", "pattern-a", 4, 35, 10, 10);
    plant_greedy(p, "single", "pattern-a", 1, 35, 10, 0);
    draw(p, "svg");
    expect_text("out/figures/survival.dat", "\n10 100 nan nan\n11 75 12.7947 96.0549\n12 75 12.7947 96.0549\n");
    expect_text("out/figures/survival.dat", "\n20 75 12.7947 96.0549\n21 50 5.78471 84.4861\n");
    expect_text("out/figures/survival.dat", "\n35 25 ");
    expect_text("out/README.md", "model single \\(one prompt\\)");
}

/* Without the documents' models there is nothing published to compare with. */
Test(figures_numbers, controlled_needs_the_documents_models)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_forced(p, "kjv-transformer", "pattern-a", 100, 1e-4, true);
    draw(p, "svg");
    expect_text("out/README.md", "nor source-chain");
}

/* Three formats of 9.5, 14 and 20 bits: the third is undercut by the second in both. */
Test(figures_numbers, pareto_front_and_floors)
{
    static const char *const variants[] = {"int8-tensor", "int8-channel", "pattern-a"};
    struct planted *p = calloc(1, sizeof *p);
    for (int v = 0; v < 3; v++) {
        plant_forced(p, "m", variants[v], 100, v == 0 ? 1e-4 : v == 1 ? 1e-6 : 1e-5, true);
        plant_memory(p, "m", variants[v], (int64_t)1 << (v == 0 ? 18 : 19 + v), 429056);
    }
    plant_forced(p, "m", "fp32-reordered", 100, 1e-8, true);
    plant_forced(p, "m", "fp16", 100, 0, true);
    plant_memory(p, "m", "fp16", 1 << 20, 429056);
    draw(p, "svg");
    expect_text("out/figures/bits.dat", "\n9.50195 9.50195 0.00505 ");
    expect_text("out/figures/bits.dat", "\n14.002 14.002 5.05e-05 ");
    /* fp16's exact 0 stands on the axis' end, under the floor's 5.05e-7; the front is of what loses something */
    expect_text("out/figures/bits.dat", "\n14.002 14.002 1e-07 nan nan\n");
    expect_text("out/figures/bits.dat", "KL in nat\n9.50195 0.00505\n14.002 5.05e-05\n22 5.05e-05\n");
    expect_text("out/figures/bits.gp", "floor_kl[1] = 5.05e-07\nfloor_kl[2] = -1\nfloor_kl[3] = -1\n");
    expect_text("out/figures/kl.gp", "floors[1] = 1");
    /* the same on the bits of what is encoded: 3 x 2^18 bytes for 2 x 2^20 values are 3 bits */
    expect_text("out/figures/encoded.gp", "xname[1] = \"bits a weight of what is encoded\"");
    expect_text("out/figures/encoded.dat", "\n3 3 0.00505 ");
    expect_text("out/README.md", "Exactly 0 at every position, so without a curve: FP16 on m.");
}

/* KL 1 to 100 in two chunks of 50; FP16's 1536 bytes a token are 16 bits. */
Test(figures_numbers, of_a_kv_cache)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_kv(p, "m", "kv-int8", 100, 1, 864);
    draw(p, "svg");
    expect_text("out/figures/cache.dat", "\n9 9 50.5 ");
    expect_text("out/figures/cache.gp", "xname[1] = \"bits of a kept key or value\"");
    expect_text("out/figures/position.dat", "\n1 27\n2.5 28.5\n");
    expect_text("out/figures/position.txt", "n: m 100 positions of 2 chunks.");
}

/* 5 of 100 positions to wrong, against 5 or 0 to right, in two chunks of 50: nets of +1 and -1, p 1; and of 3 and 2,
 * mean 0.05, se 0.01, t 5 of one degree of freedom, which is Cauchy's distribution; doubled by Holm. */
Test(figures_numbers, flips_and_their_test)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_forced(p, "m", "int8-channel", 100, 1e-6, true);
    plant_forced(p, "m", "pattern-a", 100, 1e-6, false);
    draw(p, "svg");
    double x[2][11] = {{0}};
    char *text = read_back("out/figures/flips.dat");
    size_t at = 0;
    while (text[at] && strncmp(text + at, "by Holm\n", 8) != 0)
        at++;
    char *row = text + at + (text[at] ? 8 : 0);
    for (int r = 0; r < 2; r++)
        for (int k = 0; k < 11; k++)
            x[r][k] = strtod(row, &row);
    qb_free(text);
    cr_expect(x[0][1] == 5 && x[0][4] == 5 && x[0][7] == 0 && x[0][10] == 1);
    cr_expect(x[1][1] == 5 && x[1][4] == 0 && x[1][7] == 5);
    cr_expect_float_eq(x[1][10], 2 * (1 - 2 / acos(-1.0) * atan(5.0)), 1e-6, "p %g", x[1][10]);
    cr_expect(x[0][8] <= 0 && x[0][9] >= 0, "net [%g, %g]", x[0][8], x[0][9]);
}

/* Its role puts a head behind the layers, whatever it is called. */
Test(figures_numbers, a_head_is_known_by_its_role)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_attribute(p, "m", "calibrated", 4, 1);
    const struct qb_record *record = &planted_cell(p, "m", "calibrated", "attribute")->record;
    ((int32_t *)qb_record_find(record, "swap_layer")->data)[0] = -1;
    ((int32_t *)qb_record_find(record, "swap_role_bits")->data)[0] = QB_ROLE_HEAD;
    draw(p, "svg");
    expect_text("out/figures/tensors.gp", "tensors_1[1] = \"layers.0.attn.out\"");
    expect_text("out/figures/tensors.gp", "tensors_1[4] = \"layers.0.attn.qkv\"");
}

/* The waterfall ends where the total stands; shares and cells under the arithmetic floor are marked. */
Test(figures_numbers, attribution_marks_what_is_not_resolved)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_attribute(p, "m", "calibrated", 4, 1);
    planted_value(p, "m/int8-tensor/attribute/total_kl", 1, 10); /* nothing swapped: no column of the heat map */
    plant_forced(p, "m", "fp32-reordered", 100, 1e-6, true);     /* floor 5.05e-5 */
    draw(p, "svg");
    expect_text("out/figures/attribution.dat", "\n1 \"store\" 0 0.0004 -0.1996 0.2004 0 0 0.0004 \"+4e-4\"\n");
    expect_text("out/figures/attribution.dat", "\n3 \"S\" 6.5004 5.6004 5.4004 5.8004 0 0 -0.9 \"-0.90\"\n");
    expect_text("out/figures/attribution.dat", "\n5 \"FP16\" 5.8004 4.5004 4.3004 4.7004 0 0 -1.3 \"-1.30\"\n"
                                               "6 \"total\" 0 4.5004 4.3004 4.7004 1 0 4.5004 \"+4.50\"\n");
    /* mean KL 1e-6, 1e-5, 1e-4, 1e-3 */
    expect_text("out/figures/tensors.dat", "\n1 1 nan 1\n1 2 nan 1\n1 3 -4.000 0\n1 4 -3.000 0\n");
    expect_text("out/figures/tensors.gp", "nvariants = 1\n");
    expect_text("out/figures/tensors.gp", "tensors_1[4] = \"layers.0.mlp.down\"");

    p = calloc(1, sizeof *p);
    plant_attribute(p, "m", "calibrated", 4, 1);
    plant_forced(p, "m", "fp32-reordered", 100, 1e-2, true); /* floor 0.505: the first and the fourth are under it */
    draw(p, "svg");
    expect_text("out/figures/attribution.dat", "\n1 \"store\" 0 0.0004 -0.1996 0.2004 0 1 0.0004 \"+4e-4\"\n");
    expect_text("out/figures/attribution.dat", "\n4 \"alpha\" 5.6004 5.8004 5.6004 6.0004 0 1 0.2 \"+0.20\"\n");
    expect_text("out/figures/attribution.dat", "0 0 -0.9 \"-0.90\"\n");
}

static void flag(struct planted *p, const char *variant, const char *metric, uint32_t bit)
{
    struct qb_cell *cell = planted_cell(p, "m", variant, "greedy");
    size_t found = 0;
    for (size_t i = 0; i < cell->value_count; i++)
        if (strcmp(cell->values[i].metric, metric) == 0) {
            cell->values[i].flags |= bit;
            found++;
        } else {
            cell->values[i].flags &= ~bit;
        }
    cr_assert_eq(found, 1);
}

Test(figures_numbers, degenerate_runs_are_void)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_greedy(p, "m", "int8-channel", 2, 40, 10, 5);
    plant_greedy(p, "m", "pattern-a", 2, 40, 20, 5);
    flag(p, "pattern-a", "match_rate", QB_FLAG_DEGENERATE);
    flag(p, "int8-channel", "match_rate_10", QB_FLAG_DEGENERATE); /* another metric's flag is not this figure's */
    draw(p, "svg");
    expect_text("out/figures/match.gp", "voids[1] = 0\nvoids[2] = 1\nvoid_panels[1] = 0\n");
    expect_text("out/figures/survival.gp", "voids[1] = 0\nvoids[2] = 1\nvoid_panels[1] = 0\n");
    expect_text("out/README.md", "can tell\\): Pattern A on m.");

    p = calloc(1, sizeof *p);
    plant_greedy(p, "m", "pattern-a", 2, 40, 20, 5);
    flag(p, "pattern-a", "match_rate", QB_FLAG_DEGENERATE);
    draw(p, "svg");
    expect_text("out/figures/match.gp", "voids[1] = 1\nvoid_panels[1] = 1\n");
    expect_text("out/figures/match.svg", ", void</text>");
}

Test(figures_numbers, names_are_shortened_and_equal_curves_named)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_forced(p, "m", "qins-group64-embedding-and-head-kept", 100, 1e-6, true);
    plant_forced(p, "m", "qins-group64-embedding-and-head-in-fp16", 100, 1e-6, true);
    plant_forced(p, "m", "pattern-a", 100, 1e-5, true);
    draw(p, "svg");
    expect_text("out/figures/kl.gp", "labels[2] = \"qins-group64-embe\xe2\x80\xa6 [1]\"\ntypes");
    expect_text("out/README.md",
                "Equal at every point: m: qins-group64-embedding-and-head-kept = "
                "qins-group64-embedding-and-head-in-fp16. Shortened names: \\[1\\] "
                "qins-group64-embedding-and-head-kept; \\[2\\] qins-group64-embedding-and-head-in-fp16.");
    expect_no_text("out/README.md", "= Pattern A");
}

/* LaTeX: special characters, powers, and the path that a document can set. */
/* A run without teacher-forced, as suite real, is drawn from kl: (3 * 2^19 + 2^22 + 2^10) bytes of 2^22 weights. */
Test(figures_numbers, kl_stands_in_for_teacher_forced)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_text(p, "kl", "m", "pattern-a", 100, 1e-5, true);
    plant_memory(p, "m", "pattern-a", (int64_t)1 << 19, 429056);
    draw(p, "svg");
    expect_text("out/figures/bits.dat", "\n11.002 11.002 0.000505 ");
    expect_text("out/figures/bits.txt", "(nat, logarithmic, kl)");
    expect_text("out/figures/kl.dat", "\n0.0005 50\n");
    expect_text("out/figures/flips.txt", "n: up to 100 positions");
}

/* By their names alone q6_k and pattern-a-row would look the same. */
Test(figures_numbers, variants_of_one_figure_look_different)
{
    static const char *const variants[] = {"pattern-a", "pattern-a-row", "q8_0",   "q6_k",  "q5_k",
                                           "q5_1",      "q5_0",          "q4_k",   "q4_1",  "q4_0",
                                           "q3_k",      "q2_k",          "iq4_nl", "mxfp4", "nvfp4"};
    enum { COUNT = sizeof variants / sizeof *variants };
    unsigned types[COUNT], alone;
    qb_figure_linetypes(variants, COUNT, types);
    cr_expect_eq(types[0], 6u);
    for (size_t i = 1; i < COUNT; i++) {
        cr_expect(types[i] >= 24 && types[i] < 48, "%s: %u", variants[i], types[i]);
        for (size_t j = 0; j < i; j++)
            cr_expect_neq(types[i], types[j], "%s and %s", variants[i], variants[j]);
    }
    qb_figure_linetypes(&variants[2], 1, &alone);
    cr_expect_eq(alone, types[2]);
}

Test(figures_numbers, tex_is_escaped)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_forced(p, "a_model", "pattern-a", 100, 1e-6, true);
    draw(p, "tex");
    expect_text("out/figures/kl.tex", "a\\_model (100 positions)");
    expect_text("out/figures/kl.tex", "positions (\\char37{})");
    expect_text("out/figures/kl.tex", "KL(FP32 $|$$|$ variant) (nat)");
    expect_text("out/figures/kl.tex", "$10^{-5}$");
    expect_text("out/figures/kl.tex", "{\\qbfigures kl-tex}");
    expect_text("out/figures/kl.tex", "\\providecommand{\\qbfigures}{figures/}");
    expect_text("out/README.md", "[tex](figures/kl.tex)");
}

/* Bits are of what is encoded: 8 * (1000 + 10 (v % 9)) / 1000. KL grows from scale to n * scale: (n + 1) / 2 * scale.
 */
Test(figures_numbers, a_landscape_has_every_variant_by_how_far_it_came)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_search(p, "m");
    plant_forced(p, "few", "pattern-a", 100, 1e-6, true);
    planted_cell(p, "few", "pattern-a", "teacher-forced")->reach =
        (struct qb_reach){.known = true, .tensors = 1, .weights = 1000, .bytes = 1000};
    draw(p, "svg");
    expect_text("out/figures/landscape.dat", "\n8 2.005e-05 ");
    expect_text("out/figures/landscape.dat", " 400 candidate-0\n");
    expect_text("out/figures/landscape.dat", "\n8.08 8.04e-05 ");
    expect_text("out/figures/landscape.dat", " 200 candidate-1\n");
    expect_text("out/figures/landscape.dat", " 100 candidate-17\n");
    expect_text("out/figures/landscape.txt", "of the most positions: candidate-0 (8.00 bits");
    expect_text("out/figures/landscape.txt", "model few (no");
}

Test(figures_numbers, a_landscape_of_few_variants_is_left_to_figure_encoded)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_forced(p, "m", "pattern-a", 100, 1e-6, true);
    draw(p, "svg");
    struct stat info;
    cr_expect(stat(scratch_path("out/figures/landscape.dat"), &info) != 0);
    expect_text("out/README.md", "which figure encoded would tell apart");
}

/* Six formats, KL from 5.05e-1 down by tens. Ranks by hand: as KL's; reversed; the first two exchanged (1 - 12/210);
 * 2 3 1 5 6 4 (1 - 72/210). */
Test(figures_numbers, predictors_are_ranked_and_fitted)
{
    static const int order[4][6] = {{1, 2, 3, 4, 5, 6}, {6, 5, 4, 3, 2, 1}, {2, 1, 3, 4, 5, 6}, {2, 3, 1, 5, 6, 4}};
    struct planted *p = calloc(1, sizeof *p);
    for (size_t v = 0; v < 6; v++) {
        const double error[] = {pow(10, -order[0][v]), pow(10, -order[1][v]), pow(10, -order[2][v]),
                                pow(10, -order[3][v])};
        char name[16];
        snprintf(name, sizeof name, "format-%zu", v);
        plant_predict(p, "m", name, pow(10, -2.0 - (double)v), error);
    }
    plant_predict(p, "m", "exact", 0, (double[]){0, 0, 0, 0});
    plant_predict(p, "few", "q8_0", 1e-3, (double[]){0.1, 0.1, 0.1, 0.1});
    draw(p, "svg");
    expect_text("out/figures/predictors.dat", "\n10 0.505 format-0\n");
    expect_text("out/figures/predictors.dat", "\n60 5.05e-06 format-5\n");
    const char *caption = "out/figures/predictors.txt";
    expect_text(caption, "1.000 [1.000, 1.000]");
    expect_text(caption, "-1.000");
    expect_text(caption, "0.943");
    expect_text(caption, "0.657");
    expect_text(caption, "slope -1.00");
    expect_text(caption, "flagged: 1");
    expect_text(caption, "(too few formats");
    expect_text("out/figures/predictors.svg", "0.943 [");
}
