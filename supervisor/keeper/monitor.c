#include "supervisor/keeper/monitor.h"

#include "dispatcher/shared/interrupter.h"
#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/keeper/children.h"
#include "supervisor/keeper/control_groups.h"
#include "supervisor/keeper/reader.h"
#include "supervisor/keeper/reopen.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { READ_WITHIN = 10 * LOOP_SECOND, REQUESTS_AT_ONCE = 64 };

static struct keeper_dispatcher *dispatcher_of(struct keeper *keeper,
                                               const struct link_message *request)
{
    struct keeper_dispatcher *dispatcher;

    if (request->index >= keeper->count)
        return NULL;
    dispatcher = &keeper->dispatchers[request->index];
    return dispatcher->process != 0 && dispatcher->generation == request->generation ? dispatcher
                                                                                     : NULL;
}

static void carry_out_kill(struct keeper *keeper, const struct link_message *request)
{
    struct keeper_dispatcher *dispatcher = dispatcher_of(keeper, request);

    if (dispatcher == NULL)
        return; /* it has died meanwhile */
    dispatcher->gave_way = request->value != 0;
    (void)kill(dispatcher->process, SIGKILL); /* a child that was not reaped */
}

static void carry_out_adopt(struct keeper *keeper, const struct link_message *request)
{
    pid_t process = request->process;

    if (!children_is_ours(keeper, process) && children_has(P_PID, process) &&
        (getsid(process) == process ||
         (!children_is_dead(process) &&
          awaited_add(&keeper->adopted, process, request->generation))))
        return;                                                 /* its end will be reported */
    children_report_none(keeper, process, request->generation); /* without memory, a little early */
}

static void carry_out_signal(struct keeper *keeper, const struct link_message *request)
{
    if ((request->value != SIGTERM && request->value != SIGKILL) ||
        children_is_ours(keeper, request->process))
        log_error("the supervisor asked for signal %d to process group %d: ignoring it",
                  request->value, request->process);
    else if (children_has(P_PGID, request->process) && kill(-request->process, request->value) != 0)
        log_warning("cannot send signal %d to process group %d: %m", request->value,
                    request->process);
    children_look_at_group(keeper, request->process);
}

static void carry_out_group(struct keeper *keeper, const struct link_message *request)
{
    if (children_has(P_PGID, request->process) && awaited_add(&keeper->groups, request->process, 0))
        return;
    /* Without memory, the client ends a little early. */
    outbox_add(&keeper->outbox,
               (struct link_message){.type = LINK_EMPTY, .process = request->process}, NULL);
}

static void carry_out_read(struct keeper *keeper, const struct link_message *request)
{
    const char *path =
        request->index < OPTIONS_FILES ? keeper->options->files[request->index] : NULL;
    struct link_message answer = {.type = LINK_CONTENT, .index = request->index, .value = EINVAL};

    if (path != NULL && reader_start(keeper, request->index) == 0) {
        keeper->reading.deadline = keeper->loop.now + READ_WITHIN;
        return;
    }
    if (path != NULL)
        answer.value = errno;
    outbox_add(&keeper->outbox, answer, NULL);
}

static void carry_out_publish(struct keeper *keeper, const struct link_message *request)
{
    (void)request; /* it names nothing */
    outbox_add(
        &keeper->outbox,
        (struct link_message){.type = LINK_PUBLISHED, .value = files_publish(&keeper->files)},
        NULL);
}

static void carry_out_lend(struct keeper *keeper, const struct link_message *request)
{
    if (!files_lend(&keeper->files, request->index, request->value != 0))
        log_error("the supervisor asked for file %u, which there is not: ignoring it",
                  request->index);
}

/* Returns true if a process may be the service's main process.  A service manager believes root
 * whatever it says, and looks itself whether another user's process is one of the service. */
static bool may_be_main(pid_t process)
{
    return process > 1 && (geteuid() != 0 || control_groups_have(process));
}

static void carry_out_notify(struct keeper *keeper, const struct link_message *request)
{
    if (request->value < 0 || request->value >= NOTIFY_STATES) {
        log_error("the supervisor asked for an unknown message to the service manager, %d: "
                  "ignoring it",
                  request->value);
    } else if (strchr(request->text, '\n') != NULL) { /* what follows would be a field of its own */
        log_error("the supervisor asked for a status of several lines: ignoring it");
    } else if (request->value == NOTIFY_SUCCESSOR && !may_be_main(request->process)) {
        log_error("process %d, which took over, is not in the control group of the service: the "
                  "service manager is not told of it",
                  request->process);
        notify_end(&keeper->notify);
    } else {
        notify_tell(&keeper->notify, (enum notify_state)request->value, request->process,
                    request->text);
    }
}

static void carry_out_heard(struct keeper *keeper, const struct link_message *request)
{
    outbox_forget(&keeper->outbox, request->number);
}

static void carry_out_roll(struct keeper *keeper, const struct link_message *request)
{
    outbox_repeat(&keeper->outbox, request->number);
}

static void carry_out_retire(struct keeper *keeper, const struct link_message *request)
{
    (void)request; /* it names nothing */
    keeper->events.retire(keeper->events.context);
}

static void carry_out_log(struct keeper *keeper, const struct link_message *request)
{
    (void)request; /* it names nothing */
    reopen_ask(keeper);
}

/* Whatever is not in this table is not done. */
static void (*const requests[])(struct keeper *keeper, const struct link_message *request) = {
    [LINK_KILL] = carry_out_kill,     [LINK_ADOPT] = carry_out_adopt,
    [LINK_SIGNAL] = carry_out_signal, [LINK_GROUP] = carry_out_group,
    [LINK_READ] = carry_out_read,     [LINK_PUBLISH] = carry_out_publish,
    [LINK_HEARD] = carry_out_heard,   [LINK_ROLL] = carry_out_roll,
    [LINK_RETIRE] = carry_out_retire, [LINK_LEND] = carry_out_lend,
    [LINK_NOTIFY] = carry_out_notify, [LINK_LOG] = carry_out_log,
};

/* Hears some requests, and none that begins after `end`.  Listeners and the sockets of dispatchers
 * are closed here only, perhaps by the last process that has them. */
static void hear(struct keeper *keeper, uint64_t end)
{
    struct link_message request;
    int descriptors[LINK_DESCRIPTORS];

    if (keeper->interrupts)
        interrupter_begin();
    for (unsigned i = 0;
         i < REQUESTS_AT_ONCE && !outbox_is_blocked(&keeper->outbox) && loop_clock() < end; i++) {
        if (!link_receive(keeper->link.descriptor, &request, descriptors)) {
            if (errno != EAGAIN)
                log_error("cannot read a request of the supervisor: %m");
            break;
        }
        for (unsigned j = 0; j < LINK_DESCRIPTORS && descriptors[j] >= 0; j++)
            release(descriptors[j]); /* only reports bring any */
        if (request.type == 0 || request.type >= sizeof(requests) / sizeof(*requests))
            log_error("the supervisor sent an unknown request, %u: ignoring it", request.type);
        else
            requests[request.type](keeper, &request);
    }
    if (keeper->interrupts)
        interrupter_end();
}

void monitor_hear(void *context)
{
    hear(context, loop_clock() + LOOP_SLICE); /* some requests pass all children */
}

void monitor_hear_last(struct keeper *keeper)
{
    hear(keeper, UINT64_MAX);
}
