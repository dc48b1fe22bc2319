#include "supervisor/options/access.h"

#include "supervisor/base/file.h"
#include "supervisor/base/lookup.h"
#include "supervisor/base/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    IPV4_BITS = 32,
    IPV6_BITS = 128,
    MAPPED_BITS = 96,  /* the prefix before an IPv4 address in an IPv6 address */
    SHOWN_MAXIMUM = 60 /* bytes of a word that an error shows */
};

static const char expected_word[] =
    "expected an IPv4 or IPv6 address, ADDRESS/LENGTH, a host name, or all";
static const char out_of_memory[] = "out of memory";

/* Makes an IPv6 prefix the IPv4 prefix that it stands for, if there is one. */
static void normalise(struct access_rule *rule)
{
    static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};

    if (rule->family != AF_INET6 || rule->length < MAPPED_BITS ||
        memcmp(rule->address, mapped, sizeof(mapped)) != 0)
        return;
    rule->family = AF_INET;
    rule->length = (uint8_t)(rule->length - MAPPED_BITS);
    memcpy(rule->address, rule->address + sizeof(mapped), IPV4_BITS / 8);
    memset(rule->address + IPV4_BITS / 8, 0, sizeof(rule->address) - IPV4_BITS / 8);
}

/* Fills in family, length and address.  Returns NULL, or a sentence that says what is wrong. */
static const char *parse_prefix(const char *word, struct access_rule *rule)
{
    size_t end = strcspn(word, "/");
    char address[INET6_ADDRSTRLEN];
    unsigned bits;
    uint64_t length;

    if (end >= sizeof(address))
        return expected_word;
    memcpy(address, word, end);
    address[end] = '\0';
    if (inet_pton(AF_INET, address, rule->address) == 1)
        rule->family = AF_INET;
    else if (inet_pton(AF_INET6, address, rule->address) == 1)
        rule->family = AF_INET6;
    else
        return expected_word;

    bits = rule->family == AF_INET ? IPV4_BITS : IPV6_BITS;
    length = bits;
    if (word[end] == '/' && !parse_number(word + end + 1, bits, &length))
        return bits == IPV4_BITS ? "expected a prefix length from 0 to 32 behind the slash"
                                 : "expected a prefix length from 0 to 128 behind the slash";
    rule->length = (uint8_t)length;
    /* Either the length or the address is wrong: do not guess. */
    for (unsigned bit = rule->length; bit < bits; bit++)
        if ((rule->address[bit / 8] & 0x80u >> bit % 8) != 0)
            return "bits behind the prefix length are set";
    normalise(rule);
    return NULL;
}

static bool reserve(struct access *access, size_t more)
{
    size_t capacity = 2 * (access->count + more);
    struct access_rule *list;

    if (access->capacity - access->count >= more)
        return true;
    list = reallocarray(access->list, capacity, sizeof(*list));
    if (list == NULL)
        return false;
    access->list = list;
    access->capacity = capacity;
    return true;
}

static const char *add_host(struct access *access, bool allow, const char *name, uint32_t line)
{
    struct access_host *hosts =
        reallocarray(access->hosts, access->host_count + 1, sizeof(*access->hosts));
    struct access_host host = {.allow = allow, .line = line};

    if (hosts == NULL)
        return out_of_memory;
    strcpy(host.name, name); /* parse_is_host_name() has checked its length */
    access->hosts = hosts;
    access->hosts[access->host_count++] = host;
    return NULL;
}

const char *access_add(struct access *access, bool allow, const char *word, uint32_t line)
{
    struct access_rule rule = {.family = AF_INET, .allow = allow, .line = line};
    bool all = strcmp(word, "all") == 0;
    const char *expected = all ? NULL : parse_prefix(word, &rule);

    /* "ALL" is a mistake rather than a host. */
    if (expected == expected_word && parse_is_host_name(word) && strcasecmp(word, "all") != 0)
        return add_host(access, allow, word, line);
    if (expected != NULL)
        return expected;
    if (!reserve(access, 2)) /* for "all" */
        return out_of_memory;
    access->list[access->count++] = rule;
    rule.family = AF_INET6;
    if (all)
        access->list[access->count++] = rule;
    return NULL;
}

