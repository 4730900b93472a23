#include "codec/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/data_path.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "codec/options.h"
#include "codec/plugin_trial.h"

enum { TRIAL_S = 10 }; /* to load one plugin */

struct loaded {
    struct qb_plugin plugin;
    void *handle;
    struct qb_codec codec; /* the plugin's, with `options` and the clean `texts` in it */
    struct qb_codec_option options[QB_OPTIONS_MAX + 1];
    char *texts[2 + 3 * QB_OPTIONS_MAX]; /* owned */
    size_t text_count;
};

struct qb_registry {
    struct loaded **plugins; /* ordered by id; each stays where it is, as users keep pointers to its plugin */
    size_t count;
};

/* What of a codec can be checked without calling it. */
static enum qb_status check_codec(const struct qb_codec *codec, struct qb_error *err)
{
    if (codec->abi_version != QB_CODEC_ABI_VERSION)
        return qb_fail(err, QB_ERR_CODEC,
                       "it was built for plugin ABI version %u, this program has version %u: build it again with this "
                       "program's codec.h",
                       codec->abi_version, QB_CODEC_ABI_VERSION);
    if (codec->struct_size != sizeof *codec)
        return qb_fail(err, QB_ERR_CODEC,
                       "its struct qb_codec has %u bytes, this program's has %zu (ABI version %u both): build it again "
                       "with this program's codec.h",
                       codec->struct_size, sizeof *codec, QB_CODEC_ABI_VERSION);
    if (!codec->id || !*codec->id || codec->id[strspn(codec->id, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
        return qb_fail(err, QB_ERR_CODEC, "its id '%.*s' is not [a-z0-9_-]+",
                       QB_UPTO(40, codec->id ? codec->id : "(null)"));
    if (!codec->version || !*codec->version || !codec->summary || !*codec->summary || strchr(codec->summary, '\n'))
        return qb_fail(err, QB_ERR_CODEC, "codec '%s' needs a version and a summary of one line", codec->id);
    if (codec->flags & ~(uint32_t)(QB_CODEC_LOSSLESS | QB_CODEC_KEEPS_ZERO | QB_CODEC_RESCALES))
        return qb_fail(err, QB_ERR_CODEC, "codec '%s' sets unknown flags (0x%x)", codec->id, codec->flags);
    const char *missing = !codec->encoded_size ? "encoded_size"
                          : !codec->encode     ? "encode"
                          : !codec->decode     ? "decode"
                                               : NULL;
    if (missing)
        return qb_fail(err, QB_ERR_CODEC, "codec '%s' lacks the mandatory function %s", codec->id, missing);
    if (!codec->encode_part != !codec->encode_passes)
        return qb_fail(err, QB_ERR_CODEC, "codec '%s' has encode_part without encode_passes, or the other way round",
                       codec->id);
    const struct qb_codec_tolerance *t = &codec->tolerance;
    double least = fmin(fmin(t->relative_error, t->floor_fraction), fmin(t->absolute_error, t->bias));
    double sum = t->relative_error + t->floor_fraction + t->absolute_error + t->bias + t->sqnr_db;
    if (!(least >= 0) || !isfinite(sum))
        return qb_fail(err, QB_ERR_CODEC, "codec '%s' declares a tolerance that is negative or not finite", codec->id);
    if (qb_options_check(codec->options, err))
        return qb_wrap(err, "codec '%s'", codec->id);
    return QB_OK;
}

static const char *clean(struct loaded *loaded, const char *text, struct qb_error *err)
{
    return text && !err->status ? (loaded->texts[loaded->text_count++] = qb_clean_copy(text, QB_CLEAN_LINE, err))
                                : NULL;
}

/* Hands out the codec with its texts cleaned, in a copy of our own: what a plugin says of itself is foreign text. Its
 * id and the names of its options are ASCII already. Cleaning may make two choices equal: the list is checked again. */
static enum qb_status adopt(struct loaded *loaded, const struct qb_codec *codec, struct qb_error *err)
{
    size_t count = qb_options_count(codec->options);
    loaded->codec = *codec;
    loaded->codec.version = clean(loaded, codec->version, err);
    loaded->codec.summary = clean(loaded, codec->summary, err);
    for (size_t i = 0; i < count; i++) {
        struct qb_codec_option *option = &loaded->options[i];
        *option = codec->options[i];
        option->default_value = clean(loaded, option->default_value, err);
        option->choices = clean(loaded, option->choices, err);
        option->help = clean(loaded, option->help, err);
    }
    loaded->codec.options = codec->options ? loaded->options : NULL;
    loaded->plugin.codec = &loaded->codec;
    if (!err->status && qb_options_check(loaded->codec.options, err))
        qb_wrap(err, "codec '%s'", codec->id);
    return err->status;
}

/* Runs the plugin's own code: what it does at loading, and its entry function. */
static enum qb_status load(struct loaded *new, struct qb_error *err)
{
    const char *path = new->plugin.path;
    new->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!new->handle) {
        const char *why = dlerror();
        return qb_fail(err, QB_ERR_INPUT, "%s: expected a shared object that exports %s: %s", path, QB_CODEC_ENTRY_NAME,
                       why ? why : "cannot be opened");
    }
    void *symbol = dlsym(new->handle, QB_CODEC_ENTRY_NAME);
    if (!symbol)
        return qb_fail(err, QB_ERR_CODEC, "%s: no plugin: it does not export %s (with QB_CODEC_EXPORT)", path,
                       QB_CODEC_ENTRY_NAME);
    qb_codec_entry_fn entry;
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no cast from an object's to a function's address */
    const struct qb_codec *codec = entry();
    if (!codec)
        return qb_fail(err, QB_ERR_CODEC, "%s: %s() returned NULL", path, QB_CODEC_ENTRY_NAME);
    if (check_codec(codec, err) || adopt(new, codec, err))
        return qb_wrap(err, "%s", path);
    return QB_OK;
}

static void unload(struct loaded *loaded)
{
    if (!loaded)
        return;
    if (loaded->handle)
        dlclose(loaded->handle);
    for (size_t i = 0; i < loaded->text_count; i++)
        qb_free(loaded->texts[i]);
    qb_free((void *)(uintptr_t)loaded->plugin.path);
    qb_free(loaded);
}

/* Puts *loaded into its place by id and takes ownership (sets it to NULL). */
static enum qb_status insert(struct qb_registry *registry, struct loaded **loaded, struct qb_error *err)
{
    size_t at = 0;
    for (; at < registry->count; at++) {
        const struct qb_plugin *other = &registry->plugins[at]->plugin;
        int order = strcmp(other->codec->id, (*loaded)->plugin.codec->id);
        if (order == 0)
            return qb_fail(err, QB_ERR_CODEC, "%s: its codec id '%s' is taken by %s", (*loaded)->plugin.path,
                           other->codec->id, other->path);
        if (order > 0)
            break;
    }
    struct loaded **plugins = qb_grow(registry->plugins, registry->count + 1, sizeof *plugins, "plugin list", err);
    if (!plugins)
        return err->status;
    registry->plugins = plugins;
    memmove(registry->plugins + at + 1, registry->plugins + at, (registry->count - at) * sizeof *registry->plugins);
    registry->plugins[at] = *loaded;
    registry->count++;
    *loaded = NULL;
    return QB_OK;
}

/* ---- first in a child ---- */

/* Plugins to load; a NULL is done with. */
struct list {
    struct loaded **plugins;
    size_t count;
};

/* Loads each and unloads it again. */
static enum qb_status load_all(void *context, struct qb_error *err)
{
    const struct list *list = context;
    for (size_t i = 0; i < list->count && !err->status; i++) {
        struct loaded trial = {.plugin.path = list->plugins[i]->plugin.path};
        load(&trial, err);
        if (trial.handle)
            dlclose(trial.handle);
    }
    return err->status;
}

/* One child for all: with one each a start would spend most of its time on them. Where it fails, each is tried for
 * itself, which tells whose fault it is. */
static enum qb_status try_all(struct list *list, struct qb_error *err)
{
    struct qb_error ignored = {0};
    if (list->count > 1 && !qb_plugin_trial(load_all, list, "", TRIAL_S, &ignored))
        return QB_OK;
    for (size_t i = 0; i < list->count && !err->status; i++)
        qb_plugin_trial(load_all, &(struct list){&list->plugins[i], 1}, list->plugins[i]->plugin.path, TRIAL_S, err);
    return err->status;
}

/* Notes a plugin for loading; the same file named twice is one plugin. */
static enum qb_status note(const struct qb_registry *registry, const char *path, bool named, struct list *list,
                           struct qb_error *err)
{
    char real[PATH_MAX]; /* dlopen would look for a bare name in the system's folders */
    if (!realpath(path, real))
        return qb_fail(err, QB_ERR_INPUT, "%s: expected a codec plugin: %s", path, strerror(errno));
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->plugins[i]->plugin.path, real) == 0)
            return QB_OK;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->plugins[i]->plugin.path, real) == 0)
            return QB_OK;
    struct loaded *new = qb_alloc(1, sizeof *new, "plugin", err);
    if (!new)
        return err->status;
    list->plugins[list->count++] = new;
    new->plugin.named = named;
    new->plugin.path = qb_strdup(real, err);
    return new->plugin.path ? qb_hash_file(real, new->plugin.sha256, err) : err->status;
}

