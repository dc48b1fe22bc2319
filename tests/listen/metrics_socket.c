/*
 * The listening socket of --metrics: where it listens, for which families, and what it is told when
 * it cannot.  What is logged is for the test that runs this.
 */
#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/address.h"
#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct endpoint endpoint_of(int descriptor)
{
    struct endpoint local = {0};

    CHECK(address_of_socket(descriptor, &local) == 0);
    return local;
}

static bool is_reached(int family, const char *address, uint16_t port)
{
    union address_socket to;
    socklen_t length = family == AF_INET ? sizeof(to.ipv4) : sizeof(to.ipv6);
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool reached;

    memset(&to, 0, sizeof(to));
    to.any.sa_family = (sa_family_t)family;
    to.ipv4.sin_port = htons(port); /* at the same place in both */
    CHECK(inet_pton(family, address,
                    family == AF_INET ? (void *)&to.ipv4.sin_addr : (void *)&to.ipv6.sin6_addr) ==
          1);
    reached = connect(descriptor, &to.any, length) == 0;
    (void)close(descriptor);
    return reached;
}

/* A kernel may have no IPv6, or not on this interface. */
static bool has_ipv6(void)
{
    union address_socket loopback;
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has;

    memset(&loopback, 0, sizeof(loopback));
    loopback.ipv6.sin6_family = AF_INET6;
    loopback.ipv6.sin6_addr = in6addr_loopback;
    has = descriptor >= 0 && bind(descriptor, &loopback.any, sizeof(loopback.ipv6)) == 0;
    if (descriptor >= 0)
        (void)close(descriptor);
    return has;
}

static void check_address(void)
{
    int descriptor = binding_open_metrics("127.0.0.1:0");
    uint16_t port = endpoint_of(descriptor).port;
    char word[32];

    CHECK(descriptor >= 0 && port != 0);
    CHECK((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(accept4(descriptor, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EAGAIN);
    CHECK(is_reached(AF_INET, "127.0.0.1", port) && !is_reached(AF_INET, "127.0.0.2", port));
    (void)snprintf(word, sizeof(word), "127.0.0.1:%u", port);
    CHECK(binding_open_metrics(word) == -1); /* it is taken */
    /* One connection has been made, and waits for longer than the socket. */
    CHECK(accept4(descriptor, NULL, NULL, SOCK_CLOEXEC) >= 0);
    (void)close(descriptor);
    descriptor = binding_open_metrics(word);
    CHECK(descriptor >= 0 && endpoint_of(descriptor).port == port);
    (void)close(descriptor);
}

static void check_everywhere(void)
{
    int descriptor = binding_open_metrics(":0");
    uint16_t port = endpoint_of(descriptor).port;

    CHECK(is_reached(AF_INET, "127.0.0.1", port) && is_reached(AF_INET, "127.0.0.2", port));
    CHECK(!has_ipv6() || is_reached(AF_INET6, "::1", port));
    (void)close(descriptor);
}

static void check_names(void)
{
    int descriptor = binding_open_metrics("localhost:0");

    CHECK(descriptor >= 0);
    (void)close(descriptor);
    if (!has_ipv6())
        return;
    descriptor = binding_open_metrics("[::1]:0");
    CHECK(descriptor >= 0 && endpoint_of(descriptor).family == AF_INET6);
    CHECK(is_reached(AF_INET6, "::1", endpoint_of(descriptor).port));
    (void)close(descriptor);
}

static void check_errors(void)
{
    static char word[5000];

    CHECK(binding_open_metrics("[]:0") == -1);
    CHECK(binding_open_metrics("192.0.2.1:0") == -1); /* of nobody (RFC 5737) */
    memset(word, 'a', sizeof(word) - 3);
    strcpy(word + sizeof(word) - 3, ":0");
    CHECK(binding_open_metrics(word) == -1);
}

int main(void)
{
    log_open(LOG_LEVEL_INFO, LOG_FORMAT_TEXT, "supervisor");
    check_address();
    check_everywhere();
    check_names();
    check_errors();
    return CHECK_RESULT();
}
