#include "supervisor/server/signals.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The service reads these.  Before it begins, they have their default actions. */
static const int heard[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};

/* Never blocked: signals of bugs in this process, and signals of a person at the terminal. */
static const int let_through[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,  SIGTRAP,
                                  SIGABRT, SIGSYS, SIGQUIT, SIGTSTP, SIGCONT};

static int count(size_t size)
{
    return (int)(size / sizeof(int));
}

void signals_prepare(void)
{
    sigset_t set;

    (void)sigfillset(&set);
    for (int i = 0; i < count(sizeof(heard)); i++)
        (void)sigdelset(&set, heard[i]);
    for (int i = 0; i < count(sizeof(let_through)); i++)
        (void)sigdelset(&set, let_through[i]);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        log_bug("sigprocmask: %m");
    /* With an inherited SIG_IGN, the kernel would reap our children. */
    (void)signal(SIGCHLD, SIG_DFL);
}

static sigset_t set_of_heard(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (int i = 0; i < count(sizeof(heard)); i++)
        (void)sigaddset(&set, heard[i]);
    return set;
}

void signals_hold(void)
{
    sigset_t set = set_of_heard();

    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        log_bug("sigprocmask: %m");
}

int signals_open(void)
{
    sigset_t set = set_of_heard();

    /* With an inherited SIG_IGN, a signal would never come. */
    for (int i = 0; i < count(sizeof(heard)); i++)
        (void)signal(heard[i], SIG_DFL);
    signals_hold();
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
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
    (void)raise(signal_number); /* pending until it is unblocked */
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number); /* the first process of a namespace survives it (signal(7)) */
}
