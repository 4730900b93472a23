/* Reading data/claims/: its files, and what ties them together. */
#include "claims.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "claims_read.h"

static enum qb_status read_protocol(const struct qb_yaml *node, struct qb_error *err)
{
    qb_yaml_expect(node, QB_YAML_MAP, err);
    for (size_t m = 0; m < node->count && !err->status; m++) {
        const struct qb_yaml *facts = node->children[m];
        const char *text;
        qb_yaml_expect(facts, QB_YAML_MAP, err);
        for (size_t f = 0; !err->status && f < facts->count; f++)
            if (strcmp(facts->children[f]->key, "prompt") == 0)
                qb_yaml_expect(facts->children[f], QB_YAML_MAP, err);
            else
                qb_yaml_text(facts->children[f], &text, err);
    }
    return err->status;
}

static enum qb_status read_document(const struct qb_yaml *root, struct qb_claims_document *d, struct qb_error *err)
{
    const struct qb_yaml *claims = qb_yaml_get(root, "claims"), *recovered = qb_yaml_get(root, "recovered");
    d->file = root->file;
    d->protocol = qb_yaml_get(root, "protocol");
    if (qb_yaml_expect(claims, QB_YAML_LIST, err) || qb_claims_text(root, "document", NULL, &d->document, err) ||
        qb_claims_text(root, "title", NULL, &d->title, err) || (d->protocol && read_protocol(d->protocol, err)) ||
        (recovered && qb_yaml_bool(recovered, &d->recovered, err)))
        return err->status;
    if (!(d->claims = qb_alloc(claims->count, sizeof *d->claims, "claims", err)))
        return err->status;
    d->count = claims->count;
    for (size_t i = 0; i < d->count && !err->status; i++)
        qb_claim_read(claims->children[i], &d->claims[i], err);
    return err->status;
}

/* Adds the conclusions of one file to the ledger's. */
static enum qb_status read_conclusions(const struct qb_yaml *map, struct qb_ledger *ledger, struct qb_error *err)
{
    if (qb_yaml_expect(map, QB_YAML_MAP, err))
        return err->status;
    size_t most = ledger->conclusion_count + map->count;
    struct qb_conclusion *all = qb_grow(ledger->conclusions, most, sizeof *all, "conclusions", err);
    if (!all)
        return err->status;
    ledger->conclusions = all;
    for (size_t i = 0; i < map->count && !err->status; i++) {
        const struct qb_yaml *node = map->children[i];
        for (size_t k = 0; k < ledger->conclusion_count; k++)
            if (strcmp(all[k].id, node->key) == 0)
                return qb_yaml_fail(node, err, "this conclusion is declared twice");
        qb_conclusion_read(node, &all[ledger->conclusion_count++], err);
    }
    return err->status;
}

static enum qb_status read_file(const char *path, struct qb_ledger *ledger, struct qb_error *err)
{
    static const char *const known[] = {"document", "title", "recovered", "protocol", "conclusions", "claims", NULL};
    struct qb_yaml *root;
    if (qb_yaml_load(path, &root, err))
        return err->status;
    ledger->files[ledger->file_count++] = root;
    if (qb_yaml_expect(root, QB_YAML_MAP, err) || qb_yaml_known(root, known, err))
        return err->status;
    if (qb_yaml_get(root, "conclusions") && read_conclusions(qb_yaml_get(root, "conclusions"), ledger, err))
        return err->status;
    if (qb_yaml_get(root, "claims"))
        return read_document(root, &ledger->documents[ledger->document_count++], err);
    return qb_yaml_get(root, "conclusions") ? QB_OK : qb_yaml_fail(root, err, "expected 'claims' or 'conclusions'");
}

/* Another reading is one of a number that there is. */
static enum qb_status check_reading(const struct qb_ledger *ledger, const struct qb_claims_document *doc,
                                    const struct qb_claim *c, struct qb_error *err)
{
    bool there = !*c->reading_of;
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            const struct qb_claim *other = &ledger->documents[d].claims[i];
            there = there || (strcmp(other->id, c->reading_of) == 0 && !*other->reading_of && other != c);
        }
    return there ? QB_OK
                 : qb_fail(err, QB_ERR_INPUT, "%s: claim '%s': 'reading_of' names no number of its own: '%s'",
                           doc->file, c->id, c->reading_of);
}

/* Ties each claim to its conclusion; ids are unique over all files. */
static enum qb_status link_claims(struct qb_ledger *ledger, struct qb_error *err)
{
    for (size_t d = 0; d < ledger->document_count; d++)
        for (size_t i = 0; i < ledger->documents[d].count; i++) {
            struct qb_claims_document *doc = &ledger->documents[d];
            struct qb_claim *c = &doc->claims[i];
            for (size_t k = 0; k < ledger->conclusion_count; k++)
                if (strcmp(c->conclusion_id, ledger->conclusions[k].id) == 0)
                    c->conclusion = &ledger->conclusions[k];
            if (*c->conclusion_id && !c->conclusion)
                return qb_fail(err, QB_ERR_INPUT, "%s: claim '%s': no file declares the conclusion '%s'", doc->file,
                               c->id, c->conclusion_id);
            if (check_reading(ledger, doc, c, err))
                return err->status;
            for (size_t e = 0; e <= d; e++)
                for (size_t j = 0; j < (e == d ? i : ledger->documents[e].count); j++)
                    if (strcmp(ledger->documents[e].claims[j].id, c->id) == 0)
                        return qb_fail(err, QB_ERR_INPUT, "%s: claim '%s' is declared twice (also in %s)", doc->file,
                                       c->id, ledger->documents[e].file);
        }
    return QB_OK;
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".yaml") == 0;
}

enum qb_status qb_ledger_load(const char *folder, struct qb_ledger **out, struct qb_error *err)
{
    struct dirent **entries = NULL;
    struct qb_ledger *ledger = NULL;
    *out = NULL;
    int found = scandir(folder, &entries, is_yaml, alphasort);
    if (found < 0)
        return qb_fail(err, QB_ERR_INPUT, "claims folder %s: %s", folder, strerror(errno));
    if (found == 0)
        qb_fail(err, QB_ERR_INPUT, "claims folder %s holds no .yaml file", folder);
    if (!err->status && (ledger = qb_alloc(1, sizeof *ledger, "ledger", err))) {
        ledger->files = qb_alloc((size_t)found, sizeof(struct qb_yaml *), "ledger", err);
        ledger->documents = ledger->files ? qb_alloc((size_t)found, sizeof *ledger->documents, "ledger", err) : NULL;
    }
    for (int i = 0; i < found; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (!err->status)
            read_file(path, ledger, err);
        free(entries[i]);
    }
    free(entries);
    if (!err->status && !link_claims(ledger, err))
        *out = ledger;
    else
        qb_ledger_free(ledger);
    return err->status;
}

void qb_ledger_free(struct qb_ledger *ledger)
{
    if (!ledger)
        return;
    for (size_t d = 0; d < ledger->document_count; d++) {
        for (size_t i = 0; i < ledger->documents[d].count; i++)
            qb_free(ledger->documents[d].claims[i].lines);
        qb_free(ledger->documents[d].claims);
    }
    for (size_t i = 0; i < ledger->conclusion_count; i++) {
        qb_free(ledger->conclusions[i].controls);
        qb_text_free(&ledger->conclusions[i].sentence);
    }
    for (size_t i = 0; i < ledger->file_count; i++)
        qb_yaml_free(ledger->files[i]);
    qb_free(ledger->conclusions);
    qb_free(ledger->documents);
    qb_free(ledger->files);
    qb_free(ledger);
}
