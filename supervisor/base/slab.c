#include "supervisor/base/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512 }; /* records in a chunk */

struct slab_unused {
    struct slab_unused *next;
    uint32_t index;
};

static_assert(sizeof(struct slab_unused) <= SLAB_OVERWRITTEN,
              "slab_return() overwrites no more than slab.h says");

void slab_open(struct slab *slab, size_t size)
{
    *slab = (struct slab){.size = size};
}

void slab_close(struct slab *slab)
{
    while (slab->chunk_count > 0)
        free(slab->chunks[--slab->chunk_count]);
    free(slab->chunks);
    slab_open(slab, slab->size);
}

int slab_reserve(struct slab *slab)
{
    char **chunks;

    if (slab->unused != NULL || slab->fresh < slab->chunk_count * CHUNK)
        return 0;
    chunks = realloc(slab->chunks, (slab->chunk_count + 1) * sizeof(*chunks));
    if (chunks == NULL)
        return -1;
    slab->chunks = chunks;
    /* Not calloc(3): it may clear the chunk, and so take memory for records that are never used. */
    chunks[slab->chunk_count] = reallocarray(NULL, CHUNK, slab->size);
    if (chunks[slab->chunk_count] == NULL)
        return -1;
    slab->chunk_count++;
    return 0;
}

static void *record_at(const struct slab *slab, uint32_t index)
{
    return slab->chunks[index / CHUNK] + (index % CHUNK) * slab->size;
}

void *slab_take(struct slab *slab, uint32_t *index)
{
    struct slab_unused *record = slab->unused;

    slab->taken++;
    if (record == NULL) {
        *index = slab->fresh++;
        return memset(record_at(slab, *index), 0, slab->size);
    }
    slab->unused = record->next;
    *index = record->index;
    return record;
}

void slab_return(struct slab *slab, void *record, uint32_t index)
{
    struct slab_unused *unused = record;

    *unused = (struct slab_unused){.next = slab->unused, .index = index};
    slab->unused = unused;
    slab->taken--;
    if (slab->taken == 0 && slab->chunk_count > 1)
        slab_close(slab);
}
