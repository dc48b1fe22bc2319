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

/* Returns UINT32_MAX for every longer age. */
static uint32_t age_of(const struct start *start)
{
    uint64_t age = microseconds() - start->cloned;

    return age > UINT32_MAX ? UINT32_MAX : (uint32_t)age;
}

bool start_is_idle(void)
{
    return count == 0;
}

/* Adds the child to the table before its exec, because it may be reaped before the exec is noticed.
 */
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

/* Ends a start whose exec failed; the child is dead.  If the child was killed, only the supervisor
 * can find out whether it sent FAILED, and only after the end of this process. */
static void judge_failed(unsigned slot, int status)
{
    struct child_record child;

    if (!WIFEXITED(status) || WEXITSTATUS(status) != SPAWN_FAILED)
        log_die(1, "dispatcher: process %d ended before it could report that its exec failed",
                starts[slot].process);
    (void)children_remove(starts[slot].process, &child); /* always present */
    take_out(slot);
}

/* Ends a start whose child has left this memory. */
static void finish(unsigned slot)
{
    const int32_t process = starts[slot].process;
    int status = 0;

    if (spawn_error(slot) == 0) {
        take_out(slot);
        reply_started(&starts[slot].request, process, age_of(&starts[slot]));
        return;
    }
    /* The child is about to end: this does not wait long, and cannot fail. */
    while (waitpid(process, &status, 0) < 0 && errno == EINTR)
        ;
    judge_failed(slot, status);
}

/* A child whose exec failed has sent FAILED itself, so the supervisor may reuse the slot while the
 * child still exists, stopped perhaps: kills it.  Returns false if the slot is in use. */
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
        log_error(
            "dispatcher: the supervisor sent START for slot %u, which is not free: ignoring it",
            request->slot);
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
        spawn_forget(slot); /* the kernel does not clear it after a core dump */
        if (spawn_error(slot) == 0)
            finish(slot);
        else
            judge_failed(slot, status);
    }
}

void start_forget(void)
{
    /* Writing to the free places would allocate their memory. */
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        if (!is_under_way(slot))
            continue;
        starts[slot].process = 0;
        spawn_forget(slot);
    }
    count = 0;
}
