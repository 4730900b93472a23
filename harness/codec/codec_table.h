/* codec_table.h - for codecs of qinsbench: codes of many numbers, and values of many codes of 8 bits, by tables, at
 * every instruction set level the same bits as one by one. Apache-2.0. Optional, as codec_util.h is.
 *
 * Numbers come in runs of `width`, the last one perhaps shorter: number i belongs to run i / width, for which an array
 * has one float. */
#ifndef QB_CODEC_TABLE_H
#define QB_CODEC_TABLE_H

#include "codec_util.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define QB_AVX2 __attribute__((target("avx2"))) static inline
#define QB_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static inline
#define QB_VBMI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi"))) static inline
#endif

/* Defines void NAME(isa, ...) of these parameters, whose names are the list ARGUMENTS: the loop NAME_plain, which is
 * always inlined, compiled for each level. What compilers make of it has the same bits, sums and products being apart.
 */
#if defined(__x86_64__)
#define QB_EACH_LEVEL(NAME, ARGUMENTS, ...)                                                                            \
    QB_AVX512 void NAME##_avx512(__VA_ARGS__)                                                                          \
    {                                                                                                                  \
        NAME##_plain ARGUMENTS;                                                                                        \
    }                                                                                                                  \
    QB_AVX2 void NAME##_avx2(__VA_ARGS__)                                                                              \
    {                                                                                                                  \
        NAME##_plain ARGUMENTS;                                                                                        \
    }                                                                                                                  \
    static inline void NAME(int32_t isa, __VA_ARGS__)                                                                  \
    {                                                                                                                  \
        if (isa >= QB_ISA_AVX512)                                                                                      \
            NAME##_avx512 ARGUMENTS;                                                                                   \
        else if (isa >= QB_ISA_AVX2)                                                                                   \
            NAME##_avx2 ARGUMENTS;                                                                                     \
        else                                                                                                           \
            NAME##_plain ARGUMENTS;                                                                                    \
    }
#else
#define QB_EACH_LEVEL(NAME, ARGUMENTS, ...)                                                                            \
    static inline void NAME(int32_t isa, __VA_ARGS__)                                                                  \
    {                                                                                                                  \
        (void)isa;                                                                                                     \
        NAME##_plain ARGUMENTS;                                                                                        \
    }
#endif
#if defined(__GNUC__)
#define QB_INLINE static inline __attribute__((always_inline))
#else
#define QB_INLINE static inline
#endif

enum { QB_FINITE_BITS = 0x7f800000 }; /* magnitudes of finite floats have bits below */

static inline uint32_t qb_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float qb_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- the greatest magnitude; bits of floats without their signs have its order ---- */

#if defined(__x86_64__)
QB_AVX512 uint32_t qb_amax_avx512(const float *x, size_t n)
{
    __m512i top = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(valid, x + i));
        top = _mm512_max_epu32(top, _mm512_slli_epi32(bits, 1));
    }
    return _mm512_reduce_max_epu32(top) >> 1;
}

QB_AVX2 uint32_t qb_amax_avx2(const float *x, size_t n)
{
    uint32_t eight[8], most = 0;
    __m256i top = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        top = _mm256_max_epu32(top, _mm256_slli_epi32(bits, 1));
    }
    _mm256_storeu_si256((__m256i *)(void *)eight, top);
    for (size_t j = 0; j < 8; j++)
        most = eight[j] > most ? eight[j] : most;
    for (; i < n; i++)
        most = qb_bits(x[i]) << 1 > most ? qb_bits(x[i]) << 1 : most;
    return most >> 1;
}
#endif

/* As bits of a float; of a NaN or Inf among them QB_FINITE_BITS and up. */
static inline uint32_t qb_amax_bits(int32_t isa, const float *x, size_t n)
{
    uint32_t top = 0;
#if defined(__x86_64__)
    if (isa >= QB_ISA_AVX512)
        return qb_amax_avx512(x, n);
    if (isa >= QB_ISA_AVX2)
        return qb_amax_avx2(x, n);
#else
    (void)isa;
#endif
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = qb_bits(x[i]) & 0x7fffffffu;
        top = bits > top ? bits : top;
    }
    return top;
}

static inline float qb_amax(int32_t isa, const float *x, size_t n)
{
    return qb_float(qb_amax_bits(isa, x, n));
}

/* The greatest magnitude of each run of x[n], which are finite. */
#if defined(__x86_64__)
QB_AVX512 void qb_amaxes_avx512(const float *x, size_t n, size_t width, float *amax)
{
    for (size_t i = 0; i < n; i += width)
        *amax++ = qb_float(qb_amax_avx512(x + i, n - i < width ? n - i : width));
}
#endif