static enum qb_status add(struct qb_registry *registry, const char *const *paths, size_t count, bool named,
                          struct qb_error *err)
{
    struct list list = {qb_alloc(count, sizeof *list.plugins, "plugins to load", err), 0};
    for (size_t i = 0; i < count && !err->status; i++)
        note(registry, paths[i], named, &list, err);
    if (!err->status)
        try_all(&list, err);
    for (size_t i = 0; i < list.count && !err->status; i++)
        if (!load(list.plugins[i], err))
            insert(registry, &list.plugins[i], err);
    for (size_t i = 0; i < list.count; i++)
        unload(list.plugins[i]);
    qb_free(list.plugins);
    return err->status;
}

static int is_plugin(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return size > 3 && entry->d_name[0] != '.' && strcmp(entry->d_name + size - 3, ".so") == 0;
}

/* due: there must be one. */
static enum qb_status add_folder(struct qb_registry *registry, const char *folder, bool due, struct qb_error *err)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, is_plugin, alphasort);
    if (count < 0)
        return errno == ENOENT && !due ? QB_OK
                                       : qb_fail(err, QB_ERR_IO, "%s: plugin folder: %s", folder, strerror(errno));
    if (count == 0 && due)
        qb_fail(err, QB_ERR_INPUT, "%s: no codec plugin (*.so) in this folder", folder);
    char(*names)[PATH_MAX] = err->status ? NULL : qb_alloc((size_t)count, sizeof *names, "paths of plugins", err);
    const char **paths = names ? qb_alloc((size_t)count, sizeof *paths, "list of plugins", err) : NULL;
    for (int i = 0; i < count; i++) {
        if (!err->status &&
            (size_t)snprintf(names[i], sizeof *names, "%s/%s", folder, entries[i]->d_name) >= sizeof *names)
            qb_fail(err, QB_ERR_INPUT, "%s: the path of a plugin is too long", folder);
        if (!err->status)
            paths[i] = names[i];
        free(entries[i]);
    }
    free(entries);
    if (!err->status)
        add(registry, paths, (size_t)count, false, err);
    qb_free(paths);
    qb_free(names);
    return err->status;
}

