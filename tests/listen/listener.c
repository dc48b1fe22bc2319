/*
 * Listeners of a process before this one: each is taken for what is the same, and for nothing else.
 */
#include "supervisor/listen/binding.h"

#include "dispatcher/shared/log.h"

#include "tests/shared/check.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char path[64];
static char other_path[64];

static char *loopbacks[] = {(char *)(uintptr_t) "127.0.0.1", (char *)(uintptr_t) "::1",
                            (char *)(uintptr_t) "127.0.0.2"};

static struct listeners no_listeners;

/* Opens listeners without any that are inherited. */
static int open_new(struct listeners *opened, const struct options *options)
{
    return binding_open(opened, options, &no_listeners);
}

/* Opens listeners where these are inherited; returns how many of them were used, or -1. */
static int open_with(struct listeners *opened, struct options options, struct listeners *inherited,
                     bool *used)
{
    int count = 0;

    for (size_t i = 0; i < inherited->count; i++)
        inherited->list[i].taken = false;
    memset(used, 0, inherited->count * sizeof(*used));
    if (binding_open(opened, &options, inherited) != 0)
        return -1;
    for (size_t i = 0; i < inherited->count; i++)
        count += used[i] = inherited->list[i].taken;
    return count;
}

static void close_all(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        listener_close(&listeners->list[i]);
        free((void *)(uintptr_t)listeners->list[i].path);
    }
    free(listeners->list);
    *listeners = (struct listeners){0};
}

/* Frees the list only: the sockets are those that were inherited. */
static void forget(struct listeners *listeners)
{
    free(listeners->list);
    *listeners = (struct listeners){0};
}

static int option_of(int descriptor, int level, int option)
{
    int value = -1;
    socklen_t length = sizeof(value);

    CHECK(getsockopt(descriptor, level, option, &value, &length) == 0);
    return value;
}

/* Each one that is inherited is taken once, in whatever order they are asked for. */
static void check_addresses(void)
{
    struct options options = {.addresses = loopbacks, .address_count = 3};
    char *reversed[] = {loopbacks[2], loopbacks[1], loopbacks[0]};
    struct listeners inherited;
    struct listeners opened;
    bool used[3] = {false};

    CHECK(open_new(&inherited, &options) == 0 && inherited.count == 3);
    options.addresses = reversed;
    CHECK(open_with(&opened, options, &inherited, used) == 3);
    CHECK(opened.list[0].descriptor == inherited.list[2].descriptor);
    CHECK(opened.list[1].descriptor == inherited.list[1].descriptor);
    CHECK(opened.list[2].descriptor == inherited.list[0].descriptor);
    CHECK(opened.list[0].local.port == inherited.list[2].local.port);
    CHECK(!opened.list[0].passed && opened.list[0].path == NULL);
    forget(&opened);

    /* The same address asked for twice, and inherited once. */
    options.addresses = (char *[]){loopbacks[0], loopbacks[0]};
    options.address_count = 2;
    CHECK(open_with(&opened, options, &inherited, used) == 1);
    CHECK(used[0] && !used[1] && !used[2]);
    CHECK(opened.list[0].descriptor == inherited.list[0].descriptor);
    CHECK(opened.list[1].descriptor != inherited.list[0].descriptor);
    listener_close(&opened.list[1]);
    forget(&opened);
    close_all(&inherited);
}

static void check_port(void)
{
    struct options options = {.addresses = loopbacks, .address_count = 1};
    struct listeners inherited;
    struct listeners opened;
    bool used[1] = {false};
    uint16_t port;

    CHECK(open_new(&inherited, &options) == 0);
    port = inherited.list[0].local.port;
    options.port = port;
    CHECK(open_with(&opened, options, &inherited, used) == 1);
    forget(&opened);
    options.port = port == 65535 ? 65534 : (uint16_t)(port + 1);
    if (open_with(&opened, options, &inherited, used) >= 0) { /* unless somebody else has it */
        CHECK(!used[0] && opened.list[0].local.port == options.port);
        close_all(&opened);
    }
    CHECK(!used[0]);
    close_all(&inherited);
}

