#include "model/like.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/text_format.h"
#include "model/like_parts.h"
#include "model/model_parts.h"

#define SIDE_MOST ((size_t)1 << 24) /* of a tensor: the product of two fits, and so do those of all layers */

struct part { /* a safetensors file in the making */
    char name[48];
    size_t first, last; /* tensors [first, last) */
};

struct work {
    const struct qb_like *like;
    struct qb_pool *pool;
    json_t *config;
    struct qb_arch arch;
    struct qb_arch_tensor *due;
    size_t count;
    struct part *parts;
    size_t part_count;
    const struct part *at; /* the part that is written */
    struct qb_like_done *done;
};

/* ---- what is to be written ---- */

static enum qb_status need(const json_t *config, const char *key, bool there, struct qb_error *err)
{
    return there || json_object_get(config, key)
               ? QB_OK
               : qb_fail(err, QB_ERR_INPUT, "config.json: %s is missing, and no tensor tells it", key);
}

/* What tensors tell of a model whose config.json leaves it out, the config must say here. */
static enum qb_status read_shape(struct work *w, struct qb_error *err)
{
    bool tied = false;
    if (qb_arch_from_hf(w->config, &w->arch, err) || need(w->config, "vocab_size", w->arch.vocab > 1, err) ||
        need(w->config, "tie_word_embeddings", w->arch.learned_positions, err) ||
        qb_arch_hf_flag(w->config, "tie_word_embeddings", w->arch.learned_positions, &tied, err))
        return err->status;
    w->arch.tied_head = tied;
    if (w->arch.inner == 0 && w->arch.learned_positions)
        w->arch.inner = 4 * w->arch.hidden; /* GPT-2's rule: transformers, GPT2Config.n_inner */
    return need(w->config, "intermediate_size", w->arch.inner, err);
}

/* The tensors of the shape, less the biases that its config does not ask for. */
static enum qb_status list_tensors(struct work *w, struct qb_error *err)
{
    size_t kept = 0;
    size_t *inner = qb_alloc(w->arch.layers, sizeof *inner, "layer widths", err);
    for (size_t i = 0; inner && i < w->arch.layers; i++)
        inner[i] = w->arch.inner;
    if (inner)
        qb_arch_tensors(&w->arch, inner, &w->due, &w->count, err);
    qb_free(inner);
    for (size_t i = 0; !err->status && i < w->count; i++) {
        const struct qb_arch_tensor *tensor = &w->due[i];
        bool asked = true;
        if (tensor->optional && model_bias_asked(w->config, tensor->roles, &asked, err))
            break;
        if (tensor->rows > SIDE_MOST || tensor->cols > SIDE_MOST || tensor->rows == 0 || tensor->cols == 0)
            qb_fail(err, QB_ERR_INPUT, "config.json: tensor %s is %zu x %zu, expected 1 to %zu", tensor->name,
                    tensor->rows, tensor->cols, SIDE_MOST);
        else if (asked)
            w->due[kept++] = w->due[i];
    }
    w->count = kept;
    return err->status;
}

static size_t bytes_of(const struct qb_arch_tensor *tensor)
{
    return tensor->rows * tensor->cols * sizeof(uint16_t);
}

/* Cuts the tensors into files, in their order. */
static enum qb_status plan_parts(struct work *w, struct qb_error *err)
{
    size_t used = 0;
    w->parts = qb_alloc(w->count, sizeof *w->parts, "list of files", err);
    if (!w->parts)
        return err->status;
    for (size_t i = 0; i < w->count; i++) {
        const size_t bytes = bytes_of(&w->due[i]);
        if (w->part_count == 0 || used + bytes > w->like->shard_bytes) {
            w->parts[w->part_count++].first = i;
            used = 0;
        }
        w->parts[w->part_count - 1].last = i + 1;
        used += bytes;
        w->done->tensors++;
        w->done->weights += w->due[i].rows * w->due[i].cols;
        w->done->bytes += bytes;
    }
    for (size_t i = 0; i < w->part_count; i++)
        if (w->part_count == 1)
            snprintf(w->parts[i].name, sizeof w->parts[i].name, "model.safetensors");
        else
            snprintf(w->parts[i].name, sizeof w->parts[i].name, "model-%05zu-of-%05zu.safetensors", i + 1,
                     w->part_count);
    w->done->files = w->part_count;
    return QB_OK;
}

/* ---- the files ---- */

static void name_of(const struct qb_arch_tensor *tensor, char name[64])
{
    qb_rule_name(tensor->rule, QB_SOURCE_HUGGINGFACE, tensor->layer, tensor->roles & QB_ROLE_BIAS ? "bias" : "weight",
                 name);
}

static bool is_vector(const struct qb_arch_tensor *tensor)
{
    return tensor->roles & (QB_ROLE_BIAS | QB_ROLE_NORM);
}

static void add_metadata(const struct qb_like *like, struct qb_text *out)
{
    const char *license = qb_weights_license(like->trained->weights);
    struct qb_text origin = {0};
    qb_text_add(&origin, "synthetic: weights drawn like those of %s (sha256 %s), seed %lu; nothing is learned",
                like->trained->name, like->trained->sha256, (unsigned long)like->seed);
    qb_text_add(out, "\"format\":\"pt\",\"origin\":"); /* pt: what transformers asks for */
    qb_json_string(out, origin.data);
    qb_text_free(&origin);
    if (license) {
        qb_text_add(out, ",\"license\":");
        qb_json_string(out, license);
    }
    qb_text_add(out, "}");
}

