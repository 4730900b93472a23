/* Whole runs of tiny suites: what cells of every state say of themselves, and what a resumed run loads. */
#include <fcntl.h>
#include <sys/inotify.h>
#include "unit/suite_fixture.h"
#include "run/engine.h"
#include "run/inputs.h"

TestSuite(run, .init = fixture_begin, .fini = fixture_end, .timeout = 600);

/* In the place of the build's own. */
static const char *computes = "0123";
const char *qb_compute_version(void)
{
    return computes;
}

static char warnings[4096];

static void listen_to(void *context, const struct qb_run_event *event)
{
    (void)context;
    if (event->kind == QB_RUN_WARNING)
        snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", event->text);
}

static struct qb_run_summary run(const struct qb_suite *suite, bool resume, const char *only)
{
    struct qb_error err = {0};
    struct qb_run_summary summary;
    struct qb_only chosen = {0};
    cr_assert(!only || !qb_only_add(&chosen, only, &err), "%s", err.message);
    const struct qb_run_options options = {.output = scratch_path("r.h5"),
                                           .only = &chosen,
                                           .resume = resume,
                                           .jobs = 2,
                                           .threads = 1,
                                           .isa = QB_ISA_PORTABLE,
                                           .event = listen_to};
    warnings[0] = '\0';
    cr_assert_eq(qb_run(suite, &options, &summary, &err), QB_OK, "%s", err.message);
    return summary;
}

static const struct qb_cell *cell_of(const struct qb_result *result, const char *model, const char *variant,
                                     const char *experiment)
{
    size_t i = qb_result_find(result, model, variant, experiment);
    cr_assert_neq(i, SIZE_MAX, "%s/%s/%s", model, variant, experiment);
    return qb_result_cell(result, i);
}

/* The cells of `lost` fail for want of a tokenizer; linearity is skipped under fp32. */
#define STATES                                                                                                         \
    "name: s\nmodels:\n"                                                                                               \
    "  a: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 4, seed: 1}}\n"                        \
    "  b: {generator: chain, vocab: 50, hidden: 16, layers: 1, prompt: {random: 5, seed: 2},\n"                        \
    "      options: {greedy: {steps: 6}}}\n"                                                                           \
    "  lost: {generator: chain, vocab: 50, hidden: 16, layers: 1, prompt: {corpus: suite.yaml, count: 1, length: "     \
    "1}}\n"                                                                                                            \
    "variants: [fp32, int8-tensor]\nexperiments: {greedy: {steps: 4}, linearity: {trials: 3, length: 64}}\n"

Test(run, every_cell_says_its_inputs_and_options)
{
    struct qb_error err = {0};
    struct qb_suite *suite = fixture_suite(STATES, NULL);
    struct qb_run_summary summary = run(suite, false, NULL);
    cr_expect(summary.done > 0 && summary.failed > 0 && summary.skipped > 0, "%zu %zu %zu", summary.done,
              summary.failed, summary.skipped);
    struct qb_result *result;
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
    for (size_t m = 0; m < 2; m++) {
        struct qb_model *model = NULL;
        struct qb_inputs in = {0};
        struct qb_token_cache cache = {0};
        cr_assert_eq(qb_model_generate("chain", &suite->models[m].generated, &model, &err), QB_OK);
        cr_assert_eq(qb_inputs_make(suite, &suite->models[m], &suite->experiments[0], model, &cache, &in, &err), QB_OK);
        const char *due[] = {"steps=4", "steps=6"}, *const variants[] = {"reference", "fp32", "int8-tensor"};
        for (size_t v = 0; v < 3; v++) {
            const struct qb_cell *cell = cell_of(result, suite->models[m].name, variants[v], "greedy");
            cr_expect_eq(cell->state, QB_CELL_DONE, "%s", cell->message);
            cr_expect_str_eq(cell->options, due[m]);
            cr_expect_str_eq(cell->inputs, in.sha256);
        }
        const struct qb_cell *skipped = cell_of(result, suite->models[m].name, "fp32", "linearity");
        cr_expect_eq(skipped->state, QB_CELL_SKIPPED);
        cr_expect_not_null(strstr(skipped->options, "trials=3"), "%s", skipped->options);
        cr_expect_eq(strlen(skipped->inputs), QB_HASH_HEX - 1);
        qb_inputs_free(&in);
        qb_model_free(model);
    }
    const struct qb_cell *failed = cell_of(result, "lost", "int8-tensor", "greedy");
    cr_expect_eq(failed->state, QB_CELL_FAILED);
    cr_expect_str_eq(failed->options, "steps=4");
    cr_expect_str_eq(failed->inputs, "", "its inputs could not be made");
    qb_result_close(result);
    qb_suite_free(suite);
}

