#include "supervisor/usage.h"

#include <stdio.h>

#ifndef VERSION
#error "VERSION must be set"
#endif

static const char help[] =
    "Usage: socket-burst-dampener [OPTION]... PORT [OPTION]... [--] CMD [ARG]...\n"
    "\n"
    "Accepts every connection to PORT at once, queues it, and serves the queue in\n"
    "order of arrival with a bounded number of handlers: CMD, run for each\n"
    "connection as under inetd, with the client on standard input and output.\n"
    "\n"
    "  PORT                  number, 0 for any that is free, or name of a service\n"
    "  CMD [ARG]...          from CMD on, every word belongs to the command\n"
    "\n"
    "Listening:\n"
    "  --address ADDRESS     bind to ADDRESS; may be given several times;\n"
    "                        default: every address of this machine\n"
    "  --ipv4, --ipv6        prefer that family; both or neither: both families;\n"
    "                        --ipv6 alone: no IPv4 at all\n"
    "\n"
    "Admission:\n"
    "  --processes N         at most N handlers at once; 0: no limit; default 1\n"
    "  --queue N             at most N clients waiting; default: as many as\n"
    "                        descriptors allow\n"
    "  --queue-timeout TIME  refuse who has waited so long\n"
    "  --when-full HOW       with the queue full: wait, in the kernel's backlog\n"
    "                        (default), or refuse\n"
    "  --busy-message TEXT   what who is refused is sent, with \\n, \\r and \\\\;\n"
    "                        @FILE reads it from a file\n"
    "  --order HOW           arrival (default), or fair: sources in turn\n"
    "  --per-source N        at most N handlers for one source; others overtake\n"
    "  --per-source-queue N  at most N clients of one source waiting; more are\n"
    "                        refused\n"
    "  --source-prefix V4[,V6]\n"
    "                        what one source is, as prefix lengths; default 32,64\n"
    "  --load-average LOAD   start no second handler while the 1-minute load\n"
    "                        average is LOAD or more\n"
    "  --pressure cpu=P[,memory=P][,io=P]\n"
    "                        likewise while tasks are stalled for P percent of the\n"
    "                        time, of the last 10 seconds\n"
    "  --rate N[/TIME]       start at most N handlers per TIME, default 1s\n"
    "  --allow CIDR, --deny CIDR\n"
    "                        who is served: an address, ADDRESS/LENGTH or all; the\n"
    "                        most specific wins; may be given several times\n"
    "  --access-file FILE    the same from a file, a line \"allow CIDR\" or \"deny\n"
    "                        CIDR\" each; read again at SIGHUP\n"
    "  --abandon SIGN        what takes a waiting client out of the queue: hangup\n"
    "                        (default), half-close, or never\n"
    "\n"
    "Handlers:\n"
    "  --user USER, --group GROUP\n"
    "                        who handlers run as, by name or number; default: who\n"
    "                        starts the daemon; GROUP by default that of USER\n"
    "  --chroot DIR          DIR is their root; CMD is looked up in there\n"
    "  --chdir DIR           they start in DIR, in their root; default: as here, or\n"
    "                        with --chroot its root\n"
    "  --umask MODE          octal, such as 022\n"
    "  --nice N              their nice value, -20 to 19\n"
    "  --limit NAME=SOFT[:HARD]\n"
    "                        a resource limit, such as nofile=256, cpu=60:90,\n"
    "                        as=512M or core=unlimited; NAME as in setrlimit(2);\n"
    "                        may be given several times\n"
    "  --timeout TIME        send SIGTERM to a handler that has run so long\n"
    "  --kill-after TIME     and SIGKILL so much later; default 5s\n"
    "  --stderr WHERE        their standard error: inherit (default), socket: sent\n"
    "                        to the client, or null\n"
    "  --no-env              set no variables that tell of client and user\n"
    "  --no-new-privs        set-user-ID programs give them nothing\n"
    "\n"
    "Running:\n"
    "  --dispatchers N       processes that start handlers; default: one for each\n"
    "                        processor, 2 at least, 8 at most\n"
    "  --drain-timeout TIME  how long SIGTERM waits for queue and handlers, in s or\n"
    "                        with ms, s, m or h behind it; default 30s\n"
    "  --supervisor-user USER[:GROUP]\n"
    "                        who the supervisor becomes if root starts it; default\n"
    "                        nobody\n"
    "  --ready-fd FD         once serving, write a line \"ADDRESS PORT\" for each\n"
    "                        listener to descriptor FD, and close it\n"
    "  -v, --verbose         log the start and end of each handler; -vv: all else\n"
    "  -h, --help            show this help\n"
    "  --version             show the version\n"
    "\n"
    "Example:\n"
    "  socket-burst-dampener 873 --processes $(nproc) --load-average $(nproc) -- \\\n"
    "      rsync --daemon\n";

static bool print(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0;
}

bool usage_help(void)
{
    return print(help);
}

bool usage_version(void)
{
    return print("socket-burst-dampener " VERSION "\n");
}
