/*
 * slab.h - allocates records of one size that never move.
 *
 * Taking and returning a record takes constant time.  Memory comes in chunks of many records, and
 * is released when no record is in use.
 */
#ifndef SUPERVISOR_BASE_SLAB_H
#define SUPERVISOR_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_OVERWRITTEN = 16 }; /* bytes at the start of a returned record */

struct slab {
    size_t size;   /* of a record */
    char **chunks; /* each has a fixed number of records */
    uint32_t chunk_count;
    uint32_t fresh; /* records from this index on were never taken */
    uint32_t taken; /* records in use */
    struct slab_unused *unused;
};

/* Prepares an empty slab; `size` is at least SLAB_OVERWRITTEN bytes. */
void slab_open(struct slab *slab, size_t size);

/* Releases all memory, including records in use; the slab is empty then. */
void slab_close(struct slab *slab);

/* Allocates memory for one slab_take().  Returns 0, or -1 with errno. */
int slab_reserve(struct slab *slab);

/* Returns a record, and its number in *index.  A new record is zero; a used one is as it was
 * returned.  slab_reserve() must have succeeded since the last call. */
void *slab_take(struct slab *slab, uint32_t *index);

/* Returns a record, and overwrites its first SLAB_OVERWRITTEN bytes.  If it was the last in use,
 * and there is more than one chunk, all memory is released instead. */
void slab_return(struct slab *slab, void *record, uint32_t index);

#endif
