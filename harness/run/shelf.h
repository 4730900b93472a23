/* A shelf: what the cells of one reference would each compute of it alone, the reference's logits say, in memory that
 * their processes share. It lies there in pieces. The cell that needs one first makes it, once, while others that need
 * it wait; further cells read it. A piece that there is no room for, or that no further cell will read, is not kept:
 * each cell then computes it by itself, to the same bits. Pieces that are made are read-only, so that a plugin that
 * writes where it must not ends its own cell and changes no other. */
#ifndef QB_SHELF_H
#define QB_SHELF_H

#include <stddef.h>
#include "base/error.h"

struct qb_shelf;

/* What may lie on one: so many pieces of so many bytes. Either 0: nothing. */
struct qb_shelf_shape {
    size_t pieces, bytes;
};

/* ---- for the run ---- */

/* An empty shelf, for processes that are forked later. Takes address space and hardly any memory. QB_ERR_MEMORY, also
 * where this process's address space is bounded (RLIMIT_AS): what a shelf took, OpenBLAS would wait for without end.
 * Free with qb_shelf_free, NULL too; processes that have it keep it. */
enum qb_status qb_shelf_make(struct qb_shelf_shape shape, struct qb_shelf **shelf, struct qb_error *err);
void qb_shelf_free(struct qb_shelf *shelf);

/* How many cells that read it have not ended. With fewer than 2, as at the beginning, no piece is made. */
void qb_shelf_expect(struct qb_shelf *shelf, size_t cells);

/* ---- for a cell ---- */

/* Fills a piece, whose bytes are 0 or what was left by a process that ended amid it. */
typedef enum qb_status (*qb_shelf_maker)(void *context, void *piece, struct qb_error *err);

/* Piece i, for reading; made by `make` where it is not there yet. NULL with err at QB_OK: it is not kept (shelf NULL;
 * no room for it by qb_mem_spares, or, where it is there, in half of qb_mem_room; nobody else reads it). NULL with err
 * set: `make` failed, and the piece stays unmade. What a process has of the shelf counts as memory that it asked for.
 * One thread of a process calls it. */
const void *qb_shelf_piece(struct qb_shelf *shelf, size_t i, qb_shelf_maker make, void *context, struct qb_error *err);

#endif
