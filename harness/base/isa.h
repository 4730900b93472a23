/* Instruction set levels. codec/codec.h, which plugins have alone, repeats them under the same guard. */
#ifndef QB_ISA_H
#define QB_ISA_H

enum qb_isa {
    QB_ISA_PORTABLE = 0, /* C that any machine runs: the reference */
    QB_ISA_AVX2 = 1,     /* AVX2, FMA, F16C */
    QB_ISA_AVX512 = 2,   /* AVX-512 F, CD, BW, DQ, VL */
    QB_ISA_AMX = 3       /* AMX TILE and BF16, too */
};

#endif
