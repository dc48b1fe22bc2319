/*
 * plant - the daemon with a fault planted into its supervisor, for tests of what a crash does.
 *
 * Linked like socket-burst-dampener, with some functions replaced (tests.mk): each replacement
 * crashes the supervisor, or calls the real function.
 *
 * The file that PLANT names decides which one crashes, and how.  It has 32 bytes: a PLACE and a
 * FAULT, each a word that blanks fill up to 16.  The daemon maps the file before it does anything
 * else, so that its supervisor, which can open no file, still sees what a test writes there.
 *
 * PLACE is one of the following words, in the order in which a client passes the places.  The last
 * five places always crash; the others crash only for a client from 127.0.66.6.
 *
 *     admit     before there is a record of the client
 *     enter     when its record is there, before the lists know it
 *     give      before it is given to a dispatcher
 *     answer    when a dispatcher has answered, before the supervisor takes note of that
 *     started   before the supervisor takes note that its handler runs
 *     ended     before the supervisor takes note that its handler has ended
 *     begin     before a supervisor does anything
 *     round     at the end of each round
 *     damage    the same, and damages what later supervisors find
 *     disown    the same, but asks for another pair, whose supervisor would be the first of all
 *     later     at the end of a round, 0.3 s after the first round of this supervisor
 *
 * At the place "recall" nothing crashes: the supervisor lacks memory for the roll call.
 *
 * FAULT is the name of a signal without SIG, in small letters, or "call", a forbidden system call.
 */
#include "supervisor/base/address.h"
#include "supervisor/figures/report.h"
#include "supervisor/options/access.h"
#include "supervisor/pool/pool.h"
#include "supervisor/queue/clients.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORD = 16, LATER = 300 * LOOP_MILLISECOND };

struct plant {
    char place[WORD];
    char fault[WORD];
};

static const volatile struct plant *plant;

__attribute__((constructor)) static void open_plant(void)
{
    const char *path = getenv("PLANT");
    int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, sizeof(*plant), PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED)
        _exit(2);
    (void)close(file);
    plant = map;
}

static bool is(const volatile char *word, const char *expected)
{
    char text[WORD + 1] = "";

    for (int i = 0; i < WORD && word[i] != ' '; i++)
        text[i] = word[i];
    return strcmp(text, expected) == 0;
}

/* A word that a test writes at this moment may be half a word: then nothing happens yet. */
static void crash(void)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"segv", SIGSEGV}, {"bus", SIGBUS}, {"ill", SIGILL},
                   {"fpe", SIGFPE},   {"sys", SIGSYS}, {"kill", SIGKILL}};

    if (is(plant->fault, "abrt"))
        abort();
    if (is(plant->fault, "call"))
        (void)syscall(SYS_getppid);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        if (!is(plant->fault, signals[i].name))
            continue;
        /* As the kernel does it: a sanitizer's handler does not get it. */
        if (signals[i].number != SIGKILL)
            (void)signal(signals[i].number, SIG_DFL);
        (void)syscall(SYS_tgkill, getpid(), getpid(), signals[i].number);
    }
}

static void pass(const char *place)
{
    if (is(plant->place, place))
        crash();
}

static void pass_with(const char *place, const struct endpoint *client)
{
    const uint8_t poisonous[] = {127, 0, 66, 6};

    if (client->family == AF_INET && memcmp(client->address, poisonous, sizeof(poisonous)) == 0)
        pass(place);
}

/* ---- the replaced functions ---- */

static bool recalls; /* a supervisor opens what an earlier one had open */

int __real_pool_recall(struct pool *pool);
int __wrap_pool_recall(struct pool *pool);

int __wrap_pool_recall(struct pool *pool)
{
    int result;

    recalls = true;
    result = __real_pool_recall(pool);
    recalls = false;
    return result;
}

int __real_loop_watch(struct loop *loop, struct loop_source *source);
int __wrap_loop_watch(struct loop *loop, struct loop_source *source);

int __wrap_loop_watch(struct loop *loop, struct loop_source *source)
{
    if (recalls && is(plant->place, "recall")) {
        errno = ENOMEM;
        return -1;
    }
    return __real_loop_watch(loop, source);
}

bool __real_access_allows(const struct access *access, const struct endpoint *client);
bool __wrap_access_allows(const struct access *access, const struct endpoint *client);

