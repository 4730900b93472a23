/* chat.json: conversations by transformers' way of running chat templates. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>
#include "tokenizer/chat.h"

static enum qb_chat_role role_of(const char *name)
{
    return strcmp(name, "system") == 0 ? QB_CHAT_SYSTEM : strcmp(name, "user") == 0 ? QB_CHAT_USER : QB_CHAT_ASSISTANT;
}

static void same_text(const json_t *one)
{
    struct qb_chat_message messages[8];
    struct qb_chat_form form;
    struct qb_text out = {0};
    const json_t *turns = json_object_get(one, "turns");
    const char *name = json_string_value(json_object_get(one, "name"));
    size_t count = json_array_size(turns);
    cr_assert_leq(count, 8);
    for (size_t i = 0; i < count; i++) {
        const json_t *turn = json_array_get(turns, i);
        messages[i].role = role_of(json_string_value(json_array_get(turn, 0)));
        messages[i].text = json_string_value(json_array_get(turn, 1));
    }
    qb_chat_recognize(json_string_value(json_object_get(one, "template")), "<s>", "</s>", &form);
    cr_expect_str_eq(form.name, json_string_value(json_object_get(one, "form")), "%s is taken for %s", name, form.name);
    qb_chat_render(&form, messages, count, json_is_true(json_object_get(one, "open")), &out);
    cr_expect_str_eq(out.data, json_string_value(json_object_get(one, "text")), "%s: '%s' expected '%s'", name,
                     out.data, json_string_value(json_object_get(one, "text")));
    qb_text_free(&out);
}

Test(chat, texts_are_those_of_the_templates)
{
    json_t *golden = json_load_file("tests/golden/chat.json", 0, NULL);
    const json_t *cases = json_object_get(golden, "cases");
    cr_assert_gt(json_array_size(cases), 80);
    for (size_t i = 0; i < json_array_size(cases); i++)
        same_text(json_array_get(cases, i));
    json_decref(golden);
}

Test(chat, an_unknown_template_is_said_and_written_plainly)
{
    static const struct qb_chat_message messages[] = {{QB_CHAT_SYSTEM, "Be brief."}, {QB_CHAT_USER, "Hello "}};
    static const char *const unknown[] = {NULL, "", "{{ messages }}", "<|im_st|>"};
    for (size_t i = 0; i < 4; i++) {
        struct qb_chat_form form;
        struct qb_text out = {0};
        qb_chat_recognize(unknown[i], "<s>", "</s>", &form);
        cr_expect_str_eq(form.name, "plain");
        qb_chat_render(&form, messages, 2, true, &out);
        cr_expect_str_eq(out.data, "<s>Be brief.\n\nUser: Hello\nAssistant:");
        qb_text_free(&out);
    }
}
