/*
 * Accounts of sources: what is one source and what is not, and that a table of many finds each.
 */
#include "supervisor/queue/source.h"

#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 20000 };

static struct sources sources;

static struct endpoint endpoint(const char *text)
{
    struct endpoint endpoint = {.port = 1234};

    endpoint.family = strchr(text, ':') == NULL ? AF_INET : AF_INET6;
    CHECK(inet_pton(endpoint.family, text, endpoint.address) == 1);
    return endpoint;
}

static struct source *find(const struct endpoint *remote)
{
    CHECK(sources_reserve(&sources) == 0);
    return sources_find(&sources, remote);
}

/* Whether two addresses are one source, with these prefix lengths. */
static bool are_one(unsigned ipv4, unsigned ipv6, const char *one, const char *other)
{
    struct endpoint first = endpoint(one);
    struct endpoint second = endpoint(other);

    sources_close(&sources); /* the last one's */
    CHECK(sources_open(&sources, sizeof(struct source), ipv4, ipv6) == 0);
    return find(&first) == find(&second);
}

static void check_prefixes(void)
{
    CHECK(are_one(32, 64, "192.0.2.1", "192.0.2.1"));
    CHECK(!are_one(32, 64, "192.0.2.1", "192.0.2.0"));
    CHECK(are_one(31, 64, "192.0.2.1", "192.0.2.0"));
    CHECK(!are_one(31, 64, "192.0.2.1", "192.0.2.2"));
    CHECK(are_one(24, 64, "192.0.2.1", "192.0.2.255"));
    CHECK(!are_one(24, 64, "192.0.2.1", "192.0.3.1"));
    CHECK(are_one(1, 64, "128.0.0.0", "255.255.255.255"));
    CHECK(!are_one(1, 64, "127.255.255.255", "128.0.0.0"));
    CHECK(are_one(0, 64, "0.0.0.0", "255.255.255.255"));
    CHECK(are_one(32, 64, "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"));
    CHECK(!are_one(32, 64, "2001:db8::1", "2001:db8:0:1::1"));
    CHECK(!are_one(32, 65, "2001:db8::1", "2001:db8::8000:0:0:1"));
    CHECK(are_one(32, 32, "2001:db8::1", "2001:db8:ffff::1"));
    CHECK(!are_one(32, 128, "2001:db8::1", "2001:db8::2"));
    CHECK(are_one(32, 0, "::", "ffff::"));
    CHECK(!are_one(0, 0, "::", "0.0.0.0"));
}

static struct endpoint unix_endpoint(int32_t process, uint32_t user, uint32_t group)
{
    const struct endpoint_peer peer = {.process = process, .user = user, .group = group};
    struct endpoint endpoint = {.family = AF_UNIX};

    memcpy(endpoint.address, &peer, sizeof(peer));
    return endpoint;
}

/* Whatever the prefix lengths are, it is the user who counts. */
static void check_users(void)
{
    const struct endpoint first = unix_endpoint(10, 1000, 100);
    const struct endpoint other_process = unix_endpoint(11, 1000, 101);
    const struct endpoint other_user = unix_endpoint(10, 1001, 100);
    const struct endpoint same_bits = endpoint("0.0.3.232");

    sources_close(&sources);
    CHECK(sources_open(&sources, sizeof(struct source), 0, 0) == 0);
    CHECK(find(&first) == find(&other_process));
    CHECK(find(&first) != find(&other_user));
    CHECK(find(&first) != find(&same_bits));
}

static struct endpoint numbered(uint32_t number)
{
    struct endpoint endpoint = {.family = AF_INET};
    uint32_t address = htonl(number * 2654435761u); /* far from each other */

    memcpy(endpoint.address, &address, sizeof(address));
    return endpoint;
}

static void check_many(void)
{
    static struct source *found[MANY];

    sources_close(&sources);
    CHECK(sources_open(&sources, sizeof(struct source), 32, 64) == 0);
    for (uint32_t i = 0; i < MANY; i++) {
        struct endpoint remote = numbered(i);
        found[i] = find(&remote);
        CHECK(found[i]->members++ == 0);
    }
    CHECK(sources_count(&sources) == MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        struct endpoint remote = numbered(i);
        CHECK(find(&remote) == found[i]);
    }
    for (uint32_t i = 0; i < MANY; i += 2)
        sources_forget(&sources, found[i]);
    CHECK(sources_count(&sources) == MANY / 2);
    for (uint32_t i = 0; i < MANY; i++) {
        struct endpoint remote = numbered(i);
        struct source *source = find(&remote);
        CHECK(source->members == i % 2);
        if (i % 2 == 0)
            sources_forget(&sources, source);
    }
    for (uint32_t i = 1; i < MANY; i += 2)
        sources_forget(&sources, found[i]);
    CHECK(sources_count(&sources) == 0);
    CHECK(sources.bucket_capacity == 0 && sources.records.chunk_count == 0);
    /* It can be filled again. */
    for (uint32_t i = 0; i < MANY; i++) {
        struct endpoint remote = numbered(i);
        CHECK(find(&remote)->members == 0);
    }
    CHECK(sources_count(&sources) == MANY);
}

/* Each is told once, however many there are and wherever the table has grown to. */
static void check_each(void)
{
    enum { MOST = 300 };
    struct source *source = NULL;

    sources_close(&sources);
    CHECK(sources_open(&sources, sizeof(struct source), 32, 64) == 0);
    CHECK(sources_next(&sources, NULL) == NULL);
    for (uint32_t count = 1; count <= MOST; count++) {
        struct endpoint remote = numbered(count);
        uint32_t told = 0;

        find(&remote)->members = 0;
        while ((source = sources_next(&sources, source)) != NULL) {
            source->members++;
            told++;
        }
        CHECK(told == count);
        for (uint32_t i = 1; i <= count; i++) {
            struct endpoint each = numbered(i);

            CHECK(find(&each)->members == count - i + 1);
        }
    }
    for (uint32_t i = 1; i <= MOST; i++) {
        struct endpoint remote = numbered(i);

        sources_forget(&sources, find(&remote));
    }
    CHECK(sources_next(&sources, NULL) == NULL);
}

static const char *text_of(const char *address, unsigned ipv4, unsigned ipv6)
{
    static char text[SOURCE_TEXT];
    struct endpoint remote = endpoint(address);

    sources_close(&sources);
    CHECK(sources_open(&sources, sizeof(struct source), ipv4, ipv6) == 0);
    return sources_text(&sources, find(&remote), text);
}

static void check_texts(void)
{
    struct endpoint remote = {.family = AF_UNIX};
    struct endpoint_peer peer = {.user = UINT32_MAX};
    char text[SOURCE_TEXT];

    CHECK(strcmp(text_of("192.0.2.77", 32, 64), "192.0.2.77/32") == 0);
    CHECK(strcmp(text_of("192.0.2.77", 24, 64), "192.0.2.0/24") == 0);
    CHECK(strcmp(text_of("192.0.2.77", 0, 64), "0.0.0.0/0") == 0);
    CHECK(strcmp(text_of("2001:db8:0:1:2:3:4:5", 32, 64), "2001:db8:0:1::/64") == 0);
    CHECK(strcmp(text_of("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", 32, 128),
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128") == 0);
    memcpy(remote.address, &peer, sizeof(peer));
    CHECK(strcmp(sources_text(&sources, find(&remote), text), "user 4294967295") == 0);
}

int main(void)
{
    check_prefixes();
    check_users();
    check_many();
    check_each();
    check_texts();
    sources_close(&sources);
    return CHECK_RESULT();
}