static inline void qb_amaxes(int32_t isa, const float *x, size_t n, size_t width, float *amax)
{
#if defined(__x86_64__)
    if (isa >= QB_ISA_AVX512) {
        qb_amaxes_avx512(x, n, width, amax);
        return;
    }
#endif
    for (size_t i = 0; i < n; i += width)
        *amax++ = qb_amax(isa, x + i, n - i < width ? n - i : width);
}

/* qb_check_finite. */
static inline int qb_all_finite(int32_t isa, const float *x, size_t n, size_t first, struct qb_codec_error *error)
{
    return qb_amax_bits(isa, x, n) < QB_FINITE_BITS ? QB_CODEC_OK : qb_check_finite(x, n, first, error);
}

/* ---- the range of numbers, none of them NaN, and 0 ---- */

#if defined(__x86_64__)
QB_AVX512 void qb_range_avx512(const float *x, size_t n, float *low, float *high)
{
    __m512 least = _mm512_setzero_ps(), most = least;
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        const __m512 some = _mm512_maskz_loadu_ps(valid, x + i);
        least = _mm512_min_ps(some, least); /* of equal ones, as 0 and -0, the second */
        most = _mm512_max_ps(some, most);
    }
    *low = _mm512_reduce_min_ps(least);
    *high = _mm512_reduce_max_ps(most);
}
#endif

