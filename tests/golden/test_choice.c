/* The log-likelihoods of multiple choice against a second implementation in float64 (choice.json, by make_choice.py):
 * the shipped tasks and the CSV form on two models. */
#include <unistd.h>
#include "golden_numbers.h"
#include "base/file.h"
#include "run/inputs.h"
#include "unit/suite_fixture.h"

TestSuite(choice, .init = fixture_begin, .fini = fixture_end, .timeout = 120);

static json_t *golden;
static struct qb_suite *suite;
static struct qb_model *model;
static struct qb_inputs inputs;
static double *sums; /* of all choices */
static struct qb_record record;

/* Runs the reference of `choice` with these tasks. */
static void run(const char *file, const char *tasks)
{
    static char text[2048], folder[1024];
    struct qb_error err = {0};
    struct qb_token_cache cache = {0};
    struct qb_pool *pool = NULL;
    cr_assert_not_null(getcwd(folder, sizeof folder));
    snprintf(
        text, sizeof text,
        "name: s\nmodels: {m: {file: %s/data/models/%s}}\nvariants: [fp32]\nexperiments:\n  choice: {tasks: {%s}}\n",
        folder, file, tasks);
    suite = fixture_suite(text, NULL);
    cr_assert_eq(qb_suite_open_model(suite, suite->models, &model, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_inputs_make(suite, suite->models, suite->experiments, model, &cache, &inputs, &err), QB_OK, "%s",
                 err.message);
    cr_assert_eq(qb_pool_create(2, &pool, &err), QB_OK);
    const struct qb_cell_env env = {.model = model, .inputs = &inputs, .pool = pool, .isa = QB_ISA_PORTABLE};
    cr_assert_eq(suite->experiments->experiment->reference(&env, &record, &err), QB_OK, "%s", err.message);
    const struct qb_array *sum = qb_record_get(&record, "sum", QB_F64, 1);
    cr_assert(sum && sum->count == inputs.tasks->choice_count);
    sums = sum->data;
    qb_pool_free(pool);
    qb_token_cache_free(&cache);
}

static void drop(void)
{
    qb_record_free(&record);
    record = (struct qb_record){0};
    qb_inputs_free(&inputs);
    qb_model_free(model);
    qb_suite_free(suite);
}

/* Item i of the run against one of the file. */
static void same(const char *name, size_t item, const json_t *due)
{
    const json_t *due_sums = json_object_get(due, "sums"), *tokens = json_object_get(due, "tokens");
    const struct qb_tasks *tasks = inputs.tasks;
    size_t first = 0;
    while (first < tasks->choice_count && tasks->choices[first].item != (int32_t)item)
        first++;
    cr_assert(json_array_size(due_sums) == 4 && first + 4 <= tasks->choice_count, "%s: item %zu", name, item);
    for (size_t c = 0; c < 4; c++) {
        const double number = json_number_value(json_array_get(due_sums, c));
        cr_expect_eq(tasks->choices[first + c].scored, json_integer_value(json_array_get(tokens, c)), "%s: item %zu",
                     name, item);
        cr_expect_float_eq(sums[first + c], number, 2e-6 * fabs(number) + 1e-5,
                           "%s, item %zu, choice %zu: %.9g, not %.9g", name, item, c, sums[first + c], number);
    }
}

/* A task file of the lines of the shipped one that the golden file has, in its order. */
static void kept_lines(const char *task, const json_t *kept)
{
    char path[64], *data, *out;
    size_t size, used = 0;
    struct qb_error err = {0};
    snprintf(path, sizeof path, "data/tasks/%s.jsonl", task);
    cr_assert_eq(qb_file_read(path, 1 << 24, &data, &size, &err), QB_OK, "%s", err.message);
    cr_assert_not_null(out = qb_alloc(size, 1, "lines", &err));
    for (size_t i = 0; i < json_array_size(kept); i++) {
        const char *line = data;
        for (size_t n = golden_size(json_array_get(kept, i), "line"); n > 1; n--)
            line = strchr(line, '\n') + 1;
        const size_t length = strcspn(line, "\n") + 1;
        memcpy(out + used, line, length);
        used += length;
    }
    scratch_write("kept.jsonl", out, used);
    qb_free(out);
    qb_free(data);
}

static void check_shipped(const char *name, const char *file)
{
    static const char *const tasks[] = {"kjv", "tiny"};
    golden = golden_open("tests/golden/choice.json");
    for (size_t t = 0; t < 2; t++) {
        const json_t *kept = json_object_get(json_object_get(json_object_get(golden, name), tasks[t]), "kept");
        cr_assert_gt(json_array_size(kept), 20);
        kept_lines(tasks[t], kept);
        run(file, "t: kept.jsonl");
        cr_assert_eq(inputs.tasks->item_count, json_array_size(kept));
        for (size_t i = 0; i < json_array_size(kept); i++)
            same(name, i, json_array_get(kept, i));
        drop();
    }
    json_decref(golden);
}

Test(choice, kjv_transformer_reads_the_shipped_tasks)
{
    check_shipped("kjv-transformer", "kjv-transformer.safetensors");
}

Test(choice, tiny_llama_reads_the_shipped_tasks)
{
    check_shipped("tiny-llama", "tiny-llama");
}

/* [subject, question, choices, answer] as rows of CSV, whose header gives another order of columns. */
static void write_csv(const char *name, const json_t *list, int with_header)
{
    struct qb_text out = {0};
    if (with_header)
        qb_text_add(&out, "subject,A,B,C,D,answer,question\r\n");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i), *choices = json_array_get(one, 2);
        qb_text_add(&out, "%s", json_string_value(json_array_get(one, 0)));
        for (size_t c = 0; c < 4; c++)
            qb_text_add(&out, ",\"%s\"", json_string_value(json_array_get(choices, c)));
        qb_text_add(&out, ",%c,\"", (char)('A' + json_integer_value(json_array_get(one, 3))));
        for (const char *at = json_string_value(json_array_get(one, 1)); *at; at++)
            qb_text_add(&out, *at == '"' ? "\"\"" : "%c", *at);
        qb_text_add(&out, "\"\r\n");
    }
    scratch_write(name, out.data, out.size);
    qb_text_free(&out);
}

static void check_mmlu(const char *name, const char *file)
{
    golden = golden_open("tests/golden/choice.json");
    write_csv("dev.csv", json_object_get(golden, "dev"), 1);
    write_csv("test.csv", json_object_get(golden, "test"), 1);
    run(file, "t: {file: test.csv, examples: dev.csv, shots: 2}");
    const json_t *due = json_object_get(json_object_get(golden, name), "mmlu");
    cr_assert_eq(inputs.tasks->item_count, 4);
    for (size_t i = 0; i < 4; i++) {
        same(name, i, json_array_get(due, i));
        cr_expect_eq(inputs.tasks->items[i].answer, golden_number(json_array_get(due, i), "answer"));
    }
    cr_expect_eq(inputs.tasks->subject_count, 2);
    cr_expect_str_eq(inputs.tasks->subjects[0], "t/old_law");
    drop();
    json_decref(golden);
}

Test(choice, the_csv_form_with_examples)
{
    check_mmlu("kjv-transformer", "kjv-transformer.safetensors");
    check_mmlu("tiny-llama", "tiny-llama");
}
