#include "supervisor/listen/backlog.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55 /* asm-generic/socket.h, which not every libc repeats */
#endif

bool backlog_look(int listener, struct backlog *backlog)
{
    struct tcp_info information;
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof(information);

    if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &information, &length) != 0)
        return false;
    length = sizeof(memory);
    if (getsockopt(listener, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0)
        return false;
    *backlog = (struct backlog){
        .waiting = information.tcpi_unacked,
        .dropped = memory[SK_MEMINFO_DROPS],
    };
    return true;
}
