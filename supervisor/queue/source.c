#include "supervisor/queue/source.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { WORD = 32, BUCKETS_FIRST = 64 };

static_assert(sizeof(((struct endpoint *)0)->address) == SOURCE_WORDS * sizeof(uint32_t),
              "an address is as long as a prefix");

int sources_open(struct sources *sources, size_t size, unsigned ipv4_length, unsigned ipv6_length)
{
    *sources = (struct sources){
        .ipv4_length = (uint8_t)ipv4_length,
        .ipv6_length = (uint8_t)ipv6_length,
    };
    slab_open(&sources->records, size);
    return getrandom(sources->multipliers, sizeof(sources->multipliers), 0) ==
                   (ssize_t)sizeof(sources->multipliers)
               ? 0
               : -1;
}

static void release_buckets(struct sources *sources)
{
    free(sources->buckets);
    sources->buckets = NULL;
    sources->bucket_count = 0;
    sources->bucket_capacity = 0;
}

void sources_close(struct sources *sources)
{
    release_buckets(sources);
    slab_close(&sources->records);
}

int sources_reserve(struct sources *sources)
{
    uint32_t capacity = sources->bucket_capacity * 2;
    struct source **buckets;

    if (slab_reserve(&sources->records) != 0)
        return -1;
    if (sources->bucket_count < sources->bucket_capacity)
        return 0;
    if (capacity == 0)
        capacity = BUCKETS_FIRST;
    buckets = realloc(sources->buckets, capacity * sizeof(struct source *));
    if (buckets == NULL)
        return -1;
    sources->buckets = buckets;
    sources->bucket_capacity = capacity;
    return 0;
}

/* ---- the hash table ---- */

static uint32_t hash(const struct sources *sources, const struct source *source)
{
    const uint64_t *multiplier = sources->multipliers;
    uint64_t sum = *multiplier++;

    for (int i = 0; i < SOURCE_WORDS; i++)
        sum += *multiplier++ * source->prefix[i];
    sum += *multiplier * source->family;
    return (uint32_t)(sum >> WORD);
}

/* With 2^k to 2^(k+1) buckets, the lower k+1 bits of the hash name one, or if there is no such
 * bucket yet, the lower k. */
static struct source **bucket_of(const struct sources *sources, uint32_t hash)
{
    uint32_t count = sources->bucket_count;
    uint32_t mask = UINT32_MAX >> __builtin_clz(count | 1);
    uint32_t bucket = hash & mask;

    return &sources->buckets[bucket < count ? bucket : hash & (mask >> 1)];
}

/* Adds a bucket, and moves its sources there.  All of them were in one other bucket: the one whose
 * number lacks the highest bit. */
static void add_bucket(struct sources *sources)
{
    uint32_t number = sources->bucket_count++;
    struct source **added = &sources->buckets[number];
    struct source **from;

    *added = NULL;
    if (number == 0)
        return;
    from = &sources->buckets[number ^ 1u << (WORD - 1 - __builtin_clz(number))];
    while (*from != NULL) {
        struct source *source = *from;

        if (bucket_of(sources, hash(sources, source)) == added) {
            *from = source->next;
            source->next = *added;
            *added = source;
        } else {
            from = &source->next;
        }
    }
}

static bool is_same(const struct source *one, const struct source *other)
{
    return one->family == other->family &&
           memcmp(one->prefix, other->prefix, sizeof(one->prefix)) == 0;
}

/* ---- accounts ---- */

static void set_prefix(const struct sources *sources, struct source *source,
                       const struct endpoint *remote)
{
    unsigned left = remote->family == AF_INET ? sources->ipv4_length : sources->ipv6_length;
    struct endpoint_peer peer;

    source->family = remote->family;
    if (remote->family == AF_UNIX) {
        memcpy(&peer, remote->address, sizeof(peer));
        source->prefix[0] = peer.user; /* the rest is 0 */
        return;
    }
    memcpy(source->prefix, remote->address, sizeof(source->prefix));
    for (int i = 0; i < SOURCE_WORDS; i++) {
        if (left >= WORD) {
            left -= WORD;
            continue;
        }
        source->prefix[i] &= htonl(left == 0 ? 0 : UINT32_MAX << (WORD - left));
        left = 0;
    }
}

static struct source *add(struct sources *sources, const struct source *wanted)
{
    uint32_t index;
    struct source *source = slab_take(&sources->records, &index);
    struct source **bucket;

    if (sources->bucket_count < sources->records.taken)
        add_bucket(sources);
    bucket = bucket_of(sources, hash(sources, wanted));
    *source = *wanted;
    source->index = index;
    source->next = *bucket;
    *bucket = source;
    return source;
}

struct source *sources_find(struct sources *sources, const struct endpoint *remote)
{
    struct source wanted = {0};
    struct source *source = NULL;

    set_prefix(sources, &wanted, remote);
    if (sources->bucket_count > 0)
        source = *bucket_of(sources, hash(sources, &wanted));
    while (source != NULL && !is_same(source, &wanted))
        source = source->next;
    return source != NULL ? source : add(sources, &wanted);
}

void sources_forget(struct sources *sources, struct source *source)
{
    struct source **link = bucket_of(sources, hash(sources, source));

    while (*link != source)
        link = &(*link)->next;
    *link = source->next;
    slab_return(&sources->records, source, source->index);
    if (sources->records.taken == 0 && sources->bucket_capacity > BUCKETS_FIRST)
        release_buckets(sources);
}

struct source *sources_next(const struct sources *sources, const struct source *source)
{
    uint32_t bucket = 0;

    if (source != NULL && source->next != NULL)
        return source->next;
    if (source != NULL)
        bucket = (uint32_t)(bucket_of(sources, hash(sources, source)) - sources->buckets) + 1;
    for (; bucket < sources->bucket_count; bucket++)
        if (sources->buckets[bucket] != NULL)
            return sources->buckets[bucket];
    return NULL;
}

const char *sources_text(const struct sources *sources, const struct source *source,
                         char text[SOURCE_TEXT])
{
    char address[INET6_ADDRSTRLEN];
    unsigned length;

    if (source->family == AF_UNIX) {
        (void)snprintf(text, SOURCE_TEXT, "user %u", source->prefix[0]);
        return text;
    }
    if (inet_ntop(source->family, source->prefix, address, sizeof(address)) == NULL)
        address[0] = '\0'; /* of an unknown family */
    length = source->family == AF_INET ? sources->ipv4_length : sources->ipv6_length;
    (void)snprintf(text, SOURCE_TEXT, "%s/%u", address, length);
    return text;
}

uint32_t sources_count(const struct sources *sources)
{
    return sources->records.taken;
}
