#include "tests/dispatcher/liar/lies.h"

#include "dispatcher/successor.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/surroundings.h"
#include "tests/dispatcher/liar/truth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static void forked_supervisor(void)
{
    say_forked(getppid(), 0);
}

static void forked_dispatcher(void)
{
    say_forked(other_dispatcher(), 0);
}

static void forked_bystander(void)
{
    say_forked(bystander(), 0);
}

static void forked_both(void)
{
    say_forked(fork_truly(), EAGAIN);
    stay();
}

static void forked_neither(void)
{
    (void)fork_truly();
    say_forked(0, 0);
    stay();
}

static void forked_twice(void)
{
    int32_t process = fork_truly();

    say_forked(process, 0);
    say_forked(process, 0);
    stay();
}

/* Never forks any; ends when it is asked for something else. */
static void forked_never(void)
{
    while (liar.request.header.type == MESSAGE_FORK) {
        say_forked(-1, EAGAIN);
        for (int i = 0; i < 2; i++)
            (void)close(liar.given[i]);
        receive();
    }
    exit(0);
}

/* Can be given no descriptors. */
static void forked_deaf(void)
{
    refuse_rights();
    forked_never();
}

/* Says that there is none when that one has work already. */
static void forked_none(void)
{
    (void)fork_truly();
    pause_for(200);
    say_forked(0, EAGAIN);
}

static void forked_another(void)
{
    (void)fork_truly();
    pause_for(200);
    say_forked(other_dispatcher(), 0);
}

static void forked_dead(void)
{
    int32_t process = successor_fork();

    if (process == 0)
        _exit(0);
    say_forked(process, 0);
}

static void successor_lies(int32_t process, int times)
{
    int32_t successor = successor_fork();

    if (successor == 0) {
        become_successor();
        (void)fcntl(PROTOCOL_SOCKET, F_SETOWN, getpid());
        for (int i = 0; i < times; i++)
            say_ready(process == 0 ? (int32_t)getpid() : process);
        stay();
    }
    for (int i = 0; i < 2; i++)
        (void)close(liar.given[i]);
    pause_for(50);
    say_forked(successor, 0);
}

static void successor_ready_other(void)
{
    successor_lies(getpid(), 1);
}

static void successor_ready_twice(void)
{
    successor_lies(0, 2);
}

const struct lie fork_lies[] = {
    {"forked-supervisor", MESSAGE_FORK, forked_supervisor},
    {"forked-dispatcher", MESSAGE_FORK, forked_dispatcher},
    {"forked-bystander", MESSAGE_FORK, forked_bystander},
    {"forked-both", MESSAGE_FORK, forked_both},
    {"forked-neither", MESSAGE_FORK, forked_neither},
    {"forked-twice", MESSAGE_FORK, forked_twice},
    {"forked-none", MESSAGE_FORK, forked_none},
    {"forked-never", MESSAGE_FORK, forked_never},
    {"forked-deaf", MESSAGE_FORK, forked_deaf},
    {"forked-another", MESSAGE_FORK, forked_another},
    {"forked-dead", MESSAGE_FORK, forked_dead},
    {"successor-ready-other", MESSAGE_FORK, successor_ready_other},
    {"successor-ready-twice", MESSAGE_FORK, successor_ready_twice},
    {NULL, 0, NULL},
};
