/*
 * Who is served: rules as text, what is wrong with them, and which one decides; by tables, then by
 * random rules against a plain matcher, then the cost of many rules.
 */
#include "supervisor/options/access.h"

#include "supervisor/base/address.h"
#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DENSE_ROUNDS = 400, /* a few prefixes in a small part of the addresses: nested, adjacent */
    DENSE_RULES = 40,
    SPARSE_RULES = 4000, /* anywhere */
    LOOK_UPS = 200000,
    COST_RATIO = 50 /* of 10,000 rules to 10: 3 expected, 1,000 if each were looked at */
};

struct rule_case {
    const char *word;
    const char *rule;  /* as rule_text() writes it; NULL: not accepted */
    const char *error; /* part of what is said then */
};

static const struct rule_case words[] = {
    {.word = "192.0.2.1", .rule = "192.0.2.1/32"},
    {.word = "192.0.2.1/32", .rule = "192.0.2.1/32"},
    {.word = "192.0.2.0/24", .rule = "192.0.2.0/24"},
    {.word = "192.0.2.128/25", .rule = "192.0.2.128/25"},
    {.word = "0.0.0.0/0", .rule = "0.0.0.0/0"},
    {.word = "255.255.255.255", .rule = "255.255.255.255/32"},
    {.word = "2001:db8::1", .rule = "2001:db8::1/128"},
    {.word = "2001:DB8::/32", .rule = "2001:db8::/32"},
    {.word = "2001:db8:0:8000::/49", .rule = "2001:db8:0:8000::/49"},
    {.word = "::/0", .rule = "::/0"},
    {.word = "::", .rule = "::/128"},
    {.word = "1111:2222:3333:4444:5555:6666:255.255.255.255/128",
     .rule = "1111:2222:3333:4444:5555:6666:ffff:ffff/128"},
    /* Mapped: the IPv4 prefix; not beside ::ffff:0:0/96, and not around it. */
    {.word = "::ffff:192.0.2.1", .rule = "192.0.2.1/32"},
    {.word = "::ffff:192.0.2.0/120", .rule = "192.0.2.0/24"},
    {.word = "::ffff:c000:200/120", .rule = "192.0.2.0/24"},
    {.word = "::ffff:0:0/96", .rule = "0.0.0.0/0"},
    {.word = "::fffe:0:0/96", .rule = "::fffe:0:0/96"},
    {.word = "::/96", .rule = "::/96"},
    {.word = "::/80", .rule = "::/80"},
    {.word = "::ffff:0:0/95", .error = "bits behind"},

    {.word = "", .error = "expected an IPv4 or IPv6 address"},
    {.word = "/", .error = "expected an IPv4 or IPv6 address"},
    {.word = "/8", .error = "expected an IPv4 or IPv6 address"},
    {.word = "ALL", .error = "expected an IPv4 or IPv6 address"},
    {.word = "all/0", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0/24", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.256", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.010", .error = "expected an IPv4 or IPv6 address"},
    {.word = " 10.0.0.0", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.0 ", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.0 /8", .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.0,10.0.0.1", .error = "expected an IPv4 or IPv6 address"},
    {.word = "fe80::1%lo", .error = "expected an IPv4 or IPv6 address"},
    {.word = "fe80::%1/64", .error = "expected an IPv4 or IPv6 address"},
    {.word = "[::1]", .error = "expected an IPv4 or IPv6 address"},
    {.word = "1::2::3", .error = "expected an IPv4 or IPv6 address"},
    {.word = "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
     .error = "expected an IPv4 or IPv6 address"},
    {.word = "10.0.0.0/33", .error = "from 0 to 32"},
    {.word = "10.0.0.0/", .error = "from 0 to 32"},
    {.word = "10.0.0.0/+8", .error = "from 0 to 32"},
    {.word = "10.0.0.0/-8", .error = "from 0 to 32"},
    {.word = "10.0.0.0/8 ", .error = "from 0 to 32"},
    {.word = "10.0.0.0/ 8", .error = "from 0 to 32"},
    {.word = "10.0.0.0/8/8", .error = "from 0 to 32"},
    {.word = "10.0.0.0/255.0.0.0", .error = "from 0 to 32"},
    {.word = "10.0.0.0/18446744073709551624", .error = "from 0 to 32"},
    {.word = "::/129", .error = "from 0 to 128"},
    {.word = "::/", .error = "from 0 to 128"},
    {.word = "10.0.0.1/8", .error = "bits behind"},
    {.word = "10.0.0.1/31", .error = "bits behind"},
    {.word = "128.0.0.0/0", .error = "bits behind"},
    {.word = "2001:db8::1/127", .error = "bits behind"},
    {.word = "8000::/0", .error = "bits behind"},
};

struct text_case {
    const char *text;
    const char *error; /* NULL: accepted */
    size_t count;      /* of rules, if so */
};

static const struct text_case texts[] = {
    {.text = "", .count = 0},
    {.text = "\n\n", .count = 0},
    {.text = "\r\n \t\r\n", .count = 0},
    {.text = "# nothing", .count = 0},
    {.text = "allow 10.0.0.0/8", .count = 1},
    {.text = "allow 10.0.0.0/8\r\ndeny\t\t10.1.0.0/16 \r\n", .count = 2},
    {.text = "  \tdeny ::/0# a comment, not ours\n#allow\nallow ::1\t# of \xc3\xa9\n", .count = 2},
    {.text = "deny all\n", .count = 2},
    {.text = "deny all\r", .count = 2},

    {.text = "allow", .error = "line 1: 'allow': expected an address behind it"},
    {.text = "deny # all", .error = "line 1: 'deny': expected an address behind it"},
    {.text = "10.0.0.0/8", .error = "line 1: '10.0.0.0/8': expected allow or deny"},
    {.text = "Allow all", .error = "line 1: 'Allow': expected allow or deny"},
    {.text = "allowall", .error = "line 1: 'allowall': expected allow or deny"},
    {.text = "allow all 10.0.0.0/8",
     .error = "line 1: '10.0.0.0/8': expected the end of the line, or a comment"},
    {.text = "allow all\n\n# three\n\tdeny 10.0.0.1/8\nwrong, too\n",
     .error = "line 4: '10.0.0.1/8': bits behind the prefix length are set"},
    {.text = "\r\nallow ::/129\r\n",
     .error = "line 2: '::/129': expected a prefix length from 0 to 128 behind the slash"},
    {.text = "allow all\nallow 1.2.3",
     .error =
         "line 2: '1.2.3': expected an IPv4 or IPv6 address, ADDRESS/LENGTH, a host name, or all"},
    {.text = "# old\rdeny all\rallow all\r",
     .error = "line 1: '# old?deny all?allow all': the line contains a carriage return"},
    {.text = "allow \x1b[31m\x7f\xff.",
     .error = "line 1: '?[31m??.': expected an IPv4 or IPv6 address, ADDRESS/LENGTH, a host name, "
              "or all"},
    {.text = "\xef\xbb\xbf"
             "allow all",
     .error = "line 1: '???allow': expected allow or deny"},
    {.text = "123456789012345678901234567890123456789012345678901234567890",
     .error = "line 1: '123456789012345678901234567890123456789012345678901234567890': expected"},
    {.text = "1234567890123456789012345678901234567890123456789012345678901",
     .error = "line 1: '123456789012345678901234567890123456789012345678901234567890...': expect"},
};

struct verdict_case {
    const char *rules; /* an access file's text */
    const char *remote;
    bool allowed;
};

static const struct verdict_case verdicts[] = {
    /* No rule matches. */
    {"", "192.0.2.1", true},
    {"", "2001:db8::1", true},
    {"", "none", true},
    {"", "unix", true},
    {"deny 10.0.0.0/8", "192.0.2.1", true},
    {"deny 10.0.0.0/8", "2001:db8::1", true},
    {"deny all", "none", true},
    {"deny all", "unix", true},
    {"allow 10.0.0.0/8", "192.0.2.1", false},
    {"allow 10.0.0.0/8", "2001:db8::1", false},
    {"allow 2001:db8::/32", "192.0.2.1", false},
    {"allow all", "none", false},
    {"allow all", "unix", true},
    {"allow 10.0.0.0/8", "unix", true},
    {"allow 10.0.0.0/8\ndeny 10.1.0.0/16", "192.0.2.1", true},
    {"allow 10.0.0.0/8\ndeny ::1", "192.0.2.1", true},
    {"allow 10.0.0.0/8\ndeny ::1", "2001:db8::1", true},

    /* The ends of a prefix. */
    {"deny 10.0.0.0/8", "9.255.255.255", true},
    {"deny 10.0.0.0/8", "10.0.0.0", false},
    {"deny 10.0.0.0/8", "10.255.255.255", false},
    {"deny 10.0.0.0/8", "11.0.0.0", true},
    {"deny 2001:db8::/33", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", true},
    {"deny 2001:db8::/33", "2001:db8::", false},
    {"deny 2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", false},
    {"deny 2001:db8::/33", "2001:db8:8000::", true},
    {"allow 10.0.0.1", "10.0.0.0", false},
    {"allow 10.0.0.1", "10.0.0.1", true},
    {"allow 10.0.0.1", "10.0.0.2", false},

    /* Both ends of all addresses. */
    {"deny 0.0.0.0", "0.0.0.0", false},
    {"deny 0.0.0.0", "0.0.0.1", true},
    {"deny 255.255.255.255", "255.255.255.254", true},
    {"deny 255.255.255.255", "255.255.255.255", false},
    {"deny 128.0.0.0/1\nallow 255.0.0.0/8\ndeny 255.255.255.255", "254.255.255.255", false},
    {"deny 128.0.0.0/1\nallow 255.0.0.0/8\ndeny 255.255.255.255", "255.255.255.254", true},
    {"deny 128.0.0.0/1\nallow 255.0.0.0/8\ndeny 255.255.255.255", "255.255.255.255", false},
    {"deny 128.0.0.0/1\nallow 255.0.0.0/8\ndeny 255.255.255.255", "0.0.0.0", true},
    {"deny ::", "::", false},
    {"deny ::", "::1", true},
    {"deny ffff::/16\nallow ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff::", false},
    {"deny ffff::/16\nallow ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", false},
    {"deny ffff::/16\nallow ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
    {"deny ffff::/16\nallow ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", true},

    /* All of one family is not all of the other. */
    {"deny 0.0.0.0/0", "0.0.0.0", false},
    {"deny 0.0.0.0/0", "255.255.255.255", false},
    {"deny 0.0.0.0/0", "2001:db8::1", true},
    {"deny 0.0.0.0/0\nallow 10.0.0.0/8", "10.1.2.3", true},
    {"deny ::/0", "::", false},
    {"deny ::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
    {"deny ::/0", "192.0.2.1", true},
    {"deny all", "192.0.2.1", false},
    {"deny all", "2001:db8::1", false},
    {"deny all\nallow 10.0.0.0/8", "10.0.0.1", true},
    {"deny all\nallow 10.0.0.0/8", "11.0.0.1", false},
    {"allow all\ndeny 2001:db8::/32", "2001:db8::1", false},
    {"allow all\ndeny 2001:db8::/32", "2001:db9::1", true},

    /* Mapped, as a rule and as a client. */
    {"deny ::ffff:192.0.2.0/120", "192.0.2.7", false},
    {"deny ::ffff:192.0.2.0/120", "192.0.3.7", true},
    {"deny 192.0.2.0/24", "::ffff:192.0.2.7", false},
    {"deny ::ffff:0:0/96", "192.0.2.7", false},
    {"deny ::ffff:0:0/96", "2001:db8::1", true},
    {"deny ::/0", "::ffff:192.0.2.7", true},
    {"deny ::/64", "::ffff:192.0.2.7", true},
    {"deny ::/96", "::192.0.2.7", false},
    {"deny ::/96", "192.0.2.7", true},
};

/* "unix" stands for a client of a Unix socket, and "none" for one of no family that is known. */
static struct endpoint endpoint_of(const char *text)
{
    union address_socket address;

    memset(&address, 0, sizeof(address));
    if (inet_pton(AF_INET, text, &address.ipv4.sin_addr) == 1) {
        address.any.sa_family = AF_INET;
    } else if (inet_pton(AF_INET6, text, &address.ipv6.sin6_addr) == 1) {
        address.any.sa_family = AF_INET6;
    } else {
        address.any.sa_family = strcmp(text, "unix") == 0 ? AF_UNIX : AF_PACKET;
    }
    return address_endpoint(&address);
}

static const char *rule_text(const struct access_rule *rule, char text[64])
{
    struct endpoint endpoint = {.family = rule->family};
    char address[INET6_ADDRSTRLEN];

    memcpy(endpoint.address, rule->address, sizeof(endpoint.address));
    (void)snprintf(text, 64, "%s/%u", address_text(&endpoint, address), rule->length);
    return text;
}

static void check_words(void)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        const struct rule_case *each = &words[i];
        struct access rules = {0};
        int failures = check_failures;
        const char *error = access_add(&rules, true, each->word, 3);
        char text[64];

        if (each->rule == NULL) {
            CHECK(error != NULL && strstr(error, each->error) != NULL && rules.count == 0);
        } else {
            CHECK(error == NULL && rules.count == 1);
            CHECK(rules.count == 1 && strcmp(rule_text(rules.list, text), each->rule) == 0);
            CHECK(rules.count == 1 && rules.list->allow && rules.list->line == 3);
        }
        if (check_failures > failures)
            (void)fprintf(stderr, "  in '%s': %s\n", each->word, error == NULL ? "" : error);
        access_free(&rules);
    }
}

static void check_all_is_two_rules(void)
{
    struct access rules = {0};
    char text[64];

    CHECK(access_add(&rules, false, "all", 0) == NULL && rules.count == 2);
    CHECK(strcmp(rule_text(&rules.list[0], text), "0.0.0.0/0") == 0 && !rules.list[0].allow);
    CHECK(strcmp(rule_text(&rules.list[1], text), "::/0") == 0 && !rules.list[1].allow);
    access_free(&rules);
    CHECK(rules.list == NULL && rules.count == 0 && rules.capacity == 0);
    CHECK(access_add(&rules, true, "::1", 0) == NULL && rules.count == 1); /* may be used again */
    while (rules.count < 1000) /* odd numbers: the two do not always fit in together */
        CHECK(access_add(&rules, true, "all", 0) == NULL);
    CHECK(rules.count == 1001 && rules.list[1000].family == AF_INET6);
    access_free(&rules);
}

/* On the heap and without a NUL, so that the sanitizer sees what reads beyond it. */
static bool add_bytes(struct access *rules, const char *bytes, size_t length,
                      char error[ACCESS_ERROR_MAXIMUM])
{
    char *copy = malloc(length == 0 ? 1 : length);
    bool added;

    if (copy == NULL)
        abort();
    memcpy(copy, bytes, length);
    added = access_add_text(rules, copy, length, error);
    free(copy);
    return added;
}

static void check_texts(void)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const struct text_case *each = &texts[i];
        struct access rules = {0};
        char error[ACCESS_ERROR_MAXIMUM] = "";
        int failures = check_failures;

        CHECK(access_add(&rules, true, "::1", 0) == NULL);
        if (each->error == NULL) {
            CHECK(add_bytes(&rules, each->text, strlen(each->text), error));
            CHECK(rules.count == 1 + each->count && *error == '\0');
        } else {
            CHECK(!add_bytes(&rules, each->text, strlen(each->text), error));
            CHECK(strncmp(error, each->error, strlen(each->error)) == 0);
            CHECK(rules.count == 1); /* none of the file's */
        }
        if (check_failures > failures)
            (void)fprintf(stderr, "  in \"%s\": %s\n", each->text, error);
        access_free(&rules);
    }
    CHECK(access_add_text(&(struct access){0}, NULL, 0, (char[ACCESS_ERROR_MAXIMUM]){0}));
}

static void check_line_numbers(void)
{
    static const char text[] = "# one\nallow ::1\n\r\ndeny 10.0.0.0/8";
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};

    CHECK(add_bytes(&rules, text, strlen(text), error) && rules.count == 2);
    CHECK(rules.list[0].allow && rules.list[0].line == 2);
    CHECK(!rules.list[1].allow && rules.list[1].line == 4);
    access_free(&rules);
}

