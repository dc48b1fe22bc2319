#include "supervisor/access.h"

#include "supervisor/address.h"
#include "supervisor/parse.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IPV4_BITS = 32,
    IPV6_BITS = 128,
    MAPPED_BITS = 96, /* the prefix before an IPv4 address in an IPv6 address */

    /* Prefixes nested in each other: one of each length, and the default around them. */
    NESTED_MAXIMUM = IPV6_BITS + 2,

    /* How much of a word an error shows. */
    SHOWN_MAXIMUM = 60
};

static const char expected_word[] = "expected an IPv4 or IPv6 address, ADDRESS/LENGTH, or all";
static const char out_of_memory[] = "out of memory";

static unsigned family_bits(uint16_t family)
{
    return family == AF_INET ? IPV4_BITS : IPV6_BITS;
}

/* Bits are numbered as prefixes are: the first is the most significant. */
static uint8_t bit_mask(unsigned bit)
{
    return (uint8_t)(0x80U >> bit % 8);
}

static bool bit_is_set(const uint8_t *address, unsigned bit)
{
    return (address[bit / 8] & bit_mask(bit)) != 0;
}

static void normalise(struct access_rule *rule)
{
    static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    struct access_rule ipv4 = *rule;

    if (rule->family != AF_INET6 || rule->length < MAPPED_BITS ||
        memcmp(rule->address, mapped, sizeof(mapped)) != 0)
        return;
    ipv4.family = AF_INET;
    ipv4.length = (uint8_t)(rule->length - MAPPED_BITS);
    memset(ipv4.address, 0, sizeof(ipv4.address));
    memcpy(ipv4.address, rule->address + sizeof(mapped), IPV4_BITS / 8);
    *rule = ipv4;
}

/* Fills in family, length and address.  Returns NULL, or what is wrong with the word. */
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

    bits = family_bits(rule->family);
    length = bits;
    if (word[end] == '/' && !parse_number(word + end + 1, bits, &length))
        return bits == IPV4_BITS ? "expected a prefix length from 0 to 32 behind the slash"
                                 : "expected a prefix length from 0 to 128 behind the slash";
    rule->length = (uint8_t)length;
    /* As likely a wrong length as a wrong address: only who wrote it knows which. */
    for (unsigned bit = rule->length; bit < bits; bit++)
        if (bit_is_set(rule->address, bit))
            return "bits behind the prefix length are set";
    normalise(rule);
    return NULL;
}

static bool reserve(struct access_rules *rules, size_t more)
{
    size_t capacity = rules->capacity == 0 ? 16 : rules->capacity * 2;
    struct access_rule *list;

    if (rules->capacity - rules->count >= more)
        return true;
    list = reallocarray(rules->list, capacity, sizeof(*list));
    if (list == NULL)
        return false;
    rules->list = list;
    rules->capacity = capacity;
    return true;
}

const char *access_add(struct access_rules *rules, bool allow, const char *word, uint32_t line)
{
    struct access_rule rule = {.allow = allow, .line = line};
    bool all = strcmp(word, "all") == 0;
    const char *expected = all ? NULL : parse_prefix(word, &rule);

    if (expected != NULL)
        return expected;
    if (!reserve(rules, 2)) /* for "all" */
        return out_of_memory;
    if (all) {
        rule.family = AF_INET;
        rules->list[rules->count++] = rule;
        rule.family = AF_INET6;
    }
    rules->list[rules->count++] = rule;
    return NULL;
}

void access_rules_free(struct access_rules *rules)
{
    free(rules->list);
    *rules = (struct access_rules){0};
}

/* The file may not be what somebody meant to name: nothing of it reaches a terminal unexamined. */
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

/* Adds the rule of a line, which is cut into its words. */
static bool add_words(struct access_rules *rules, char *line, uint32_t number,
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
    expected = access_add(rules, *verdict == 'a', word, number);
    return expected == NULL || wrong(error, number, word, strlen(word), expected);
}