enum qb_status qb_registry_open(const char *const *folders, const char *const *extra, struct qb_registry **registry,
                                struct qb_error *err)
{
    *registry = NULL;
    struct qb_registry *new = qb_alloc(1, sizeof *new, "plugin registry", err);
    if (!new)
        return err->status;
    for (; !err->status && folders && *folders; folders++)
        add_folder(new, *folders, false, err);
    size_t count = 0;
    while (extra && extra[count])
        count++;
    if (!err->status && count)
        add(new, extra, count, true, err);
    if (err->status)
        qb_registry_free(new);
    else
        *registry = new;
    return err->status;
}

enum qb_status qb_registry_add(struct qb_registry *registry, const char *path, struct qb_error *err)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? add_folder(registry, path, true, err)
                                                           : add(registry, &path, 1, true, err);
}

void qb_registry_free(struct qb_registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++)
        unload(registry->plugins[i]);
    qb_free(registry->plugins);
    qb_free(registry);
}

size_t qb_registry_count(const struct qb_registry *registry)
{
    return registry->count;
}

const struct qb_plugin *qb_registry_at(const struct qb_registry *registry, size_t index)
{
    return index < registry->count ? &registry->plugins[index]->plugin : NULL;
}

const struct qb_plugin *qb_registry_find(const struct qb_registry *registry, const char *id)
{
    for (size_t i = 0; i < registry->count; i++)
        if (strcmp(registry->plugins[i]->plugin.codec->id, id) == 0)
            return &registry->plugins[i]->plugin;
    return NULL;
}

size_t qb_registry_folders(char folders[2][4096])
{
    const char *set = getenv("QINSBENCH_CODECS");
    if (set && *set && strlen(set) < 4096) {
        memcpy(folders[0], set, strlen(set) + 1);
        return 1;
    }
    char self[4096];
    if (!qb_program_folder(self))
        return 0;
    const char *const places[2] = {"codecs", "../lib/qinsbench/codecs"};
    size_t count = 0;
    for (int i = 0; i < 2; i++)
        if ((size_t)snprintf(folders[count], 4096, "%s/%s", self, places[i]) < 4096)
            count++;
    return count;
}