static void check_odd_bytes(void)
{
    static const char nul[] = "allow all\n# hidden \0 here\n";
    static const char ends[] = "allow ::1\0\n";
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};

    CHECK(!add_bytes(&rules, nul, sizeof(nul) - 1, error));
    CHECK(strcmp(error, "line 2: '# hidden ? here': the line contains a NUL byte") == 0);
    CHECK(!add_bytes(&rules, ends, sizeof(ends) - 1, error));
    CHECK(strcmp(error, "line 1: 'allow ::1?': the line contains a NUL byte") == 0);
    CHECK(!add_bytes(&rules, "", 1, error));
    CHECK(rules.count == 0);
    access_free(&rules);
}

static void check_long_lines(void)
{
    char line[ACCESS_LINE_MAXIMUM + 4];
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};

    memset(line, ' ', sizeof(line));
    memcpy(line, "allow ::1#", 10);
    memcpy(line + ACCESS_LINE_MAXIMUM, "\r\n", 2);
    CHECK(add_bytes(&rules, line, ACCESS_LINE_MAXIMUM, error) && rules.count == 1);
    CHECK(add_bytes(&rules, line, ACCESS_LINE_MAXIMUM + 2, error) && rules.count == 2);
    memcpy(line + ACCESS_LINE_MAXIMUM, " \r\n", 3);
    CHECK(!add_bytes(&rules, line, ACCESS_LINE_MAXIMUM + 1, error));
    CHECK(strncmp(error, "line 1: 'allow ::1# ", 20) == 0);
    CHECK(strstr(error, "...': the line is longer than 256 bytes") != NULL);
    CHECK(!add_bytes(&rules, line, ACCESS_LINE_MAXIMUM + 3, error));
    CHECK(rules.count == 2);
    access_free(&rules);
}

