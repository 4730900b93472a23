/* Inside of the GGUF reader. Layout: ggml/docs/gguf.md of ggml-org/ggml; checks as in ggml/src/gguf.cpp. */
#ifndef QB_GGUF_PARTS_H
#define QB_GGUF_PARTS_H

#include "weights/cursor.h"
#include "weights/weights_parts.h"

/* Reads `count` key-value pairs from the cursor on into weights->config and ->arrays. */
enum qb_status qb_gguf_metadata(struct qb_weights *weights, struct qb_cursor *cursor, uint64_t count,
                                struct qb_error *err);

/* Is it valid UTF-8, without a NUL where `name`? */
bool qb_gguf_is_text(const char *text, size_t size, bool name);

#endif
