/*
 * Tests that a signal counts once when the supervisor is killed after any instruction of hearing of
 * it: the next one finds what that has noted, and hears of it again if it had not noted the report.
 */
#include "supervisor/keeper/link.h"
#include "supervisor/server/reports.h"
#include "supervisor/server/shutdown.h"

#include "tests/shared/check.h"
#include "tests/shared/step.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { NUMBER = 7 /* of the report */ };

/* A supervisor. */
static struct server first, second;
static struct lasting *lasting; /* of the first one, shared with this process */
static struct lasting copy;     /* of the second one */
static int link_of_first[2];
static int caught; /* the signal of the report */

/* A second signal would end all handlers: `forced` shows that. */
void __wrap_shutdown_signal(struct server *server, int signal_number);
void __wrap_shutdown_signal(struct server *server, int signal_number)
{
    struct shutdown *shutdown = &server->lasting->shutdown;

    CHECK(signal_number == SIGTERM);
    if (shutdown->stage == SERVER_SERVING)
        shutdown->stage = SERVER_DRAINING;
    else
        shutdown->forced = true;
}

static void report(int link)
{
    const struct link_message message = {.type = LINK_CAUGHT, .value = caught, .number = NUMBER};

    CHECK(link_send(link, &message, NULL) == 0);
}

static void open_server(struct server *server, struct lasting *found, int link)
{
    *server = (struct server){.lasting = found};
    CHECK(loop_open(&server->loop) == 0 && reports_open(server, link) == 0);
}

static void close_server(struct server *server)
{
    loop_close(&server->loop);
    (void)close(server->signals.descriptor);
}

/* The first supervisor, in the child. */
static void hear(void)
{
    reports_begin(&first);
    first.link.ready(&first);
}

/* Plays the next supervisor. */
static void play_next(void)
{
    int ends[2];

    copy = *lasting;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    open_server(&second, &copy, ends[0]);
    reports_begin(&second);
    if (copy.heard < NUMBER)
        report(ends[1]);
    second.link.ready(&second);
    close_server(&second);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static int examine(void)
{
    play_next();
    if (copy.shutdown.stage != SERVER_DRAINING || copy.shutdown.forced || copy.heard != NUMBER)
        return -1;
    return lasting->signals.taken[caught] == NUMBER && lasting->signals.acting_on == 0;
}

static void begin(int signal_number)
{
    memset(lasting, 0, sizeof(*lasting));
    lasting->heard = NUMBER - 1;
    caught = signal_number;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link_of_first) == 0);
    open_server(&first, lasting, link_of_first[0]);
    report(link_of_first[1]);
}

static void end(void)
{
    close_server(&first);
    (void)close(link_of_first[0]);
    (void)close(link_of_first[1]);
}

static void check_once(void)
{
    begin(SIGTERM);
    step_through(hear, examine, "SIGTERM");
    end();
}

/* The supervisor before the first one was killed after it had begun to drain, and before it had
 * noted that. */
static void check_other_signal(void)
{
    begin(SIGUSR1);
    lasting->signals.caught[SIGTERM] = NUMBER - 1;
    lasting->signals.taken[SIGTERM] = NUMBER - 1;
    lasting->signals.acting_on = SIGTERM;
    lasting->signals.stage_before = SERVER_SERVING;
    lasting->shutdown.stage = SERVER_DRAINING;
    step_through(hear, examine, "SIGUSR1 after SIGTERM");
    end();
}

int main(void)
{
    lasting =
        mmap(NULL, sizeof(*lasting), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(lasting != MAP_FAILED);
    if (!can_step())
        return CHECK_RESULT();
    check_once();
    check_other_signal();
    return CHECK_RESULT();
}