static bool add_line(struct access_rules *rules, const char *text, size_t length, uint32_t number,
                     char error[ACCESS_ERROR_MAXIMUM])
{
    char line[ACCESS_LINE_MAXIMUM + 1];

    static_assert(ACCESS_LINE_MAXIMUM == 256, "the text below names it");
    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (length > ACCESS_LINE_MAXIMUM)
        return wrong(error, number, text, length, "the line is longer than 256 bytes");
    if (memchr(text, '\0', length) != NULL)
        return wrong(error, number, text, length, "the line contains a NUL byte");
    /* In a file whose lines end with CR alone, a comment would swallow all rules behind it. */
    if (memchr(text, '\r', length) != NULL)
        return wrong(error, number, text, length, "the line contains a carriage return");
    memcpy(line, text, length);
    line[length] = '\0';
    line[strcspn(line, "#")] = '\0';
    return add_words(rules, line, number, error);
}

bool access_add_text(struct access_rules *rules, const char *text, size_t length,
                     char error[ACCESS_ERROR_MAXIMUM])
{
    size_t count = rules->count;
    uint32_t number = 1;

    for (size_t at = 0; at < length; number++) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t size = end == NULL ? length - at : (size_t)(end - text) - at;
        if (!add_line(rules, text + at, size, number, error)) {
            rules->count = count;
            return false;
        }
        at += size + 1;
    }
    return true;
}

static int compare_prefixes(const struct access_rule *first, const struct access_rule *second)
{
    int order = memcmp(first->address, second->address, sizeof(first->address));

    return order != 0 ? order : first->length - second->length;
}

/* A prefix comes before all that it contains.  The lines decide only which of several conflicts is
 * found first, so that it is always the same. */
static int compare_rules(const void *first, const void *second)
{
    const struct access_rule *one = first;
    const struct access_rule *other = second;
    int order = compare_prefixes(one, other);

    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
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
    struct endpoint endpoint = {.family = first->family};
    char address[INET6_ADDRSTRLEN];
    char places[2][32];

    memcpy(endpoint.address, first->address, sizeof(endpoint.address));
    (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "%s/%u is allowed by %s and denied by %s",
                   address_text(&endpoint, address), first->length, place_text(allowing, places[0]),
                   place_text(denying, places[1]));
    return false;
}

/* Leaves one of each prefix in the sorted rules, unless one is there with both verdicts. */
static bool unite(struct access_rule *sorted, size_t *count, char error[ACCESS_ERROR_MAXIMUM])
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (kept > 0 && compare_prefixes(&sorted[kept - 1], &sorted[i]) == 0) {
            if (sorted[kept - 1].allow != sorted[i].allow)
                return conflict(&sorted[kept - 1], &sorted[i], error);
        } else {
            sorted[kept++] = sorted[i];
        }
    }
    *count = kept;
    return true;
}

/* Whether a prefix, sorted behind another, is inside that one. */
static bool contains(const struct access_rule *outer, const struct access_rule *inner)
{
    for (unsigned bit = 0; bit < outer->length; bit++)
        if (bit_is_set(outer->address, bit) != bit_is_set(inner->address, bit))
            return false;
    return true;
}

/* The first address behind a prefix: the prefix plus 1.  False if it reaches to the last one. */
static bool address_behind(const struct access_rule *rule, uint8_t address[16])
{
    memcpy(address, rule->address, sizeof(rule->address));
    for (unsigned bit = rule->length; bit-- > 0;) {
        address[bit / 8] = (uint8_t)(address[bit / 8] ^ bit_mask(bit));
        if (bit_is_set(address, bit)) /* it was 0: nothing to carry */
            return true;
    }
    return false;
}

/* From this address on, which is not before the last one begun, another verdict holds. */
static void begin_range(struct access_ranges *ranges, const uint8_t first[16], bool allow)
{
    struct access_range range = {.allow = allow};

    memcpy(range.first, first, sizeof(range.first));
    if (ranges->count > 0 &&
        memcmp(ranges->list[ranges->count - 1].first, first, sizeof(range.first)) == 0)
        ranges->count--; /* that one is empty */
    if (ranges->count == 0 || ranges->list[ranges->count - 1].allow != allow)
        ranges->list[ranges->count++] = range;
}

