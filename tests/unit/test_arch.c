/* Families as tables: the tensors that follow from options, written out by hand, and tables that hold together. */
#include <stdio.h>
#include <string.h>
#include <criterion/criterion.h>
#include "arch/arch.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

#define QKV (QB_ROLE_ATTN_Q | QB_ROLE_ATTN_K | QB_ROLE_ATTN_V)

struct due {
    const char *name;
    uint32_t roles;
    int layer;
    size_t rows, cols;
};

static void expect(const struct qb_arch *arch, const size_t *inner, const struct due *due, size_t n)
{
    struct qb_arch_tensor *tensors = NULL;
    struct qb_error err = {0};
    size_t count = 0;
    cr_assert_eq(qb_arch_tensors(arch, inner, &tensors, &count, &err), QB_OK, "%s", err.message);
    cr_assert_eq(count, n, "%zu tensors", count);
    for (size_t i = 0; i < n; i++) {
        const struct qb_arch_tensor *t = &tensors[i];
        cr_expect_str_eq(t->name, due[i].name);
        cr_expect_eq(t->roles, due[i].roles, "%s: roles %x", t->name, t->roles);
        cr_expect_eq(t->layer, due[i].layer, "%s", t->name);
        cr_expect(t->rows == due[i].rows && t->cols == due[i].cols, "%s: %zu x %zu", t->name, t->rows, t->cols);
        cr_expect_eq(t->optional, strcmp(t->name, "head.bias") == 0, "%s", t->name);
    }
    qb_free(tensors);
}

Test(arch, a_transformer_with_everything)
{
    struct qb_arch arch = qb_family_find("transformer")->options;
    arch.vocab = 50;
    arch.hidden = 8;
    arch.layers = 1;
    arch.context = 6;
    arch.learned_positions = true;
    arch.block_norm = QB_NORM_LAYERNORM;
    arch.tied_head = false;
    const struct due due[] = {{"embed.weight", QB_ROLE_EMBED, -1, 50, 8},
                              {"pos.weight", QB_ROLE_POSITION, -1, 6, 8},
                              {"layers.0.norm1.weight", QB_ROLE_NORM, 0, 1, 8},
                              {"layers.0.norm1.bias", QB_ROLE_NORM | QB_ROLE_BIAS, 0, 1, 8},
                              {"layers.0.attn.qkv.weight", QKV, 0, 24, 8},
                              {"layers.0.attn.qkv.bias", QKV | QB_ROLE_BIAS, 0, 1, 24},
                              {"layers.0.attn.out.weight", QB_ROLE_ATTN_O, 0, 8, 8},
                              {"layers.0.attn.out.bias", QB_ROLE_ATTN_O | QB_ROLE_BIAS, 0, 1, 8},
                              {"layers.0.norm2.weight", QB_ROLE_NORM, 0, 1, 8},
                              {"layers.0.norm2.bias", QB_ROLE_NORM | QB_ROLE_BIAS, 0, 1, 8},
                              {"layers.0.mlp.up.weight", QB_ROLE_MLP_UP, 0, 20, 8},
                              {"layers.0.mlp.up.bias", QB_ROLE_MLP_UP | QB_ROLE_BIAS, 0, 1, 20},
                              {"layers.0.mlp.down.weight", QB_ROLE_MLP_DOWN, 0, 8, 20},
                              {"layers.0.mlp.down.bias", QB_ROLE_MLP_DOWN | QB_ROLE_BIAS, 0, 1, 8},
                              {"norm.weight", QB_ROLE_NORM, -1, 1, 8},
                              {"norm.bias", QB_ROLE_NORM | QB_ROLE_BIAS, -1, 1, 8},
                              {"head.weight", QB_ROLE_HEAD, -1, 50, 8},
                              {"head.bias", QB_ROLE_HEAD | QB_ROLE_BIAS, -1, 1, 50}};
    expect(&arch, (const size_t[]){20}, due, sizeof due / sizeof *due);
}

/* As the source has it: nothing but what the options ask for. A chain's layers take the width that the one before
 * leaves. */
