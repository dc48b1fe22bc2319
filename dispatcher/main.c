/*
 * dispatcher - starts handlers for the supervisor and tells it how they ended.
 *
 * Not started by people.  The contract is protocol.h: what it is given, what it answers, and why a
 * client's handler is started exactly once.
 */
#include "dispatcher/command.h"
#include "dispatcher/content.h"
#include "dispatcher/environment.h"
#include "dispatcher/kin.h"
#include "dispatcher/service.h"
#include "dispatcher/setup.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the files can be read again, too, by who will be asked to.  What else may be wrong with
 * them, the supervisor finds when it reads them. */
static void try_files(const struct setup *setup)
{
    static const char *const options[] = {
        [PROTOCOL_FILE_ACCESS] = "--access-file",
        [PROTOCOL_FILE_BUSY] = "--busy-message",
    };

    for (int file = 0; file < PROTOCOL_FILES; file++) {
        int descriptor;

        if (setup->files[file][0] == '\0')
            continue;
        descriptor = content_open(setup, (enum protocol_file)file);
        if (descriptor >= 0)
            (void)close(descriptor); /* nothing was read */
        else if (errno == EACCES || errno == EPERM || errno == ELOOP)
            log_warning("%s: SIGHUP will not be able to read %s again, as user %u: %m",
                        options[file], setup->files[file], geteuid());
    }
}

static int try(const struct spawn_command *command)
{
    static char path[PATH_MAX];
    struct spawn_command found = *command;
    int status = command_find(command->path, path);

    found.path = path;
    if (status == 0)
        status = command_try(&found);
    if (status != 0)
        return status;
    try_files(command->setup);
    if (send(PROTOCOL_SOCKET, path, strlen(path), 0) < 0)
        log_die(1, "dispatcher: cannot tell where %s was found: %m", command->path);
    return 0;
}

/* Handlers without privileges could lower their own as far as a dispatcher has had it at any time:
 * so it is not lower than theirs for any that is the same user. */
static void prepare_for_oom(const struct setup *setup)
{
    if (setup->has_identity != 0 && setup->user != 0)
        oom_restore(setup->oom_score);
    else
        oom_open(setup->oom_score);
}

static enum log_format format_of(int argc, char **argv)
{
    return argc > 2 && strcmp(argv[2], "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
}

static void check_starter(int argc)
{
    struct stat status;
    bool looked = fstat(PROTOCOL_SOCKET, &status) == 0;

    if (argc >= 5 && !looked && errno != EBADF)
        log_die(1, "dispatcher: cannot look at the socket to its supervisor: %m");
    if (argc < 5 || !looked || !S_ISSOCK(status.st_mode))
        log_die(2, "dispatcher: started by socket-burst-dampener only, not by hand");
}

int main(int argc, char **argv)
{
    static struct service service;

    log_open(LOG_LEVEL_WARNING, format_of(argc, argv), "dispatcher");
    check_starter(argc);
    service.command = (struct spawn_command){
        .path = argv[3],
        .arguments = argv + 4,
        .setup = setup_read(),
    };
    kin_open();
    prepare_for_oom(service.command.setup);
    setup_apply(service.command.setup);
    if (strcmp(argv[1], "try") == 0)
        _exit(try(&service.command)); /* nothing is to be flushed */
    setup_rest();
    if (environment_prepare(environ, service.command.setup->no_environment != 0) != 0)
        log_die(1, "dispatcher: cannot prepare the environment: %m");
    service_begin(&service, true);
    service_run(&service);
}