/* Behind the innermost prefix, the verdict of the one around it holds again. */
static size_t leave(struct access_ranges *ranges, const struct access_rule *const *nested,
                    size_t innermost)
{
    uint8_t behind[16];

    if (address_behind(nested[innermost], behind))
        begin_range(ranges, behind, nested[innermost - 1]->allow);
    return innermost - 1;
}

/* Goes through the addresses from the first to the last, with the prefixes around the present one
 * on a stack.  Its bottom is the default, as a prefix around all others that is never left. */
static void flatten(struct access_ranges *ranges, const struct access_rule *sorted, size_t count,
                    bool others_denied)
{
    const struct access_rule others = {.allow = !others_denied};
    const struct access_rule *nested[NESTED_MAXIMUM] = {&others};
    size_t innermost = 0;

    begin_range(ranges, others.address, others.allow);
    for (size_t i = 0; i < count; i++) {
        while (innermost > 0 && !contains(nested[innermost], &sorted[i]))
            innermost = leave(ranges, nested, innermost);
        nested[++innermost] = &sorted[i];
        begin_range(ranges, sorted[i].address, sorted[i].allow);
    }
    while (innermost > 0)
        innermost = leave(ranges, nested, innermost);
}

/* Fills in `ranges`, which is empty; what it holds afterwards is the caller's to free, in any case.
 */
static bool compile(struct access_ranges *ranges, const struct access_rules *rules, uint16_t family,
                    bool others_denied, char error[ACCESS_ERROR_MAXIMUM])
{
    struct access_rule *sorted = calloc(rules->count + 1, sizeof(*sorted));
    size_t count = 0;
    bool united;

    for (size_t i = 0; sorted != NULL && i < rules->count; i++)
        if (rules->list[i].family == family)
            sorted[count++] = rules->list[i];
    ranges->list = calloc(count + 1, 2 * sizeof(*ranges->list));
    if (sorted == NULL || ranges->list == NULL) {
        (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "%s", out_of_memory);
        free(sorted);
        return false;
    }
    qsort(sorted, count, sizeof(*sorted), compare_rules);
    united = unite(sorted, &count, error);
    if (united)
        flatten(ranges, sorted, count, others_denied);
    free(sorted);
    return united;
}

/* Gives back what was reserved for the worst case. */
static void trim(struct access_ranges *ranges)
{
    struct access_range *list = reallocarray(ranges->list, ranges->count, sizeof(*list));

    if (list != NULL)
        ranges->list = list;
}

bool access_build(struct access *access, const struct access_rules *rules,
                  char error[ACCESS_ERROR_MAXIMUM])
{
    struct access built = {.others_denied = rules->count > 0};

    for (size_t i = 0; i < rules->count; i++)
        if (!rules->list[i].allow)
            built.others_denied = false;
    if (!compile(&built.ipv4, rules, AF_INET, built.others_denied, error) ||
        !compile(&built.ipv6, rules, AF_INET6, built.others_denied, error)) {
        access_free(&built);
        return false;
    }
    trim(&built.ipv4);
    trim(&built.ipv6);
    access_free(access);
    *access = built;
    return true;
}

bool access_allows(const struct access *access, const struct endpoint *remote)
{
    const struct access_ranges *ranges = remote->family == AF_INET ? &access->ipv4 : &access->ipv6;
    size_t low = 0;              /* begins at or before the address */
    size_t high = ranges->count; /* behind it */

    if ((remote->family != AF_INET && remote->family != AF_INET6) || ranges->count == 0)
        return !access->others_denied;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        /* Zeros follow an IPv4 address in a range: what follows the client's makes no difference.
         */
        if (memcmp(ranges->list[middle].first, remote->address, sizeof(remote->address)) <= 0)
            low = middle;
        else
            high = middle;
    }
    return ranges->list[low].allow;
}

void access_free(struct access *access)
{
    free(access->ipv4.list);
    free(access->ipv6.list);
    *access = (struct access){0};
}
