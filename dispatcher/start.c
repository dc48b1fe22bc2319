#include "dispatcher/start.h"

#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/log.h"
#include "dispatcher/oom.h"
#include "dispatcher/reply.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_FIRST = 1, LOOK_LONGEST = 64 /* milliseconds */ };

static struct start {
    int32_t process; /* 0: none is under way in this slot */
    struct message_header request;
} starts[PROTOCOL_SLOTS];

static unsigned count;
static int look_again = LOOK_FIRST;

static bool is_under_way(unsigned slot)
{
    return starts[slot].process != 0;
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
    *start = (struct start){.process = process, .request = request->header};
    count++;
    look_again = LOOK_FIRST;
    children_add((struct child_record){
        .process = process, .client = request->header.client, .ticket = request->header.ticket});
}

/* `reaped`: it has ended, and is not to be waited for any more. */
static void finish(unsigned slot, bool reaped)
{
    struct start start = starts[slot];
    struct child_record child;

    starts[slot].process = 0;
    count--;
    look_again = LOOK_FIRST;
    if (spawn_error(slot) == 0) {
        reply_started(&start.request, start.process);
        return;
    }
    /* It has said FAILED, and called _exit(): this does not wait long, and cannot fail for a child
     * of ours. */
    while (!reaped && waitpid(start.process, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)children_remove(start.process, &child); /* it is there */
}

/* Whose exec has failed has said so itself: the supervisor may give its slot to another before it
 * is gone. */
static bool is_free(unsigned slot)
{
    while (is_under_way(slot) && spawn_error(slot) != 0)
        if (spawn_await(slot))
            finish(slot, false);
    return !is_under_way(slot);
}

void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client)
{
    if (request->slot >= PROTOCOL_SLOTS || !is_free(request->slot)) {
        log_error("dispatcher: refused a request for slot %u", request->slot);
    } else {
        oom_expose();
        clone_handler(command, &ledger->slots[request->slot], request, client);
    }
    (void)close(client); /* the packet that brought it, and the child, have their own */
}

void start_collect(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (is_under_way(slot) && spawn_is_over(slot))
            finish(slot, false);
}

int start_timeout(void)
{
    return count == 0 ? -1 : look_again;
}

void start_rest(void)
{
    look_again = look_again < LOOK_LONGEST ? 2 * look_again : LOOK_LONGEST;
}

void start_reaped(int32_t process)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (starts[slot].process == process) {
            spawn_forget(slot); /* a core dump keeps the kernel from saying that it is over */
            finish(slot, true);
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
