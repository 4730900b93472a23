#include "codec/role.h"

static const struct {
    uint32_t bit;
    const char *name;
} roles[] = {
    {QB_ROLE_ATTN_Q, "attn.q"},     {QB_ROLE_ATTN_K, "attn.k"},     {QB_ROLE_ATTN_V, "attn.v"},
    {QB_ROLE_ATTN_O, "attn.o"},     {QB_ROLE_MLP_GATE, "mlp.gate"}, {QB_ROLE_MLP_UP, "mlp.up"},
    {QB_ROLE_MLP_DOWN, "mlp.down"}, {QB_ROLE_EMBED, "embed"},       {QB_ROLE_HEAD, "head"},
    {QB_ROLE_KV_K, "kv.k"},         {QB_ROLE_KV_V, "kv.v"},         {QB_ROLE_ACT, "act"},
    {QB_ROLE_NORM, "norm"},         {QB_ROLE_BIAS, "bias"},         {QB_ROLE_POSITION, "position"},
};
#define ROLE_COUNT (sizeof roles / sizeof *roles)

const char *qb_role_name(uint32_t role)
{
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (roles[i].bit == role)
            return roles[i].name;
    return "";
}

bool qb_role_parse(const char *pattern, uint32_t *mask)
{
    bool found = false;
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (qb_glob(pattern, roles[i].name)) {
            *mask |= roles[i].bit;
            found = true;
        }
    return found;
}

void qb_role_print(uint32_t mask, struct qb_text *out)
{
    const char *between = "";
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (mask & roles[i].bit) {
            qb_text_add(out, "%s%s", between, roles[i].name);
            between = "+";
        }
}

bool qb_role_covered(uint32_t mask, uint32_t tensor)
{
    return tensor != 0 && (tensor & ~QB_ROLE_WEIGHTS) == 0 && (tensor & ~mask) == 0;
}

size_t qb_role_blocks(uint32_t tensor)
{
    uint32_t blocks = tensor & QB_ROLE_BLOCKS;
    return blocks ? (size_t)__builtin_popcount(blocks) : 1;
}

size_t qb_role_block(uint32_t tensor, uint32_t role)
{
    uint32_t blocks = tensor & QB_ROLE_BLOCKS;
    return blocks & role ? (size_t)__builtin_popcount(blocks & (role - 1)) : 0;
}

uint32_t qb_role_of_block(uint32_t tensor, size_t i)
{
    uint32_t blocks = tensor & QB_ROLE_BLOCKS;
    for (; blocks && i > 0; i--)
        blocks &= blocks - 1;
    return blocks ? blocks & (~blocks + 1) : tensor;
}

size_t qb_role_rows(uint32_t tensor, size_t rows, const size_t block_rows[3], size_t i, size_t *first)
{
    size_t blocks = qb_role_blocks(tensor), equal = rows / blocks;
    bool told = blocks > 1 && blocks <= 3 && block_rows[0];
    *first = told ? 0 : i * equal;
    for (size_t b = 0; told && b < i; b++)
        *first += block_rows[b];
    return told ? block_rows[i] : equal;
}
