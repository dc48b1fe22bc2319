#include "supervisor/signals.h"

#include "dispatcher/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

int signals_open(void)
{
    static const int heard[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t set;
    int descriptor;

    (void)sigemptyset(&set);
    for (unsigned i = 0; i < sizeof(heard) / sizeof(*heard); i++) {
        (void)sigaddset(&set, heard[i]);
        /* One that was ignored when we were started would never come, and ignoring SIGCHLD would
         * have the kernel reap our children. */
        (void)signal(heard[i], SIG_DFL);
    }
    descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    (void)sigaddset(&set, SIGPIPE); /* writing tells by its errno */
    if (descriptor < 0 || sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        return -1;
    return descriptor;
}

int signals_next(int descriptor)
{
    struct signalfd_siginfo information;

    if (read(descriptor, &information, sizeof(information)) == sizeof(information))
        return (int)information.ssi_signo;
    if (errno != EAGAIN && errno != EINTR)
        log_bug("cannot read signals: %m");
    return 0;
}

void signals_die_of(int signal_number)
{
    sigset_t set;

    (void)signal(signal_number, SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal_number);
    (void)raise(signal_number); /* stays pending until the mask lets it through */
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    abort(); /* cannot be reached */
}
