#include "dispatcher/shared/interrupter.h"

#include "dispatcher/shared/log.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Some libcs lack it.  Processors with numbers of their own for such options have another one. */
#if !defined(SO_PASSRIGHTS) && defined(SO_COOKIE) && SO_COOKIE == 57
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h */
#endif

void interrupter_refuse_descriptors(int descriptor)
{
#ifdef SO_PASSRIGHTS
    const int refuse = 0;

    /* An older kernel does not know it: interrupter_is_needed() says so. */
    (void)setsockopt(descriptor, SOL_SOCKET, SO_PASSRIGHTS, &refuse, sizeof(refuse));
#else
    (void)descriptor;
#endif
}

bool interrupter_is_needed(int descriptor)
{
#ifdef SO_PASSRIGHTS
    int accepts = 1;
    socklen_t length = sizeof(accepts);

    return getsockopt(descriptor, SOL_SOCKET, SO_PASSRIGHTS, &accepts, &length) != 0 ||
           accepts != 0;
#else
    (void)descriptor;
    return true;
#endif
}

static void do_nothing(int signal_number)
{
    (void)signal_number;
}

void interrupter_prepare(bool on)
{
    const struct sigaction action = {.sa_handler = on ? do_nothing : SIG_DFL};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGALRM);
    if ((!on && sigprocmask(SIG_BLOCK, &set, NULL) != 0) ||
        sigaction(SIGALRM, &action, NULL) != 0 || (on && sigprocmask(SIG_UNBLOCK, &set, NULL) != 0))
        log_bug("cannot change how SIGALRM is taken: %m");
}

static void set_period(int microseconds)
{
    const struct itimerval timer = {.it_interval.tv_usec = microseconds,
                                    .it_value.tv_usec = microseconds};

    if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
        log_bug("setitimer: %m");
}

void interrupter_begin(void)
{
    set_period(INTERRUPTER_PERIOD);
}

void interrupter_end(void)
{
    set_period(0);
}
