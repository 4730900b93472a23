#include "run/task_inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/question_files.h"
#include "run/token_file.h"
#include "tokenizer/tokenizer.h"

enum { TOKENS_MAX = 1 << 28 }; /* of all sequences */

void qb_tasks_free(struct qb_tasks *tasks)
{
    if (!tasks)
        return;
    for (size_t i = 0; i < tasks->task_count; i++) {
        qb_free(tasks->tasks[i].name);
        qb_free(tasks->tasks[i].form);
    }
    for (size_t i = 0; i < tasks->subject_count; i++)
        qb_free(tasks->subjects[i]);
    qb_free(tasks->tokens);
    qb_free(tasks->choices);
    qb_free(tasks->items);
    qb_free(tasks->tasks);
    qb_free(tasks->subjects);
    qb_free(tasks);
}

void qb_tasks_hash(const struct qb_tasks *tasks, struct qb_hash *hash)
{
    qb_hash_text(hash, "tasks");
    qb_hash_bytes(hash, tasks->tokens, tasks->token_count * sizeof *tasks->tokens);
    qb_hash_bytes(hash, tasks->choices, tasks->choice_count * sizeof *tasks->choices);
    qb_hash_bytes(hash, tasks->items, tasks->item_count * sizeof *tasks->items);
    for (size_t i = 0; i < tasks->task_count; i++) {
        const struct qb_task *task = &tasks->tasks[i];
        qb_hash_text(hash, task->name);
        qb_hash_text(hash, task->sha256);
        qb_hash_text(hash, task->form);
        qb_hash_bytes(hash, task->counts, sizeof task->counts);
    }
    for (size_t i = 0; i < tasks->subject_count; i++)
        qb_hash_text(hash, tasks->subjects[i]);
}

/* ---- a sequence ---- */

struct maker {
    const struct qb_model *model;
    struct qb_tokenizer *tokenizer;
    const struct qb_task_words *words; /* of the task at hand */
    int32_t bos;                       /* that the tokenizer puts before a text; -1: none */
    struct qb_questions examples;
    const struct qb_question *shots[64];
    struct qb_tasks *out;
    struct qb_task *task;
    int32_t *prompt, *whole; /* tokens of the prompt alone, and of a choice behind it */
    size_t prompt_count, whole_count;
    bool truncated, merged, fits; /* of the item at hand */
};

/* New tokens of text, with the token before it where there is one (first >= 0). */
static enum qb_status encode(const struct maker *m, const char *text, size_t size, int32_t first, int32_t **tokens,
                             size_t *count, struct qb_error *err)
{
    int32_t *made = NULL;
    qb_free(*tokens);
    *tokens = NULL;
    if (qb_tokenizer_encode(m->tokenizer, text, size, 0, &made, count, err))
        return err->status;
    const size_t before = first >= 0;
    int32_t *all = *tokens = qb_alloc(*count + before, sizeof *all, "tokens", err);
    if (all && before)
        all[0] = first;
    if (all && *count)
        memcpy(all + before, made, *count * sizeof *all);
    *count += before;
    qb_free(made);
    for (size_t i = 0; !err->status && i < *count; i++)
        if (all[i] < 0 || (size_t)all[i] >= m->model->arch.vocab)
            qb_fail(err, QB_ERR_INPUT, "%s: the tokenizer gives token %d, model '%s' has a vocabulary of %zu",
                    m->model->tokenizer, all[i], m->model->name, m->model->arch.vocab);
    return err->status;
}

