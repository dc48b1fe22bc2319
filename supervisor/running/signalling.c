#include "supervisor/running/signalling.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

enum {
    SIGNAL_CROWDED = 10 * LOOP_MILLISECOND, /* until a dispatcher may have read what was sent */
    SIGNAL_ABSENT = 100 * LOOP_MILLISECOND  /* until there may be one */
};

static int stronger(int one, int other)
{
    if (one == SIGKILL || other == 0)
        return one;
    return other;
}

/* Asks the dispatcher whose child it is, or any if it is ours.  Returns 0, or -1 with errno. */
static int ask(struct server *server, int32_t process, int signal_number,
               const struct client *client)
{
    bool adopted = client == NULL || client->dispatcher == CLIENT_ADOPTED;
    union message message;

    wire_header(&message, MESSAGE_SIGNAL, client == NULL ? 0 : client->handle,
                client == NULL ? 0 : clients_ticket(client));
    message.signal.process = process;
    message.signal.signal = signal_number;
    message.signal.adopted = adopted;
    return adopted ? pool_ask_any(&server->pool, &message)
                   : pool_ask(&server->pool, client->dispatcher, &message);
}

/* What was not sent is sent later. */
static void owe(struct server *server, uint64_t delay)
{
    uint64_t then = server->loop.now + delay;

    if (server->signals_owed == 0 || then < server->signals_owed)
        server->signals_owed = then;
}

void signalling_look(struct server *server, struct client *client)
{
    int signal_number = stronger(client->signal, server->ending_signal);

    if (client->signalled == signal_number || client->dispatcher == CLIENT_FOREIGN)
        return;
    if (ask(server, client->process, signal_number, client) == 0)
        client->signalled = (uint8_t)signal_number;
    else if (errno != ESRCH || client->dispatcher == CLIENT_ADOPTED)
        owe(server, errno == ESRCH ? SIGNAL_ABSENT : SIGNAL_CROWDED);
    /* Else its dispatcher is dying; once it is dead, the handler is adopted, and signalled then. */
}

bool signalling_is_due(const struct server *server, const struct client *client)
{
    return client->signal != 0 || server->ending_signal != 0;
}

static void signal_all(struct server *server)
{
    server->signals_owed = 0;
    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(&server->clients, client))
        signalling_look(server, client);
}

void signalling_owed(struct server *server)
{
    if (server->signals_owed == 0 || server->signals_owed > server->loop.now)
        return;
    signal_all(server);
}

/* Which does not matter much: its exec has not come back, and it is signalled again if it does. */
static void signal_left(void *context, pid_t process)
{
    struct server *server = context;

    (void)ask(server, process, server->ending_signal, NULL);
}

void signalling_left(struct server *server)
{
    if (server->ending_signal != 0)
        pool_each_left(&server->pool, signal_left, server);
}

void signalling_end(struct server *server, int signal_number)
{
    server->ending_signal = signal_number;
    signalling_left(server);
    signal_all(server);
}

void signalling_expire(struct server *server)
{
    struct client *client;

    while ((client = timeouts_next(&server->timeouts, server->loop.now)) != NULL) {
        log_warning("ticket %" PRIu64 ": process %d has run for too long: %s",
                    clients_ticket(client), client->process,
                    client->signal == SIGTERM ? "SIGTERM to its group" : "SIGKILL to its group");
        signalling_look(server, client);
    }
}

void signalling_repeat(struct server *server)
{
    server->unsignalled = false;
    for (struct client *client = clients_first(&server->clients, CLIENT_RUNNING); client != NULL;
         client = clients_next(&server->clients, client))
        if (client->dispatcher == CLIENT_ADOPTED && client->signalled != 0) {
            client->signalled = 0; /* twice is better than never */
            signalling_look(server, client);
        }
    signalling_left(server);
}

bool signalling_group_is_left(const struct server *server, const struct client *client)
{
    siginfo_t information;

    return !pool_has_process(&server->pool, client->process) &&
           waitid(P_PGID, (id_t)client->process, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}
