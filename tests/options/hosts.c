/*
 * Access rules that name hosts, and compiled rules in a memory file.
 */
#include "supervisor/options/access.h"

#include "supervisor/base/address.h"
#include "supervisor/base/file.h"
#include "supervisor/base/lookup.h"
#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *__wrap_lookup_name(struct lookup *found, const char *name, uint16_t port, int family);

/* A host has the addresses that this table gives it. */
static const struct {
    const char *name;
    const char *address;
} hosts[] = {{"one", "192.0.2.1"},   {"both", "192.0.2.2"},          {"both", "2001:db8::2"},
             {"a.example.", "::1"},  {"mapped", "::ffff:192.0.2.3"}, {"10.example", "192.0.2.4"},
             {"same", "2001:db8::2"}};

enum { HOSTS = sizeof(hosts) / sizeof(*hosts) };

const char *__wrap_lookup_name(struct lookup *found, const char *name, uint16_t port, int family)
{
    CHECK(port == 0 && family == AF_UNSPEC);
    *found = (struct lookup){.list = calloc(HOSTS, sizeof(*found->list))};
    for (size_t i = 0; found->list != NULL && i < HOSTS; i++) {
        union address_socket *address = &found->list[found->count].address;

        if (strcmp(hosts[i].name, name) != 0)
            continue;
        found->count++;
        address->any.sa_family = AF_INET;
        if (inet_pton(AF_INET, hosts[i].address, &address->ipv4.sin_addr) == 1)
            continue;
        address->any.sa_family = AF_INET6;
        CHECK(inet_pton(AF_INET6, hosts[i].address, &address->ipv6.sin6_addr) == 1);
    }
    if (found->count > 0)
        return NULL;
    lookup_free(found);
    return "there is no such host";
}

/* Reads and looks up; the rules as text, each "+" or "-", the prefix, and its line. */
static const char *rules_of(const char *text, char error[ACCESS_ERROR_MAXIMUM])
{
    static char written[512];
    struct access rules = {0};
    size_t length = 0;

    written[0] = '\0';
    *error = '\0';
    if (!access_add_text(&rules, text, strlen(text), error) || !access_look_up(&rules, error))
        CHECK(*error != '\0');
    else
        CHECK(rules.host_count == 0);
    for (size_t i = 0; i < rules.count; i++) {
        const struct access_rule *rule = &rules.list[i];
        char address[INET6_ADDRSTRLEN];

        CHECK(inet_ntop(rule->family, rule->address, address, sizeof(address)) != NULL);
        length += (size_t)snprintf(written + length, sizeof(written) - length, "%s%s/%u %u\n",
                                   rule->allow ? "+" : "-", address, rule->length, rule->line);
    }
    access_free(&rules);
    return written;
}

static void check_hosts(void)
{
    static const char *const mistyped[] = {"10.0.0/8", "10.0.0", "300.1.1.1",     "0x7f.1",
                                           "one/24",   "ALL",    "192.0.2.1-2.9", "o_ne"};
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};

    CHECK(
        strcmp(rules_of("allow one\ndeny both # two\n\nallow a.example.\ndeny ::3", error),
               "-::3/128 5\n+192.0.2.1/32 1\n-192.0.2.2/32 2\n-2001:db8::2/128 2\n+::1/128 4\n") ==
        0);
    CHECK(strcmp(rules_of("deny mapped\nallow 10.example", error),
                 "-192.0.2.3/32 1\n+192.0.2.4/32 2\n") == 0);
    for (size_t i = 0; i < sizeof(mistyped) / sizeof(*mistyped); i++) {
        const char *expected = access_add(&rules, true, mistyped[i], 0);

        CHECK(expected != NULL && strstr(expected, "a host name, or all") != NULL);
        CHECK(rules.count == 0 && rules.host_count == 0);
    }
    /* A wrong line leaves no host of the others. */
    CHECK(access_add(&rules, true, "one", 0) == NULL && rules.host_count == 1);
    CHECK(!access_add_text(&rules, "allow both\nallow", 16, error) && rules.host_count == 1);
    CHECK(access_look_up(&rules, error) && rules.count == 1 && rules.host_count == 0);
    CHECK(access_look_up(&rules, error) && rules.count == 1);
    access_free(&rules);
}

