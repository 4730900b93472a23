/* Questions from files, prompts, and their tokens: what is read, and what is refused by file and line. */
#include "run/inputs.h"
#include "run/question_files.h"
#include "unit/suite_fixture.h"

static struct qb_model *model;

static void begin(void)
{
    struct qb_error err = {0};
    const struct qb_generator_options options = {.vocab = 5000, .hidden = 8, .layers = 1, .seed = 42};
    fixture_begin();
    cr_assert_eq(qb_model_generate("transformer", &options, &model, &err), QB_OK, "%s", err.message);
    model->tokenizer = qb_strdup("data/models/kjv.tokenizer.json", &err);
}

static void end(void)
{
    qb_model_free(model);
    fixture_end();
}

TestSuite(tasks, .init = begin, .fini = end);

/* ---- files ---- */

/* The message of reading a file of that name and content; "" where it was read. */
static const char *read_bytes(const char *name, const char *text, size_t size, struct qb_questions *q)
{
    static struct qb_error err;
    struct qb_hash *hash = qb_hash_new();
    err = (struct qb_error){0};
    *q = (struct qb_questions){0};
    qb_questions_read(scratch_write(name, text, size), q, hash, &err);
    qb_hash_drop(hash);
    return err.status ? err.message : "";
}

static const char *read_text(const char *name, const char *text, struct qb_questions *q)
{
    return read_bytes(name, text, strlen(text), q);
}

#define REFUSED(name, text, says)                                                                                      \
    do {                                                                                                               \
        struct qb_questions none;                                                                                      \
        const char *said = read_text(name, text, &none);                                                               \
        cr_expect_not_null(strstr(said, says), "'%s' lacks '%s'", said, says);                                         \
        qb_questions_free(&none);                                                                                      \
    } while (0)

#define ONE "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 1}\n"

Test(tasks, json_lines)
{
    struct qb_questions q;
    cr_expect_str_empty(read_text("a.jsonl",
                                  "\xEF\xBB\xBF" ONE
                                  "\n  \n{\"question\": \"\\u00fc\", \"choices\": [\"1\", \"2\", \"3\"], \"answer\": "
                                  "\"C\", \"subject\": \"s\", \"id\": 7}",
                                  &q));
    cr_assert_eq(q.count, 2);
    cr_expect(q.list[0].answer == 1 && q.list[0].line == 1 && q.list[0].count == 2 && !q.list[0].subject[0]);
    cr_expect(q.list[1].answer == 2 && q.list[1].line == 4 && q.list[1].count == 3);
    cr_expect_str_eq(q.list[1].question, "\xC3\xBC");
    cr_expect_str_eq(q.list[1].subject, "s");
    qb_questions_free(&q);
}

Test(tasks, json_lines_that_are_refused)
{
    REFUSED("a.jsonl", ONE "{\"question\": \"q\"}", "a.jsonl:2: expected \"choices\", a list of texts");
    REFUSED("a.jsonl", "{\"choices\": [\"x\", \"y\"], \"answer\": 0}", "a.jsonl:1: expected \"question\"");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"]}", "a.jsonl:1: expected \"answer\"");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 2}",
            "a.jsonl:1: the answer is choice C, of 2 choices");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": -1}", "expected \"answer\"");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 1e99}", "expected \"answer\"");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": \"b\"}",
            "or a capital letter, of 2");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 99999999999999999999}",
            "no JSON");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": NaN}", "a.jsonl:1: no JSON");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \" \\n\"], \"answer\": 0}", "choice B is empty");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", 2], \"answer\": 0}", "choice B is not a text");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\"], \"answer\": 0}",
            "expected 2 to 26 choices, found 1");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 0, \"subject\": 1}",
            "\"subject\" is not a text");
    REFUSED("a.jsonl", "{\"question\": \"q\", \"question\": \"r\", \"choices\": [\"x\", \"y\"], \"answer\": 0}",
            "no JSON: duplicate");
    REFUSED("a.jsonl", "{\"question\": \"\xff\", \"choices\": [\"x\", \"y\"], \"answer\": 0}", "no JSON");
    REFUSED("a.jsonl", "{\"question\": \"a\\u0000b\", \"choices\": [\"x\", \"y\"], \"answer\": 0}", "no JSON");
    REFUSED("a.jsonl", "[1]", "expected an object");
    REFUSED("a.jsonl", ONE "{", "a.jsonl:2: no JSON");
    REFUSED("a.jsonl", "\n\n", "no question in it");
    REFUSED("a.jsonl", "", "no question in it");
    struct qb_questions q;
    cr_expect_not_null(strstr(read_bytes("a.jsonl", ONE "\0", sizeof ONE, &q), "found a NUL byte"));
    qb_questions_free(&q);
    char many[1024] = "{\"question\": \"q\", \"answer\": 0, \"choices\": [\"0\"";
    for (int i = 0; i < 26; i++)
        strcat(many, ", \"x\"");
    REFUSED("a.jsonl", strcat(many, "]}"), "expected 2 to 26 choices, found 27");
}

