/* COUNT mutations of a valid model file of each kind: the tests of tests/unit and tests/long, which differ in COUNT. */
#ifndef MUTATION_TESTS_H
#define MUTATION_TESTS_H

#include "mutations.h"

static void begin(void)
{
    registry_begin();
    scratch_begin();
}

static void end(void)
{
    registry_end();
    scratch_end();
}

TestSuite(mutations, .init = begin, .fini = end);

Test(mutations, gguf)
{
    mutate_gguf(COUNT);
}

Test(mutations, safetensors)
{
    mutate_safetensors(COUNT);
}

Test(mutations, encoded_safetensors)
{
    mutate_encoded(COUNT);
}

Test(mutations, hugging_face_folder)
{
    mutate_folder(COUNT);
}

#endif
