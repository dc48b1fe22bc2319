/*
 * liar - a dispatcher that lies, for the real keeper and the real supervisor.
 *
 * The daemon must find this program as "dispatcher", with the real dispatcher beside it as
 * "honest".  LIARS in the environment has the lies, one word each (lies.h).  Dispatcher N takes
 * word N, from 0 on; if that is taken, the first one that is not.  The file lie.N in the working
 * directory says that word N is taken.  A dispatcher without a word executes "honest".
 *
 * A lie is told once, instead of the answer to a request of a certain type.  All other requests are
 * answered truly.
 */
#include "tests/dispatcher/liar/liar.h"

#include "dispatcher/environment.h"
#include "dispatcher/protocol.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"
#include "tests/dispatcher/liar/lies.h"
#include "tests/dispatcher/liar/truth.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct liar liar;

static _Noreturn void be_honest(char **argv)
{
    char path[4096] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("honest"));

    if (length < 0)
        log_die(2, "liar: /proc/self/exe: %m");
    for (size_t i = (size_t)length; i > 0; i--)
        if (path[i - 1] == '/') {
            strcpy(path + i, "honest");
            break;
        }
    (void)execv(path, argv);
    log_die(2, "liar: %s: %m", path);
}

/* Returns false if another process has taken this word. */
static bool take(unsigned place)
{
    char name[32];
    int taken;

    (void)snprintf(name, sizeof(name), "lie.%u", place);
    taken = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (taken >= 0)
        (void)close(taken); /* nothing was written */
    return taken >= 0;
}

/* Returns the lie of the dispatcher with this title; NULL if there is none for it. */
static const struct lie *take_lie(const char *title)
{
    const char *number = strrchr(title, ' ');
    unsigned place = number == NULL ? 0 : (unsigned)atoi(number + 1);

    if (lie_of(place) == NULL || take(place))
        return lie_of(place);
    for (place = 0; lie_of(place) != NULL && !take(place); place++)
        continue;
    return lie_of(place);
}

static void tell(const struct lie *lie)
{
    log_write(LOG_LEVEL_WARNING, "liar: %s", lie->word);
    lie->tell();
}

/* A liar that lies about signals must not wait for its handlers before. */
static void answer_until(const struct lie *lie)
{
    if (lie->at == MESSAGE_SIGNAL && liar.request.header.type == MESSAGE_START)
        (void)serve();
    else
        answer_truly();
}

static _Noreturn void lie_once(const struct lie *lie)
{
    bool told = false;

    for (;;) {
        receive();
        if (told || liar.request.header.type != lie->at) {
            answer_until(lie);
            continue;
        }
        told = true;
        tell(lie);
    }
}

int main(int argc, char **argv)
{
    const struct lie *lie = NULL;

    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "dispatcher");
    if (argc < 5)
        return 2;
    if (strcmp(argv[1], "serve") == 0)
        lie = take_lie(argv[0]);
    if (lie == NULL || lie->tell == NULL)
        be_honest(argv);
    liar.ledger = fcntl(PROTOCOL_LEDGER, F_DUPFD_CLOEXEC, 10);
    liar.setup = fcntl(PROTOCOL_SETUP, F_DUPFD_CLOEXEC, 10);
    liar.service.command =
        (struct spawn_command){.path = argv[3], .arguments = argv + 4, .setup = setup_map()};
    setup_apply(liar.service.command.setup);
    if (environment_prepare(false) != 0)
        return 2;
    if (lie->at == MESSAGE_READY)
        tell(lie);
    service_begin(&liar.service);
    lie_once(lie);
}
