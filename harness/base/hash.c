#include "base/hash.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <openssl/evp.h>
#include "base/file.h"
#include "base/mem.h"

struct qb_hash {
    EVP_MD_CTX *context;
    int sound; /* 0 after libcrypto or the caller has failed: the digest is then "", never a wrong one */
};

struct qb_hash *qb_hash_new(void)
{
    struct qb_error err = {0};
    struct qb_hash *hash = qb_alloc(1, sizeof *hash, "a hash", &err);
    if (!hash)
        return NULL;
    hash->context = EVP_MD_CTX_new();
    hash->sound = hash->context && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL);
    if (!hash->sound) {
        qb_hash_drop(hash);
        return NULL;
    }
    return hash;
}

void qb_hash_bytes(struct qb_hash *hash, const void *data, size_t size)
{
    if (size > 0 && hash->sound)
        hash->sound = EVP_DigestUpdate(hash->context, data, size);
}

void qb_hash_text(struct qb_hash *hash, const char *text)
{
    unsigned char length[8];
    size_t size = text ? strlen(text) : 0;
    for (unsigned i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    qb_hash_bytes(hash, length, sizeof length);
    qb_hash_bytes(hash, text, size);
}

void qb_hash_fail(struct qb_hash *hash)
{
    hash->sound = 0;
}

static void write_hex(const unsigned char *digest, char hex[QB_HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < (QB_HASH_HEX - 1) / 2; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[QB_HASH_HEX - 1] = '\0';
}

void qb_hash_hex(struct qb_hash *hash, char hex[QB_HASH_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    hex[0] = '\0';
    if (hash->sound && EVP_DigestFinal_ex(hash->context, digest, NULL))
        write_hex(digest, hex);
    qb_hash_drop(hash);
}

void qb_hash_drop(struct qb_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->context);
    qb_free(hash);
}

void qb_hash_buffer(const void *data, size_t size, char hex[QB_HASH_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    hex[0] = '\0';
    if (EVP_Digest(size ? data : "", size, digest, NULL, EVP_sha256(), NULL))
        write_hex(digest, hex);
}

static enum qb_status hash_descriptor(int fd, const char *path, struct qb_hash *hash, char *buffer, size_t room,
                                      struct qb_error *err)
{
    for (;;) {
        ssize_t got = read(fd, buffer, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return qb_fail(err, QB_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0)
            return QB_OK;
        qb_hash_bytes(hash, buffer, (size_t)got);
    }
}

enum qb_status qb_hash_file(const char *path, char hex[QB_HASH_HEX], struct qb_error *err)
{
    const size_t room = (size_t)1 << 18;
    struct qb_hash *hash = NULL;
    char *buffer = NULL;
    hex[0] = '\0';
    struct stat info;
    int fd = qb_file_open(path, &info, err);
    if (fd < 0)
        return err->status;
    if (!(buffer = qb_alloc(room, 1, path, err)))
        goto out;
    if (!(hash = qb_hash_new())) {
        qb_fail(err, QB_ERR_MEMORY, "%s: no memory for its hash", path);
        goto out;
    }
    if (hash_descriptor(fd, path, hash, buffer, room, err))
        goto out;
    qb_hash_hex(hash, hex);
    hash = NULL;
    if (hex[0] == '\0')
        qb_fail(err, QB_ERR_INTERNAL, "%s: libcrypto cannot compute its SHA-256", path);
out:
    qb_free(buffer);
    qb_hash_drop(hash);
    close(fd);
    return err->status;
}