static void add_header(const struct work *w, struct qb_text *out)
{
    size_t at = 0;
    model_begin_header(out);
    add_metadata(w->like, out);
    for (size_t i = w->at->first; i < w->at->last; i++) {
        const struct qb_arch_tensor *tensor = &w->due[i];
        const bool turned = tensor->rule->transposed;
        char name[64];
        name_of(tensor, name);
        qb_text_add(out, ",\"%s\":{\"dtype\":\"BF16\",\"shape\":[", name);
        if (is_vector(tensor))
            qb_text_add(out, "%zu", tensor->cols);
        else
            qb_text_add(out, "%zu,%zu", turned ? tensor->cols : tensor->rows, turned ? tensor->rows : tensor->cols);
        qb_text_add(out, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes_of(tensor));
        at += bytes_of(tensor);
    }
    model_end_header(out);
}

static enum qb_status put_tensor(struct work *w, size_t index, FILE *file, struct qb_error *err)
{
    const struct qb_arch_tensor *tensor = &w->due[index];
    const size_t count = tensor->rows * tensor->cols;
    bool neutral = false;
    char name[64];
    uint16_t *bfloat = qb_alloc(count, sizeof *bfloat, "a tensor", err);
    if (bfloat && !like_draw(w->like, &w->arch, tensor, index, w->pool, bfloat, &neutral, err)) {
        for (size_t i = 0; i < count && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__; i++)
            bfloat[i] = (uint16_t)(bfloat[i] >> 8 | bfloat[i] << 8);
        qb_file_put(file, bfloat, bytes_of(tensor), err);
    }
    qb_free(bfloat);
    w->done->neutral += neutral;
    name_of(tensor, name);
    return err->status ? qb_wrap(err, "tensor %s", name) : QB_OK;
}

static enum qb_status put_part(void *context, FILE *file, struct qb_error *err)
{
    struct work *w = context;
    struct qb_text header = {0};
    add_header(w, &header);
    if (header.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the header");
    else
        qb_file_put(file, header.data, header.size, err);
    qb_text_free(&header);
    for (size_t i = w->at->first; i < w->at->last && !err->status; i++)
        put_tensor(w, i, file, err);
    return err->status;
}

#define INDEX "model.safetensors.index.json"

static enum qb_status put_index(void *context, FILE *file, struct qb_error *err)
{
    const struct work *w = context;
    struct qb_text text = {0};
    qb_text_add(&text, "{\"metadata\":{\"total_size\":%zu},\"weight_map\":{", w->done->bytes);
    for (size_t p = 0; p < w->part_count; p++)
        for (size_t i = w->parts[p].first; i < w->parts[p].last; i++) {
            char name[64];
            name_of(&w->due[i], name);
            qb_text_add(&text, "%s\"%s\":\"%s\"", i ? "," : "", name, w->parts[p].name);
        }
    qb_text_add(&text, "}}\n");
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the index");
    else
        qb_file_put(file, text.data, text.size, err);
    qb_text_free(&text);
    return err->status;
}

static enum qb_status put(struct work *w, const char *folder, const char *name, qb_file_fill fill, struct qb_error *err)
{
    char *path = qb_path_join(folder, name, err);
    if (path)
        qb_file_write(path, fill, w, err);
    qb_free(path);
    return err->status;
}

static enum qb_status put_config(const struct qb_like *like, const char *folder, struct qb_error *err)
{
    char *path = qb_path_join(folder, "config.json", err);
    if (path)
        qb_file_copy(like->shape, path, err);
    qb_free(path);
    return err->status;
}

static enum qb_status put_all(struct work *w, const char *folder, struct qb_error *err)
{
    for (size_t i = 0; i < w->part_count && !err->status; i++) {
        w->at = &w->parts[i];
        put(w, folder, w->at->name, put_part, err);
    }
    if (err->status || (w->part_count > 1 && put(w, folder, INDEX, put_index, err)) ||
        like_tokenizer(w->like, w->config, &w->arch, folder, w->done, err))
        return err->status;
    return put_config(w->like, folder, err);
}

/* Removes what a work that failed, for lack of memory perhaps, has made; config.json first: what is left without it is
 * no model. */
static void remove_all(const struct work *w, const char *folder)
{
    const char *names[16] = {"config.json", INDEX};
    size_t count = 2;
    for (size_t i = 0; like_tokenizer_files[i]; i++)
        names[count++] = like_tokenizer_files[i];
    for (size_t i = 0; i < count + w->part_count; i++) {
        char path[PATH_MAX];
        const char *name = i < count ? names[i] : w->parts[i - count].name;
        if (snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_MAX)
            unlink(path);
    }
    rmdir(folder);
}

static enum qb_status make_folder(const char *folder, struct qb_error *err)
{
    if (mkdir(folder, 0777) == 0)
        return QB_OK;
    if (errno == EEXIST)
        return qb_fail(err, QB_ERR_INPUT,
                       "%s: is there already and is left alone: expected the name of a new folder (one without "
                       "config.json may be what an ended make-model left)",
                       folder);
    return qb_fail(err, QB_ERR_IO, "%s: %s", folder, strerror(errno));
}

enum qb_status qb_model_write_like(const struct qb_like *like, struct qb_pool *pool, const char *folder,
                                   struct qb_like_done *done, struct qb_error *err)
{
    struct work w = {.like = like, .pool = pool, .done = done};
    *done = (struct qb_like_done){0};
    if (qb_json_read_object(like->shape, &w.config, err))
        return err->status;
    if (read_shape(&w, err) || list_tensors(&w, err) || plan_parts(&w, err))
        qb_wrap(err, "%s", like->shape);
    else if (!make_folder(folder, err) && put_all(&w, folder, err))
        remove_all(&w, folder);
    json_decref(w.config);
    qb_free(w.due);
    qb_free(w.parts);
    return err->status;
}
