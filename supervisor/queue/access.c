#include "supervisor/queue/access.h"

#include "supervisor/base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prefixes nested in each other: one of each length, and the default around them. */
enum { NESTED_MAXIMUM = 128 + 2 };

/* Bits are numbered as prefixes are: the first is the most significant. */
static uint8_t bit_mask(unsigned bit)
{
    return (uint8_t)(0x80U >> bit % 8);
}

static bool bit_is_set(const uint8_t *address, unsigned bit)
{
    return (address[bit / 8] & bit_mask(bit)) != 0;
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
        (void)snprintf(error, ACCESS_ERROR_MAXIMUM, "out of memory");
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

    if (remote->family == AF_UNIX)
        return true;
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