Test(tasks, csv_without_and_with_a_header)
{
    struct qb_questions q;
    cr_expect_str_empty(
        read_text("abstract_algebra_test.csv", "\"a, \"\"b\"\"\nc?\",1,2,3,4,D\r\n\r\nnext,w,x,\"y\",z,A", &q));
    cr_assert_eq(q.count, 2);
    cr_expect_str_eq(q.list[0].question, "a, \"b\"\nc?");
    cr_expect_str_eq(q.list[0].choices[3], "4");
    cr_expect_str_eq(q.list[0].subject, "abstract_algebra");
    cr_expect(q.list[0].answer == 3 && q.list[1].line == 4 && q.list[1].answer == 0);
    cr_expect_str_eq(q.list[1].choices[2], "y");
    qb_questions_free(&q);
    cr_expect_str_empty(read_text("dev.csv",
                                  "\xEF\xBB\xBF"
                                  "id,B,Answer,A,Question,subject\n7,two,B,one,how many?,counting\n",
                                  &q));
    cr_assert_eq(q.count, 1);
    cr_expect(q.list[0].count == 2 && q.list[0].answer == 1);
    cr_expect_str_eq(q.list[0].choices[0], "one");
    cr_expect_str_eq(q.list[0].subject, "counting");
    qb_questions_free(&q);
    cr_expect_str_empty(read_text("dev.csv", "q,x,y,A\n", &q));
    cr_expect_str_eq(q.list[0].subject, "", "dev alone is no subject");
    qb_questions_free(&q);
}

Test(tasks, csv_that_is_refused)
{
    REFUSED("a.csv", "q,x,y,A\nq,x,y\n", "a.csv:2: expected 4 fields as in the first row, found 3");
    REFUSED("a.csv", "q,x,y,C\n", "a.csv:1: the answer is choice C, of 2 choices");
    REFUSED("a.csv", "q,x,y,1\n", "a.csv:1: expected a letter as the answer");
    REFUSED("a.csv", "q,x,,A\n", "a.csv:1: choice B is empty");
    REFUSED("a.csv", "q,x,A\n", "expected 2 to 26 choices, found 1");
    REFUSED("a.csv", "q,A\n", "expected 2 to 26 choices, found 0");
    REFUSED("a.csv", "\"q,x,y,A\n", "a.csv:1: a quoted field has no end");
    REFUSED("a.csv", "q,x,y,A\n\"q\"x,x,y,A\n", "a.csv:2: expected a comma or the row's end");
    REFUSED("a.csv", "\xff,x,y,A\n", "a.csv:1: the question or its subject is not UTF-8");
    REFUSED("a.csv", "q,x,\xc3,A\n", "a.csv:1: choice B is not UTF-8");
    REFUSED("a.csv", "question,A,B,answer\n", "no question in it");
    char many[256] = "q";
    for (int i = 0; i < 70; i++)
        strcat(many, ",x");
    REFUSED("a.csv", many, "a row of more than 64 fields");
    many[1 + 2 * 29] = '\0';
    REFUSED("a.csv", strcat(many, ",A"), "expected 2 to 26 choices, found 29");
}

/* ---- prompts and tokens ---- */

static struct qb_inputs in;

/* Inputs of `tasks` with these words, or the message. */
static const char *make(const char *words)
{
    static struct qb_error err;
    static char text[2048];
    struct qb_suite *suite = NULL;
    struct qb_token_cache cache = {0};
    err = (struct qb_error){0};
    snprintf(text, sizeof text,
             "name: s\nvariants: [fp32]\nmodels: {m: {generator: transformer, vocab: 5000, hidden: 8, layers: 1}}\n"
             "experiments:\n  choice: {%s}\n",
             words);
    if (!fixture_load(text, NULL, &suite, &err))
        qb_inputs_make(suite, &suite->models[0], &suite->experiments[0], model, &cache, &in, &err);
    qb_token_cache_free(&cache);
    qb_suite_free(suite);
    return err.status ? err.message : "";
}

static void words_refused(const char *words, const char *says)
{
    const char *said = make(words);
    cr_expect_not_null(strstr(said, says), "'%s' lacks '%s'", said, says);
}