/* Replaces `access` by the compiled rules, unless they are wrong. */
static bool compile(struct access *access, const struct access *rules,
                    char error[ACCESS_ERROR_MAXIMUM])
{
    struct access compiled;

    CHECK(access_copy(&compiled, rules));
    if (!access_compile(&compiled, error)) {
        access_free(&compiled);
        return false;
    }
    access_free(access);
    *access = compiled;
    return true;
}

/* The verdict of an access file about a client. */
static bool allowed_by(const char *text, const char *remote)
{
    struct endpoint endpoint = endpoint_of(remote);
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};
    struct access access = {0};
    bool allowed;

    CHECK(add_bytes(&rules, text, strlen(text), error));
    CHECK(compile(&access, &rules, error));
    allowed = access_allows(&access, &endpoint);
    access_free(&access);
    access_free(&rules);
    return allowed;
}

static void check_verdicts(void)
{
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
        const struct verdict_case *each = &verdicts[i];
        int failures = check_failures;

        CHECK(allowed_by(each->rules, each->remote) == each->allowed);
        if (check_failures > failures)
            (void)fprintf(stderr, "  for %s in:\n%s\n", each->remote, each->rules);
    }
}

/* One prefix of each length around the same address, allowed and denied by turns: only the
 * innermost decides, in whatever order they were written. */
