#include "tests/dispatcher/liar/surroundings.h"

#include "dispatcher/protocol.h"
#include "dispatcher/shared/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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

int32_t other_dispatcher(void)
{
    char path[64];
    FILE *file;
    int process;
    int32_t found = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", getppid(), getppid());
    file = fopen(path, "re");
    while (file != NULL && fscanf(file, "%d", &process) == 1)
        if (process != (int)getpid())
            found = process;
    if (file != NULL)
        (void)fclose(file);
    return found;
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
