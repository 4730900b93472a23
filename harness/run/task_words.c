#include "run/task_words.h"

#include <string.h>

#include "base/mem.h"
#include "base/text_format.h"
#include "run/suite_parts.h"

/* ---- forms ---- */

#define LETTERS "{question}\n{choices}\nAnswer:"

static const struct {
    const char *name;
    struct qb_task_form form;
} forms[] = {
    {"plain", {"{question}", "", " ", "\n\n", false, QB_BOS_TOKENIZER, 0}},
    {"question", {"Question: {question}\nAnswer:", "", " ", "\n\n", false, QB_BOS_TOKENIZER, 0}},
    {"letters", {LETTERS, "", " ", "\n\n", true, QB_BOS_TOKENIZER, 0}},
    {"mmlu",
     {LETTERS, "The following are multiple choice questions (with answers) about {subject}.\n\n", " ", "\n\n", true,
      QB_BOS_TOKENIZER, 0}},
};
enum { FORMS = sizeof forms / sizeof *forms };

static const char *const places[] = {"{question}", "{choices}", "{subject}"};
enum { QUESTION, CHOICES, SUBJECT, PLACES };

/* The first place in text that something is put in, or NULL; *which of them. */
static const char *next_place(const char *text, size_t *which)
{
    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{'))
        for (*which = 0; *which < PLACES; ++*which)
            if (strncmp(at, places[*which], strlen(places[*which])) == 0)
                return at;
    return NULL;
}

static void put_trimmed(const char *text, struct qb_text *out)
{
    static const char blank[] = " \t\r\n";
    text += strspn(text, blank);
    size_t n = strlen(text);
    while (n > 0 && strchr(blank, text[n - 1]))
        n--;
    qb_text_bytes(out, text, n);
}

static void put(const struct qb_question *q, size_t which, struct qb_text *out)
{
    if (which == QUESTION)
        put_trimmed(q->question, out);
    for (size_t i = 0; which == CHOICES && i < q->count; i++)
        qb_text_add(out, "%s%c. %s", i ? "\n" : "", (char)('A' + i), q->choices[i]);
    for (const char *c = q->subject; which == SUBJECT && *c; c++)
        qb_text_add(out, "%c", *c == '_' ? ' ' : *c);
}

static void expand(const char *text, const struct qb_question *q, struct qb_text *out)
{
    size_t which;
    for (const char *at; (at = next_place(text, &which)); text = at + strlen(places[which])) {
        qb_text_bytes(out, text, (size_t)(at - text));
        put(q, which, out);
    }
    qb_text_bytes(out, text, strlen(text));
}

void qb_task_answer(const struct qb_task_form *form, const struct qb_question *question, size_t i, struct qb_text *out)
{
    if (form->letters)
        qb_text_add(out, "%c", (char)('A' + i));
    else
        qb_text_bytes(out, question->choices[i], strlen(question->choices[i]));
}

void qb_task_prompt(const struct qb_task_form *form, const struct qb_question *const *examples, size_t count,
                    const struct qb_question *question, struct qb_text *out)
{
    expand(form->description, question, out);
    for (size_t i = 0; i < count; i++) {
        expand(form->text, examples[i], out);
        qb_text_bytes(out, form->delimiter, strlen(form->delimiter));
        qb_task_answer(form, examples[i], examples[i]->answer, out);
        qb_text_bytes(out, form->separator, strlen(form->separator));
    }
    expand(form->text, question, out);
}

void qb_task_form_print(const struct qb_task_form *form, struct qb_text *out)
{
    const struct {
        const char *name, *text;
    } parts[] = {{"text", form->text},
                 {"description", form->description},
                 {"delimiter", form->delimiter},
                 {"separator", form->separator}};
    static const char *const bos[] = {"tokenizer", "true", "false"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        qb_text_add(out, "%s: ", parts[i].name);
        qb_json_string(out, parts[i].text);
        qb_text_add(out, ", ");
    }
    qb_text_add(out, "answers: %s, bos: %s, shots: %zu", form->letters ? "letters" : "text", bos[form->bos],
                form->shots);
}

/* ---- words ---- */

void qb_task_words_free(struct qb_task_words *words, size_t count)
{
    for (size_t i = 0; words && i < count; i++) {
        qb_free(words[i].file);
        qb_free(words[i].examples);
    }
    qb_free(words);
}

static enum qb_status read_path(const struct qb_suite *suite, const struct qb_yaml *node, char **path,
                                struct qb_error *err)
{
    char found[4096];
    if (qb_suite_file(suite, node, found, err))
        return err->status;
    *path = qb_strdup(found, err);
    return err->status;
}

static enum qb_status optional_text(const struct qb_yaml *map, const char *key, const char **text, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, key);
    return node ? qb_yaml_text(node, text, err) : QB_OK;
}

/* A word in braces that nothing is put in, as people write {answer}: it would stand in every prompt as it is. */
static enum qb_status check_places(const struct qb_yaml *node, const char *text, struct qb_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t which;
    for (const char *at = strchr(text, '{'); at; at = strchr(at + 1, '{')) {
        const size_t n = strspn(at + 1, letters);
        if (n > 2 && at[1 + n] == '}' && next_place(at, &which) != at)
            return qb_yaml_fail(node, err,
                                "nothing is put in the place of %.*s (known: {question}, {choices}, {subject})",
                                (int)n + 2, at);
    }
    return QB_OK;
}

