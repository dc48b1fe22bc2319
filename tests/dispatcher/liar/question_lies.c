#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/truth.h"

static void signalled_twice(void)
{
    say_signalled();
    say_signalled();
    stay();
}

static void signalled_falsely(void)
{
    say_signalled();
}

static void pong_twice(void)
{
    say_pong();
    say_pong();
    stay();
}

static void pong_otherwise(void)
{
    say_signalled();
    stay();
}

const struct lie question_lies[] = {
    {"signalled-twice", MESSAGE_SIGNAL, signalled_twice},
    {"signalled-falsely", MESSAGE_SIGNAL, signalled_falsely},
    {"signalled-never", MESSAGE_SIGNAL, stay},
    {"pong-twice", MESSAGE_PING, pong_twice},
    {"pong-otherwise", MESSAGE_PING, pong_otherwise},
    {"pong-never", MESSAGE_PING, stay},
    {NULL, 0, NULL},
};
