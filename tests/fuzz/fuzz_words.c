/* What people write: suites, variants, rules, claims, baselines, token files, questions. */
#include <string.h>
#include "base/cpu.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/yaml.h"
#include "codec/variant.h"
#include "fuzz.h"
#include "gate/baseline.h"
#include "gate/rules.h"
#include "reports/claims.h"
#include "run/question_files.h"
#include "run/suite.h"
#include "run/token_file.h"

void fuzz_yaml(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_yaml *root = NULL;
    struct qb_text text = {0};
    if (qb_yaml_parse((const char *)data, size, "input.yaml", &root, err))
        return;
    qb_yaml_print(root, &text); /* which reads back as the same */
    struct qb_yaml *again = NULL;
    struct qb_text twice = {0};
    if (!text.failed && text.size < (4u << 20)) {
        if (qb_yaml_parse(text.data ? text.data : "", text.size, "printed", &again, err))
            fuzz_found("what is printed cannot be read: %s", err->message);
        qb_yaml_print(again, &twice);
        if (text.size != twice.size || (text.size && memcmp(text.data, twice.data, text.size) != 0))
            fuzz_found("'%s' printed again is '%s'", text.data, twice.data);
    }
    qb_text_free(&text);
    qb_text_free(&twice);
    qb_yaml_free(again);
    qb_yaml_free(root);
}

void fuzz_suite(const uint8_t *data, size_t size, struct qb_error *err)
{
    const struct qb_suite_options options = {.registry = fuzz_registry(), .isa = qb_cpu()->isa};
    struct qb_suite *suite = NULL;
    if (!qb_suite_load(fuzz_file("input.yaml", data, size), &options, &suite, err))
        qb_suite_free(suite);
}

void fuzz_variant(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_yaml *root = NULL;
    struct qb_variant *variant = NULL;
    if (qb_yaml_parse((const char *)data, size, "input.yaml", &root, err))
        return;
    if (!qb_variant_read(root, "mine", fuzz_registry(), QB_ISA_PORTABLE, &variant, err)) {
        qb_variant_floor(variant);
        qb_variant_free(variant);
    }
    qb_yaml_free(root);
}

void fuzz_rules(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_gate_rules *rules = NULL;
    if (!qb_gate_rules_parse((const char *)data, size, "input.yaml", &rules, err))
        qb_gate_rules_free(rules);
}

void fuzz_claims(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_ledger *ledger = NULL;
    fuzz_file("input.yaml", data, size);
    if (!qb_ledger_load(fuzz_folder(), &ledger, err))
        qb_ledger_free(ledger);
}

void fuzz_baseline(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_baseline *baseline = NULL, *again = NULL;
    struct qb_text text = {0};
    if (qb_baseline_parse((const char *)data, size, "input.json", &baseline, err))
        return;
    qb_baseline_print(baseline, &text);
    if (!text.failed && qb_baseline_parse(text.data, text.size, "printed", &again, err))
        fuzz_found("what is printed cannot be read: %s", err->message);
    qb_baseline_free(again);
    qb_text_free(&text);
    qb_baseline_free(baseline);
}

void fuzz_tokens(const uint8_t *data, size_t size, struct qb_error *err)
{
    static struct qb_model *model;
    const struct qb_generator_options options = {.vocab = 300, .hidden = 8, .layers = 1};
    struct qb_error made = {0};
    int32_t *tokens = NULL;
    size_t count = 0;
    if (!model) { /* once, but counted as this input's */
        qb_mem_limit(0);
        if (qb_model_generate("chain", &options, &model, &made))
            fuzz_found("%s", made.message);
        fuzz_keep_live();
        qb_mem_limit(FUZZ_MEMORY);
    }
    const struct qb_token_form form = {.ids = true};
    if (!qb_token_file_read(model, fuzz_file("input", data, size), form, &tokens, &count, err))
        for (size_t i = 0; i < count; i++)
            if (tokens[i] < 0 || tokens[i] >= 300)
                fuzz_found("token %d", (int)tokens[i]);
    qb_free(tokens);
}

/* The first byte chooses the form. What is read is as questions.h says. */
void fuzz_questions(const uint8_t *data, size_t size, struct qb_error *err)
{
    struct qb_questions q = {0};
    struct qb_hash *hash = qb_hash_new();
    if (size > 0 && hash &&
        !qb_questions_read(fuzz_file(data[0] % 2 ? "input.csv" : "input.jsonl", data + 1, size - 1), &q, hash, err))
        for (size_t i = 0; i < q.count; i++)
            if (q.list[i].count < 2 || q.list[i].count > QB_CHOICES_MAX || q.list[i].answer >= q.list[i].count)
                fuzz_found("question %zu: answer %zu of %zu", i, q.list[i].answer, q.list[i].count);
    qb_hash_drop(hash);
    qb_questions_free(&q);
}
