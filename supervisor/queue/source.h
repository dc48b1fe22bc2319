/*
 * source.h - accounts of sources.  A source is all clients whose addresses share a prefix; of Unix
 * sockets, all clients of the same user.
 *
 * A source exists while it has members: clients that wait or are being served.  The owner's data
 * stands behind struct source in the record.
 *
 * A hash table finds sources.  It grows by one bucket at a time (linear hashing), so that no client
 * waits until the table has grown.  The hash function is chosen at random (multiply-shift, which is
 * strongly universal), so that no client can choose addresses that share a bucket.
 */
#ifndef SUPERVISOR_QUEUE_SOURCE_H
#define SUPERVISOR_QUEUE_SOURCE_H

#include "dispatcher/protocol.h"
#include "supervisor/base/slab.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    SOURCE_WORDS = 4, /* of 32 bits, in an address */
    SOURCE_TEXT = INET6_ADDRSTRLEN + sizeof("/128") - 1
};

struct source {
    struct source *next;           /* in the same bucket */
    uint32_t index;                /* of the record */
    uint32_t members;              /* counted by the owner */
    uint32_t prefix[SOURCE_WORDS]; /* the address, with all bits behind the prefix cleared;
                                    * or the user id, and 0 */
    uint16_t family;
};

struct sources {
    struct slab records;
    uint8_t ipv4_length; /* of a prefix, in bits */
    uint8_t ipv6_length;
    struct source **buckets;
    uint32_t bucket_count;
    uint32_t bucket_capacity;
    uint64_t multipliers[SOURCE_WORDS + 2];
};

/* Prepares for records of `size` bytes that begin with a struct source.  Returns 0, or -1 with
 * errno if getrandom(2) fails. */
int sources_open(struct sources *sources, size_t size, unsigned ipv4_length, unsigned ipv6_length);

/* Releases all memory; no source is known then. */
void sources_close(struct sources *sources);

/* Makes sure that sources_find() will succeed.  Returns 0, or -1 with errno. */
int sources_reserve(struct sources *sources);

/* The source of an address.  A new source has no members, and what stands behind struct source is
 * undefined.  sources_reserve() must have succeeded since the last call. */
struct source *sources_find(struct sources *sources, const struct endpoint *remote);

/* Ends the account of a source without members. */
void sources_forget(struct sources *sources, struct source *source);

/* Walks the sources; NULL begins, and stands behind the last.  sources_find() and sources_forget()
 * must not be called during the walk. */
struct source *sources_next(const struct sources *sources, const struct source *source);

/* Writes a source as people do, such as 192.0.2.0/24, and returns `text`. */
const char *sources_text(const struct sources *sources, const struct source *source,
                         char text[SOURCE_TEXT]);

uint32_t sources_count(const struct sources *sources);

#endif
