#include "supervisor/server/commands.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/parse.h"
#include "supervisor/figures/figures.h"
#include "supervisor/server/adjust.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/server/snapshot.h"

#include <stdio.h>
#include <string.h>

enum { WORDS = 3 };

/* A line, taken apart. */
struct call {
    char *words[WORDS + 2]; /* NULL behind the last */
    unsigned count;
    uid_t user; /* whose it is */
    struct control_answer *answer;
};

/* It would not be told of that any more. */
static bool is_handed_over(struct server *server, const struct call *call)
{
    if (!handover_holds_clients(&server->handover))
        return false;
    text_add(&call->answer->text, "error: another process is just taking over; try again\n");
    return true;
}

static void command_pause(struct server *server, const struct call *call)
{
    if (is_handed_over(server, call))
        return;
    if (server->shutdown.stage != SERVER_SERVING) {
        text_add(&call->answer->text, "error: the service is %s: it cannot be paused\n",
                 snapshot_state(server));
        return;
    }
    if (!server->starting.paused)
        log_info("paused by the operator: clients wait");
    server->starting.paused = true;
    text_add(&call->answer->text, "paused: %u handlers run on, clients wait until resume\n",
             clients_active(&server->queue.clients));
}

static void command_resume(struct server *server, const struct call *call)
{
    if (is_handed_over(server, call))
        return;
    if (server->shutdown.stage != SERVER_SERVING) {
        text_add(&call->answer->text, "error: the service is %s: it is not paused\n",
                 snapshot_state(server));
        return;
    }
    if (server->starting.paused)
        log_info("resumed by the operator");
    server->starting.paused = false;
    text_add(&call->answer->text, "serving: %u clients have waited\n",
             clients_count(&server->queue.clients, CLIENT_QUEUED));
}

static void command_drain(struct server *server, const struct call *call)
{
    if (server->handover.phase >= HANDOVER_COMMITTED && is_handed_over(server, call))
        return; /* the service would not end with this process */
    shutdown_drain(server);
    text_add(&call->answer->text, "%s: %u clients wait, %u handlers run\n", snapshot_state(server),
             clients_count(&server->queue.clients, CLIENT_QUEUED),
             clients_active(&server->queue.clients));
}

static void command_set(struct server *server, const struct call *call)
{
    struct text *text = &call->answer->text;
    struct text said;
    char buffer[CONTROL_REQUEST_MAXIMUM + 512]; /* as it may repeat a word of the request */

    text_open(&said, buffer, sizeof(buffer));
    if (call->words[1] == NULL || call->words[2] == NULL) {
        text_add(text, "error: expected set NAME VALUE, where NAME is one of ");
        adjust_names(text);
        text_add(text, "\n");
        return;
    }
    if (!adjust_set(server, call->words[1], call->words[2], &said))
        text_add(text, "error: ");
    text_add(text, "%s", buffer);
}

/* Only who started this, and root, gets what it listens on. */
static void command_takeover(struct server *server, const struct call *call)
{
    struct text *text = &call->answer->text;
    const char *error;
    uint64_t version;

    if (call->user != 0 && call->user != server->starter) {
        text_add(text, "error: only root and user %u may take over\n", server->starter);
        return;
    }
    if (call->count < 2 || !parse_number(call->words[1], UINT32_MAX, &version)) {
        text_add(text, "error: that is for another daemon to say, with --takeover\n");
        return;
    }
    call->answer->descriptor = handover_begin(&server->handover, version, &error);
    if (call->answer->descriptor < 0)
        text_add(text, "error: cannot be taken over now: %s\n", error);
    else
        text_add(text, "takeover\n");
}

static void command_help(struct server *server, const struct call *call);

static const struct command {
    const char *name;
    unsigned words;           /* at most, the name included */
    figures_renderer *render; /* NULL: the command does something */
    void (*answer)(struct server *server, const struct call *call);
    const char *help;
} commands[] = {
    {"status", 1, figures_json, NULL, "status          show the state and all counts, in JSON"},
    {"table", 1, figures_table, NULL, "table           show the same as a table for people"},
    {"figures", 1, figures_lines, NULL, "figures         show the same as lines of NAME VALUE"},
    {"metrics", 1, figures_metrics, NULL, "metrics         show the same for Prometheus"},
    {"pause", 1, NULL, command_pause, "pause           start no more handlers; clients wait"},
    {"resume", 1, NULL, command_resume, "resume          start handlers again"},
    {"set", 3, NULL, command_set,
     "set NAME VALUE  change a limit; VALUE is that of the option --NAME, or none"},
    {"drain", 1, NULL, command_drain,
     "drain           serve all clients that wait, then exit, as after SIGTERM"},
    {"takeover", 2, NULL, command_takeover,
     "takeover        hand over to another daemon; only a daemon says this"},
    {"help", 1, NULL, command_help, "help            show this list"},
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void command_help(struct server *server, const struct call *call)
{
    struct text *text = &call->answer->text;

    (void)server;
    for (unsigned i = 0; i < COMMANDS; i++)
        text_add(text, "%s\n", commands[i].help);
    text_add(text, "NAME is one of ");
    adjust_names(text);
    text_add(text, ".\nOver HTTP: GET /status, /metrics, /healthz\n");
}

static void split(char *line, struct call *call)
{
    char *rest = NULL;

    for (char *word = strtok_r(line, " \t", &rest); word != NULL && call->count <= WORDS;
         word = strtok_r(NULL, " \t", &rest))
        call->words[call->count++] = word;
}

void commands_answer(struct server *server, const struct control_request *request,
                     struct control_answer *answer)
{
    struct call call = {.user = request->user, .answer = answer};
    char line[CONTROL_REQUEST_MAXIMUM];

    (void)snprintf(line, sizeof(line), "%s", request->words);
    split(line, &call);
    for (unsigned i = 0; call.count > 0 && i < COMMANDS; i++) {
        if (strcmp(call.words[0], commands[i].name) != 0)
            continue;
        if (call.count > commands[i].words)
            text_add(&answer->text, "error: too many words; try help\n");
        else if (commands[i].render != NULL)
            snapshot_render(server, commands[i].render, &answer->text);
        else
            commands[i].answer(server, &call);
        return;
    }
    text_add(&answer->text, "error: unknown command; try help\n");
}