static inline void qb_range(int32_t isa, const float *x, size_t n, float *low, float *high)
{
#if defined(__x86_64__)
    if (isa >= QB_ISA_AVX512) {
        qb_range_avx512(x, n, low, high);
        return;
    }
#else
    (void)isa;
#endif
    *low = *high = 0;
    for (size_t i = 0; i < n; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

/* ---- codes of numbers ---- */

struct qb_scaled;

/* A codec's rule: the codes of x[n] under a scale, one by one. It stays the reference: the tables below are made by
 * asking it. */
typedef void qb_code_rule(const struct qb_scaled *scaled, float scale, const float *x, size_t n, uint16_t *codes);

enum { QB_TABLE_BUCKETS = 2048, QB_TABLE_EDGES = 512 }; /* of a sign, at most */

/* Codes of up to 8 bits of a float t, as far as the rule's depend on t alone. The first bits of t choose a bucket,
 * which has a code and perhaps an edge, from which on a magnitude has the next code. Where that does not say it (a
 * bucket with several edges), and close to an edge of a rule that sees more of a number than t, the rule is asked. */
struct qb_tables {
    bool filled;        /* else the rule is asked for every number */
    bool simple;        /* the rule is never asked, and what is close to 0 has the code of 0, of its sign */
    bool tiny_alike;    /* what is below the normal floats has the code of 0, of its sign */
    uint32_t shift;     /* bits of a float behind those that choose a bucket */
    uint32_t low, high; /* magnitudes below and above count as these, given as bits of floats */
    uint32_t buckets;   /* of a sign */
    uint32_t close;     /* so many units in the last place from an edge the rule is asked; 0: never */
    uint32_t zero[2];   /* the codes of 0 and of -0 */
    uint32_t step[2];   /* from a code to that of the next larger magnitude, of t > 0 and t < 0: 1 or -1 */
    uint32_t entry[2 * QB_TABLE_BUCKETS]; /* code | place of the edge in the bucket << 8; first those of t > 0 */
};
enum { QB_TABLE_NO_EDGE = 0xf00000, QB_TABLE_ASK = 0xffffff }; /* in an entry's place of the edge */

/* From magnitude at[i] on, as bits of a float, numbers of one sign have code[i]. at[0] = 1, the least that is not 0. */
struct qb_edges {
    size_t count;
    uint32_t at[QB_TABLE_EDGES];
    uint16_t code[QB_TABLE_EDGES];
};

static inline unsigned qb_rule_code(const struct qb_scaled *scaled, qb_code_rule *rule, uint32_t bits)
{
    const float t = qb_float(bits);
    uint16_t code;
    rule(scaled, 1, &t, 1, &code);
    return code;
}

/* Two magnitudes of different codes, as bits of floats. */
struct qb_gap {
    uint32_t below, above;
    uint16_t code[2];
};

/* All gaps are halved, by one call of the rule, until their ends are neighbours: between two magnitudes of one code
 * there is none of another. False where there are too many. */
static inline bool qb_edges_find(const struct qb_scaled *scaled, qb_code_rule *rule, uint32_t sign,
                                 struct qb_edges *edges)
{
    struct qb_gap gaps[2][QB_TABLE_EDGES] = {{{.below = 1, .above = QB_FINITE_BITS - 1}}}, *from = gaps[0],
                  *to = gaps[1];
    float middle[QB_TABLE_EDGES] = {qb_float(sign | from->below), qb_float(sign | from->above)};
    uint16_t code[QB_TABLE_EDGES];
    rule(scaled, 1, middle, 2, from->code);
    size_t count = from->code[0] != from->code[1];
    edges->at[0] = from->below;
    edges->code[0] = from->code[0];
    for (uint32_t widest = from->above; widest > 1 && count > 0; widest -= widest / 2) {
        size_t next = 0;
        for (size_t i = 0; i < count; i++)
            middle[i] = qb_float(sign | (from[i].below + (from[i].above - from[i].below) / 2));
        rule(scaled, 1, middle, count, code);
        for (size_t i = 0; i < count; i++) {
            const uint32_t at = qb_bits(middle[i]) & 0x7fffffffu;
            if (next + 2 > QB_TABLE_EDGES)
                return false;
            to[next] = (struct qb_gap){from[i].below, at, {from[i].code[0], code[i]}};
            next += code[i] != from[i].code[0];
            to[next] = (struct qb_gap){at, from[i].above, {code[i], from[i].code[1]}};
            next += code[i] != from[i].code[1];
        }
        struct qb_gap *const last = from;
        from = to;
        to = last;
        count = next;
    }
    for (size_t i = 0; i < count && count < QB_TABLE_EDGES; i++) {
        edges->at[i + 1] = from[i].above;
        edges->code[i + 1] = from[i].code[1];
    }
    edges->count = count + 1;
    return count < QB_TABLE_EDGES;
}

/* Whether numbers of a sign have the codes and edges of those without. */
static inline bool qb_edges_fit(const struct qb_scaled *scaled, qb_code_rule *rule, uint32_t sign,
                                const struct qb_edges *edges)
{
    float first[QB_TABLE_EDGES], last[QB_TABLE_EDGES];
    uint16_t code[QB_TABLE_EDGES], until[QB_TABLE_EDGES];
    bool fit = true;
    for (size_t i = 0; i < edges->count; i++) {
        first[i] = qb_float(sign | edges->at[i]);
        last[i] = qb_float(sign | ((i + 1 < edges->count ? edges->at[i + 1] : (uint32_t)QB_FINITE_BITS) - 1));
    }
    rule(scaled, 1, first, edges->count, code);
    rule(scaled, 1, last, edges->count, until);
    for (size_t i = 0; i < edges->count; i++)
        fit = fit && code[i] == edges->code[i] && until[i] == edges->code[i];
    return fit;
}

/* Whether each edge from `least` on is the only one of its bucket, and leads to the next code. */
static inline bool qb_edges_apart(const struct qb_edges *edges, uint32_t step, uint32_t least, uint32_t shift)
{
    for (size_t i = 1; i < edges->count; i++)
        if (edges->at[i] >= least && (((edges->code[i - 1] + step) & 0xff) != edges->code[i] ||
                                      (i > 1 && edges->at[i - 1] >> shift == edges->at[i] >> shift)))
            return false;
    return true;
}

static inline void qb_tables_fill(struct qb_tables *tables, const struct qb_edges *edges, uint32_t negative)
{
    const uint32_t size = 1u << tables->shift;
    size_t i = 0; /* edges up to a bucket's start lie before it */
    for (uint32_t bucket = 0; bucket < tables->buckets; bucket++) {
        const uint32_t start = tables->low + bucket * size;
        uint32_t edge = QB_TABLE_NO_EDGE;
        while (i + 1 < edges->count && edges->at[i + 1] <= start)
            i++;
        const uint32_t before = edges->at[i], code = edges->code[i];
        const size_t next = i + 1;
        if (next < edges->count && edges->at[next] < start + size) {
            edge = edges->at[next] - start;
            if (((code + tables->step[negative]) & 0xff) != edges->code[next])
                edge = QB_TABLE_ASK;
        }
        const size_t after = edge == QB_TABLE_NO_EDGE ? next : next + 1;
        if ((bucket == 0 && i > 0) || (i > 0 && start - before < tables->close) ||
            (after < edges->count && edges->at[after] < start + size + tables->close))
            edge = QB_TABLE_ASK;
        tables->simple = tables->simple && edge != QB_TABLE_ASK;
        tables->entry[negative * tables->buckets + bucket] = code | edge << 8;
    }
}

/* Makes the tables of a rule whose code for x under a scale is that for t = x / scale under 1, unless t is within
 * `close` units in the last place of an edge. They stay empty where codes have more than 8 bits. */
static inline void qb_tables_of(struct qb_tables *tables, const struct qb_scaled *scaled, qb_code_rule *rule,
                                uint32_t close)
{
    struct qb_edges edges[2];
    uint32_t least = QB_FINITE_BITS, most = 0;
    tables->filled = false;
    tables->tiny_alike = true;
    tables->simple = close == 0;
    tables->close = close;
    for (uint32_t negative = 0; negative < 2; negative++) {
        struct qb_edges *own = &edges[negative];
        tables->zero[negative] = qb_rule_code(scaled, rule, negative << 31);
        if (tables->zero[negative] > 0xff)
            return;
        if (negative && qb_edges_fit(scaled, rule, negative << 31, &edges[0]))
            *own = edges[0];
        else if (!qb_edges_find(scaled, rule, negative << 31, own))
            return;
        if (own->count < 2)
            return;
        size_t up = 0, down = 0;
        for (size_t i = 0; i < own->count; i++) {
            if (own->code[i] > 0xff)
                return;
            up += i > 0 && own->code[i] == ((own->code[i - 1] + 1) & 0xff);
            down += i > 0 && own->code[i - 1] == ((own->code[i] + 1) & 0xff);
        }
        const bool alike = own->code[0] == tables->zero[negative];
        tables->simple = tables->simple && alike;
        tables->tiny_alike = tables->tiny_alike && alike && own->at[1] > 0x00800000u;
        tables->step[negative] = up >= down ? 1 : UINT32_MAX;
        least = own->at[1] < least ? own->at[1] : least;
        most = own->at[own->count - 1] > most ? own->at[own->count - 1] : most;
    }
    /* As few buckets as part all edges. Below those that 2048 hold, which are at least 16 octaves, the rule is asked.
     */
    for (tables->shift = 23;; tables->shift--) {
        const uint64_t reach = (uint64_t)(QB_TABLE_BUCKETS - 2) << tables->shift;
        const uint32_t from = most > reach && most - reach > least ? (uint32_t)(most - reach) : least;
        tables->low = (from - 1) >> tables->shift << tables->shift; /* the first edge lies above it */
        if (tables->shift == 16 || (qb_edges_apart(&edges[0], tables->step[0], from, tables->shift) &&
                                    qb_edges_apart(&edges[1], tables->step[1], from, tables->shift)))
            break;
    }
    tables->buckets = ((most - tables->low) >> tables->shift) + 1;
    tables->high = tables->low + (tables->buckets << tables->shift) - 1;
    for (uint32_t negative = 0; negative < 2; negative++)
        qb_tables_fill(tables, &edges[negative], negative);
    tables->filled = true;
}

/* The codes of t[i] = x[i] * by[run] or x[i] / by[run], rounded to a float, n <= 65536; into doubts the numbers i that
 * the rule is to be asked for. Returns how many those are. */
static inline size_t qb_find_plain(const struct qb_tables *tables, const float *x, size_t n, const float *by,
                                   size_t width, bool divide, unsigned char *codes, uint16_t *doubts)
{
    const uint32_t rest = (1u << tables->shift) - 1;
    size_t doubtful = 0;
    for (size_t i = 0, end = 0; i < n; i++) {
        if (i == end) {
            by += i > 0;
            end = n - i < width ? n : i + width;
        }
        const uint32_t bits = qb_bits(divide ? x[i] / *by : x[i] * *by), negative = bits >> 31;
        uint32_t magnitude = bits & 0x7fffffffu;
        const bool zero = magnitude == 0;
        magnitude = magnitude < tables->low ? tables->low : magnitude > tables->high ? tables->high : magnitude;
        magnitude -= tables->low;
        const uint32_t entry = tables->entry[negative * tables->buckets + (magnitude >> tables->shift)];
        const uint32_t place = magnitude & rest, edge = entry >> 8;
        const uint32_t above = (uint32_t)(place >= edge); /* without a branch, which no one could predict */
        codes[i] = (unsigned char)(zero ? tables->zero[negative] : entry + above * tables->step[negative]);
        if (!tables->simple && !zero && (edge == QB_TABLE_ASK || place - edge + tables->close < 2 * tables->close))
            doubts[doubtful++] = (uint16_t)i;
    }
    return doubtful;
}

#if defined(__x86_64__)
QB_AVX512 __attribute__((always_inline)) size_t qb_find16(const struct qb_tables *tables, const float *x, size_t n,
                                                          const float *by, size_t width, bool divide, bool simple,
                                                          unsigned char *codes, uint16_t *doubts)
{
    const __m512i low = _mm512_set1_epi32((int)tables->low), high = _mm512_set1_epi32((int)tables->high);
    const __m512i close = _mm512_set1_epi32((int)tables->close), twice = _mm512_slli_epi32(close, 1);
    const __m512i rest = _mm512_set1_epi32((int)((1u << tables->shift) - 1));
    const __m512i buckets = _mm512_set1_epi32((int)tables->buckets), ask = _mm512_set1_epi32(QB_TABLE_ASK);
    const __m512i up = _mm512_set1_epi32((int)tables->step[0]), down = _mm512_set1_epi32((int)tables->step[1]);
    const __m512i zero = _mm512_set1_epi32((int)tables->zero[0]), minus = _mm512_set1_epi32((int)tables->zero[1]);
    const __m128i shift = _mm_cvtsi32_si128((int)tables->shift);
    size_t doubtful = 0;
    for (size_t start = 0; start < n; start += width, by++) {
        const size_t end = n - start < width ? n : start + width;
        const __m512 scale = _mm512_set1_ps(*by);
        for (size_t i = start; i < end; i += 16) {
            const __mmask16 valid = (__mmask16)(end - i >= 16 ? 0xffffu : (1u << (end - i)) - 1);
            const __m512 given = _mm512_maskz_loadu_ps(valid, x + i);
            const __m512i bits =
                _mm512_castps_si512(divide ? _mm512_div_ps(given, scale) : _mm512_mul_ps(given, scale));
            const __mmask16 negative = _mm512_movepi32_mask(bits);
            __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(INT32_MAX));
            const __mmask16 other = simple ? 0xffff : _mm512_test_epi32_mask(magnitude, magnitude);
            magnitude = _mm512_sub_epi32(_mm512_min_epu32(_mm512_max_epu32(magnitude, low), high), low);
            __m512i bucket = _mm512_srl_epi32(magnitude, shift);
            bucket = _mm512_mask_add_epi32(bucket, negative, bucket, buckets);
            const __m512i entry = _mm512_i32gather_epi32(bucket, tables->entry, 4);
            const __m512i edge = _mm512_srli_epi32(entry, 8);
            const __m512i place = _mm512_and_si512(magnitude, rest), step = _mm512_mask_blend_epi32(negative, up, down);
            __m512i code = _mm512_mask_add_epi32(entry, _mm512_cmpge_epi32_mask(place, edge), entry, step);
            if (!simple)
                code = _mm512_mask_mov_epi32(_mm512_mask_blend_epi32(negative, zero, minus), other, code);
            _mm_mask_storeu_epi8(codes + i, valid, _mm512_cvtepi32_epi8(code));
            if (simple)
                continue;
            const __m512i over = _mm512_add_epi32(_mm512_sub_epi32(place, edge), close);
            unsigned doubt =
                (unsigned)(_mm512_cmplt_epu32_mask(over, twice) | _mm512_cmpeq_epi32_mask(edge, ask)) & other & valid;
            for (; doubt; doubt &= doubt - 1)
                doubts[doubtful++] = (uint16_t)(i + (unsigned)__builtin_ctz(doubt));
        }
    }
    return doubtful;
}

QB_AVX512 size_t qb_find_avx512(const struct qb_tables *tables, const float *x, size_t n, const float *by, size_t width,
                                bool divide, unsigned char *codes, uint16_t *doubts)
{
    return divide           ? tables->simple ? qb_find16(tables, x, n, by, width, true, true, codes, doubts)
                                             : qb_find16(tables, x, n, by, width, true, false, codes, doubts)
                     : tables->simple ? qb_find16(tables, x, n, by, width, false, true, codes, doubts)
                            : qb_find16(tables, x, n, by, width, false, false, codes, doubts);
}

/* As far as there are eight numbers of a run; the others are left to the caller, who is told where they begin. */
QB_AVX2 size_t qb_find_avx2(const struct qb_tables *tables, const float *x, size_t n, const float *by, size_t width,
                            bool divide, unsigned char *codes, uint16_t *doubts)
{
    const __m256i low = _mm256_set1_epi32((int)tables->low), high = _mm256_set1_epi32((int)tables->high);
    const __m256i close = _mm256_set1_epi32((int)tables->close), twice = _mm256_slli_epi32(close, 1);
    const __m256i rest = _mm256_set1_epi32((int)((1u << tables->shift) - 1)), sign = _mm256_set1_epi32(INT32_MIN);
    const __m256i buckets = _mm256_set1_epi32((int)tables->buckets), ask = _mm256_set1_epi32(QB_TABLE_ASK);
    const __m256i up = _mm256_set1_epi32((int)tables->step[0]), down = _mm256_set1_epi32((int)tables->step[1]);
    const __m256i zero = _mm256_set1_epi32((int)tables->zero[0]), minus = _mm256_set1_epi32((int)tables->zero[1]);
    const __m128i shift = _mm_cvtsi32_si128((int)tables->shift);
    size_t doubtful = 0;
    for (size_t start = 0; start < n; start += width, by++) {
        const size_t end = n - start < width ? n : start + width;
        const __m256 scale = _mm256_set1_ps(*by);
        size_t i = start;
        for (; i + 8 <= end; i += 8) {
            const __m256 given = _mm256_loadu_ps(x + i);
            const __m256i bits =
                _mm256_castps_si256(divide ? _mm256_div_ps(given, scale) : _mm256_mul_ps(given, scale));
            const __m256i negative = _mm256_srai_epi32(bits, 31);
            __m256i magnitude = _mm256_andnot_si256(sign, bits);
            const __m256i none = _mm256_cmpeq_epi32(magnitude, _mm256_setzero_si256());
            magnitude = _mm256_sub_epi32(_mm256_min_epu32(_mm256_max_epu32(magnitude, low), high), low);
            const __m256i bucket =
                _mm256_add_epi32(_mm256_srl_epi32(magnitude, shift), _mm256_and_si256(negative, buckets));
            const __m256i entry = _mm256_i32gather_epi32((const int *)(const void *)tables->entry, bucket, 4);
            const __m256i edge = _mm256_srli_epi32(entry, 8);
            const __m256i over = _mm256_sub_epi32(_mm256_and_si256(magnitude, rest), edge);
            const __m256i step = _mm256_blendv_epi8(up, down, negative);
            __m256i code = _mm256_add_epi32(entry, _mm256_andnot_si256(_mm256_srai_epi32(over, 31), step));
            code = _mm256_blendv_epi8(code, _mm256_blendv_epi8(zero, minus, negative), none);
            code = _mm256_shuffle_epi8(code, _mm256_set1_epi32(0x0c080400));
            const uint32_t four[2] = {(uint32_t)_mm256_cvtsi256_si32(code),
                                      (uint32_t)_mm_cvtsi128_si32(_mm256_extracti128_si256(code, 1))};
            memcpy(codes + i, four, sizeof four);
            const __m256i far = _mm256_xor_si256(_mm256_add_epi32(over, close), sign); /* AVX2 compares with signs */
            const __m256i near = _mm256_cmpgt_epi32(_mm256_xor_si256(twice, sign), far);
            const __m256i both = _mm256_andnot_si256(none, _mm256_or_si256(near, _mm256_cmpeq_epi32(edge, ask)));
            unsigned doubt = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(both));
            for (; doubt; doubt &= doubt - 1)
                doubts[doubtful++] = (uint16_t)(i + (unsigned)__builtin_ctz(doubt));
        }
        const size_t more = qb_find_plain(tables, x + i, end - i, by, SIZE_MAX, divide, codes + i, doubts + doubtful);
        for (size_t j = 0; j < more; j++)
            doubts[doubtful + j] = (uint16_t)(doubts[doubtful + j] + i);
        doubtful += more;
    }
    return doubtful;
}
#endif