Test(tasks, words_that_are_refused)
{
    scratch_write("a.jsonl", ONE, strlen(ONE));
    words_refused("", "expected the key 'tasks'");
    words_refused("tasks: {}", "expected 1 to 1024 tasks");
    words_refused("tasks: [a.jsonl]", "tasks are {NAME: FILE}");
    words_refused("tasks: {t: b.jsonl}", "no such file 'b.jsonl'");
    words_refused("tasks: {t: {shots: 1}}", "expected the key 'file'");
    words_refused("tasks: {t: {file: a.jsonl, shot: 1}}", "did you mean 'shots'?");
    words_refused("tasks: {t: {file: a.jsonl, shots: 1}}", "expected the key 'examples'");
    words_refused("tasks: {t: {file: a.jsonl, examples: a.jsonl}}", "examples without 'shots'");
    words_refused("tasks: {t: {file: a.jsonl, examples: a.jsonl, shots: 2}}", "2 shots: ");
    words_refused("tasks: {t: {file: a.jsonl, template: '{question} {answer}'}}",
                  "nothing is put in the place of {answer} (known: {question}, {choices}, {subject})");
    words_refused("tasks: {t: {file: a.jsonl, examples: a.jsonl, shots: 1}}",
                  "has 0 examples of the subject '' beside the question");
    words_refused("tasks: {t: {file: a.jsonl, template: none}}",
                  "expected plain, question, letters, mmlu, or a text with {question}");
    words_refused("tasks: {t: {file: a.jsonl, answers: words}}", "expected letters or text");
    words_refused("tasks: {t: {file: a.jsonl, bos: true}}", "bos: the tokenizer of model");
    words_refused("tasks: {'../t': a.jsonl}", "a task's name");
    qb_free(model->tokenizer);
    model->tokenizer = NULL;
    words_refused("tasks: {t: a.jsonl}", "has no tokenizer to read questions with");
}

static const char *prompt_of(const struct qb_task_form *form, const struct qb_question *const *shots, size_t count,
                             const struct qb_question *q, struct qb_text *out)
{
    qb_text_free(out);
    *out = (struct qb_text){0};
    qb_task_prompt(form, shots, count, q, out);
    return out->data;
}

Test(tasks, prompts)
{
    char *choices[] = {(char[]){"one {question}"}, (char[]){"two"}};
    const struct qb_question q = {(char[]){" What {choices}? \n"}, (char[]){"high_school"}, choices, 2, 1, 1};
    const struct qb_question *const shots[] = {&q};
    struct qb_task_form form = {.text = "{question}|{choices}|{x}",
                                .description = "On {subject}. ",
                                .delimiter = " ",
                                .separator = "\n\n",
                                .letters = true};
    struct qb_text out = {0};
    cr_expect_str_eq(prompt_of(&form, NULL, 0, &q, &out),
                     "On high school. What {choices}?|A. one {question}\nB. two|{x}",
                     "what is put in is not looked at again");
    cr_expect_str_eq(prompt_of(&form, shots, 1, &q, &out),
                     "On high school. What {choices}?|A. one {question}\nB. two|{x} B\n\nWhat {choices}?|A. one "
                     "{question}\nB. two|{x}");
    form = (struct qb_task_form){.text = "{question}", .description = "", .delimiter = ":", .separator = ";"};
    cr_expect_str_eq(prompt_of(&form, shots, 1, &q, &out), "What {choices}?:two;What {choices}?");
    qb_text_free(&out);
}

/* Sequences end in the choice's tokens, subjects stand together, and the template's hash is of its text. */
Test(tasks, items_and_their_tokens)
{
    static const char text[] =
        "{\"question\": \"In the beginning\", \"choices\": [\"God\", \"the LORD God\"], \"answer\": 0, \"subject\": "
        "\"b\"}\n"
        "{\"question\": \"In the beginning\", \"choices\": [\"\\u00e4 God\", \"God\"], \"answer\": 1, \"subject\": "
        "\"a\"}\n"
        "{\"question\": \"God God\", \"choices\": [\"God\", \"no\"], \"answer\": 1, \"subject\": \"b\"}\n";
    scratch_write("a.jsonl", text, sizeof text - 1);
    cr_assert_str_empty(make("tasks: {t: a.jsonl, u: {file: a.jsonl, items: 1}}"));
    const struct qb_tasks *t = in.tasks;
    cr_assert(t->item_count == 4 && t->choice_count == 8 && t->task_count == 2 && t->subject_count == 3);
    cr_expect_str_eq(t->subjects[0], "t/a");
    cr_expect_str_eq(t->subjects[2], "u/b");
    cr_expect(t->items[0].line == 2 && t->items[1].line == 1 && t->items[2].line == 3 && t->items[3].task == 1);
    cr_expect(t->choices[0].characters == 5 && t->choices[0].bytes == 6);
    cr_expect_eq(t->choices[4].occurrences, 2);
    const struct qb_task_choice *god = &t->choices[1], *also = &t->choices[2];
    cr_expect(god->length == also->length &&
              memcmp(t->tokens + god->first, t->tokens + also->first, (size_t)god->length * 4) == 0);
    cr_expect(t->tasks[0].counts[QB_TASK_LEFT_OUT] == 0 && t->tasks[0].counts[QB_TASK_TRUNCATED] == 0 &&
              t->tasks[0].counts[QB_TASK_MERGED] == 0);
    char hex[QB_HASH_HEX];
    qb_hash_buffer(t->tasks[0].form, strlen(t->tasks[0].form), hex);
    cr_expect_str_eq(t->tasks[0].form_sha256, hex);
    qb_inputs_free(&in);
}

