/*
 * ends.h - for probes: the descriptors of a new dispatcher, as the keeper brings them.
 */
#ifndef TESTS_POOL_ENDS_H
#define TESTS_POOL_ENDS_H

#include "supervisor/pool/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Opens them; returns the dispatcher's own copy of its end. */
static int ends_open(int descriptors[CHANNEL_DESCRIPTORS])
{
    int pair[2] = {-1, -1};
    int memory = memfd_create("ledger", MFD_CLOEXEC);
    int own;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
        ftruncate(memory, sizeof(struct ledger)) != 0 ||
        (own = fcntl(pair[1], F_DUPFD_CLOEXEC, 3)) < 0) {
        perror("ends");
        exit(1);
    }
    descriptors[CHANNEL_SOCKET] = pair[0];
    descriptors[CHANNEL_PEER] = pair[1];
    descriptors[CHANNEL_LEDGER] = memory;
    return own;
}

#endif
