/* Names of floors, and their definitions as text. */
#include <string.h>
#include "base/floor.h"

static const char *const names[QB_FLOORS] = {"", "identity", "arithmetic", "fp16", "bf16"};

const char *qb_floor_name(enum qb_floor floor)
{
    return names[floor];
}

bool qb_floor_parse(const char *name, enum qb_floor *floor)
{
    *floor = QB_FLOOR_NONE;
    for (int i = 0; i < QB_FLOORS; i++)
        if (strcmp(names[i], name) == 0) {
            *floor = (enum qb_floor)i;
            return true;
        }
    return false;
}

static bool skip(const char **at, const char *text)
{
    size_t size = strlen(text);
    if (strncmp(*at, text, size) != 0)
        return false;
    *at += size;
    return true;
}

/* The whole of what follows "codec=fp16/": "<version>() path=decode cache=0 placement=<every weight role>". */
static bool stores_all(const char *at)
{
    at += strcspn(at, "( ");
    return skip(&at, "() path=decode cache=") && (*at == '0' || *at == '1') && skip(&at, *at == '0' ? "0" : "1") &&
           strcmp(at, " placement=attn.q+attn.k+attn.v+attn.o+mlp.gate+mlp.up+mlp.down+embed+head") == 0;
}

enum qb_floor qb_floor_of_definition(const char *definition)
{
    const char *at = definition;
    if (!skip(&at, "variant "))
        return QB_FLOOR_NONE;
    at += strcspn(at, " "); /* its name, which means nothing */
    if (*at == '\0')
        return QB_FLOOR_IDENTITY;
    if (strcmp(at, " arithmetic=reversed") == 0)
        return QB_FLOOR_ARITHMETIC;
    if (skip(&at, " codec=fp16/"))
        return stores_all(at) ? QB_FLOOR_FP16 : QB_FLOOR_NONE;
    return skip(&at, " codec=bf16/") && stores_all(at) ? QB_FLOOR_BF16 : QB_FLOOR_NONE;
}
