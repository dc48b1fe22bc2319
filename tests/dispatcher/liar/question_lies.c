#include "tests/dispatcher/liar/lies.h"

#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"
#include "tests/dispatcher/liar/truth.h"

#include <errno.h>

static void signalled_otherwise(void)
{
    say_signalled(liar.request.signal.adopted == 0);
}

static void signalled_twice(void)
{
    say_signalled(liar.request.signal.adopted);
    say_signalled(liar.request.signal.adopted);
}

static void pong_twice(void)
{
    say_pong();
    say_pong();
    stay();
}

static void pong_otherwise(void)
{
    say_content(PROTOCOL_FILE_ACCESS, EIO, -1);
    stay();
}

const struct lie question_lies[] = {
    {"signalled-otherwise", MESSAGE_SIGNAL, signalled_otherwise},
    {"signalled-twice", MESSAGE_SIGNAL, signalled_twice},
    {"pong-twice", MESSAGE_PING, pong_twice},
    {"pong-otherwise", MESSAGE_PING, pong_otherwise},
    {"pong-never", MESSAGE_PING, stay},
    {NULL, 0, NULL},
};