/* A prompt is cut from the left, an item whose choice alone is too long is left out, and both are counted. */
Test(tasks, what_does_not_fit)
{
    struct qb_text text = {0};
    qb_text_add(&text, "{\"question\": \"");
    for (int i = 0; i < 40; i++)
        qb_text_add(&text, "and God said ");
    qb_text_add(
        &text,
        "\", \"choices\": [\"God\", \"the LORD\"], \"answer\": 0}\n{\"question\": \"q\", \"choices\": [\"x\", \"");
    for (int i = 0; i < 40; i++)
        qb_text_add(&text, "and God said ");
    qb_text_add(&text, "\"], \"answer\": 0}\n");
    scratch_write("a.jsonl", text.data, text.size);
    qb_text_free(&text);
    model->arch.context = 16;
    cr_assert_str_empty(make("tasks: {t: a.jsonl}"));
    const struct qb_tasks *t = in.tasks;
    cr_expect(t->item_count == 1 && t->choice_count == 2 && t->tasks[0].counts[QB_TASK_TRUNCATED] == 1 &&
              t->tasks[0].counts[QB_TASK_LEFT_OUT] == 1);
    cr_expect(t->choices[0].length == 17 && t->choices[1].length == 17, "the last token is read by none");
    cr_expect_eq(t->choices[1].first, 17);
    qb_inputs_free(&in);
    model->arch.context = 0; /* rotary positions: no limit, but what the model was trained for is one */
    model->arch.trained_context = 16;
    cr_assert_str_empty(make("tasks: {t: a.jsonl}"));
    cr_expect(in.tasks->tasks[0].counts[QB_TASK_TRUNCATED] == 1 && in.tasks->choices[0].length == 17,
              "cut where training ended");
    qb_inputs_free(&in);
    model->arch.context = 1;
    words_refused("tasks: {t: a.jsonl}", "none of 2 questions fits the 1 positions");
}

/* Where the border merges, the choice has the tokens behind as many as the prompt alone has. */
Test(tasks, a_border_that_merges)
{
    static const char text[] =
        "{\"question\": \"In the begin\", \"choices\": [\"ning God\", \"ner\"], \"answer\": 0}\n";
    scratch_write("a.jsonl", text, sizeof text - 1);
    cr_assert_str_empty(make("tasks: {t: {file: a.jsonl, delimiter: ''}}"));
    cr_expect_eq(in.tasks->tasks[0].counts[QB_TASK_MERGED], 1);
    qb_inputs_free(&in);
}

Test(tasks, a_right_choice_that_is_a_wrong_one_too_is_counted)
{
    static const char text[] = "{\"question\": \"q\", \"choices\": [\"x\", \"y\", \"x\"], \"answer\": 2}\n"
                               "{\"question\": \"q\", \"choices\": [\"x\", \"y\", \"x\"], \"answer\": 1}\n";
    scratch_write("a.jsonl", text, sizeof text - 1);
    cr_assert_str_empty(make("tasks: {t: a.jsonl}"));
    cr_expect_eq(in.tasks->tasks[0].counts[QB_TASK_TWICE], 1);
    qb_inputs_free(&in);
}

/* The same questions under another template, answer or order are other inputs. */
Test(tasks, the_key_follows_the_tasks)
{
    char first[QB_HASH_HEX];
    scratch_write("a.jsonl", ONE, strlen(ONE));
    cr_assert_str_empty(make("tasks: {t: a.jsonl}"));
    memcpy(first, in.sha256, sizeof first);
    qb_inputs_free(&in);
    static const char *const others[] = {"tasks: {u: a.jsonl}", "tasks: {t: {file: a.jsonl, template: question}}",
                                         "tasks: {t: {file: a.jsonl, separator: x}}"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cr_assert_str_empty(make(others[i]));
        cr_expect_str_neq(in.sha256, first, "%s", others[i]);
        qb_inputs_free(&in);
    }
    static const char swapped[] = "{\"question\": \"q\", \"choices\": [\"x\", \"y\"], \"answer\": 0}\n";
    scratch_write("a.jsonl", swapped, sizeof swapped - 1);
    cr_assert_str_empty(make("tasks: {t: a.jsonl}"));
    cr_expect_str_neq(in.sha256, first, "a swapped key");
    qb_inputs_free(&in);
}