/* How often the weights were opened while `suite` ran. */
static size_t opened(const struct qb_suite *suite, const char *weights, bool resume, const char *only)
{
    _Alignas(struct inotify_event) char events[65536];
    size_t count = 0;
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    cr_assert_geq(watch, 0);
    cr_assert_geq(inotify_add_watch(watch, weights, IN_OPEN | IN_CLOSE), 0); /* equal events in a row would be one */
    struct qb_run_summary summary = run(suite, resume, only);
    cr_assert_eq(summary.failed, 0);
    cr_assert(!resume || summary.taken == summary.total, "%zu of %zu taken", summary.taken, summary.total);
    for (ssize_t n; (n = read(watch, events, sizeof events)) > 0;)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(events + at);
            count += (event->mask & IN_OPEN) != 0;
            at += (ssize_t)(sizeof *event + event->len);
        }
    close(watch);
    return count;
}

Test(run, a_resumed_whole_run_loads_each_model_once)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    const struct qb_generator_options small = {.vocab = 60, .hidden = 16, .layers = 1, .seed = 1};
    char weights[PATH_MAX];
    snprintf(weights, sizeof weights, "%s", scratch_path("m.safetensors"));
    cr_assert_eq(qb_model_generate("chain", &small, &model, &err), QB_OK);
    cr_assert_eq(qb_model_save(model, false, weights, &err), QB_OK, "%s", err.message);
    qb_model_free(model);
    struct qb_suite *suite =
        fixture_suite("name: s\nmodels: {m: {file: m.safetensors, prompt: {random: 4, seed: 1}}}\nvariants: [fp32]\n"
                      "experiments: {greedy: {steps: 3}, speed: {repeats: 3, prefill: 4, decode: 2}}\n",
                      NULL);
    size_t whole = opened(suite, weights, false, NULL);
    cr_assert_gt(whole, 0);
    cr_expect_eq(2 * opened(suite, weights, true, NULL), whole, "timed cells are taken with the others");
    cr_expect_eq(2 * opened(suite, weights, true, "m/fp32/greedy"), whole, "and so are cells that are not asked for");
    struct qb_result *result;
    cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK);
    cr_expect_eq(cell_of(result, "m", "fp32", "speed")->state, QB_CELL_DONE);
    qb_result_close(result);
    qb_suite_free(suite);
}

/* The prompt is the generator's next draws, as the first calibration context is. */
Test(run, calibration_on_evaluated_text_is_said_once_a_model)
{
    struct qb_suite *suite =
        fixture_suite("name: s\nmodels:\n"
                      "  own: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 10, seed: model}}\n"
                      "  other: {generator: chain, vocab: 60, hidden: 16, layers: 1, prompt: {random: 10, seed: 9}}\n"
                      "variants: [fp32, calibrated, calibrated-asrun]\nexperiments: {greedy: {steps: 4}}\n",
                      NULL);
    run(suite, false, NULL);
    const char *line = strstr(warnings, "model 'own': 1 calibration context occurs in the text that calibrated");
    cr_assert_not_null(line, "%s", warnings);
    cr_expect_null(strstr(line + 1, "model 'own'"), "%s", warnings);
    cr_expect_null(strstr(warnings, "model 'other'"), "%s", warnings);
    run(suite, true, NULL);
    cr_expect_not_null(strstr(warnings, "model 'own': 1 calibration context"), "a resumed run says it again");
    qb_suite_free(suite);
}

Test(run, what_computes_decides_what_runs_again)
{
    struct qb_suite *suite =
        fixture_suite("name: s\nmodels: {m: {generator: chain, vocab: 60, hidden: 16, layers: 1}}\nvariants: [fp32]\n"
                      "experiments: {greedy: {steps: 4, prompt: {random: 4, seed: 1}}, memory: {}}\n",
                      NULL);
    cr_expect_eq(run(suite, false, NULL).taken, 0);
    struct qb_run_summary same = run(suite, true, NULL);
    cr_expect_eq(same.taken, same.total, "nothing that computes has changed");
    computes = "4567";
    struct qb_run_summary other = run(suite, true, NULL);
    cr_expect(other.taken == 0 && other.done == other.total, "%zu of %zu taken", other.taken, other.total);
    qb_suite_free(suite);
}