/* The form that is named, or a text of one's own in the place of plain's. */
static enum qb_status read_template(const struct qb_yaml *node, struct qb_task_form *form, struct qb_error *err)
{
    const char *text = NULL;
    size_t which;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    for (size_t i = 0; i < FORMS; i++)
        if (strcmp(text, forms[i].name) == 0) {
            *form = forms[i].form;
            return QB_OK;
        }
    if (!strstr(text, places[QUESTION]))
        return qb_yaml_fail(node, err,
                            "expected plain, question, letters, mmlu, or a text with {question}, and {choices} and "
                            "{subject} where they belong");
    if (check_places(node, text, err))
        return err->status;
    form->text = text;
    form->letters = false;
    for (const char *at = text; (at = next_place(at, &which)); at++)
        form->letters = form->letters || which == CHOICES;
    return QB_OK;
}

static enum qb_status read_bos(const struct qb_yaml *node, struct qb_task_form *form, struct qb_error *err)
{
    bool always = false;
    if (qb_yaml_bool(node, &always, err))
        return err->status;
    form->bos = always ? QB_BOS_TRUE : QB_BOS_FALSE;
    return QB_OK;
}

static enum qb_status read_form(const struct qb_yaml *map, struct qb_task_form *form, struct qb_error *err)
{
    const struct qb_yaml *template = qb_yaml_get(map, "template"), *bos = qb_yaml_get(map, "bos"),
                         *node = qb_yaml_get(map, "answers");
    const char *answers = NULL;
    if ((template && read_template(template, form, err)) || (bos && read_bos(bos, form, err)) ||
        optional_text(map, "description", &form->description, err) ||
        optional_text(map, "delimiter", &form->delimiter, err) ||
        optional_text(map, "separator", &form->separator, err) || optional_text(map, "answers", &answers, err) ||
        qb_suite_count(map, "shots", 0, 64, false, &form->shots, err))
        return err->status;
    if (answers && strcmp(answers, "letters") != 0 && strcmp(answers, "text") != 0)
        return qb_yaml_fail(node, err, "expected letters or text, found '%.80s'", answers);
    if (answers)
        form->letters = strcmp(answers, "letters") == 0;
    return QB_OK;
}

static bool is_csv(const char *path)
{
    const size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".csv") == 0;
}

static enum qb_status read_task(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_task_words *words,
                                struct qb_error *err)
{
    static const char *const keys[] = {"file",      "examples", "shots", "template", "description", "delimiter",
                                       "separator", "answers",  "bos",   "items",    NULL};
    const bool map = node->kind == QB_YAML_MAP;
    words->node = node;
    if (qb_suite_name(node, node->key, "a task's name", err))
        return err->status;
    if (!map && qb_yaml_expect(node, QB_YAML_SCALAR, err))
        return qb_wrap(err, "a task is a file or {file: FILE, ...}");
    if (map && (qb_yaml_known(node, keys, err) || !qb_yaml_get(node, "file")))
        return err->status ? err->status : qb_yaml_fail(node, err, "expected the key 'file'");
    if (read_path(suite, map ? qb_yaml_get(node, "file") : node, &words->file, err))
        return err->status;
    words->form = forms[is_csv(words->file) ? FORMS - 1 : 0].form;
    if (!map)
        return QB_OK;
    const struct qb_yaml *examples = qb_yaml_get(node, "examples");
    if (read_form(node, &words->form, err) || (examples && read_path(suite, examples, &words->examples, err)) ||
        qb_suite_count(node, "items", 1, 1 << 24, false, &words->items, err))
        return err->status;
    if (words->form.shots > 0 && !examples)
        return qb_yaml_fail(node, err, "%zu shots: expected the key 'examples', a file that they are from",
                            words->form.shots);
    if (words->form.shots == 0 && examples)
        return qb_yaml_fail(examples, err, "examples without 'shots', how many of them stand before a question");
    return QB_OK;
}

enum qb_status qb_task_words_read(const struct qb_suite *suite, const struct qb_yaml *node,
                                  struct qb_task_words **words, size_t *count, struct qb_error *err)
{
    *count = 0;
    if (!node)
        return QB_OK;
    if (qb_yaml_expect(node, QB_YAML_MAP, err))
        return qb_wrap(err, "tasks are {NAME: FILE} or {NAME: {file: FILE, ...}}");
    if (node->count == 0 || node->count > QB_SUITE_SIDE_MAX)
        return qb_yaml_fail(node, err, "expected 1 to %d tasks, found %zu", QB_SUITE_SIDE_MAX, node->count);
    if (!(*words = qb_alloc(node->count, sizeof **words, "tasks", err)))
        return err->status;
    *count = node->count;
    for (size_t i = 0; i < node->count; i++)
        if (read_task(suite, node->children[i], &(*words)[i], err))
            return err->status;
    return QB_OK;
}
