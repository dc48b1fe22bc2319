/*
 * A million who wait: what each of them costs in memory, and what it costs to take one more in and
 * serve another, beside the same with a thousand.
 */
#include "supervisor/queue/clients.h"

#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FEW = 1000, MANY = 1000000, STEPS = 300000, ROUNDS = 5 };

/* A sanitizer has its own idea of both. */
#if defined(__SANITIZE_ADDRESS__)
static const bool is_measured = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const bool is_measured = false;
#else
static const bool is_measured = true;
#endif
#else
static const bool is_measured = true;
#endif

struct scenario {
    const char *name;
    bool fair;
    bool by_source;
    uint32_t sources[2]; /* with a few waiting, and with many */
    double growth;       /* in time, at most */
};

struct service {
    struct options options;
    struct clients clients;
    struct clients_books *books;
    uint32_t sources;
    uint32_t next;
};

static double processor_time(void)
{
    struct timespec time;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
        abort();
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        abort();
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void enter(struct service *service)
{
    uint32_t address = htonl(0x0a000000 + service->next++ % service->sources);
    struct endpoint remote = {.family = AF_INET};

    memcpy(remote.address, &address, sizeof(address));
    if (clients_reserve(&service->clients) != 0)
        abort();
    (void)clients_accept(&service->clients, -1, &remote, 0);
}

static void serve(struct service *service)
{
    struct client *client = clients_next_turn(&service->clients);

    clients_move(&service->clients, client, CLIENT_STARTING);
    clients_move(&service->clients, client, CLIENT_RUNNING);
    clients_end(&service->clients, client, CLIENT_SERVED);
}

static void fill(struct service *service, const struct scenario *scenario, uint32_t count,
                 uint32_t sources)
{
    service->options = (struct options){.fair = scenario->fair,
                                        .control = scenario->by_source ? "/control" : NULL,
                                        .per_source = UNLIMITED,
                                        .per_source_queue = UNLIMITED,
                                        .ipv4_prefix = 32,
                                        .ipv6_prefix = 64};
    service->sources = sources;
    service->next = 0;
    service->books = clients_make_books(count + 1);
    CHECK(service->books != NULL &&
          clients_open(&service->clients, service->books, &service->options) == 0);
    while (clients_count(&service->clients, CLIENT_QUEUED) < count)
        enter(service);
}

static void empty(struct service *service)
{
    while (clients_count(&service->clients, CLIENT_QUEUED) > 0)
        serve(service);
    CHECK(clients_add_up(&service->clients));
    clients_close(&service->clients);
}

/* Nanoseconds for one to come and another to be served. */
static double time_of_step(struct service *service)
{
    double begin = processor_time();

    for (int i = 0; i < STEPS; i++) {
        enter(service);
        serve(service);
    }
    return (processor_time() - begin) / STEPS;
}

static void measure(const struct scenario *scenario)
{
    static struct service services[2];
    double best[2] = {1e9, 1e9};
    double before;
    double bytes;

    fill(&services[0], scenario, FEW, scenario->sources[0]);
    before = resident();
    fill(&services[1], scenario, MANY, scenario->sources[1]);
    bytes = (resident() - before) / MANY;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 2; i++) {
            double time = time_of_step(&services[i]);
            best[i] = time < best[i] ? time : best[i];
        }
    printf(
        "%s: %.1f bytes each, %.0f ns a step with %d waiting, %.0f ns with %d: %.2f times that\n",
        scenario->name, bytes, best[0], FEW, best[1], MANY, best[1] / best[0]);
    if (is_measured) {
        CHECK(bytes <= 129 + (scenario->sources[1] == MANY ? 256 : 0));
        CHECK(best[1] / best[0] <= scenario->growth);
    }
    empty(&services[0]);
    empty(&services[1]);
}

/* In a process of its own, whose memory nobody has used before. */
static void measure_apart(const struct scenario *scenario)
{
    int status = -1;
    pid_t process = fork();

    if (process == 0) {
        measure(scenario);
        exit(CHECK_RESULT());
    }
    CHECK(process > 0 && waitpid(process, &status, 0) == process && status == 0);
}

int main(void)
{
    /* With a source for each client the memory touched grows, too: from what a processor's cache
     * holds to two hundred megabytes, which is most of the growth then. */
    static const struct scenario scenarios[] = {
        {.name = "arrival", .sources = {1, 1}, .growth = 1.2},
        {.name = "arrival, 1,000 sources", .by_source = true, .sources = {FEW, FEW}, .growth = 1.5},
        {.name = "fair, 1,000 sources",
         .fair = true,
         .by_source = true,
         .sources = {FEW, FEW},
         .growth = 1.5},
        {.name = "fair, a source each",
         .fair = true,
         .by_source = true,
         .sources = {FEW, MANY},
         .growth = 10},
    };

    CHECK(sizeof(struct client) <= 128);
    CHECK(sizeof(struct order_line) + sizeof(struct heap_item) + sizeof(struct source *) <= 256);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
        measure_apart(&scenarios[i]);
    return CHECK_RESULT();
}
