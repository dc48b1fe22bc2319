#include "supervisor/server/requests.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <stdio.h>

enum { RETIRE_AGAIN = 10 * LOOP_MILLISECOND };

bool requests_send(struct server *server, const struct link_message *request)
{
    return link_send(server->link.descriptor, request, NULL) == 0;
}

bool requests_adopt(void *context, pid_t process, uint32_t mark)
{
    return requests_send(context, &(struct link_message){
                                      .type = LINK_ADOPT, .process = process, .generation = mark});
}

bool requests_signal(void *context, pid_t process, int signal_number)
{
    return requests_send(
        context,
        &(struct link_message){.type = LINK_SIGNAL, .process = process, .value = signal_number});
}

bool requests_await_group(void *context, pid_t process)
{
    return requests_send(context, &(struct link_message){.type = LINK_GROUP, .process = process});
}

void requests_kill(void *context, unsigned dispatcher, uint32_t generation, bool give_way)
{
    /* The pool repeats it. */
    (void)requests_send(context, &(struct link_message){.type = LINK_KILL,
                                                        .index = dispatcher,
                                                        .generation = generation,
                                                        .value = give_way});
}

static void retire(void *context)
{
    struct server *server = context;

    if (!requests_send(server, &(struct link_message){.type = LINK_RETIRE}) && errno != EPIPE)
        server->retire.deadline = server->loop.now + RETIRE_AGAIN; /* the keeper lives */
}

void requests_open(struct server *server)
{
    server->retire = (struct loop_timer){.expired = retire, .context = server};
    loop_add_timer(&server->loop, &server->retire);
}

void requests_retire(struct server *server)
{
    retire(server);
}

void requests_look_at_log(struct server *server)
{
    if (!log_is_broken())
        server->log_asked = false;
    else if (!server->log_asked) /* the keeper tries again on its own */
        server->log_asked = requests_send(server, &(struct link_message){.type = LINK_LOG});
}

void requests_notify(struct server *server, enum notify_state state, const char *text)
{
    struct link_message request = {.type = LINK_NOTIFY,
                                   .value = (int32_t)state,
                                   .process = server->lasting->handover.successor};

    if (!server->lasting->manager.open)
        return;
    (void)snprintf(request.text, sizeof(request.text), "%s", text);
    if (!requests_send(server, &request) && state != NOTIFY_STATUS && state != NOTIFY_WATCHDOG)
        log_warning("cannot have the service manager told of a change of state: %m");
}