static inline size_t qb_find(int32_t isa, const struct qb_tables *tables, const float *x, size_t n, const float *by,
                             size_t width, bool divide, unsigned char *codes, uint16_t *doubts)
{
#if defined(__x86_64__)
    if (isa >= QB_ISA_AVX512)
        return qb_find_avx512(tables, x, n, by, width, divide, codes, doubts);
    if (isa >= QB_ISA_AVX2)
        return qb_find_avx2(tables, x, n, by, width, divide, codes, doubts);
#else
    (void)isa;
#endif
    return qb_find_plain(tables, x, n, by, width, divide, codes, doubts);
}

/* ---- values of codes of 8 bits ---- */

/* The values of 256 codes as planes of their bytes: byte p of value c is at[p][c]. */
struct qb_planes {
    bool made;
    bool short_values; /* at[0] and at[1] are 0 */
    unsigned char at[4][256];
};

static inline void qb_planes_of(const float *value, struct qb_planes *planes)
{
    uint32_t any = 0;
    for (size_t c = 0; c < 256; c++) {
        const uint32_t bits = qb_bits(value[c]);
        any |= bits;
        for (size_t p = 0; p < 4; p++)
            planes->at[p][c] = (unsigned char)(bits >> 8 * p);
    }
    planes->short_values = (any & 0xffff) == 0;
    planes->made = true;
}

