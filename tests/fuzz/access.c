/*
 * The access file: what is taken means the same when it is printed and read again, and whoever is
 * asked about is served or not as a plain search for the longest prefix says.  Compiled rules are
 * the same when they come from a memory file.
 *
 * The linker has look-ups of hosts come to a function here: no name server is asked.
 */
#include "supervisor/options/access.h"

#include "supervisor/base/lookup.h"
#include "tests/fuzz/shared/fuzz.h"

#include <arpa/inet.h>
#include <stdbool.h>

enum { ASKED = 12 /* rules whose borders are looked at */ };

static void check_sentence(const char *error)
{
    size_t length = strnlen(error, ACCESS_ERROR_MAXIMUM);

    HOLDS(length > 0 && length < ACCESS_ERROR_MAXIMUM);
    for (size_t i = 0; i < length; i++)
        HOLDS(error[i] >= ' ' && error[i] <= '~');
}

/* ---- hosts ---- */

const char *__wrap_lookup_name(struct lookup *found, const char *name, uint16_t port, int family);

/* A name's length decides how many addresses the host has, and its first letter which. */
const char *__wrap_lookup_name(struct lookup *found, const char *name, uint16_t port, int family)
{
    size_t count = strlen(name) % 4;

    HOLDS(port == 0 && family == AF_UNSPEC);
    HOLDS(strspn(name, ".-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
          strlen(name));
    /* The resolver would take it for an address. */
    HOLDS(inet_addr(name) == INADDR_NONE);
    *found = (struct lookup){0};
    if (count == 0)
        return "no such host";
    found->list = calloc(count, sizeof(*found->list));
    HOLDS(found->list != NULL);
    for (found->count = 0; found->count < count; found->count++) {
        union address_socket *address = &found->list[found->count].address;

        address->any.sa_family = found->count == 1 ? AF_INET6 : AF_INET;
        memset(&address->ipv6.sin6_addr, *name, sizeof(address->ipv6.sin6_addr));
        memset(&address->ipv4.sin_addr, *name + (char)found->count, sizeof(address->ipv4.sin_addr));
    }
    return NULL;
}

/* Returns false if a host has no address. */
static bool look_up(struct access *rules)
{
    char error[ACCESS_ERROR_MAXIMUM];
    bool found = access_look_up(rules, error);

    if (found)
        HOLDS(rules->host_count == 0);
    else
        check_sentence(error);
    return found;
}

/* ---- a plain search ---- */

static bool covers(const struct access_rule *rule, const struct endpoint *remote)
{
    if (rule->family != remote->family)
        return false;
    for (unsigned bit = 0; bit < rule->length; bit++)
        if (((rule->address[bit / 8] ^ remote->address[bit / 8]) & 0x80u >> bit % 8) != 0)
            return false;
    return true;
}

static bool is_allowed(const struct access *rules, const struct endpoint *remote)
{
    const struct access_rule *best = NULL;
    bool any_denies = rules->count == 0;

    for (size_t i = 0; i < rules->count; i++) {
        const struct access_rule *rule = &rules->list[i];

        any_denies = any_denies || !rule->allow;
        if (covers(rule, remote) && (best == NULL || rule->length > best->length))
            best = rule;
    }
    return best == NULL ? any_denies : best->allow;
}

/* ---- what is asked ---- */

static void ask(const struct access *access, const struct access *rules,
                const struct endpoint *remote)
{
    HOLDS(access_allows(access, remote) == is_allowed(rules, remote));
}

/* The first and the last address of a prefix, and those beside it. */
static void ask_about(const struct access *access, const struct access *rules,
                      const struct access_rule *rule)
{
    unsigned bytes = rule->family == AF_INET ? 4 : 16;
    struct endpoint first = {.family = rule->family};
    struct endpoint last;

    memcpy(first.address, rule->address, bytes);
    last = first;
    for (unsigned bit = rule->length; bit < bytes * 8; bit++)
        last.address[bit / 8] = (uint8_t)(last.address[bit / 8] | 0x80u >> bit % 8);
    ask(access, rules, &first);
    ask(access, rules, &last);
    for (unsigned i = bytes; i-- > 0 && first.address[i]-- == 0;)
        ;
    for (unsigned i = bytes; i-- > 0 && ++last.address[i] == 0;)
        ;
    ask(access, rules, &first);
    ask(access, rules, &last);
}

/* ---- the same in another way ---- */

static struct access reversed(const struct access *rules)
{
    struct access other = {.list = fuzz_copy(rules->list, rules->count * sizeof(*rules->list)),
                           .count = rules->count,
                           .capacity = rules->count};

    for (size_t i = 0; i < rules->count; i++)
        other.list[i] = rules->list[rules->count - 1 - i];
    return other;
}

static bool is_same_access(const struct access *one, const struct access *other)
{
    bool same = one->count == other->count && one->others_denied == other->others_denied;

    for (size_t i = 0; same && i < one->count; i++) {
        const struct access_rule *first = &one->list[i];
        const struct access_rule *second = &other->list[i];

        same = first->family == second->family && first->length == second->length &&
               first->allow == second->allow && first->around == second->around &&
               memcmp(first->address, second->address, sizeof(first->address)) == 0;
    }
    return same;
}

/* A memory file keeps all of it. */
static void check_saved(const struct access *access)
{
    struct access loaded;
    int memory = access_save(access);

    HOLDS(memory >= 0 && access_load(&loaded, memory));
    HOLDS(is_same_access(access, &loaded));
    access_free(&loaded);
    (void)close(memory);
}

/* The order of the rules does not matter. */
static void check_build(const struct access *rules)
{
    char error[ACCESS_ERROR_MAXIMUM];
    struct access access;
    struct access backwards = reversed(rules);
    bool built;

    HOLDS(access_copy(&access, rules));
    built = access_compile(&access, error);
    HOLDS(access_compile(&backwards, error) == built);
    if (built) {
        HOLDS(is_same_access(&access, &backwards));
        check_saved(&access);
        for (size_t i = 0; i < rules->count; i += 1 + rules->count / ASKED)
            ask_about(&access, rules, &rules->list[i]);
    } else {
        check_sentence(error);
    }
    access_free(&backwards);
    access_free(&access);
}

/* Printed, each rule is a line that is read as the same. */
static void check_print(const struct access *rules)
{
    enum { LINE = INET6_ADDRSTRLEN + 16 };
    char *text = malloc(rules->count * LINE + 1);
    char error[ACCESS_ERROR_MAXIMUM];
    struct access again = {0};
    size_t length = 0;

    HOLDS(text != NULL);
    for (size_t i = 0; i < rules->count; i++) {
        const struct access_rule *rule = &rules->list[i];
        char address[INET6_ADDRSTRLEN];

        HOLDS(inet_ntop(rule->family, rule->address, address, sizeof(address)) != NULL);
        length += (size_t)snprintf(text + length, LINE, "%s %s/%u\n",
                                   rule->allow ? "allow" : "deny", address, rule->length);
    }
    HOLDS(access_add_text(&again, text, length, error));
    HOLDS(again.count == rules->count);
    for (size_t i = 0; i < rules->count; i++) {
        again.list[i].line = rules->list[i].line;
        HOLDS(memcmp(&again.list[i], &rules->list[i], sizeof(*again.list)) == 0);
    }
    access_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    char error[ACCESS_ERROR_MAXIMUM] = "";
    struct access rules = {0};

    if (!access_add_text(&rules, text, size, error)) {
        check_sentence(error);
        HOLDS(strncmp(error, "line ", 5) == 0);
        HOLDS(rules.count == 0 && rules.host_count == 0);
    } else if (look_up(&rules)) {
        check_print(&rules);
        check_build(&rules);
    }
    access_free(&rules);
    free(text);
    return 0;
}