static void check_nested(const char *address, unsigned bits, bool outermost_first)
{
    struct endpoint inside = endpoint_of(address); /* all bits are 0 */
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};
    struct access access = {0};

    for (unsigned i = 0; i <= bits; i++) {
        unsigned length = outermost_first ? i : bits - i;
        char word[INET6_ADDRSTRLEN + 8];
        (void)snprintf(word, sizeof(word), "%s/%u", address, length);
        CHECK(access_add(&rules, length % 2 == 0, word, i) == NULL);
    }
    CHECK(compile(&access, &rules, error));
    CHECK(access_allows(&access, &inside));
    for (unsigned bit = 0; bit < bits; bit++) { /* the first that differs is this one */
        struct endpoint outside = inside;
        outside.address[bit / 8] = (uint8_t)(0x80U >> bit % 8);
        CHECK(access_allows(&access, &outside) == (bit % 2 == 0));
    }
    access_free(&access);
    access_free(&rules);
}

/* An IPv4 client is its first four bytes, whatever is behind them. */
static void check_only_the_address_counts(void)
{
    struct endpoint remote = endpoint_of("10.0.0.0");
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};
    struct access access = {0};

    memset(remote.address + 4, 0xff, sizeof(remote.address) - 4);
    remote.port = 1;
    CHECK(access_add(&rules, false, "9.255.255.255", 0) == NULL);
    CHECK(access_add(&rules, true, "10.0.0.0", 0) == NULL);
    CHECK(access_add(&rules, false, "10.0.0.1", 0) == NULL);
    CHECK(compile(&access, &rules, error) && access_allows(&access, &remote));
    memset(remote.address, 0, 4);
    CHECK(access_allows(&access, &remote));
    CHECK(access_add(&rules, false, "0.0.0.0", 0) == NULL);
    CHECK(compile(&access, &rules, error) && !access_allows(&access, &remote));
    access_free(&access);
    access_free(&rules);
}

