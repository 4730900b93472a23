/* The weights of a generated model, for tests that change them: FP32 in the source's own memory. */
#ifndef QB_TEST_TENSOR_FLOATS_H
#define QB_TEST_TENSOR_FLOATS_H

#include <criterion/criterion.h>
#include "model/model.h"

static inline float *tensor_floats(const struct qb_tensor *tensor)
{
    cr_assert_null(tensor->format, "%s is not FP32", tensor->name);
    return (float *)(uintptr_t)tensor->bytes;
}

#endif