/* Signs beside codes of magnitudes: bit i % 8 of byte i / 8 is 1 for minus, or an int8 each, 1 or -1. */
enum qb_signs { QB_SIGNS_NONE, QB_SIGNS_BITS, QB_SIGNS_BYTES };

#if defined(__x86_64__)
/* 64 codes a step, each plane's 256 bytes in four registers. The runs' widths are whole sixteens, or there is one. */
QB_VBMI __attribute__((always_inline)) bool qb_look_up64(const struct qb_planes *planes, bool short_values,
                                                         enum qb_signs kind, const unsigned char *signs,
                                                         const unsigned char *codes, size_t n, const float *by,
                                                         size_t width, float *out)
{
    /* The unpacking below puts byte 16 l + 4 j + k of the codes into place 16 j + 4 l + k. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const int first = short_values ? 2 : 0;
    __m512i part[4][4], most = _mm512_setzero_si512();
    __mmask64 wrong = 0;
    for (int p = first; p < 4; p++)
        for (int q = 0; q < 4; q++)
            part[p][q] = _mm512_loadu_si512(planes->at[p] + 64 * q);
    size_t left = width;
    for (size_t i = 0; i < n; i += 64) {
        const uint64_t valid = n - i >= 64 ? UINT64_MAX : ((uint64_t)1 << (n - i)) - 1;
        const __m512i code = _mm512_permutexvar_epi32(order, _mm512_maskz_loadu_epi8(valid, codes + i));
        const __mmask64 upper = _mm512_movepi8_mask(code);
        __m512i byte[4];
        for (int p = 0; p < 4; p++)
            byte[p] = p < first ? _mm512_setzero_si512()
                                : _mm512_mask_blend_epi8(upper, _mm512_permutex2var_epi8(part[p][0], code, part[p][1]),
                                                         _mm512_permutex2var_epi8(part[p][2], code, part[p][3]));
        if (kind != QB_SIGNS_NONE) {
            __m512i minus;
            if (kind == QB_SIGNS_BITS) {
                const __mmask16 some = (__mmask16)(n - i >= 64 ? 0xff : (1u << (n - i + 7) / 8) - 1);
                const __m128i bits = _mm_maskz_loadu_epi8(some, signs + i / 8);
                minus = _mm512_movm_epi8((__mmask64)_mm_cvtsi128_si64(bits));
            } else {
                minus = _mm512_maskz_loadu_epi8(valid, signs + i);
                wrong |= _mm512_mask_cmpneq_epi8_mask(valid, _mm512_abs_epi8(minus), _mm512_set1_epi8(1));
            }
            minus = _mm512_and_si512(_mm512_permutexvar_epi32(order, minus), _mm512_set1_epi8(INT8_MIN));
            byte[3] = _mm512_xor_si512(byte[3], minus);
        }
        const __m512i low[2] = {_mm512_unpacklo_epi8(byte[0], byte[1]), _mm512_unpackhi_epi8(byte[0], byte[1])};
        const __m512i high[2] = {_mm512_unpacklo_epi8(byte[2], byte[3]), _mm512_unpackhi_epi8(byte[2], byte[3])};
        const __m512i word[4] = {_mm512_unpacklo_epi16(low[0], high[0]), _mm512_unpackhi_epi16(low[0], high[0]),
                                 _mm512_unpacklo_epi16(low[1], high[1]), _mm512_unpackhi_epi16(low[1], high[1])};
        for (int j = 0; j < 4; j++) {
            const __mmask16 some = (__mmask16)(valid >> 16 * j);
            const __m512 y = _mm512_mul_ps(_mm512_set1_ps(*by), _mm512_castsi512_ps(word[j]));
            _mm512_mask_storeu_ps(out + i + 16 * (size_t)j, some, y);
            most = _mm512_mask_max_epu32(most, some, most, _mm512_slli_epi32(_mm512_castps_si512(y), 1));
            left -= 16;
            if (left == 0 && i + 16 * (size_t)j + 16 < n) {
                by++;
                left = width;
            }
        }
    }
    return wrong == 0 && _mm512_reduce_max_epu32(most) < (uint32_t)QB_FINITE_BITS << 1;
}

QB_VBMI bool qb_look_up_vbmi(const struct qb_planes *planes, const unsigned char *codes, size_t n, const float *by,
                             size_t width, float *out)
{
    return planes->short_values ? qb_look_up64(planes, true, QB_SIGNS_NONE, NULL, codes, n, by, width, out)
                                : qb_look_up64(planes, false, QB_SIGNS_NONE, NULL, codes, n, by, width, out);
}

QB_VBMI bool qb_look_up_signed_vbmi(const struct qb_planes *planes, enum qb_signs kind, const unsigned char *signs,
                                    const unsigned char *codes, size_t n, float *out)
{
    const float one = 1;
    return kind == QB_SIGNS_BITS ? qb_look_up64(planes, false, QB_SIGNS_BITS, signs, codes, n, &one, n, out)
                                 : qb_look_up64(planes, false, QB_SIGNS_BYTES, signs, codes, n, &one, n, out);
}

/* The table in sixteen registers: bits 0 to 4 of a code pick from a pair of them, bits 5 to 7 pick the pair. On Cascade
 * Lake that ran 1.6 times as fast as gathers. */
QB_AVX512 void qb_look_up_avx512(const float *value, const unsigned char *codes, size_t n, float by, float *out)
{
    const __m512i bit5 = _mm512_set1_epi32(0x20), bit6 = _mm512_set1_epi32(0x40), bit7 = _mm512_set1_epi32(0x80);
    __m512 t[16];
    for (size_t j = 0; j < 16; j++)
        t[j] = _mm512_loadu_ps(value + 16 * j);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        const __m512i code = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(valid, codes + i));
        const __mmask16 k5 = _mm512_test_epi32_mask(code, bit5), k6 = _mm512_test_epi32_mask(code, bit6);
        const __mmask16 k7 = _mm512_test_epi32_mask(code, bit7);
        __m512 pick[4];
        for (int j = 0; j < 4; j++)
            pick[j] = _mm512_mask_blend_ps(k5, _mm512_permutex2var_ps(t[4 * j], code, t[4 * j + 1]),
                                           _mm512_permutex2var_ps(t[4 * j + 2], code, t[4 * j + 3]));
        const __m512 low = _mm512_mask_blend_ps(k6, pick[0], pick[1]),
                     high = _mm512_mask_blend_ps(k6, pick[2], pick[3]);
        _mm512_mask_storeu_ps(out + i, valid, _mm512_mul_ps(_mm512_mask_blend_ps(k7, low, high), _mm512_set1_ps(by)));
    }
}

