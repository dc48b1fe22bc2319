#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/truth.h"

#include <stdint.h>
#include <stdlib.h>

static void exit_unready(void)
{
    exit(3);
}

static void exited_unready(void)
{
    say_exited(0, 0);
    stay();
}

static void signalled_unready(void)
{
    say_signalled();
    stay();
}

static void noise_unready(void)
{
    static const char noise[300] = "noise";

    say_raw(noise, sizeof(noise), -1, 0);
    stay();
}

const struct lie ready_lies[] = {
    {"honest", MESSAGE_READY, NULL},
    {"never-ready", MESSAGE_READY, stay},
    {"exit-unready", MESSAGE_READY, exit_unready},
    {"exited-unready", MESSAGE_READY, exited_unready},
    {"signalled-unready", MESSAGE_READY, signalled_unready},
    {"noise-unready", MESSAGE_READY, noise_unready},
    {NULL, 0, NULL},
};
