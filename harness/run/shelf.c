#include "run/shelf.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/mem.h"

struct piece {
    pthread_mutex_t making; /* robust: a process that ends amid it leaves it to the next */
    atomic_bool made;
};

/* At the start of the mapping; the pieces themselves follow on pages of their own. */
struct head {
    _Atomic size_t cells; /* that have not ended */
    struct piece pieces[];
};

struct qb_shelf { /* each process has a copy */
    struct head *head;
    size_t pieces, bytes;      /* bytes: of a piece, whole pages */
    size_t head_bytes, mapped; /* whole pages; in all */
    unsigned char *counted;    /* [pieces] 1: in this process's account */
};

static bool measure(struct qb_shelf_shape shape, struct qb_shelf *shelf)
{
    const size_t page = qb_page_bytes();
    size_t head, data;
    if (__builtin_mul_overflow(shape.pieces, sizeof(struct piece), &head) ||
        __builtin_add_overflow(head, sizeof(struct head) + page - 1, &head) ||
        __builtin_add_overflow(shape.bytes, page - 1, &shelf->bytes))
        return false;
    shelf->pieces = shape.pieces;
    shelf->head_bytes = head / page * page;
    shelf->bytes = shelf->bytes / page * page;
    return !__builtin_mul_overflow(shelf->bytes, shape.pieces, &data) &&
           !__builtin_add_overflow(data, shelf->head_bytes, &shelf->mapped);
}

static bool make_locks(struct qb_shelf *shelf)
{
    pthread_mutexattr_t shared;
    if (pthread_mutexattr_init(&shared))
        return false;
    bool made = !pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED) &&
                !pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; made && i < shelf->pieces; i++)
        made = !pthread_mutex_init(&shelf->head->pieces[i].making, &shared);
    pthread_mutexattr_destroy(&shared);
    return made;
}

static bool map(struct qb_shelf *shelf)
{
    void *data = mmap(NULL, shelf->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return false;
    shelf->head = data;
    return !mprotect((char *)data + shelf->head_bytes, shelf->mapped - shelf->head_bytes, PROT_READ) &&
           make_locks(shelf);
}

static bool address_space_is_bounded(void)
{
    struct rlimit most;
    return getrlimit(RLIMIT_AS, &most) || most.rlim_cur != RLIM_INFINITY;
}

enum qb_status qb_shelf_make(struct qb_shelf_shape shape, struct qb_shelf **shelf, struct qb_error *err)
{
    struct qb_shelf *made = qb_alloc(1, sizeof *made, "shelf", err);
    *shelf = NULL;
    if (!made || !(made->counted = qb_alloc(shape.pieces, sizeof *made->counted, "pieces of a shelf", err)))
        goto fail;
    if (address_space_is_bounded() || !measure(shape, made) || !map(made)) {
        qb_fail(err, QB_ERR_MEMORY, "shelf: no memory for %zu pieces of %zu bytes", shape.pieces, shape.bytes);
        goto fail;
    }
    *shelf = made;
    return QB_OK;
fail:
    qb_shelf_free(made);
    return err->status;
}

void qb_shelf_free(struct qb_shelf *shelf)
{
    if (!shelf)
        return;
    for (size_t i = 0; i < shelf->pieces; i++)
        qb_mem_count_out(shelf->counted[i] * shelf->bytes);
    if (shelf->head)
        munmap(shelf->head, shelf->mapped);
    qb_free(shelf->counted);
    qb_free(shelf);
}

void qb_shelf_expect(struct qb_shelf *shelf, size_t cells)
{
    atomic_store(&shelf->head->cells, cells);
}

/* False: the system does not give it. */
static bool lock(pthread_mutex_t *mutex)
{
    const int refusal = pthread_mutex_lock(mutex);
    return refusal == 0 || (refusal == EOWNERDEAD && pthread_mutex_consistent(mutex) == 0);
}

/* With the piece's lock held. */
static enum qb_status fill(const struct qb_shelf *shelf, struct piece *piece, void *bytes, qb_shelf_maker make,
                           void *context, struct qb_error *err)
{
    if (atomic_load(&piece->made) || !qb_mem_spares(shelf->bytes) ||
        mprotect(bytes, shelf->bytes, PROT_READ | PROT_WRITE))
        return QB_OK;
    make(context, bytes, err);
    if (!mprotect(bytes, shelf->bytes, PROT_READ) && !err->status)
        atomic_store(&piece->made, true);
    return err->status;
}

const void *qb_shelf_piece(struct qb_shelf *shelf, size_t i, qb_shelf_maker make, void *context, struct qb_error *err)
{
    if (!shelf || i >= shelf->pieces || (!shelf->counted[i] && shelf->bytes > qb_mem_room() / 2))
        return NULL;
    struct piece *piece = &shelf->head->pieces[i];
    char *bytes = (char *)shelf->head + shelf->head_bytes + i * shelf->bytes;
    if (!atomic_load(&piece->made) && atomic_load(&shelf->head->cells) >= 2 && lock(&piece->making)) {
        fill(shelf, piece, bytes, make, context, err);
        pthread_mutex_unlock(&piece->making);
    }
    if (err->status || !atomic_load(&piece->made))
        return NULL;
    if (!shelf->counted[i])
        qb_mem_count_in(shelf->bytes);
    shelf->counted[i] = 1;
    return bytes;
}
