/* The tokenizer of a synthetic model. */
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text.h"
#include "model/like_parts.h"
#include "tokenizer/tokenizer.h"

const char *const like_tokenizer_files[] = {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                                            "chat_template.jinja", NULL};

/* A trained tokenizer.json and what Hugging Face puts beside it; the model is a folder, whose files have these names.
 */
static enum qb_status copy(const struct qb_model *trained, const char *folder, struct qb_error *err)
{
    const char *slash = strrchr(trained->tokenizer, '/');
    struct qb_text from = {0};
    qb_text_bytes(&from, trained->tokenizer, (size_t)(slash - trained->tokenizer));
    for (size_t i = 0; like_tokenizer_files[i] && !err->status; i++) {
        char *source = qb_path_join(from.data ? from.data : "", like_tokenizer_files[i], err);
        char *target = qb_path_join(folder, like_tokenizer_files[i], err);
        if (!err->status && qb_file_exists(source))
            qb_file_copy(source, target, err);
        qb_free(source);
        qb_free(target);
    }
    qb_text_free(&from);
    return err->status;
}

static enum qb_status put(const char *folder, const char *name, const struct qb_text *text, struct qb_error *err)
{
    char *path = qb_path_join(folder, name, err);
    if (path && text->failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a tokenizer");
    else if (path)
        qb_file_replace(path, text->data, text->size, err);
    qb_free(path);
    return err->status;
}

/* The id of config.json's end of text, where a tokenizer of bytes has room for it, else the first behind the bytes. */
static size_t end_of_text(const struct json_t *config, size_t tokens)
{
    const json_t *value = json_object_get(config, "eos_token_id");
    const json_t *first = json_is_array(value) ? json_array_get(value, 0) : value;
    const json_int_t id = json_is_integer(first) ? json_integer_value(first) : 0;
    return id >= 256 && (size_t)id < tokens ? (size_t)id : 256;
}

static enum qb_status make_bytes(const struct json_t *config, size_t tokens, const char *folder, struct qb_error *err)
{
    struct qb_text tokenizer = {0}, settings = {0};
    qb_tokenizer_of_bytes(tokens, end_of_text(config, tokens), &tokenizer, &settings);
    if (!put(folder, like_tokenizer_files[0], &tokenizer, err))
        put(folder, like_tokenizer_files[1], &settings, err);
    qb_text_free(&tokenizer);
    qb_text_free(&settings);
    return err->status;
}

enum qb_status like_tokenizer(const struct qb_like *like, const struct json_t *config, const struct qb_arch *arch,
                              const char *folder, struct qb_like_done *done, struct qb_error *err)
{
    const struct qb_model *trained = like->trained;
    done->trained_tokenizer = trained->tokenizer && qb_weights_source(trained->weights) == QB_SOURCE_HUGGINGFACE &&
                              trained->arch.vocab <= arch->vocab;
    done->tokenizer = done->trained_tokenizer || arch->vocab > 256;
    return done->trained_tokenizer ? copy(trained, folder, err)
           : done->tokenizer       ? make_bytes(config, arch->vocab, folder, err)
                                   : QB_OK;
}
