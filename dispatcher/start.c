#include "dispatcher/start.h"

#include "dispatcher/children.h"
#include "dispatcher/environment.h"
#include "dispatcher/log.h"
#include "dispatcher/oom.h"
#include "dispatcher/reply.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static struct start {
    int32_t process; /* 0: none is under way in this slot */
    bool hangs;      /* it takes longer than any sound exec */
    struct message_header request;
} starts[PROTOCOL_SLOTS];

static unsigned count;
static int look_again = 1; /* milliseconds, as all hang; more and more while nothing happens */

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
        process =
            spawn_begin(command, request->slot, environment_for(request, client), client, slot);
    if (process < 0) {
        reply_failed(&request->header, errno);
        return;
    }
    *start = (struct start){.process = process, .request = request->header};
    count++;
    children_add((struct child_record){
        .process = process, .client = request->header.client, .ticket = request->header.ticket});
}

void start_begin(const struct spawn_command *command, struct ledger *ledger,
                 const struct message_start *request, int client)
{
    if (request->slot >= PROTOCOL_SLOTS || is_under_way(request->slot)) {
        log_error("dispatcher: refused a request for slot %u", request->slot);
    } else {
        oom_expose();
        clone_handler(command, &ledger->slots[request->slot], request, client);
    }
    /* Before the answer: the client must see the end of the connection when its handler closes it,
     * and the supervisor closes its own copy at STARTED.  Nothing can be lost by close(2) here. */
    (void)close(client);
}

/* `reaped`: it has ended, and is not to be waited for any more. */
static void finish(unsigned slot, bool reaped)
{
    struct start start = starts[slot];
    struct child_record child;
    int error = spawn_error(slot);

    starts[slot].process = 0;
    count--;
    look_again = 1;
    if (error == 0) {
        reply_started(&start.request, start.process);
        return;
    }
    /* It has called _exit(): this does not wait long, and cannot fail for a child of ours. */
    while (!reaped && waitpid(start.process, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)children_remove(start.process, &child); /* it is there */
    reply_failed(&start.request, error);
}

void start_collect(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (is_under_way(slot) && spawn_is_over(slot))
            finish(slot, false);
}

/* One that does not hang; NULL if there is none. */
static struct start *lively(void)
{
    for (unsigned slot = 0; count > 0 && slot < PROTOCOL_SLOTS; slot++)
        if (is_under_way(slot) && !starts[slot].hangs)
            return &starts[slot];
    return NULL;
}

int start_timeout(void)
{
    if (count == 0)
        return -1;
    return lively() == NULL ? look_again : 0;
}

void start_await(void)
{
    enum { LONGEST = 64 };
    struct start *start = lively();

    if (start != NULL)
        start->hangs = !spawn_await((unsigned)(start - starts));
    else
        look_again = look_again < LONGEST ? 2 * look_again : LONGEST;
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
    for (unsigned slot = 0; slot < PROTOCOL_SLOTS; slot++) {
        starts[slot].process = 0;
        spawn_forget(slot);
    }
    count = 0;
}