/* ---- files ---- */

/* Describes a wrong line.  The operator may have named the wrong file, so unprintable bytes are
 * replaced before they reach a terminal. */
static bool wrong(char error[ACCESS_ERROR_MAXIMUM], uint32_t line, const char *word, size_t length,
                  const char *expected)
{
    char shown[SHOWN_MAXIMUM + 1];
    size_t end = length < SHOWN_MAXIMUM ? length : SHOWN_MAXIMUM;

    memcpy(shown, word, end);
    shown[end] = '\0';
    for (size_t i = 0; i < end; i++)
        if (shown[i] < ' ' || shown[i] > '~')
            shown[i] = '?';
    (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "line %u: '%s%s': %s", line, shown,
                   end < length ? "..." : "", expected);
    return false;
}

/* Adds the rule of a line, and cuts the line into its words. */
static bool add_words(struct access *access, char *line, uint32_t number,
                      char error[ACCESS_ERROR_MAXIMUM])
{
    static const char blanks[] = " \t";
    char *rest;
    const char *verdict = strtok_r(line, blanks, &rest);
    const char *word = verdict == NULL ? NULL : strtok_r(NULL, blanks, &rest);
    const char *surplus = word == NULL ? NULL : strtok_r(NULL, blanks, &rest);
    const char *expected;

    if (verdict == NULL)
        return true;
    if (strcmp(verdict, "allow") != 0 && strcmp(verdict, "deny") != 0)
        return wrong(error, number, verdict, strlen(verdict), "expected allow or deny");
    if (word == NULL)
        return wrong(error, number, verdict, strlen(verdict), "expected an address behind it");
    if (surplus != NULL)
        return wrong(error, number, surplus, strlen(surplus),
                     "expected the end of the line, or a comment");
    expected = access_add(access, *verdict == 'a', word, number);
    return expected == NULL || wrong(error, number, word, strlen(word), expected);
}

static bool add_line(struct access *access, const char *text, size_t length, uint32_t number,
                     char error[ACCESS_ERROR_MAXIMUM])
{
    char line[ACCESS_LINE_MAXIMUM + 1];

    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (length > ACCESS_LINE_MAXIMUM)
        return wrong(error, number, text, length,
                     "the line is longer than " PARSE_SPELLED(ACCESS_LINE_MAXIMUM) " bytes");
    if (memchr(text, '\0', length) != NULL)
        return wrong(error, number, text, length, "the line contains a NUL byte");
    /* If lines end with CR alone, a comment would swallow all rules behind it. */
    if (memchr(text, '\r', length) != NULL)
        return wrong(error, number, text, length, "the line contains a carriage return");
    memcpy(line, text, length);
    line[length] = '\0';
    line[strcspn(line, "#")] = '\0';
    return add_words(access, line, number, error);
}

bool access_add_text(struct access *access, const char *text, size_t length,
                     char error[ACCESS_ERROR_MAXIMUM])
{
    size_t count = access->count;
    size_t hosts = access->host_count;
    uint32_t number = 1;

    for (size_t at = 0; at < length; number++) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end == NULL ? length - at : (size_t)(end - text) - at;
        if (!add_line(access, text + at, size, number, error)) {
            access->count = count;
            access->host_count = hosts;
            return false;
        }
        at += size + 1;
    }
    return true;
}

/* ---- hosts ---- */

