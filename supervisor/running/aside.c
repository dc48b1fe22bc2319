#include "supervisor/running/aside.h"

#include "supervisor/base/loop.h"

#include <errno.h>

enum {
    TRIES = 3,
    FIRST = 100 * LOOP_MILLISECOND,
    LONGEST = 5 * LOOP_SECOND,
    AT_ONCE = 256 /* failed starts in a pause: each costs a process */
};

/* A handler's environment has the client's addresses. */
bool aside_concerns(int error)
{
    return error == E2BIG;
}

static void begin_pause(struct aside *aside, uint64_t now)
{
    uint64_t longer = 2 * aside->pause < LONGEST ? 2 * aside->pause : LONGEST;

    aside->pause = aside->started || aside->pause == 0 ? FIRST : longer;
    aside->until = now + aside->pause;
    aside->started = false;
    aside->failed = 0;
}

bool aside_failed(struct aside *aside, const struct clients *clients, struct client *client,
                  uint64_t now)
{
    if (clients_fail(clients, client) >= TRIES)
        return true;
    if (now >= aside->until)
        begin_pause(aside, now);
    aside->failed++;
    return false;
}

/* After a longer pause, nobody could be started: those that stepped aside come first now. */
void aside_started(struct aside *aside, uint64_t now)
{
    if (!aside->started && aside->pause > FIRST && now < aside->until)
        aside->until = now;
    aside->started = true;
}

/* While other clients have not been tried, and no handler was started, they come first. */
void aside_advance(struct aside *aside, struct clients *clients, uint64_t now)
{
    if (now >= aside->until && (aside->started || clients->order.startable == 0))
        clients_rejoin(clients);
}

bool aside_holds(const struct aside *aside, uint64_t now)
{
    return !aside->started && aside->failed >= AT_ONCE && now < aside->until;
}

uint64_t aside_deadline(const struct aside *aside, uint64_t now)
{
    return now < aside->until ? aside->until : 0;
}