/* Builds from the text, with one rule on the command line if there is a word for it. */
static bool build(struct access *access, const char *text, const char *denied,
                  char error[ACCESS_ERROR_MAXIMUM])
{
    struct access rules = {0};
    bool built;

    CHECK(add_bytes(&rules, text, strlen(text), error));
    CHECK(denied == NULL || access_add(&rules, false, denied, 0) == NULL);
    built = compile(access, &rules, error);
    access_free(&rules);
    return built;
}

static void check_conflicts(void)
{
    struct endpoint remote = endpoint_of("10.0.0.1");
    char error[ACCESS_ERROR_MAXIMUM];
    struct access access = {0};

    CHECK(build(&access, "deny 10.0.0.0/8\ndeny 10.0.0.0/8\ndeny ::ffff:10.0.0.0/104", "10.0.0.0/8",
                error));
    CHECK(!access_allows(&access, &remote));

    CHECK(!build(&access, "allow all\n\ndeny 10.0.0.0/8\nallow 10.0.0.0/8", NULL, error));
    CHECK(strcmp(error, "10.0.0.0/8 is allowed by line 4 and denied by line 3") == 0);
    CHECK(!build(&access, "deny ::1\nallow ::1/128\nallow ::1", NULL, error));
    CHECK(strcmp(error, "::1/128 is allowed by line 2 and denied by line 1") == 0);
    CHECK(!build(&access, "allow ::ffff:10.0.0.0/104", "10.0.0.0/8", error));
    CHECK(strcmp(error, "10.0.0.0/8 is allowed by line 1 and denied by the command line") == 0);
    CHECK(!build(&access, "allow all", "::/0", error));
    CHECK(strcmp(error, "::/0 is allowed by line 1 and denied by the command line") == 0);
    CHECK(!access_allows(&access, &remote)); /* as it was */

    CHECK(build(&access, "allow 10.0.0.0/8\ndeny 10.0.0.0/9\nallow 10.0.0.0/10", NULL, error));
    CHECK(access_allows(&access, &remote)); /* replaced */
    CHECK(build(&access, "deny 10.0.0.0/8", NULL, error) && !access_allows(&access, &remote));
    access_free(&access);
    CHECK(access_allows(&access, &remote));
    access_free(&access); /* once more does no harm */
}

