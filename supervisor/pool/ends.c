#include "supervisor/pool/ends.h"

#include "dispatcher/shared/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEPT = sizeof(((struct ends_reserve *)0)->descriptors) / sizeof(int) };

void ends_keep(struct ends_reserve *reserve)
{
    for (int i = 0; i < KEPT; i++)
        if (reserve->descriptors[i] <= 0)
            /* Of whatever is open for sure; here that is nothing (descriptors.h).  What cannot be
             * had now, is had the next time. */
            reserve->descriptors[i] = fcntl(PROTOCOL_SOCKET, F_DUPFD_CLOEXEC, PROTOCOL_LAST + 1);
}

static void release_reserve(struct ends_reserve *reserve)
{
    for (int i = 0; i < KEPT; i++) {
        if (reserve->descriptors[i] > 0)
            (void)close(reserve->descriptors[i]); /* there is nothing in it */
        reserve->descriptors[i] = 0;
    }
}

static int open_ledger(struct ends *ends)
{
    ends->memory = memfd_create("dampener-ledger", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ends->memory < 0)
        return -1;
    /* Were it cut short over there, touching it would be the end of us here. */
    if (ftruncate(ends->memory, sizeof(*ends->ledger)) != 0 ||
        fcntl(ends->memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -1;
    ends->ledger =
        mmap(NULL, sizeof(*ends->ledger), PROT_READ | PROT_WRITE, MAP_SHARED, ends->memory, 0);
    return ends->ledger == MAP_FAILED ? -1 : 0;
}

int ends_open(struct ends *ends, struct ends_reserve *reserve)
{
    int pair[2] = {-1, -1};
    int error;

    *ends = (struct ends){.socket = -1, .peer = -1, .memory = -1, .ledger = MAP_FAILED};
    release_reserve(reserve);
    if (open_ledger(ends) == 0 &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
        ends->socket = pair[0];
        ends->peer = pair[1];
        return 0;
    }
    error = errno;
    ends_close(ends);
    errno = error;
    return -1;
}

static void close_if_open(int *descriptor)
{
    if (*descriptor >= 0)
        (void)close(*descriptor); /* nothing of ours is buffered in it */
    *descriptor = -1;
}

static void close_socket(int *socket)
{
    if (*socket >= 0)
        rights_drain(*socket);
    close_if_open(socket);
}

void ends_close(struct ends *ends)
{
    close_socket(&ends->socket);
    close_socket(&ends->peer);
    close_if_open(&ends->memory);
    if (ends->ledger != MAP_FAILED)
        (void)munmap(ends->ledger, sizeof(*ends->ledger));
    ends->ledger = MAP_FAILED;
}