static void check_lost_hosts(void)
{
    char error[ACCESS_ERROR_MAXIMUM];
    char longest[254];
    struct access rules = {0};

    (void)rules_of("allow one\n\ndeny nowhere.example\nallow both", error);
    CHECK(strcmp(error,
                 "line 3: 'nowhere.example': cannot look up the host: there is no such host") == 0);
    CHECK(access_add(&rules, true, "gone", 0) == NULL && !access_look_up(&rules, error));
    CHECK(strcmp(error, "--allow: 'gone': cannot look up the host: there is no such host") == 0);
    access_free(&rules);
    for (size_t i = 0; i < sizeof(longest); i++)
        longest[i] = i % 64 == 63 ? '.' : 'a';
    longest[sizeof(longest) - 1] = '\0';
    CHECK(access_add(&rules, false, longest, 0) == NULL && !access_look_up(&rules, error));
    CHECK(strncmp(error, "--deny: 'aaa", 12) == 0);
    CHECK(strstr(error, "aaa': cannot look up the host: there is no such host") != NULL);
    access_free(&rules);
}

/* Two hosts may have one address. */
static void check_shared_address(void)
{
    static const char same[] = "allow both\nallow same\nallow 2001:db8::2";
    static const char other[] = "allow both\ndeny same";
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};

    CHECK(access_add_text(&rules, same, strlen(same), error) && access_look_up(&rules, error));
    CHECK(access_compile(&rules, error) && rules.count == 2 && rules.others_denied);
    access_free(&rules);
    CHECK(access_add_text(&rules, other, strlen(other), error) && access_look_up(&rules, error));
    CHECK(!access_compile(&rules, error));
    CHECK(strcmp(error, "2001:db8::2/128 is allowed by line 1 and denied by line 2") == 0);
    access_free(&rules);
}

/* ---- memory files ---- */

static void check_saved(const struct access *rules)
{
    static const struct endpoint client = {.family = AF_INET, .address = {10, 2}};
    struct access loaded;
    int memory = access_save(rules);

    CHECK(memory >= 0);
    if (!access_load(&loaded, memory)) {
        CHECK(false);
        return;
    }
    CHECK(ftruncate(memory, 0) != 0 && write(memory, "x", 1) < 0);
    (void)close(memory); /* the mapping stays */
    CHECK(loaded.count == rules->count && loaded.others_denied == rules->others_denied);
    CHECK(rules->count == 0 ||
          memcmp(loaded.list, rules->list, rules->count * sizeof(*rules->list)) == 0);
    CHECK(access_allows(&loaded, &client) == access_allows(rules, &client));
    access_free(&loaded);
    CHECK(loaded.list == NULL && loaded.mapped == 0);
}

static void check_memory_file(void)
{
    static const char *const texts[] = {
        "", "allow 10.0.0.0/8\ndeny 10.1.0.0/16\nallow 2001:db8::/32\n", "allow ::1", "deny all"};
    char error[ACCESS_ERROR_MAXIMUM];

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct access rules = {0};

        CHECK(access_add_text(&rules, texts[i], strlen(texts[i]), error));
        CHECK(access_compile(&rules, error));
        check_saved(&rules);
        access_free(&rules);
    }
}

/* What is not sealed, or has another size, is no file of rules. */
static void check_wrong_memory_file(void)
{
    struct access loaded = {0};
    int memory = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CHECK(write(memory, "1234", 4) == 4);
    CHECK(!access_load(&loaded, memory) && errno == EPERM && loaded.count == 0);
    CHECK(file_seal(memory) == 0 && access_load(&loaded, memory) && loaded.count == 0);
    access_free(&loaded);
    (void)close(memory);
    for (off_t size = 0; size < 2 * (off_t)sizeof(struct access_rule); size++) {
        memory = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        CHECK(ftruncate(memory, size) == 0 && file_seal(memory) == 0);
        CHECK(access_load(&loaded, memory) == (size % (off_t)sizeof(struct access_rule) == 4));
        access_free(&loaded);
        (void)close(memory);
    }
    CHECK(!access_load(&loaded, -1));
}

int main(void)
{
    check_hosts();
    check_lost_hosts();
    check_shared_address();
    check_memory_file();
    check_wrong_memory_file();
    return CHECK_RESULT();
}
