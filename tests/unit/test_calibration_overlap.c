/* Calibration contexts found in evaluated text: planted ones, and against a search of every window in every place. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/token_runs.h"
#include "experiments/calibration_overlap.h"

static size_t found(const int32_t *contexts, size_t count, size_t length, const int32_t *text, size_t pieces,
                    size_t piece_length)
{
    struct qb_error err = {0};
    size_t overlap = 77;
    cr_assert_eq(qb_contexts_in_text(contexts, count, length, text, pieces, piece_length, &overlap, &err), QB_OK, "%s",
                 err.message);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
    return overlap;
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*state * below) >> 32);
}

static void fill(int32_t *tokens, size_t n, uint32_t vocab, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)draw(&seed, vocab);
}

Test(calibration_overlap, random_contexts_do_not_overlap_and_planted_ones_do)
{
    static int32_t contexts[50 * 20], text[20 * 128];
    fill(contexts, 50 * 20, 5000, 1);
    fill(text, 20 * 128, 5000, 2);
    cr_expect_eq(found(contexts, 50, 20, text, 20, 128), 0);
    memcpy(text + 3 * 128 + 108, contexts + 7 * 20, 20 * sizeof *text); /* at the end of a piece */
    cr_expect_eq(found(contexts, 50, 20, text, 20, 128), 1);
    memcpy(text, contexts + 7 * 20, 20 * sizeof *text);
    cr_expect_eq(found(contexts, 50, 20, text, 20, 128), 1, "a context counts once");
    memcpy(contexts + 9 * 20, contexts + 7 * 20, 20 * sizeof *text);
    cr_expect_eq(found(contexts, 50, 20, text, 20, 128), 2, "two contexts of the same tokens are two");
    text[3 * 128 + 120]++;
    text[10]++;
    cr_expect_eq(found(contexts, 50, 20, text, 20, 128), 0,
                 "a turn of phrase is no leak: the whole context must stand there");
}

Test(calibration_overlap, text_that_calibrates_is_found_whole)
{
    static int32_t text[4000];
    fill(text, 4000, 5000, 3);
    cr_expect_eq(found(text, 50, 20, text, 1, 4000), 50);
    cr_expect_eq(found(text, 50, 80, text, 31, 128), 50, "contexts that cross the border of two pieces, in part");
    cr_expect_eq(found(text, 1, 20, text + 19, 1, 500), 0);
}

/* Two windows of the same hash: their difference is a short vector of the lattice {d: sum d[i] BASE^(15-i) = 0 mod
 * 2^64}, found by LLL reduction. */
Test(calibration_overlap, equal_hashes_are_not_equal_tokens)
{
    static const int32_t difference[16] = {4, 0, -3, 1, -3, 10, 6, -4, -5, 4, -5, 8, -7, -9, -2, 1};
    int32_t context[16], text[16];
    for (size_t i = 0; i < 16; i++) {
        context[i] = 100 + (int32_t)i;
        text[i] = context[i] + difference[i];
    }
    cr_expect_eq(found(context, 1, 16, context, 1, 16), 1);
    cr_expect_eq(found(context, 1, 16, text, 1, 16), 0);
}

Test(calibration_overlap, short_pieces)
{
    static int32_t contexts[50 * 20];
    fill(contexts, 50 * 20, 5000, 4);
    cr_expect_eq(found(contexts, 50, 20, contexts + 45, 1, 10), 1, "a prompt of 10 that stands in a context");
    cr_expect_eq(found(contexts, 50, 20, contexts + 45, 1, 7), 0, "7 tokens say nothing");
    cr_expect_eq(found(contexts, 200, 5, contexts + 45, 1, 7), 1, "contexts of 5 do");
    cr_expect_eq(found(contexts, 50, 20, contexts, 0, 10), 0);
    cr_expect_eq(found(contexts, 0, 20, contexts, 5, 10), 0);
    cr_expect_eq(found(NULL, 0, 0, NULL, 0, 0), 0);
}

/* Three tokens only, so that windows share prefixes, hashes are many and matches are frequent. */
Test(calibration_overlap, agrees_with_a_search_of_all_places)
{
    static int32_t contexts[40 * 40], text[6 * 300];
    for (uint32_t seed = 1; seed <= 60; seed++) {
        const size_t length = 4 + seed % 37, piece = 40 + seed, window = length < 32 ? length : 32;
        size_t due = 0;
        fill(contexts, 40 * length, 2 + seed % 2, seed);
        fill(text, 6 * piece, 2 + seed % 2, seed + 1000);
        for (size_t c = 0; c < 40; c++) {
            bool seen = false;
            for (size_t i = 0; i + window <= length && !seen; i++)
                for (size_t p = 0; p < 6 && !seen; p++)
                    for (size_t j = 0; j + window <= piece && !seen; j++)
                        seen = memcmp(contexts + c * length + i, text + p * piece + j, window * sizeof *text) == 0;
            due += seen;
        }
        cr_expect_eq(found(contexts, 40, length, text, 6, piece), due, "seed %u", seed);
    }
}

static size_t found_in(const int32_t *contexts, size_t count, size_t length, const int32_t *text,
                       const struct qb_token_piece *pieces, size_t n)
{
    struct qb_error err = {0};
    size_t overlap = 77;
    cr_assert_eq(qb_contexts_in_pieces(contexts, count, length, text, pieces, n, &overlap, &err), QB_OK, "%s",
                 err.message);
    cr_assert_eq(qb_mem_stats().live_bytes, 0);
    return overlap;
}

Test(calibration_overlap, pieces_of_any_length)
{
    static int32_t contexts[3 * 40], text[200];
    const struct qb_token_piece pieces[] = {{0, 31}, {31, 32}, {63, 100}}, halves[] = {{31, 16}, {47, 16}};
    fill(contexts, 3 * 40, 5000, 8);
    fill(text, 200, 5000, 9);
    cr_expect_eq(found_in(contexts, 3, 40, text, pieces, 3), 0);
    memcpy(text + 31, contexts + 5, 32 * sizeof *text);
    cr_expect_eq(found_in(contexts, 3, 40, text, pieces, 3), 1, "a run of 32 is a whole piece");
    cr_expect_eq(found_in(contexts, 3, 40, text, halves, 2), 0, "a run over two pieces is none");
    memcpy(text + 131, contexts + 80 + 8, 32 * sizeof *text);
    cr_expect_eq(found_in(contexts, 3, 40, text, pieces, 3), 2, "at the end of the last piece");
    memcpy(text, contexts + 40, 31 * sizeof *text);
    cr_expect_eq(found_in(contexts, 3, 40, text, pieces, 3), 2, "31 of a row are too few");
    text[131]++;
    cr_expect_eq(found_in(contexts, 3, 40, text, pieces, 3), 1);
}

Test(calibration_overlap, a_record_says_both_numbers)
{
    static int32_t tokens[100];
    struct qb_error err = {0};
    struct qb_record record = {0};
    fill(tokens, 100, 5000, 5);
    struct qb_inputs in = {.calibration = tokens, .calibration_contexts = 5, .calibration_length = 20};
    cr_assert_eq(qb_record_overlap(&in, tokens + 20, 2, 20, &record, &err), QB_OK, "%s", err.message);
    cr_expect_eq(qb_record_scalar(&record, "calibration_overlap", -1), 2);
    cr_expect_eq(qb_record_scalar(&record, "calibration_contexts", -1), 5);
    cr_expect_eq(qb_record_find(&record, "calibration_overlap")->dtype, QB_I64);
    qb_record_free(&record);
}
