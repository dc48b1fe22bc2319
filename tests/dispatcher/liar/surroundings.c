#include "tests/dispatcher/liar/surroundings.h"

#include "dispatcher/protocol.h"
#include "dispatcher/shared/log.h"
#include "tests/shared/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        log_die(2, "liar: %s is not set", name);
    return value;
}

int32_t bystander(void)
{
    return atoi(variable("BYSTANDER"));
}

/* Returns another child of the keeper that has this name. */
static int32_t sibling(const char *name)
{
    char text[4096];
    char *next = text;
    int32_t process;
    int32_t found = 0;

    (void)proc_children(getppid(), text, sizeof(text));
    while ((process = (int32_t)strtol(next, &next, 10)) > 0) {
        char comm[32];

        (void)proc_read(process, "comm", comm, sizeof(comm));
        comm[strcspn(comm, "\n")] = '\0';
        if (process != (int32_t)getpid() && strcmp(comm, name) == 0)
            found = process;
    }
    return found;
}

int32_t other_dispatcher(void)
{
    return sibling("dispatcher");
}

int32_t supervisor(void)
{
    return sibling("supervisor");
}

int open_pipe(void)
{
    int ends[2] = {-1, -1};

    return pipe2(ends, O_CLOEXEC) == 0 ? ends[0] : -1;
}

void refuse_rights(void)
{
    const int no = 0;

    (void)setsockopt(PROTOCOL_SOCKET, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
}