static bool add_address(struct access *access, const struct access_host *host,
                        const union address_socket *address)
{
    struct access_rule rule = {
        .family = address->any.sa_family, .allow = host->allow, .line = host->line};
    bool ipv4 = rule.family == AF_INET;

    rule.length = ipv4 ? IPV4_BITS : IPV6_BITS;
    if (ipv4)
        memcpy(rule.address, &address->ipv4.sin_addr, IPV4_BITS / 8);
    else
        memcpy(rule.address, &address->ipv6.sin6_addr, IPV6_BITS / 8);
    normalise(&rule);
    if (!reserve(access, 1))
        return false;
    access->list[access->count++] = rule;
    return true;
}

/* Returns NULL, or why the host has no addresses. */
static const char *look_up(struct access *access, const struct access_host *host)
{
    struct lookup found;
    const char *error = lookup_name(&found, host->name, 0, AF_UNSPEC);

    for (size_t i = 0; error == NULL && i < found.count; i++)
        if (!add_address(access, host, &found.list[i].address))
            error = out_of_memory;
    lookup_free(&found);
    return error;
}

bool access_look_up(struct access *access, char error[ACCESS_ERROR_MAXIMUM])
{
    for (size_t i = 0; i < access->host_count; i++) {
        const struct access_host *host = &access->hosts[i];
        const char *why = look_up(access, host);
        char line[32];

        if (why == NULL)
            continue;
        (void)snprintf(line, sizeof(line), "line %u", host->line);
        (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "%s: '%.*s': cannot look up the host: %s",
                       host->line > 0 ? line
                       : host->allow  ? "--allow"
                                      : "--deny",
                       SHOWN_MAXIMUM, host->name, why);
        return false;
    }
    access->host_count = 0;
    return true;
}

/* ---- compiled rules ---- */

static int compare_address(const struct access_rule *rule, uint16_t family,
                           const uint8_t address[16])
{
    int order = rule->family - family;

    return order != 0 ? order : memcmp(rule->address, address, sizeof(rule->address));
}

/* A prefix comes before all that it contains. */
static int compare_prefix(const struct access_rule *one, const struct access_rule *other)
{
    int order = compare_address(one, other->family, other->address);

    return order != 0 ? order : one->length - other->length;
}

/* The lines decide only which of several conflicts is found first, so that it is always the same.
 */
