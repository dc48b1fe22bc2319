/*
 * slab.h - records of one size that never move: taken and given back in constant time, allocated
 * many at once, and released when none is in use any more.
 */
#ifndef SUPERVISOR_BASE_SLAB_H
#define SUPERVISOR_BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

enum { SLAB_OVERWRITTEN = 16 }; /* bytes at the beginning of a record that is not in use */

struct slab {
    size_t size;   /* of a record */
    char **chunks; /* a fixed number of records each */
    uint32_t chunk_count;
    uint32_t fresh; /* records from this index on have never been taken */
    uint32_t taken; /* records in use */
    struct slab_unused *unused;
};

/* Prepares an empty slab of records of `size` bytes, SLAB_OVERWRITTEN at least. */
void slab_open(struct slab *slab, size_t size);

/* Releases all memory, whatever is in use; it is empty then. */
void slab_close(struct slab *slab);

/* Makes sure that slab_take() will succeed.  Returns 0, or -1 with errno. */
int slab_reserve(struct slab *slab);

/* A record, and in *index the number it can be found by; it is zero, or as it was given back.
 * slab_reserve() must have succeeded since the last call. */
void *slab_take(struct slab *slab, uint32_t *index);

/* The record with a number, in use or given back; NULL if there is none. */
void *slab_at(const struct slab *slab, uint32_t index);

/* Gives a record back; of what is in it only the first SLAB_OVERWRITTEN bytes change.  But when it
 * was the last in use of many, the memory of all is released. */
void slab_return(struct slab *slab, void *record, uint32_t index);

#endif
