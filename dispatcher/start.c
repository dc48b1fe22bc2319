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

/* Milliseconds.  The first is longer than between two ticks of most kernels, so that poll(2) need
 * not set up a nearer timer in hardware each time, which is dear on a virtual machine. */
enum { LOOK_FIRST = 5, LOOK_LONGEST = 80 };

static struct start {
    int32_t process; /* 0: none is under way in this slot */
    uint64_t cloned; /* of microseconds() */
    struct message_header request;
} starts[PROTOCOL_SLOTS];

static unsigned count;
static int look_again = LOOK_FIRST;

static bool is_under_way(unsigned slot)
{
    return starts[slot].process != 0;
}

static uint64_t microseconds(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        log_bug("dispatcher: clock_gettime: %m");
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* A longer one than can be told is told as the longest. */
static uint32_t age_of(const struct start *start)
{
    uint64_t age = microseconds() - start->cloned;

    return age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

bool start_is_idle(void)
{
    return count == 0;
}

/* The child is entered before its exec: it may end, and be reaped, before that is known. */
static void clone_handler(const struct spawn_command *command, struct ledger_slot *slot,
                          const struct message_start *request, int client)
{
    struct start *start = &starts[request->slot];
    int32_t process = -1;

    if (children_reserve() == 0)
        process = spawn_begin(command, request->slot, environment_for(request, client), client,
                              &request->header, slot);
    if (process < 0) {
        reply_failed(&request->header, errno, client);
        return;
    }
    *start =
        (struct start){.process = process, .cloned = microseconds(), .request = request->header};
    count++;
    look_again = LOOK_FIRST;
    children_add((struct child_record){
        .process = process, .client = request->header.client, .ticket = request->header.ticket});
}

static void take_out(unsigned slot)
{
    starts[slot].process = 0;
    count--;
    look_again = LOOK_FIRST;
}

/* The child could not be executed, and has ended.  Whether one that was killed had said FAILED by
 * then cannot be known here; but the supervisor can know, once this process is dead. */
static void judge_failed(unsigned slot, int status)
{
    struct child_record child;

    if (!WIFEXITED(status) || WEXITSTATUS(status) != SPAWN_FAILED)
        log_die(1, "dispatcher: process %d ended before it could say that it is no handler",
                starts[slot].process);
    (void)children_remove(starts[slot].process, &child); /* it is there */
    take_out(slot);
}

/* It has left this memory. */
static void finish(unsigned slot)
{
    const int32_t process = starts[slot].process;
    int status = 0;

    if (spawn_error(slot) == 0) {
        take_out(slot);
        reply_started(&starts[slot].request, process, age_of(&starts[slot]));
        return;
    }
    /* It is about to end: this does not wait long, and cannot fail for a child of ours. */
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        ;
    judge_failed(slot, status);
}

/* Whose exec has failed has said so itself: the supervisor may give its slot to another before it
 * is gone.  It might have been stopped. */
static bool is_free(unsigned slot)
{
    struct child_record child;

    if (!is_under_way(slot))
        return true;
    if (spawn_error(slot) == 0)
        return false;
    (void)kill(starts[slot].process, SIGKILL); /* a child that has not been reaped */
    while (waitpid(starts[slot].process, NULL, 0) < 0 && errno == EINTR)
        ;
    spawn_forget(slot);
    (void)children_remove(starts[slot].process, &child);
    take_out(slot);
    return true;
}

void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client)
{
    if (request->slot >= PROTOCOL_SLOTS || !is_free(request->slot)) {
        log_error("dispatcher: refused a request for slot %u", request->slot);
        return;
    }
    oom_expose();
    clone_handler(command, &ledger->slots[request->slot], request, client);
}

void start_collect(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (is_under_way(slot) && spawn_is_over(slot))
            finish(slot);
}

int start_timeout(void)
{
    return count == 0 ? -1 : look_again;
}

void start_rest(void)
{
    look_again = look_again < LOOK_LONGEST ? 2 * look_again : LOOK_LONGEST;
}

void start_reaped(int32_t process, int status)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++) {
        if (starts[slot].process != process)
            continue;
        spawn_forget(slot); /* a core dump keeps the kernel from saying that it is over */
        if (spawn_error(slot) == 0)
            finish(slot);
        else
            judge_failed(slot, status);
    }
}

void start_forget(void)
{
    /* To write to those that are free would only take memory, of which each stack is a page. */
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        if (!is_under_way(slot))
            continue;
        starts[slot].process = 0;
        spawn_forget(slot);
    }
    count = 0;
}