static int32_t count_of(const char *text, const char *part)
{
    int32_t n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static int32_t characters_of(const struct qb_text *text)
{
    int32_t n = 0;
    for (size_t i = 0; i < text->size; i++)
        n += ((unsigned char)text->data[i] & 0xC0) != 0x80;
    return n;
}

/* The sequence of the whole, cut from the left to the positions that the model was trained for, as
 * lm-evaluation-harness does; m->fits false: it cannot be scored. */
static enum qb_status add_sequence(struct maker *m, struct qb_task_choice choice, struct qb_error *err)
{
    struct qb_tasks *out = m->out;
    const size_t trained = qb_arch_trained(&m->model->arch), most = trained ? trained + 1 : SIZE_MAX;
    const size_t cut = m->whole_count > most ? m->whole_count - most : 0, length = m->whole_count - cut;
    const size_t scored = m->whole_count > m->prompt_count ? m->whole_count - m->prompt_count : 0;
    m->truncated = m->truncated || cut > 0;
    m->merged = m->merged || m->whole_count < m->prompt_count ||
                memcmp(m->whole, m->prompt, m->prompt_count * sizeof *m->whole) != 0;
    m->fits = m->fits && scored > 0 && scored < length;
    if (!m->fits)
        return QB_OK;
    if (length > TOKENS_MAX - out->token_count)
        return qb_fail(err, QB_ERR_INPUT, "the tasks are more than %d tokens; take fewer `items`", TOKENS_MAX);
    int32_t *tokens = qb_grow(out->tokens, out->token_count + length, sizeof *tokens, "tokens of tasks", err);
    out->tokens = tokens ? tokens : out->tokens;
    struct qb_task_choice *choices =
        tokens ? qb_grow(out->choices, out->choice_count + 1, sizeof *choices, "choices", err) : NULL;
    if (!choices)
        return err->status;
    out->choices = choices;
    memcpy(tokens + out->token_count, m->whole + cut, length * sizeof *tokens);
    choice.first = out->token_count;
    choice.length = (int32_t)length;
    choice.scored = (int32_t)scored;
    choice.item = (int32_t)out->item_count;
    choices[out->choice_count++] = choice;
    out->token_count += length;
    return QB_OK;
}

/* ---- an item ---- */

/* How many bytes of white space the prompt ends in: they belong to the choice. */
static size_t blanks_of(const struct qb_text *prompt)
{
    size_t n = 0;
    while (n < prompt->size && strchr(" \t\n\v\f\r", prompt->data[prompt->size - 1 - n]))
        n++;
    return n;
}

/* The token before the first: BOS as the task has it, and in the place of an empty prompt BOS or EOS. -1: none. */
static int32_t first_token(const struct maker *m, bool empty)
{
    const int32_t bos = qb_tokenizer_bos(m->tokenizer), eos = qb_tokenizer_eos(m->tokenizer);
    const enum qb_task_bos form = m->words->form.bos;
    if (form == QB_BOS_TRUE || (empty && bos >= 0))
        return bos;
    return empty ? eos : form == QB_BOS_TOKENIZER ? m->bos : -1;
}

static enum qb_status add_choice(struct maker *m, const struct qb_text *prompt, size_t blanks,
                                 const struct qb_question *q, size_t i, struct qb_error *err)
{
    const struct qb_task_form *form = &m->words->form;
    struct qb_text text = {0}, answer = {0};
    qb_task_answer(form, q, i, &answer);
    qb_text_bytes(&text, prompt->data, prompt->size);
    qb_text_bytes(&text, form->delimiter, strlen(form->delimiter));
    qb_text_bytes(&text, answer.data, answer.size);
    const int32_t first = first_token(m, prompt->size == blanks);
    if (text.failed || answer.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a prompt");
    else if (!encode(m, text.data, text.size, first, &m->whole, &m->whole_count, err))
        add_sequence(m,
                     (struct qb_task_choice){.bytes = (int32_t)answer.size,
                                             .characters = characters_of(&answer),
                                             .occurrences = count_of(prompt->data, q->choices[i])},
                     err);
    qb_text_free(&answer);
    qb_text_free(&text);
    return err->status;
}

/* The sequences of all choices; taken back where one cannot be scored. */
static enum qb_status add_choices(struct maker *m, const struct qb_question *q, struct qb_error *err)
{
    const size_t tokens = m->out->token_count, choices = m->out->choice_count;
    struct qb_text prompt = {0};
    qb_text_bytes(&prompt, "", 0);
    qb_task_prompt(&m->words->form, m->shots, m->words->form.shots, q, &prompt);
    const size_t blanks = prompt.failed ? 0 : blanks_of(&prompt);
    m->fits = true;
    m->truncated = m->merged = false;
    if (prompt.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a prompt");
    else
        encode(m, prompt.data, prompt.size - blanks, first_token(m, prompt.size == blanks), &m->prompt,
               &m->prompt_count, err);
    for (size_t i = 0; i < q->count && !err->status && m->fits; i++)
        add_choice(m, &prompt, blanks, q, i, err);
    qb_text_free(&prompt);
    if (!m->fits) {
        m->out->token_count = tokens;
        m->out->choice_count = choices;
    }
    return err->status;
}

/* The first examples of the question's subject; a question is no example of itself. */
static enum qb_status find_shots(struct maker *m, const struct qb_question *q, struct qb_error *err)
{
    const size_t due = m->words->form.shots;
    size_t found = 0;
    bool subjects = false;
    for (size_t i = 0; i < m->examples.count; i++)
        subjects = subjects || m->examples.list[i].subject[0];
    for (size_t i = 0; i < m->examples.count && found < due; i++)
        if ((!subjects || strcmp(m->examples.list[i].subject, q->subject) == 0) &&
            strcmp(m->examples.list[i].question, q->question) != 0)
            m->shots[found++] = &m->examples.list[i];
    return found == due ? QB_OK
                        : qb_yaml_fail(m->words->node, err,
                                       "%zu shots: %s has %zu examples of the subject '%s' beside the question", due,
                                       m->words->examples, found, q->subject);
}

/* Does the right choice's text stand among the wrong ones? */
static bool is_twice(const struct qb_question *q)
{
    for (size_t i = 0; i < q->count; i++)
        if (i != q->answer && strcmp(q->choices[i], q->choices[q->answer]) == 0)
            return true;
    return false;
}

static enum qb_status add_item(struct maker *m, const struct qb_question *q, struct qb_error *err)
{
    struct qb_tasks *out = m->out;
    if (find_shots(m, q, err) || add_choices(m, q, err))
        return err->status;
    const bool is[QB_TASK_COUNTS] = {!m->fits, m->fits && m->truncated, m->fits && m->merged, m->fits && is_twice(q)};
    for (size_t i = 0; i < QB_TASK_COUNTS; i++)
        m->task->counts[i] += is[i];
    if (!m->fits)
        return QB_OK;
    struct qb_task_item *items = qb_grow(out->items, out->item_count + 1, sizeof *items, "items", err);
    if (!items)
        return err->status;
    out->items = items;
    items[out->item_count++] = (struct qb_task_item){(int32_t)(m->task - out->tasks), (int32_t)out->subject_count - 1,
                                                     (int32_t)q->line, (int32_t)q->answer};
    return QB_OK;
}

/* ---- a task ---- */

static enum qb_status add_subject(struct maker *m, const char *subject, struct qb_error *err)
{
    struct qb_text name = {0};
    char **subjects = qb_grow(m->out->subjects, m->out->subject_count + 1, sizeof *subjects, "subjects", err);
    if (!subjects)
        return err->status;
    m->out->subjects = subjects;
    qb_text_add(&name, "%s%s%s", m->task->name, subject[0] ? "/" : "", subject);
    if (!name.failed && (subjects[m->out->subject_count] = qb_strdup(name.data, err)))
        m->out->subject_count++;
    if (name.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a subject");
    qb_text_free(&name);
    return err->status;
}

/* Subjects together, in the order of their names; else as they stand in the file. */
static int by_subject(const void *a, const void *b)
{
    const struct qb_question *const *x = a, *const *y = b;
    const int order = strcmp((*x)->subject, (*y)->subject);
    return order ? order : (*x > *y) - (*x < *y);
}

static enum qb_status add_questions(struct maker *m, const struct qb_questions *all, struct qb_error *err)
{
    const size_t count = m->words->items && m->words->items < all->count ? m->words->items : all->count;
    const struct qb_question **list = qb_alloc(count, sizeof *list, "questions", err);
    if (!list)
        return err->status;
    for (size_t i = 0; i < count; i++)
        list[i] = &all->list[i * all->count / count];
    qsort(list, count, sizeof *list, by_subject);
    for (size_t i = 0; i < count && !err->status; i++)
        if ((i > 0 && strcmp(list[i]->subject, list[i - 1]->subject) == 0) || !add_subject(m, list[i]->subject, err))
            add_item(m, list[i], err);
    qb_free(list);
    return err->status;
}

static enum qb_status name_task(struct qb_task *task, const struct qb_task_words *words, struct qb_error *err)
{
    struct qb_text form = {0};
    qb_task_form_print(&words->form, &form);
    if (form.failed) {
        qb_fail(err, QB_ERR_MEMORY, "no memory for a template");
    } else {
        qb_hash_buffer(form.data, form.size, task->form_sha256);
        if ((task->form = qb_strdup(form.data, err)))
            task->name = qb_strdup(words->node->key, err);
    }
    qb_text_free(&form);
    return err->status;
}

static enum qb_status add_task(struct maker *m, const struct qb_task_words *words, struct qb_error *err)
{
    struct qb_questions questions = {0};
    const size_t before = m->out->item_count;
    struct qb_hash *hash = qb_hash_new();
    m->words = words;
    m->task = &m->out->tasks[m->out->task_count++];
    if (!hash)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a hash");
    if (!name_task(m->task, words, err) && !qb_questions_read(words->file, &questions, hash, err) && words->examples)
        qb_questions_read(words->examples, &m->examples, hash, err);
    qb_hash_hex(hash, m->task->sha256);
    if (!err->status && words->form.bos == QB_BOS_TRUE && qb_tokenizer_bos(m->tokenizer) < 0)
        qb_yaml_fail(words->node, err, "bos: the tokenizer of model '%s' has none", m->model->name);
    if (!err->status && !add_questions(m, &questions, err) && m->out->item_count == before)
        qb_yaml_fail(words->node, err, "none of %zu questions fits the %zu positions of model '%s'", questions.count,
                     qb_arch_trained(&m->model->arch), m->model->name);
    qb_questions_free(&questions);
    qb_questions_free(&m->examples);
    return err->status;
}

enum qb_status qb_task_inputs_make(const struct qb_model *model, const struct qb_task_words *words, size_t count,
                                   struct qb_tasks **tasks, struct qb_error *err)
{
    struct maker m = {.model = model};
    if (!model->tokenizer)
        return qb_yaml_fail(words->node, err,
                            "model '%s' has no tokenizer to read questions with; name one by the model's key "
                            "'tokenizer'",
                            model->name);
    if (!(m.out = qb_alloc(1, sizeof *m.out, "tasks", err)) ||
        !(m.out->tasks = qb_alloc(count, sizeof *m.out->tasks, "tasks", err)) ||
        qb_tokenizer_open(model->tokenizer, &m.tokenizer, err) || qb_token_bos(model, &m.bos, err))
        goto out;
    for (size_t i = 0; i < count && !err->status; i++)
        add_task(&m, &words[i], err);
out:
    qb_tokenizer_free(m.tokenizer);
    qb_free(m.prompt);
    qb_free(m.whole);
    if (err->status)
        qb_tasks_free(m.out);
    else
        *tasks = m.out;
    return err->status;
}
