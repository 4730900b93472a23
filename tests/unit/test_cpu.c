#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/cpu.h"

/* codec.h has the levels a second time, for plugins: read here under other names. */
#undef QB_ISA_H
#define qb_isa codec_isa
#define QB_ISA_PORTABLE CODEC_ISA_PORTABLE
#define QB_ISA_AVX2 CODEC_ISA_AVX2
#define QB_ISA_AVX512 CODEC_ISA_AVX512
#define QB_ISA_AMX CODEC_ISA_AMX
#include "codec/codec.h"
#undef qb_isa
#undef QB_ISA_PORTABLE
#undef QB_ISA_AVX2
#undef QB_ISA_AVX512
#undef QB_ISA_AMX

Test(cpu, codec_h_has_the_same_levels)
{
    cr_expect_eq((int)CODEC_ISA_PORTABLE, (int)QB_ISA_PORTABLE);
    cr_expect_eq((int)CODEC_ISA_AVX2, (int)QB_ISA_AVX2);
    cr_expect_eq((int)CODEC_ISA_AVX512, (int)QB_ISA_AVX512);
    cr_expect_eq((int)CODEC_ISA_AMX, (int)QB_ISA_AMX);
}

Test(cpu, names_go_both_ways)
{
    static const char *const names[] = {"portable", "avx2", "avx512", "amx"};
    for (int i = 0; i < 4; i++) {
        enum qb_isa isa = QB_ISA_PORTABLE;
        cr_expect_str_eq(qb_isa_name((enum qb_isa)i), names[i]);
        cr_expect(qb_isa_parse(names[i], &isa));
        cr_expect_eq((int)isa, i);
    }
    enum qb_isa isa = QB_ISA_AVX2;
    cr_expect_not(qb_isa_parse("sse2", &isa));
    cr_expect_not(qb_isa_parse("", &isa));
    cr_expect_not(qb_isa_parse("AVX2", &isa));
    cr_expect_eq(isa, QB_ISA_AVX2);
    cr_expect_str_eq(qb_isa_name((enum qb_isa)7), "unknown");
    cr_expect_str_eq(qb_isa_name((enum qb_isa) - 1), "unknown");
}

Test(cpu, is_read_once)
{
    const struct qb_cpu *cpu = qb_cpu();
    cr_assert_eq(cpu, qb_cpu());
    cr_assert_gt(cpu->cores, 0);
    cr_assert_neq(cpu->model[0], '\0');
}

#if defined(__x86_64__) && defined(__linux__)
static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = line; (at = strstr(at, word)); at += length)
        if ((at == line || at[-1] == ' ') && strchr(" \n", at[length]))
            return true;
    return false;
}

/* The kernel's own list is the second opinion. */
Test(cpu, agrees_with_the_kernel)
{
    static const char *const words[] = {"avx",      "avx2",     "fma",      "f16c",    "avx512f",
                                        "avx512cd", "avx512bw", "avx512dq", "avx512vl"};
    static char line[8192];
    const struct qb_cpu *cpu = qb_cpu();
    FILE *file = fopen("/proc/cpuinfo", "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) && strncmp(line, "flags", 5) != 0)
        ;
    fclose(file);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_expect_eq(has_word(line, words[i]), has_word(cpu->features, words[i]), "%s", words[i]);
    bool avx2 = has_word(line, "avx2") && has_word(line, "fma") && has_word(line, "f16c");
    bool avx512 = avx2;
    for (size_t i = 4; i < sizeof words / sizeof *words; i++)
        avx512 = avx512 && has_word(line, words[i]);
    /* Tiles are there only for a process that Linux gave leave: what it lists is needed, and may not do. */
    bool amx = avx512 && has_word(line, "amx_tile") && has_word(line, "amx_bf16") && cpu->isa == QB_ISA_AMX;
    cr_expect_eq(has_word(cpu->features, "amx_bf16"), amx);
    cr_expect_eq(cpu->isa, amx ? QB_ISA_AMX : avx512 ? QB_ISA_AVX512 : avx2 ? QB_ISA_AVX2 : QB_ISA_PORTABLE);
}
#endif

Test(cpu, the_core_type_fits_the_level)
{
    const char *type = qb_blas_coretype();
    switch (qb_cpu()->isa) {
    case QB_ISA_AMX:
    case QB_ISA_AVX512:
        cr_assert_str_eq(type, "SKYLAKEX");
        break;
    case QB_ISA_AVX2:
        cr_assert_str_eq(type, "Haswell");
        break;
    case QB_ISA_PORTABLE:
        cr_assert_null(type);
        break;
    }
    const char *given = getenv("OPENBLAS_CORETYPE"); /* by tests/run.sh, by a rule of its own */
    cr_assert(!given || (type && strcmp(given, type) == 0), "%s, %s", given ? given : "none", type ? type : "none");
}