/* A copy has no room to spare.  "all" is two rules, so it needs more than one place. */
static void check_copy_grows(void)
{
    for (uint32_t count = 0; count < 40; count++) {
        struct access access = {0};
        struct access copy = {0};

        for (uint32_t i = 0; i < count; i++)
            CHECK(access_add(&access, true, "10.0.0.0/8", 0) == NULL);
        CHECK(access_copy(&copy, &access));
        CHECK(access_add(&copy, false, "all", 0) == NULL);
        CHECK(copy.count == count + 2 && copy.capacity >= copy.count);
        access_free(&access);
        access_free(&copy);
    }
}

/* Compiled, a prefix is one rule, and knows the innermost one around it. */
static void check_sorted(void)
{
    char error[ACCESS_ERROR_MAXIMUM];
    struct access access = {0};

    CHECK(build(&access, "", NULL, error));
    CHECK(access.count == 0);
    CHECK(build(&access,
                "deny ::/1\ndeny 10.2.0.0/16\ndeny 10.0.0.0/9\ndeny 10.2.0.0/16\n"
                "deny 10.128.0.0/9\ndeny 10.1.0.0/16\ndeny 10.1.0.0/24",
                NULL, error));
    CHECK(access.count == 6);
    if (access.list == NULL)
        return;
    CHECK(access.list[0].around == 0);
    CHECK(access.list[1].length == 16 && access.list[1].around == 1);
    CHECK(access.list[2].length == 24 && access.list[2].around == 2);
    CHECK(access.list[3].length == 16 && access.list[3].around == 1);
    CHECK(access.list[4].length == 9 && access.list[4].around == 0);
    CHECK(access.list[5].family == AF_INET6 && access.list[5].around == 0);
    access_free(&access);
}

