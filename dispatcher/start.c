#include "dispatcher/start.h"

#include "dispatcher/children.h"
#include "dispatcher/clock.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/workers.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

/* Milliseconds.  The first exceeds the tick of most kernels: an earlier timer needs the hardware,
 * which is expensive in a virtual machine. */
enum { LOOK_FIRST = 5, LOOK_LONGEST = 80 };

static struct start {
    int32_t process;       /* 0: no start is under way in this slot */
    bool is_new;           /* it was cloned for this client, and its place in spawn.h is in use */
    bool waits;            /* the next start_collect() leaves it alone */
    struct worker *worker; /* NULL: a handler for one client */
    uint64_t cloned;       /* clock_microseconds() when it was cloned, or got the client */
    struct message_header request;
} starts[PROTOCOL_SLOTS];

static unsigned count;
static int look_again = LOOK_FIRST;

static bool is_over(unsigned slot)
{
    return !starts[slot].is_new || spawn_is_over(slot);
}

static int error_of(unsigned slot)
{
    return starts[slot].is_new ? spawn_error(slot) : 0;
}

/* Forgets a start; its child has left this memory, or is dead. */
static void take_out(unsigned slot)
{
    if (starts[slot].is_new)
        spawn_forget(slot); /* after a core dump the kernel does not */
    starts[slot].process = 0;
    count--;
    look_again = LOOK_FIRST;
}

static void answer_started(unsigned slot)
{
    union message answer = reply_to(&starts[slot].request, MESSAGE_STARTED);
    uint64_t age = clock_microseconds() - starts[slot].cloned;

    answer.started.process = starts[slot].process;
    answer.started.age = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
    if (starts[slot].worker != NULL)
        workers_settle(starts[slot].worker);
    take_out(slot);
    reply_send(&answer, NULL);
}

/* Forgets a child whose exec failed; it was reaped, and no client waits for its end. */
static void drop_failed(unsigned slot)
{
    children_remove(starts[slot].process);
    take_out(slot);
}

/* Answers the start of a worker whose exec failed; the child is dead, and has left the client in
 * its socket. */
static void answer_failed(unsigned slot, int error)
{
    union message answer = reply_to(&starts[slot].request, MESSAGE_FAILED);
    int client = workers_take_back(starts[slot].worker);

    if (client < 0)
        log_die(1, "dispatcher: cannot take a client back from process %d, whose exec failed: %m",
                starts[slot].process);
    answer.failed.error = error;
    drop_failed(slot);
    reply_send(&answer, &client);
    release(client);
}

/* Ends a start whose exec failed; the child is dead.  If the child was killed, only the supervisor
 * can find out whether it sent FAILED, and only after the end of this process. */
static void judge_failed(unsigned slot, int status)
{
    if (starts[slot].worker != NULL) {
        answer_failed(slot, error_of(slot));
        return;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != SPAWN_FAILED)
        log_die(1, "dispatcher: process %d ended before it could report that its exec failed",
                starts[slot].process);
    drop_failed(slot);
}

/* Reaps a child that is about to end: this does not wait long, and cannot fail. */
static int await_end(unsigned slot)
{
    int status = 0;

    while (waitpid(starts[slot].process, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* A child whose exec failed has sent FAILED itself, so the supervisor may reuse the slot while the
 * child still exists, stopped perhaps: kills it.  Returns false if the slot is in use. */
static bool is_free(unsigned slot)
{
    if (starts[slot].process == 0)
        return true;
    if (starts[slot].worker != NULL || spawn_error(slot) == 0)
        return false;
    (void)kill(starts[slot].process, SIGKILL); /* a child that has not been reaped */
    (void)await_end(slot);                     /* its FAILED has arrived, however it ends */
    drop_failed(slot);
    return true;
}

/* Starts a handler for one client.  Returns false with errno. */
static bool begin_handler(const struct spawn_command *command, struct ledger *ledger,
                          const struct message_start *request, int client, struct start *start)
{
    const unsigned slot = request->slot;

    oom_expose();
    start->process = spawn_begin(command, slot, environment_for(request, client), client,
                                 &request->header, &ledger->slots[slot]);
    start->is_new = true;
    return start->process >= 0;
}

/* Gives a client to an idle worker, or else to a new one.  Returns false with errno. */
static bool begin_worker(struct ledger *ledger, const struct message_start *request, int client,
                         struct start *start)
{
    char block[ENVIRONMENT_BLOCK];
    size_t length = environment_block(request, client, block);

    start->worker = workers_give(ledger, request->slot, block, length, client);
    start->waits = start->worker != NULL;
    if (start->worker == NULL && errno == EAGAIN) {
        oom_expose();
        start->worker = workers_begin(ledger, request->slot, block, length, client);
        start->is_new = true;
    }
    if (start->worker == NULL)
        return false;
    start->process = workers_process(start->worker);
    return true;
}

void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client)
{
    const unsigned slot = request->slot;
    struct start start = {.request = request->header};

    if (slot >= PROTOCOL_SLOTS || !is_free(slot)) {
        log_error(
            "dispatcher: the supervisor sent START for slot %u, which is not free: ignoring it",
            slot);
        return;
    }
    if (children_reserve() != 0 ||
        !(command->setup->persistent != 0
              ? begin_worker(ledger, request, client, &start)
              : begin_handler(command, ledger, request, client, &start))) {
        union message answer = reply_to(&request->header, MESSAGE_FAILED);

        answer.failed.error = errno;
        reply_send(&answer, &client);
        return;
    }
    start.cloned = clock_microseconds();
    starts[slot] = start;
    count++;
    look_again = LOOK_FIRST;
    /* Now, because the child may be reaped before its exec is noticed. */
    children_add((struct child_record){.process = start.process,
                                       .client = request->header.client,
                                       .ticket = request->header.ticket});
}

/* A client of an idle worker may be served in a moment: then STARTED and EXITED are one packet. */
static bool may_wait(unsigned slot)
{
    bool waits = starts[slot].waits && count < PROTOCOL_SLOTS / 2;

    starts[slot].waits = false;
    return waits;
}

void start_collect(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process == 0 || !is_over(slot) || may_wait(slot))
            continue;
        if (error_of(slot) == 0)
            answer_started(slot);
        else
            judge_failed(slot, await_end(slot));
    }
}

int start_timeout(void)
{
    return count == 0 ? -1 : look_again;
}

void start_rest(void)
{
    look_again = look_again < LOOK_LONGEST ? 2 * look_again : LOOK_LONGEST;
}

bool start_is_under_way(int32_t process)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (starts[slot].process == process)
            return true;
    return false;
}

void start_end_failed(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (starts[slot].process != 0 && error_of(slot) != 0)
            judge_failed(slot, await_end(slot));
}

void start_reaped(int32_t process, int status)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process != process)
            continue;
        if (error_of(slot) == 0)
            answer_started(slot);
        else
            judge_failed(slot, status);
    }
}

bool start_settle(int32_t process)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process != process)
            continue;
        if (!is_over(slot) || error_of(slot) != 0)
            return false;
        answer_started(slot);
    }
    return true;
}
