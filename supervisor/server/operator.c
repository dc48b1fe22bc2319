#include "supervisor/server/operator.h"

#include "dispatcher/shared/log.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/server/commands.h"
#include "supervisor/server/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- HTTP ---- */

static void get_health(struct server *server, struct control_answer *answer)
{
    bool serving = server->shutdown.stage == SERVER_SERVING && !server->starting.paused;

    answer->status = serving ? 200 : 503;
    text_add(&answer->text, "%s\n", snapshot_state(server));
}

static void answer_get(struct server *server, const struct control_request *request,
                       struct control_answer *answer)
{
    if (strcmp(request->words, "/metrics") == 0) {
        answer->type = FIGURES_METRICS_TYPE;
        snapshot_render(server, figures_metrics, &answer->text);
    } else if (strcmp(request->words, "/status") == 0) {
        answer->type = FIGURES_JSON_TYPE;
        snapshot_render(server, figures_json, &answer->text);
    } else if (strcmp(request->words, "/healthz") == 0) {
        get_health(server, answer);
    } else {
        answer->status = 404;
        text_add(&answer->text, "unknown path: only /metrics, /status and /healthz are served\n");
    }
}

static void on_request(void *context, const struct control_request *request,
                       struct control_answer *answer)
{
    if (request->http)
        answer_get(context, request, answer);
    else
        commands_answer(context, request, answer);
}

/* ---- the sockets ---- */

/* Serves a socket; -1: none, because it could not be opened, which was logged. */
static struct control *serve(struct server *server, int listener, uid_t user, bool read_only,
                             const char *option)
{
    struct control *control;

    if (listener < 0)
        return NULL;
    control = calloc(1, sizeof(*control));
    if (control != NULL &&
        control_open(control, &server->loop, listener, read_only, user, on_request, server) == 0)
        return control;
    log_error("%s: cannot serve its socket: %m", option);
    free(control);
    return NULL;
}

/* Takes the socket of the daemon before, or opens a new one; the janitor removes its file on exit.
 */
static int open_control(struct server *server, uid_t user)
{
    const char *path = server->options->control;
    int listener = -1;
    int item = -1;

    if (server->takeover != NULL)
        listener = takeover_take(server->takeover, INHERITANCE_CONTROL, path);
    if (listener >= 0) {
        item = janitor_borrow(server->janitor, path);
    } else {
        listener = unix_socket_open("--control", path, 0600, user, (gid_t)-1);
        if (listener >= 0)
            item = janitor_add(server->janitor, path);
    }
    if (listener < 0 || item >= 0)
        return listener;
    (void)close(listener); /* no client has come yet */
    return -1;
}

static int open_metrics(const struct server *server)
{
    const char *place = server->options->metrics;
    int listener = -1;

    if (server->takeover != NULL)
        listener = takeover_take(server->takeover, INHERITANCE_METRICS, place);
    return listener >= 0 ? listener : binding_open_metrics(place);
}

/* Offers a socket to a process that takes over. */
static void offer(struct server *server, enum inheritance_kind kind, const struct control *control,
                  const char *place)
{
    handover_add(&server->handover,
                 (struct handover_socket){
                     .kind = kind, .descriptor = &control->source.descriptor, .place = place});
}

int operator_open(struct server *server, uid_t user)
{
    server->starter = geteuid();
    if (server->options->control != NULL) {
        server->control = serve(server, open_control(server, user), user, false, "--control");
        if (server->control == NULL)
            return -1;
        offer(server, INHERITANCE_CONTROL, server->control, server->options->control);
    }
    if (server->options->metrics != NULL) {
        server->metrics = serve(server, open_metrics(server), (uid_t)-1, true, "--metrics");
        if (server->metrics == NULL)
            return -1;
        offer(server, INHERITANCE_METRICS, server->metrics, server->options->metrics);
    }
    return 0;
}

/* Their memory stays, because events of this round may point to it. */
void operator_close(struct server *server)
{
    if (server->control != NULL)
        control_close(server->control);
    if (server->metrics != NULL)
        control_close(server->metrics);
}
