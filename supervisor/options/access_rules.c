#include "supervisor/options/access_rules.h"

#include "supervisor/base/parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    IPV4_BITS = 32,
    IPV6_BITS = 128,
    MAPPED_BITS = 96,  /* the prefix before an IPv4 address in an IPv6 address */
    SHOWN_MAXIMUM = 60 /* bytes of a word that an error shows */
};

static const char expected_word[] = "expected an IPv4 or IPv6 address, ADDRESS/LENGTH, or all";

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

const char *access_rules_add(struct access_rules *rules, bool allow, const char *word,
                             uint32_t line)
{
    struct access_rule rule = {.allow = allow, .line = line};
    bool all = strcmp(word, "all") == 0;
    const char *expected = all ? NULL : parse_prefix(word, &rule);

    if (expected != NULL)
        return expected;
    if (!reserve(rules, 2)) /* for "all" */
        return "out of memory";
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
    expected = access_rules_add(rules, *verdict == 'a', word, number);
    return expected == NULL || wrong(error, number, word, strlen(word), expected);
}

static bool add_line(struct access_rules *rules, const char *text, size_t length, uint32_t number,
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
    return add_words(rules, line, number, error);
}

bool access_rules_add_text(struct access_rules *rules, const char *text, size_t length,
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
