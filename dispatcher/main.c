/*
 * dispatcher - starts handlers for the supervisor and reports how they ended.
 *
 * Only the keeper starts it.  protocol.h is the contract.
 */
#include "dispatcher/environment.h"
#include "dispatcher/service.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "dispatcher/try.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_starter(int argc)
{
    struct stat status;
    bool looked = fstat(PROTOCOL_SOCKET, &status) == 0;

    if (argc >= 5 && !looked && errno != EBADF)
        log_die(1, "dispatcher: cannot examine the socket to the supervisor: %m");
    if (argc < 5 || !looked || !S_ISSOCK(status.st_mode))
        log_die(2, "dispatcher: only socket-burst-dampener can start it");
}

int main(int argc, char **argv)
{
    static struct service service;
    const struct setup *setup;

    log_open(LOG_LEVEL_WARNING, log_format_named(argc > 2 ? argv[2] : ""), "dispatcher");
    check_starter(argc);
    setup = setup_map();
    service.command =
        (struct spawn_command){.path = argv[3], .arguments = argv + 4, .setup = setup};
    /* A process without privileges can lower its oom_score_adj to the lowest value it ever had, or
     * inherited.  So a dispatcher that runs as the handlers' user never lowers its own. */
    oom_open(setup->oom_score, setup->has_identity == 0 || setup->user == 0);
    setup_apply(setup);
    if (environment_prepare(setup->no_environment != 0) != 0)
        log_die(1, "dispatcher: cannot prepare the environment: %m");
    if (strcmp(argv[1], "try") == 0)
        _exit(try_command(&service.command)); /* nothing to flush */
    setup_rest();
    service_begin(&service);
    service_run(&service);
}
