#include "dispatcher/start.h"

#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/oom.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* Milliseconds.  The first exceeds the tick of most kernels: an earlier timer needs the hardware,
 * which is expensive in a virtual machine. */
enum { LOOK_FIRST = 5, LOOK_LONGEST = 80 };

static struct start {
    int32_t process; /* 0: no start is under way in this slot */
    uint64_t cloned; /* microseconds() at the clone */
    struct message_header request;
} starts[PROTOCOL_SLOTS];

static unsigned count;
static int look_again = LOOK_FIRST;

static uint64_t microseconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        log_bug("dispatcher: clock_gettime: %m");
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Forgets a start; its child has left this memory, or is dead. */
static void take_out(unsigned slot)
{
    spawn_forget(slot); /* after a core dump the kernel does not */
    starts[slot].process = 0;
    count--;
    look_again = LOOK_FIRST;
}

static void answer_started(unsigned slot)
{
    union message answer = reply_to(&starts[slot].request, MESSAGE_STARTED);
    uint64_t age = microseconds() - starts[slot].cloned;

    answer.started.process = starts[slot].process;
    answer.started.age = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
    take_out(slot);
    reply_send(&answer, NULL);
}

/* Forgets a child whose exec failed; it was reaped, and no client waits for its end. */
static void drop_failed(unsigned slot)
{
    children_remove(starts[slot].process);
    take_out(slot);
}

/* Ends a start whose exec failed; the child is dead.  If the child was killed, only the supervisor
 * can find out whether it sent FAILED, and only after the end of this process. */
static void judge_failed(unsigned slot, int status)
{
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
    if (spawn_error(slot) == 0)
        return false;
    (void)kill(starts[slot].process, SIGKILL); /* a child that has not been reaped */
    (void)await_end(slot);                     /* its FAILED has arrived, however it ends */
    drop_failed(slot);
    return true;
}

void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client)
{
    const unsigned slot = request->slot;
    int32_t process = -1;

    if (slot >= PROTOCOL_SLOTS || !is_free(slot)) {
        log_error(
            "dispatcher: the supervisor sent START for slot %u, which is not free: ignoring it",
            slot);
        return;
    }
    oom_expose();
    if (children_reserve() == 0)
        process = spawn_begin(command, slot, environment_for(request, client), client,
                              &request->header, &ledger->slots[slot]);
    if (process < 0) {
        union message answer = reply_to(&request->header, MESSAGE_FAILED);

        answer.failed.error = errno;
        reply_send(&answer, &client);
        return;
    }
    starts[slot] =
        (struct start){.process = process, .cloned = microseconds(), .request = request->header};
    count++;
    look_again = LOOK_FIRST;
    /* Now, because the child may be reaped before its exec is noticed. */
    children_add((struct child_record){
        .process = process, .client = request->header.client, .ticket = request->header.ticket});
}

void start_collect(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process == 0 || !spawn_is_over(slot))
            continue;
        if (spawn_error(slot) == 0)
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
        if (starts[slot].process != 0 && spawn_error(slot) != 0)
            judge_failed(slot, await_end(slot));
}

void start_reaped(int32_t process, int status)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process != process)
            continue;
        if (spawn_error(slot) == 0)
            answer_started(slot);
        else
            judge_failed(slot, status);
    }
}