/* Both wildcards of IPv6, for both families and for one. */
static void check_wildcards(void)
{
    struct listeners both;
    struct listeners ipv6;
    struct listeners opened;
    bool used[1] = {false};

    CHECK(open_new(&both, &(struct options){0}) == 0);
    CHECK(open_new(&ipv6, &(struct options){.ipv6 = true}) == 0);
    CHECK(open_with(&opened, (struct options){0}, &both, used) == 1);
    forget(&opened);
    CHECK(open_with(&opened, (struct options){.ipv6 = true}, &ipv6, used) == 1);
    forget(&opened);
    CHECK(open_with(&opened, (struct options){.ipv6 = true}, &both, used) == 0);
    close_all(&opened);
    CHECK(open_with(&opened, (struct options){0}, &ipv6, used) == 0);
    close_all(&opened);
    CHECK(open_with(&opened, (struct options){.ipv4 = true}, &both, used) == 0);
    close_all(&opened);
    close_all(&both);
    close_all(&ipv6);
}

static void check_device(void)
{
    struct options options = {.addresses = loopbacks, .address_count = 1, .device = "lo"};
    struct listeners inherited;
    struct listeners opened;
    bool used[1] = {false};

    if (open_new(&inherited, &options) != 0)
        return; /* it may take root */
    CHECK(open_with(&opened, options, &inherited, used) == 1);
    forget(&opened);
    options.device = NULL;
    CHECK(open_with(&opened, options, &inherited, used) == 0);
    close_all(&opened);
    close_all(&inherited);
}

/* What the new one asks for holds, and nothing of what the old one did. */
static void check_tuning(void)
{
    struct options options = {
        .addresses = loopbacks, .address_count = 1, .no_delay = true, .defer_accept = 5000000};
    struct listeners inherited;
    struct listeners opened;
    bool used[1] = {false};
    int descriptor;

    CHECK(open_new(&inherited, &options) == 0);
    descriptor = inherited.list[0].descriptor;
    CHECK(option_of(descriptor, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option_of(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT) >= 5);
    options.no_delay = false;
    options.defer_accept = 0;
    CHECK(open_with(&opened, options, &inherited, used) == 1);
    CHECK(option_of(descriptor, IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(option_of(descriptor, IPPROTO_TCP, TCP_DEFER_ACCEPT) == 0);
    forget(&opened);
    close_all(&inherited);
}

static void check_paths(void)
{
    struct options options = {
        .place = OPTIONS_UNIX, .unix_path = path, .socket_mode = {true, 0600}};
    struct listeners inherited;
    struct listeners opened;
    struct listeners tcp;
    struct stat before;
    struct stat after;
    char text[LISTENER_TEXT];
    bool used[1] = {false};

    CHECK(open_new(&inherited, &options) == 0);
    CHECK(stat(path, &before) == 0 && (before.st_mode & 0777) == 0600);
    CHECK(strncmp(listener_text(&inherited.list[0], text), "unix:/tmp/", 10) == 0);
    CHECK(open_with(&opened, options, &inherited, used) == 1);
    CHECK(opened.list[0].descriptor == inherited.list[0].descriptor);
    CHECK(strcmp(opened.list[0].path, path) == 0);
    forget(&opened);
    CHECK(stat(path, &after) == 0 && after.st_ino == before.st_ino);
    options.unix_path = other_path;
    CHECK(open_with(&opened, options, &inherited, used) == 0);
    close_all(&opened);
    /* TCP is not a path, and the other way round. */
    CHECK(open_with(&tcp, (struct options){.addresses = loopbacks, .address_count = 1}, &inherited,
                    used) == 0);
    close_all(&inherited); /* or somebody would listen there */
    CHECK(open_with(&opened, options, &tcp, used) == 0);
    close_all(&opened);
    close_all(&tcp);
    (void)unlink(path);
    (void)unlink(other_path);
}

/* Where the options ask for passed sockets, all that are given are taken. */
static void check_passed(void)
{
    struct options options = {.addresses = loopbacks, .address_count = 2};
    struct listeners inherited;
    struct listeners opened;
    bool used[2] = {false};

    CHECK(open_new(&inherited, &options) == 0);
    inherited.list[0].passed = true;
    options = (struct options){.place = OPTIONS_SYSTEMD};
    CHECK(open_with(&opened, options, &inherited, used) == 2 && opened.count == 2);
    CHECK(opened.list[0].passed && !opened.list[1].passed);
    forget(&opened);
    CHECK(open_with(&opened, options, &no_listeners, used) == -1);
    close_all(&inherited);
}

int main(void)
{
    (void)snprintf(path, sizeof(path), "/tmp/listener-probe-%d", (int)getpid());
    (void)snprintf(other_path, sizeof(other_path), "/tmp/listener-probe-other-%d", (int)getpid());
    log_open(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT, "probe"); /* what fails here is meant to */
    check_addresses();
    check_port();
    check_wildcards();
    check_device();
    check_tuning();
    check_paths();
    check_passed();
    return CHECK_RESULT();
}
