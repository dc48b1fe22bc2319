#include "supervisor/base/signals.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The service reads these.  Before it begins, they have their default actions. */
static const int heard[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, 0};

/* Never blocked: signals of bugs in this process, and signals of a person at the terminal. */
static const int let_through[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP, SIGABRT,
                                  SIGSYS,  SIGQUIT, SIGTSTP, SIGCONT, 0};

static sigset_t set_of(const int *signals)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (; *signals != 0; signals++)
        (void)sigaddset(&set, *signals);
    return set;
}

/* Changes which signals are blocked, as sigprocmask(2) does. */
static void change(int how, const int *signals)
{
    sigset_t set = set_of(signals);

    if (sigprocmask(how, &set, NULL) != 0)
        log_bug("sigprocmask: %m");
}

void signals_prepare(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
        log_bug("sigprocmask: %m");
    change(SIG_UNBLOCK, heard);
    change(SIG_UNBLOCK, let_through);
    /* With an inherited SIG_IGN, the kernel would reap our children. */
    (void)signal(SIGCHLD, SIG_DFL);
}

void signals_hold(void)
{
    change(SIG_BLOCK, heard);
}

int signals_open(void)
{
    sigset_t set = set_of(heard);

    /* With an inherited SIG_IGN, a signal would never come. */
    for (const int *each = heard; *each != 0; each++)
        (void)signal(*each, SIG_DFL);
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
    const int signals[] = {signal_number, 0};

    (void)signal(signal_number, SIG_DFL);
    /* Pending until it is unblocked.  Not raise(3): in a clone(2) some libcs take the parent for
     * this process (standby.c). */
    (void)syscall(SYS_tgkill, getpid(), getpid(), signal_number);
    change(SIG_UNBLOCK, signals);
    _exit(128 + signal_number); /* the first process of a namespace survives it (signal(7)) */
}
