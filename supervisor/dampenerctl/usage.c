#include "supervisor/dampenerctl/usage.h"

#include <stdio.h>

#ifndef VERSION
#error "VERSION must be set"
#endif

static const char help[] =
    "Usage: dampenerctl [OPTION]... PATH COMMAND [WORD]...\n"
    "\n"
    "Asks the socket-burst-dampener whose --control socket is PATH, or tells it\n"
    "what to do. Root is listened to, and who has started it.\n"
    "\n"
    "To look:\n"
    "  status                how the service stands, as a table; with --json as the\n"
    "                        daemon gives it\n"
    "  top                   the same as a live view of the whole terminal; q quits\n"
    "  metrics               counters and histograms, as Prometheus reads them\n"
    "  help                  the commands that this daemon knows\n"
    "\n"
    "To steer:\n"
    "  pause                 start no handlers; clients wait in the queue\n"
    "  resume                start them again\n"
    "  drain                 accept nobody any more, serve who waits, and end\n"
    "  set NAME VALUE        change a limit, such as: set processes 16\n"
    "\n"
    "Options:\n"
    "  --json                status as an object of JSON\n"
    "  -h, --help            show this help\n"
    "  --version             show the version\n"
    "\n"
    "The exit status is 0 if the daemon did it, 1 if not or if it cannot be reached,\n"
    "and 2 if the words here are wrong.\n";

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
    return print("dampenerctl " VERSION "\n");
}