/* Of few codes, by gathers. */
QB_AVX512 void qb_look_up_few_avx512(const float *value, const unsigned char *codes, size_t n, float by, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 valid = (__mmask16)(n - i >= 16 ? 0xffffu : (1u << (n - i)) - 1);
        const __m512i sixteen = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(valid, codes + i));
        _mm512_mask_storeu_ps(out + i, valid,
                              _mm512_mul_ps(_mm512_i32gather_ps(sixteen, value, 4), _mm512_set1_ps(by)));
    }
}

QB_AVX2 size_t qb_look_up_avx2(const float *value, const unsigned char *codes, size_t n, float by, float *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(codes + i)));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_i32gather_ps(value, eight, 4), _mm256_set1_ps(by)));
    }
    return i;
}
#endif

/* Whether this machine permutes bytes, and there are planes for that. */
static inline bool qb_permutes(int32_t isa, const struct qb_planes *planes)
{
#if defined(__x86_64__)
    return isa >= QB_ISA_AVX512 && planes->made && __builtin_cpu_supports("avx512vbmi");
#else
    (void)isa, (void)planes;
    return false;
#endif
}

/* out[n] = value[codes[n]] with the signs that lie apart, where qb_permutes. False where one is NaN or
 * infinite, or a byte of signs is neither 1 nor -1. */
