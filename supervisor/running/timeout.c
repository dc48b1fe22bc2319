#include "supervisor/running/timeout.h"

#include "supervisor/base/stores.h"

#include <signal.h>
#include <stddef.h>

static struct client *owner(struct list_entry *entry)
{
    return entry == NULL
               ? NULL
               : (struct client *)(void *)((char *)entry - offsetof(struct client, arrival));
}

void timeouts_open(struct timeouts *timeouts, uint64_t timeout, uint64_t kill_after)
{
    *timeouts = (struct timeouts){.timeout = timeout, .kill_after = kill_after};
    for (int phase = 0; phase < TIMEOUT_PHASES; phase++)
        list_open(&timeouts->queues[phase]);
}

/* A dispatcher may report a start when others have reported later ones. */
void timeouts_begin(struct timeouts *timeouts, struct client *client)
{
    struct list *queue = &timeouts->queues[TIMEOUT_RUNNING];
    struct list_entry *before = list_last(queue);

    client->timed = timeouts->timeout == 0 ? TIMEOUT_NONE : TIMEOUT_RUNNING;
    if (client->timed == TIMEOUT_NONE)
        return;
    while (before != NULL && owner(before)->started > client->started)
        before = list_previous(queue, before);
    list_insert(queue, before, &client->arrival);
}

void timeouts_recall(struct timeouts *timeouts, struct client *client)
{
    struct list *queue = &timeouts->queues[TIMEOUT_TERMINATED];
    struct list_entry *before = list_last(queue);

    if (client->signal == SIGKILL) {
        client->timed = TIMEOUT_NONE;
        return;
    }
    if (client->signal == 0) {
        timeouts_begin(timeouts, client);
        return;
    }
    client->timed = TIMEOUT_TERMINATED; /* the earlier supervisor may not have come to that */
    while (before != NULL && owner(before)->terminated > client->terminated)
        before = list_previous(queue, before);
    list_insert(queue, before, &client->arrival);
}

void timeouts_end(struct timeouts *timeouts, struct client *client)
{
    if (client->timed != TIMEOUT_NONE)
        list_remove(&timeouts->queues[client->timed], &client->arrival);
    client->timed = TIMEOUT_NONE;
}

/* Returns when the time of the first client in a list is over, and the client; 0: it is empty. */
static uint64_t first_end(const struct timeouts *timeouts, enum timeout_phase phase,
                          struct client **client)
{
    *client = owner(list_first(&timeouts->queues[phase]));
    if (*client == NULL)
        return 0;
    return phase == TIMEOUT_RUNNING ? (*client)->started + timeouts->timeout
                                    : (*client)->terminated + timeouts->kill_after;
}

/* In this order: the next supervisor must find the time of a signal that is due. */
void timeouts_terminate(struct timeouts *timeouts, struct client *client, uint64_t now)
{
    timeouts_end(timeouts, client);
    client->terminated = now;
    stores_settle();
    client->signal = SIGTERM;
    stores_settle();
    client->timed = TIMEOUT_TERMINATED;
    list_append(&timeouts->queues[TIMEOUT_TERMINATED], &client->arrival);
}

struct client *timeouts_next(struct timeouts *timeouts, uint64_t now)
{
    struct client *client;

    if (first_end(timeouts, TIMEOUT_TERMINATED, &client) <= now && client != NULL) {
        client->signal = SIGKILL;
        stores_settle();
        timeouts_end(timeouts, client);
        return client;
    }
    if (first_end(timeouts, TIMEOUT_RUNNING, &client) > now || client == NULL)
        return NULL;
    timeouts_terminate(timeouts, client, now);
    return client;
}

uint64_t timeouts_deadline(const struct timeouts *timeouts)
{
    struct client *client;
    uint64_t to_kill = first_end(timeouts, TIMEOUT_TERMINATED, &client);
    uint64_t to_terminate = first_end(timeouts, TIMEOUT_RUNNING, &client);

    if (to_kill == 0 || to_terminate == 0)
        return to_kill + to_terminate;
    return to_kill < to_terminate ? to_kill : to_terminate;
}