static uint8_t random_byte(void)
{
    return (uint8_t)(rand() >> 8);
}

/* Dense: the last byte is any, and all others are 0 or 255, so that both ends of the space are met.
 */
static struct endpoint random_address(uint16_t family, bool dense)
{
    struct endpoint endpoint = {.family = family};
    size_t size = family == AF_INET ? 4 : 16;
    uint8_t filling = rand() % 2 == 0 ? 0 : 0xff;

    for (size_t i = 0; i < size; i++)
        endpoint.address[i] = !dense || i == size - 1 ? random_byte() : filling;
    return endpoint;
}

/* As an independent second opinion: byte by byte, by division. */
static bool is_inside(const struct access_rule *rule, const struct endpoint *endpoint)
{
    unsigned whole = rule->length / 8;
    unsigned unit = 1U << (8 - rule->length % 8);

    return rule->family == endpoint->family &&
           memcmp(rule->address, endpoint->address, whole) == 0 &&
           (rule->length % 8 == 0 ||
            rule->address[whole] / unit == endpoint->address[whole] / unit);
}

static bool plainly_allowed(const struct access *rules, const struct endpoint *endpoint)
{
    const struct access_rule *longest = NULL;
    bool denying = rules->count == 0;

    for (size_t i = 0; i < rules->count; i++) {
        const struct access_rule *rule = &rules->list[i];
        denying = denying || !rule->allow;
        if (is_inside(rule, endpoint) && (longest == NULL || rule->length > longest->length))
            longest = rule;
    }
    return longest == NULL ? denying : longest->allow;
}

static bool has_prefix(const struct access *rules, const struct access_rule *rule)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->list[i].family == rule->family && rules->list[i].length == rule->length &&
            memcmp(rules->list[i].address, rule->address, sizeof(rule->address)) == 0)
            return true;
    return false;
}

/* Adds a prefix that is not there yet, by its text; none if it is there. */
static void add_random_rule(struct access *rules, bool dense, bool only_allow)
{
    uint16_t family = rand() % 2 == 0 ? AF_INET : AF_INET6;
    unsigned bits = family == AF_INET ? 32 : 128;
    unsigned length =
        dense && rand() % 8 != 0 ? bits - (unsigned)rand() % 10 : (unsigned)rand() % (bits + 1);
    struct access_rule rule = {.family = family, .length = (uint8_t)length};
    struct endpoint endpoint = random_address(family, dense);
    char text[64];

    memcpy(rule.address, endpoint.address, sizeof(rule.address));
    for (unsigned bit = length; bit < bits; bit++)
        rule.address[bit / 8] = (uint8_t)(rule.address[bit / 8] & ~(0x80U >> bit % 8));
    if (!has_prefix(rules, &rule))
        CHECK(access_add(rules, only_allow || rand() % 2 == 0, rule_text(&rule, text), 1) == NULL);
}

/* Moves to the next address, or to the one before; around the ends, too. */
static void step(struct endpoint *endpoint, bool forward)
{
    size_t i = endpoint->family == AF_INET ? 4 : 16;

    while (i-- > 0) {
        uint8_t before = endpoint->address[i];
        endpoint->address[i] = (uint8_t)(before + (forward ? 1 : 0xff));
        if (before != (forward ? 0xff : 0))
            break;
    }
}

static void compare(const struct access *access, const struct access *rules,
                    const struct endpoint *endpoint)
{
    char text[INET6_ADDRSTRLEN];
    int failures = check_failures;

    CHECK(access_allows(access, endpoint) == plainly_allowed(rules, endpoint));
    if (check_failures > failures)
        (void)fprintf(stderr, "  for %s\n", address_text(endpoint, text));
}