static int compare_rules(const void *first, const void *second)
{
    const struct access_rule *one = first;
    const struct access_rule *other = second;
    int order = compare_prefix(one, other);

    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

static bool contains(const struct access_rule *rule, uint16_t family, const uint8_t address[16])
{
    unsigned bytes = rule->length / 8;
    unsigned bits = rule->length % 8;

    return rule->family == family && memcmp(rule->address, address, bytes) == 0 &&
           (bits == 0 || (rule->address[bytes] ^ address[bytes]) >> (8 - bits) == 0);
}

/* Returns the number, from 1, of the innermost rule around an address; 0 if there is none.  `last`
 * is the number of the last rule that is sorted before the address. */
static size_t innermost(const struct access *access, size_t last, uint16_t family,
                        const uint8_t address[16])
{
    while (last > 0 && !contains(&access->list[last - 1], family, address)) {
        size_t around = access->list[last - 1].around;

        last = around < last ? around : 0; /* another process has compiled the rules */
    }
    return last;
}

static const char *place_text(const struct access_rule *rule, char text[32])
{
    if (rule->line == 0)
        return "the command line";
    (void)snprintf(text, 32, "line %u", rule->line);
    return text;
}

static bool conflict(const struct access_rule *first, const struct access_rule *second,
                     char error[ACCESS_ERROR_MAXIMUM])
{
    const struct access_rule *allowing = first->allow ? first : second;
    const struct access_rule *denying = first->allow ? second : first;
    char address[INET6_ADDRSTRLEN];
    char places[2][32];

    if (inet_ntop(first->family, first->address, address, sizeof(address)) == NULL)
        address[0] = '\0'; /* of an unknown family */
    (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "%s/%u is allowed by %s and denied by %s", address,
                   first->length, place_text(allowing, places[0]), place_text(denying, places[1]));
    return false;
}

bool access_copy(struct access *copy, const struct access *access)
{
    *copy = (struct access){0};
    if (access->count == 0)
        return true;
    copy->list = reallocarray(NULL, access->count, sizeof(*copy->list));
    if (copy->list == NULL)
        return false;
    memcpy(copy->list, access->list, access->count * sizeof(*copy->list));
    copy->count = access->count;
    copy->capacity = access->count;
    return true;
}

bool access_compile(struct access *access, char error[ACCESS_ERROR_MAXIMUM])
{
    struct access_rule *list = access->list;
    size_t kept = 0;

    access->others_denied = access->count > 0;
    if (access->count > 0)
        qsort(list, access->count, sizeof(*list), compare_rules);
    for (size_t i = 0; i < access->count; i++) {
        if (!list[i].allow)
            access->others_denied = false;
        if (kept > 0 && compare_prefix(&list[kept - 1], &list[i]) == 0) {
            if (list[kept - 1].allow != list[i].allow)
                return conflict(&list[kept - 1], &list[i], error);
            continue;
        }
        list[kept] = list[i];
        list[kept].around = (uint32_t)innermost(access, kept, list[i].family, list[i].address);
        kept++;
    }
    access->count = kept;
    return true;
}

bool access_allows(const struct access *access, const struct endpoint *remote)
{
    size_t last = 0; /* rules before this number are at or before the address */
    size_t end = access->count;

    while (last < end) {
        size_t middle = last + (end - last) / 2;

        /* Zeros follow an IPv4 address in a rule: what follows the client's makes no difference. */
        if (compare_address(&access->list[middle], remote->family, remote->address) <= 0)
            last = middle + 1;
        else
            end = middle;
    }
    last = innermost(access, last, remote->family, remote->address);
    return last > 0 ? access->list[last - 1].allow
                    : remote->family == AF_UNIX || !access->others_denied;
}

/* ---- memory files ---- */

/* A memory file has the compiled rules, and this behind them. */
struct trailer {
    uint32_t others_denied;
};

static bool write_all(int descriptor, const void *bytes, size_t size)
{
    for (ssize_t written; size > 0; size -= (size_t)written) {
        written = write(descriptor, bytes, size);
        if (written <= 0)
            return false;
        bytes = (const char *)bytes + written;
    }
    return true;
}

bool access_write(const struct access *access, int memory)
{
    const struct trailer trailer = {.others_denied = access->others_denied};

    return write_all(memory, access->list, access->count * sizeof(*access->list)) &&
           write_all(memory, &trailer, sizeof(trailer));
}

int access_save(const struct access *access)
{
    int memory = memfd_create("dampener-rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error;

    if (memory >= 0 && access_write(access, memory) && file_seal(memory) == 0)
        return memory;
    error = errno;
    if (memory >= 0)
        (void)close(memory); /* it is incomplete */
    errno = error;
    return -1;
}

bool access_load(struct access *access, int memory)
{
    struct trailer trailer;
    struct stat status;
    size_t size;
    void *map;

    *access = (struct access){0};
    errno = EPERM;
    if (!file_is_sealed(memory) || fstat(memory, &status) != 0)
        return false;
    size = (size_t)status.st_size;
    errno = EINVAL;
    if (size % sizeof(*access->list) != sizeof(trailer))
        return false;
    /* Kernels before 6.7 refuse MAP_SHARED for a file that is sealed against writing. */
    map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, memory, 0);
    if (map == MAP_FAILED)
        return false;
    memcpy(&trailer, (char *)map + size - sizeof(trailer), sizeof(trailer));
    access->list = map;
    access->mapped = size;
    access->count = size / sizeof(*access->list);
    access->others_denied = trailer.others_denied != 0;
    return true;
}

void access_free(struct access *access)
{
    free(access->hosts);
    if (access->mapped > 0)
        (void)munmap(access->list, access->mapped); /* it cannot fail for a whole mapping */
    else
        free(access->list);
    *access = (struct access){0};
}
