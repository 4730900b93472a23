/* 100,000 mutations of the small tokenizers. */
#define COUNT 12500
#include "unit/test_tokenizer_mutations.c"