/* Both ends of a rule's prefix, with their neighbours outside. */
static void compare_ends(const struct access *access, const struct access *rules,
                         const struct access_rule *rule)
{
    struct endpoint first = {.family = rule->family};
    struct endpoint last;
    unsigned bits = rule->family == AF_INET ? 32 : 128;

    memcpy(first.address, rule->address, sizeof(first.address));
    last = first;
    for (unsigned bit = rule->length; bit < bits; bit++)
        last.address[bit / 8] = (uint8_t)(last.address[bit / 8] | (0x80U >> bit % 8));
    compare(access, rules, &first);
    compare(access, rules, &last);
    step(&first, false);
    step(&last, true);
    compare(access, rules, &first);
    compare(access, rules, &last);
}

static void check_random(unsigned count, bool dense, bool only_allow)
{
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};
    struct access access = {0};

    for (unsigned i = 0; i < count; i++)
        add_random_rule(&rules, dense, only_allow);
    CHECK(compile(&access, &rules, error));
    for (size_t i = 0; i < rules.count; i++)
        compare_ends(&access, &rules, &rules.list[i]);
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ipv4 = random_address(AF_INET, dense);
        struct endpoint ipv6 = random_address(AF_INET6, dense);
        compare(&access, &rules, &ipv4);
        compare(&access, &rules, &ipv6);
    }
    access_free(&access);
    access_free(&rules);
}

static double processor_seconds(void)
{
    struct timespec time;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
        abort();
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Nanoseconds of a look-up among so many rules, none of which touches another. */
static double cost_of(unsigned count)
{
    static struct endpoint remotes[1024];
    char error[ACCESS_ERROR_MAXIMUM];
    struct access rules = {0};
    struct access access = {0};
    double begun;
    double best = 1e9;
    unsigned allowed = 0;

    for (unsigned i = 0; i < count; i++) {
        char word[64];
        (void)snprintf(word, sizeof(word), "10.%u.%u.0/25", i / 256, i % 256);
        CHECK(access_add(&rules, false, word, i) == NULL);
    }
    CHECK(compile(&access, &rules, error));
    for (size_t i = 0; i < sizeof(remotes) / sizeof(*remotes); i++) {
        unsigned rule = (unsigned)rand() % count;
        remotes[i] = (struct endpoint){
            .family = AF_INET,
            .address = {10, (uint8_t)(rule / 256), (uint8_t)(rule % 256), random_byte()}};
    }
    for (int round = 0; round < 5; round++) { /* the best of them was disturbed the least */
        double spent;
        begun = processor_seconds();
        for (unsigned i = 0; i < LOOK_UPS; i++)
            allowed += access_allows(&access, &remotes[i % 1024]);
        spent = processor_seconds() - begun;
        best = spent < best ? spent : best;
    }
    CHECK(allowed > LOOK_UPS && allowed < 4 * LOOK_UPS); /* half of all */
    access_free(&access);
    access_free(&rules);
    return best / LOOK_UPS * 1e9;
}

static void check_cost(void)
{
    double few = cost_of(10);
    double many = cost_of(10000);

    printf("10 rules: %.0f ns a look-up; 10,000: %.0f ns, %.1f times that\n", few, many,
           many / few);
    CHECK(many < COST_RATIO * few);
}

int main(void)
{
    check_words();
    check_all_is_two_rules();
    check_texts();
    check_line_numbers();
    check_odd_bytes();
    check_long_lines();
    check_verdicts();
    for (int outermost_first = 0; outermost_first < 2; outermost_first++) {
        check_nested("0.0.0.0", 32, outermost_first);
        check_nested("::", 128, outermost_first);
    }
    check_only_the_address_counts();
    check_conflicts();
    check_copy_grows();
    check_sorted();
    srand(1);
    for (int round = 0; round < DENSE_ROUNDS; round++)
        check_random((unsigned)rand() % DENSE_RULES, true, round % 4 == 0);
    check_random(SPARSE_RULES, false, false);
    check_cost();
    return CHECK_RESULT();
}
