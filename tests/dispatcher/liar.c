/*
 * liar - a dispatcher that lies, for the real supervisor.
 *
 * To be found as "dispatcher" beside a copy of the supervisor's program, with the real dispatcher
 * beside it as "honest", which it becomes to try the command.  It is the spare, and forks the first
 * dispatchers as it should; these do the real one's work, unless they are told to lie:
 *
 *     LIARS        words, of which the first dispatcher that serves takes the first, and so on
 *     LIAR_SPARE   a word for the spare
 *     BYSTANDER    a process that is nobody's business here
 *
 * A word names a lie of lies.h, which is told once, instead of an answer to a request of a certain
 * type.  All other requests are answered as they should be.
 */
#include "tests/dispatcher/liar/liar.h"

#include "dispatcher/environment.h"
#include "dispatcher/kin.h"
#include "dispatcher/protocol.h"
#include "dispatcher/service.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"
#include "tests/dispatcher/liar/lies.h"
#include "tests/dispatcher/liar/truth.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct liar liar = {.ledger = -1};

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

static _Noreturn void lie_once(const struct lie *lie)
{
    bool told = false;

    for (;;) {
        receive();
        if (told || liar.request.header.type != lie->at ||
            (liar.request.header.type == MESSAGE_FORK && is_first())) {
            answer_truly();
            continue;
        }
        told = true;
        log_write(LOG_LEVEL_WARNING, "liar: %s", lie->word);
        lie->tell();
    }
}

/* The spare: it forks the first liars, in each of which this returns, too. */
static void fork_liars(void)
{
    for (unsigned liars = 0; liar.lie == NULL && lie_of("LIARS", liars) != NULL; liars++) {
        receive();
        answer_truly();
    }
    if (liar.lie == NULL)
        liar.lie = lie_of("LIAR_SPARE", 0);
}

int main(int argc, char **argv)
{
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "dispatcher");
    if (argc < 5)
        return 2;
    if (strcmp(argv[1], "spare") != 0)
        be_honest(argv);
    liar.service.command =
        (struct spawn_command){.path = argv[3], .arguments = argv + 4, .setup = setup_read()};
    kin_open();
    setup_apply(liar.service.command.setup);
    if (environment_prepare(false) != 0)
        return 2;
    liar.ledger = fcntl(PROTOCOL_LEDGER, F_DUPFD_CLOEXEC, 10);
    service_begin(&liar.service, true);
    fork_liars();
    if (liar.lie != NULL)
        lie_once(liar.lie);
    else
        service_run(&liar.service); /* it is honest */
}