bool __wrap_access_allows(const struct access *access, const struct endpoint *client)
{
    pass_with("admit", client);
    return __real_access_allows(access, client);
}

void __real_order_join(struct order *order, struct order_member *member,
                       const struct endpoint *remote);
void __wrap_order_join(struct order *order, struct order_member *member,
                       const struct endpoint *remote);

void __wrap_order_join(struct order *order, struct order_member *member,
                       const struct endpoint *remote)
{
    pass_with("enter", remote);
    __real_order_join(order, member, remote);
}

int __real_address_of_socket(int socket, struct endpoint *local);
int __wrap_address_of_socket(int socket, struct endpoint *local);

/* Only for a client that is about to be given away. */
int __wrap_address_of_socket(int socket, struct endpoint *local)
{
    struct endpoint remote;

    if (address_of_remote(socket, &remote) == 0)
        pass_with("give", &remote);
    return __real_address_of_socket(socket, local);
}

struct client *__real_clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket);
struct client *__wrap_clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket);

/* Our copy of the connection is closed once a dispatcher has it. */
struct client *__wrap_clients_find(const struct clients *clients, uint32_t handle, uint64_t ticket)
{
    struct client *client = __real_clients_find(clients, handle, ticket);

    if (client != NULL && client->state == CLIENT_STARTING && client->descriptor < 0)
        pass_with("answer", &client->remote);
    return client;
}

void __real_clients_move(struct clients *clients, struct client *client, enum client_state state);
void __wrap_clients_move(struct clients *clients, struct client *client, enum client_state state);

void __wrap_clients_move(struct clients *clients, struct client *client, enum client_state state)
{
    if (state == CLIENT_RUNNING)
        pass_with("started", &client->remote);
    __real_clients_move(clients, client, state);
}

void __real_report_ended(struct report *report, const struct report_client *client, uint64_t ran,
                         const int *status, const struct usage *usage);
void __wrap_report_ended(struct report *report, const struct report_client *client, uint64_t ran,
                         const int *status, const struct usage *usage);

void __wrap_report_ended(struct report *report, const struct report_client *client, uint64_t ran,
                         const int *status, const struct usage *usage)
{
    pass_with("ended", client->remote);
    __real_report_ended(report, client, ran, status, usage);
}

int __real_server_open(struct server *server, struct listeners *listeners,
                       const struct keeper *keeper, int link, uid_t user);
int __wrap_server_open(struct server *server, struct listeners *listeners,
                       const struct keeper *keeper, int link, uid_t user);

int __wrap_server_open(struct server *server, struct listeners *listeners,
                       const struct keeper *keeper, int link, uid_t user)
{
    pass("begin");
    return __real_server_open(server, listeners, keeper, link, user);
}

/* Leaves impossible values of each kind. */
static void damage(struct server *server)
{
    struct lasting *lasting = server->lasting;
    struct clients_books *books = server->books;
    const union {
        uintptr_t number;
        char *text;
        void (*function)(void *context);
    } nowhere = {.number = 1};

    for (uint32_t i = 0; i < books->used; i++)
        if (books->records[i].state == CLIENT_QUEUED) {
            books->records[i].state = UINT8_MAX;
            break;
        }
    books->used = UINT32_MAX;
    books->most = UINT32_MAX;
    lasting->pool.left[0] =
        (struct pool_known){.process = 1, .index = UINT32_MAX, .descriptors = {-1, -1, -1}};
    lasting->handover.reason = nowhere.text;
    lasting->manager.status = (struct loop_timer){.deadline = 1, .expired = nowhere.function};
    lasting->manager.recovery = lasting->manager.status;
}

void __real_manager_look(struct server *server);
void __wrap_manager_look(struct server *server);

void __wrap_manager_look(struct server *server)
{
    static uint64_t first;

    if (first == 0)
        first = loop_clock();
    pass("round");
    if (is(plant->place, "damage")) {
        damage(server);
        crash();
    }
    if (is(plant->place, "disown")) {
        damage(server);
        server->lasting->standby.begun = false;
        _exit(LINK_EXIT_RENEW);
    }
    if (loop_clock() >= first + LATER)
        pass("later");
    __real_manager_look(server);
}