Test(arch, a_chain_of_two_widths)
{
    struct qb_arch arch = qb_family_find("chain")->options;
    arch.vocab = 50;
    arch.hidden = 8;
    arch.layers = 2;
    const struct due due[] = {{"embed.weight", QB_ROLE_EMBED, -1, 50, 8},
                              {"layers.0.mlp.up.weight", QB_ROLE_MLP_UP, 0, 16, 8},
                              {"layers.0.mlp.up.bias", QB_ROLE_MLP_UP | QB_ROLE_BIAS, 0, 1, 16},
                              {"layers.1.mlp.up.weight", QB_ROLE_MLP_UP, 1, 8, 16},
                              {"layers.1.mlp.up.bias", QB_ROLE_MLP_UP | QB_ROLE_BIAS, 1, 1, 8},
                              {"head.weight", QB_ROLE_HEAD, -1, 50, 8},
                              {"head.bias", QB_ROLE_HEAD | QB_ROLE_BIAS, -1, 1, 50}};
    expect(&arch, (const size_t[]){16, 8}, due, sizeof due / sizeof *due);
    const struct due tied[] = {{"embed.weight", QB_ROLE_EMBED | QB_ROLE_HEAD, -1, 50, 8},
                               {"layers.0.mlp.up.weight", QB_ROLE_MLP_UP, 0, 8, 8},
                               {"layers.0.mlp.up.bias", QB_ROLE_MLP_UP | QB_ROLE_BIAS, 0, 1, 8}};
    arch.layers = 1;
    arch.tied_head = true;
    expect(&arch, (const size_t[]){8}, tied, sizeof tied / sizeof *tied);
}

/* What reading a file and generating need of every row. */
Test(arch, every_family_has_what_its_users_need)
{
    const struct qb_family *family;
    size_t count = 0;
    for (; (family = qb_family_at(count)); count++) {
        cr_expect_eq(qb_family_find(family->name), family);
        cr_expect_str_eq(family->options.name, family->name);
        cr_expect(family->summary && *family->summary && family->options.heads > 0);
        const uint32_t needed[] = {QB_ROLE_EMBED, QB_ROLE_MLP_UP, QB_ROLE_HEAD};
        for (size_t i = 0; i < 3; i++)
            cr_expect_not_null(qb_family_rule(family, needed[i]), "%s: no %s", family->name, qb_role_name(needed[i]));
        cr_expect_eq(qb_family_rule(family, QB_ROLE_ATTN_O) != NULL, family->options.attention, "%s", family->name);
        cr_expect_eq(qb_family_rule(family, QB_ROLE_MLP_DOWN) != NULL, family->options.mlp_down, "%s", family->name);
        unsigned runs = 0; /* of rules of a layer: one */
        for (const struct qb_tensor_rule *rule = family->rules; rule->roles; rule++)
            runs += strstr(rule->own, "%d") && (rule == family->rules || !strstr(rule[-1].own, "%d"));
        cr_expect_eq(runs, 1, "%s: a layer's rules stand apart", family->name);
    }
    struct qb_text names = {0};
    qb_family_names(true, &names);
    cr_expect(strstr(names.data, "transformer") && strstr(names.data, " or "), "%s", names.data);
    qb_text_free(&names);
    cr_expect_geq(count, 2);
    cr_expect_null(qb_family_find("rnn"));
}

/* Each allocation fails once: what is printed and hashed is as with memory, or has failed; nothing else is told. */
Test(arch, options_without_memory_fail_and_never_lie)
{
    const struct qb_arch arch = qb_family_find("llama")->options;
    char right[QB_HASH_HEX], hex[QB_HASH_HEX];
    struct qb_hash *hash = qb_hash_new();
    qb_arch_hash(&arch, hash);
    qb_hash_hex(hash, right);
    cr_assert_eq(strlen(right), 64);
    size_t failed = 0;
    for (size_t n = 1; n <= 200; n++) {
        hash = qb_hash_new();
        qb_mem_fail_at(n);
        qb_arch_hash(&arch, hash);
        qb_mem_fail_at(0);
        qb_hash_hex(hash, hex);
        failed += hex[0] == '\0';
        cr_expect(hex[0] == '\0' || strcmp(hex, right) == 0, "allocation %zu: another hash", n);
    }
    cr_expect_gt(failed, 0);
    failed = 0;
    for (size_t i = 0; qb_arch_option(i); i++)
        for (size_t n = 1; n <= 5; n++) {
            struct qb_text due = {0}, text = {0};
            bool told = qb_arch_option_print(&arch, i, &due);
            qb_mem_fail_at(n);
            bool tells = qb_arch_option_print(&arch, i, &text);
            qb_mem_fail_at(0);
            failed += text.failed;
            cr_expect(text.failed || (tells == told && text.size == due.size), "%s: %s", qb_arch_option(i),
                      text.data ? text.data : "");
            qb_text_free(&due);
            qb_text_free(&text);
        }
    cr_expect_gt(failed, 0);
}