static inline bool qb_look_up_signed(const struct qb_planes *planes, enum qb_signs kind, const unsigned char *signs,
                                     const unsigned char *codes, size_t n, float *out)
{
#if defined(__x86_64__)
    return qb_look_up_signed_vbmi(planes, kind, signs, codes, n, out);
#else
    (void)planes, (void)kind, (void)signs, (void)codes, (void)n, (void)out;
    return false;
#endif
}

/* out[n] = by[run] * value[codes[n]]. False where one is NaN or infinite. planes: of value, where made. */
static inline bool qb_look_up(int32_t isa, const float *value, const struct qb_planes *planes,
                              const unsigned char *codes, size_t n, const float *by, size_t width, float *out)
{
#if defined(__x86_64__)
    if (qb_permutes(isa, planes) && (width % 16 == 0 || width >= n))
        return qb_look_up_vbmi(planes, codes, n, by, width, out);
#endif
    for (size_t start = 0, size; start < n; start += size, by++) {
        size_t i = 0;
        size = n - start < width ? n - start : width;
#if defined(__x86_64__)
        if (isa >= QB_ISA_AVX512) {
            (size < 256 ? qb_look_up_few_avx512 : qb_look_up_avx512)(value, codes + start, size, *by, out + start);
            i = size;
        } else if (isa >= QB_ISA_AVX2) {
            i = qb_look_up_avx2(value, codes + start, size, *by, out + start);
        }
#else
        (void)isa, (void)planes;
#endif
        for (; i < size; i++)
            out[start + i] = *by * value[codes[start + i]];
    }
    return qb_first_nonfinite(out, n) == n;
}

#endif
