#include "supervisor/server/operator.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/nearest.h"
#include "supervisor/base/parse.h"
#include "supervisor/figures/figures.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/unix_socket.h"
#include "supervisor/options/table.h"
#include "supervisor/server/shutdown.h"
#include "supervisor/server/snapshot.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = 3, SHOWN = 64 /* bytes of a wrong word; no right value is as long */ };

/* A request, taken apart. */
struct call {
    char *words[WORDS + 2]; /* NULL behind the last */
    unsigned count;
    uid_t user; /* of the client */
    struct control_answer *answer;
    struct text *text; /* of the answer */
};

/* ---- commands that change the service ---- */

/* Reports whether another process has the clients now, and would not hear of a change. */
static bool is_handed_over(const struct server *server, const struct call *call)
{
    if (!handover_holds_clients(&server->lasting->handover))
        return false;
    text_add(call->text, "error: another process is just taking over; try again\n");
    return true;
}

/* Reports whether the operator may pause or resume the service. */
static bool may_pause(const struct server *server, const struct call *call, const char *why_not)
{
    if (is_handed_over(server, call))
        return false;
    if (server->lasting->shutdown.stage == SERVER_SERVING)
        return true;
    text_add(call->text, "error: the service is %s: %s\n", snapshot_state(server), why_not);
    return false;
}

static void command_pause(struct server *server, const struct call *call)
{
    if (!may_pause(server, call, "it cannot be paused"))
        return;
    if (!server->lasting->paused)
        log_info("paused by the operator: clients wait");
    server->lasting->paused = true;
    text_add(call->text, "paused: %u handlers run on, clients wait until resume\n",
             clients_active(&server->queue.clients));
}

static void command_resume(struct server *server, const struct call *call)
{
    if (!may_pause(server, call, "it is not paused"))
        return;
    if (server->lasting->paused)
        log_info("resumed by the operator");
    server->lasting->paused = false;
    text_add(call->text, "serving: %u clients have waited\n",
             clients_count(&server->queue.clients, CLIENT_QUEUED));
}

static void command_drain(struct server *server, const struct call *call)
{
    if (server->lasting->handover.phase >= HANDOVER_COMMITTED && is_handed_over(server, call))
        return; /* the service would not end with this process */
    shutdown_drain(server);
    text_add(call->text, "%s: %u clients wait, %u handlers run\n", snapshot_state(server),
             clients_count(&server->queue.clients, CLIENT_QUEUED),
             clients_active(&server->queue.clients));
}

/* Only root, and the user that started this process, may get the sockets that it listens on. */
static void command_takeover(struct server *server, const struct call *call)
{
    const char *error;
    uint64_t version;

    if (call->user != 0 && call->user != server->starter) {
        text_add(call->text, "error: only root and user %u may take over\n", server->starter);
        return;
    }
    if (call->count < 2 || !parse_number(call->words[1], UINT32_MAX, &version)) {
        text_add(call->text, "error: that is for another daemon to say, with --takeover\n");
        return;
    }
    error = "a supervisor has just taken the place of another; try again";
    if (server->strays.count == 0) /* otherwise the new process would not get them */
        call->answer->descriptor = handover_begin(&server->lasting->handover, version, &error);
    if (call->answer->descriptor < 0)
        text_add(call->text, "error: cannot be taken over now: %s\n", error);
    else
        text_add(call->text, "takeover\n");
}

/* ---- set ---- */

/* Adds the names of all limits that can be set. */
static void add_names(struct text *text)
{
    const struct value_entry *entry;
    const char *separator = "";

    for (size_t i = 0; (entry = table_at(i)) != NULL; i++) {
        if (!entry->settable)
            continue;
        text_add(text, "%s%s", separator, entry->name);
        separator = ", ";
    }
}

static const struct value_entry *settable(const char *name)
{
    const struct value_entry *other;
    const struct value_entry *entry = table_named(name, strlen(name), &other);

    return entry != NULL && entry->settable && strcmp(entry->name, name) == 0 ? entry : NULL;
}

/* Reports that a name is none of those that can be set. */
static void refuse_name(struct text *text, const char *name)
{
    struct nearest nearest = nearest_to(name, strlen(name));
    const struct value_entry *entry;
    char meant[NEAREST_TEXT];

    for (size_t i = 0; (entry = table_at(i)) != NULL; i++)
        if (entry->settable)
            nearest_try(&nearest, entry->name);
    text_add(text, "error: '%.*s' cannot be set: expected one of ", SHOWN, name);
    add_names(text);
    text_add(text, "%s\n", nearest_text(&nearest, "", meant));
}

/* Changes a limit as the option --NAME does; the value `none` lifts it.  The change takes effect at
 * once; no handler is killed to meet a lower limit. */
static bool set(struct server *server, const char *name, char *value, struct text *text)
{
    struct options_gate *load = &server->options->gates[OPTIONS_GATE_LOAD];
    const struct value_entry *entry = settable(name);
    char expected[TABLE_EXPECTED_MAXIMUM];
    char empty[] = "";

    if (entry == NULL) {
        refuse_name(text, name);
        return false;
    }
    if (!table_apply(entry, server->options, strlen(value) < SHOWN ? value : empty, expected)) {
        text_add(text, "error: %s: '%.*s': %s\n", name, SHOWN, value, expected);
        return false;
    }
    if (load->given && !gates_has_load(&server->gates)) {
        load->given = false;
        text_add(text, "error: %s: this process cannot read /proc/loadavg\n", name);
        return false;
    }
    return true;
}

/* Follows the options.  Setting the same limit again changes nothing. */
static void follow(struct server *server)
{
    queue_limit(&server->queue);
    gates_adjust(&server->gates, server->loop.now);
}

static void inherit(struct server *server, const struct inheritance_limit *limit)
{
    const struct value_entry *entry = settable(limit->name);
    struct inheritance_limit copy = *limit;
    char bytes[TABLE_EXPECTED_MAXIMUM + 512];
    const char *error = bytes + strlen("error: ");
    struct text text;

    if (entry != NULL && table_is_given(entry, server->options)) {
        log_info("--%s on the command line replaces %s, which was set in the old process",
                 limit->name, limit->value);
        return;
    }
    text_open(&text, bytes, sizeof(bytes));
    if (!set(server, limit->name, copy.value, &text)) {
        log_warning("%s was set to %s in the old process, and cannot be set here: %.*s",
                    limit->name, limit->value, (int)strcspn(error, "\n"), error);
        return;
    }
    inheritance_note(&server->lasting->settings, limit->name, limit->value);
    log_info("%s is %s, as it was set in the old process", limit->name, limit->value);
}

void operator_inherit(struct server *server)
{
    const struct inheritance_settings *settings = &server->takeover->settings;

    for (uint32_t i = 0; i < settings->count; i++)
        inherit(server, &settings->list[i]);
    follow(server);
}

static void command_set(struct server *server, const struct call *call)
{
    const char *name = call->words[1];
    char *value = call->words[2];
    char given[SHOWN + 1]; /* a reader may change the value */

    if (call->count < WORDS) {
        text_add(call->text, "error: expected set NAME VALUE, where NAME is one of ");
        add_names(call->text);
        text_add(call->text, "\n");
        return;
    }
    (void)snprintf(given, sizeof(given), "%s", value);
    if (is_handed_over(server, call) || !set(server, name, value, call->text))
        return;
    inheritance_note(&server->lasting->settings, name, given);
    follow(server);
    log_info("the operator has set %s to %s", name, value);
    text_add(call->text, "%s is %s now\n", name, value);
}

/* ---- all commands and paths ---- */

static void get_health(struct server *server, const struct call *call)
{
    if (!snapshot_is_serving(server))
        call->answer->status = 503;
    text_add(call->text, "%s\n", snapshot_state(server));
}

static void command_help(struct server *server, const struct call *call);

static const struct command {
    const char *name;         /* of a command; or a path, which begins with '/' */
    unsigned words;           /* at most, the name included */
    figures_renderer *render; /* NULL: `answer` answers */
    void (*answer)(struct server *server, const struct call *call);
    const char *help;
    const char *type; /* media type; NULL: text */
} commands[] = {
    {"status", 1, figures_json, .help = "status          show the state and all counts, in JSON"},
    {"table", 1, figures_table, .help = "table           show the same as a table for people"},
    {"figures", 1, figures_lines, .help = "figures         show the same as lines of NAME VALUE"},
    {"metrics", 1, figures_metrics, .help = "metrics         show the same for Prometheus"},
    {"pause", 1, .answer = command_pause,
     .help = "pause           start no more handlers; clients wait"},
    {"resume", 1, .answer = command_resume, .help = "resume          start handlers again"},
    {"set", WORDS, .answer = command_set,
     .help = "set NAME VALUE  change a limit; VALUE is that of the option --NAME, or none"},
    {"drain", 1, .answer = command_drain,
     .help = "drain           serve all clients that wait, then exit, as after SIGTERM"},
    {"takeover", 2, .answer = command_takeover,
     .help = "takeover        hand over to another daemon; only a daemon says this"},
    {"help", 1, .answer = command_help, .help = "help            show this list"},
    {"/metrics", 1, figures_metrics, .type = FIGURES_METRICS_TYPE},
    {"/status", 1, figures_json, .type = FIGURES_JSON_TYPE},
    {"/healthz", 1, .answer = get_health},
};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void command_help(struct server *server, const struct call *call)
{
    (void)server;
    for (unsigned i = 0; i < COMMANDS; i++)
        if (commands[i].help != NULL)
            text_add(call->text, "%s\n", commands[i].help);
    text_add(call->text, "NAME is one of ");
    add_names(call->text);
    text_add(call->text, ".\nOver HTTP: GET /status, /metrics, /healthz\n");
}

static const struct command *find(const char *name, bool http)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0 && http == (*name == '/'))
            return &commands[i];
    return NULL;
}

static void refuse_command(struct text *text, const char *name)
{
    struct nearest nearest = nearest_to(name, strlen(name));
    char meant[NEAREST_TEXT];

    for (unsigned i = 0; i < COMMANDS; i++)
        if (*commands[i].name != '/')
            nearest_try(&nearest, commands[i].name);
    text_add(text, "error: unknown command%s; try help\n", nearest_text(&nearest, "", meant));
}

void operator_answer(void *context, const struct control_request *request,
                     struct control_answer *answer)
{
    struct call call = {.user = request->user, .answer = answer, .text = &answer->text};
    char line[CONTROL_REQUEST_MAXIMUM];
    char *rest = line;
    const struct command *command;

    (void)snprintf(line, sizeof(line), "%s", request->words);
    while (call.count <= WORDS && (call.words[call.count] = strtok_r(rest, " \t", &rest)) != NULL)
        call.count++;
    command = call.count > 0 ? find(call.words[0], request->http) : NULL;
    if (command == NULL && request->http) {
        answer->status = 404;
        text_add(call.text, "unknown path: only /metrics, /status and /healthz are served\n");
    } else if (command == NULL) {
        refuse_command(call.text, call.count > 0 ? call.words[0] : "");
    } else if (call.count > command->words) {
        text_add(call.text, "error: too many words; try help\n");
    } else {
        if (command->type != NULL)
            answer->type = command->type;
        if (command->render != NULL)
            snapshot_render(context, command->render, call.text);
        else
            command->answer(context, &call);
    }
}

/* ---- the sockets ---- */

/* Opens a socket, or takes that of the daemon before.  The keeper removes the file of a Unix socket
 * on exit.  Returns it, or -1 after logging why. */
static int listen_at(struct takeover *takeover, struct files *files, enum inheritance_kind kind,
                     const char *place, uid_t user)
{
    int listener = takeover == NULL ? -1 : takeover_take(takeover, kind, place);
    bool taken = listener >= 0;

    if (kind == INHERITANCE_METRICS)
        return taken ? listener : binding_open_metrics(place);
    if (!taken)
        listener = unix_socket_open("--control", place, 0600, user, (gid_t)-1);
    if (listener < 0 || (taken ? files_borrow(files, place) : files_add(files, place)) != 0)
        return -1;
    return listener;
}

bool operator_listen(struct server *server, struct files *files, uid_t user)
{
    const char *control = server->options->control;
    const char *metrics = server->options->metrics;
    int *listener[] = {&server->control.source.descriptor, &server->metrics.source.descriptor};

    *listener[0] = control == NULL
                       ? -1
                       : listen_at(server->takeover, files, INHERITANCE_CONTROL, control, user);
    *listener[1] = metrics == NULL
                       ? -1
                       : listen_at(server->takeover, files, INHERITANCE_METRICS, metrics, user);
    return (control == NULL || *listener[0] >= 0) && (metrics == NULL || *listener[1] >= 0);
}

/* Serves a socket, and offers it to a process that takes over. */
static int open_socket(struct server *server, struct control *control, enum inheritance_kind kind,
                       const char *place, uid_t user)
{
    bool metrics = kind == INHERITANCE_METRICS;

    if (control->source.descriptor < 0)
        return 0; /* an earlier supervisor has closed it: the service ends */
    if (control_open(control, &server->loop, control->source.descriptor, metrics, user,
                     operator_answer, server) != 0) {
        log_error("%s: cannot serve its socket: %m", metrics ? "--metrics" : "--control");
        return -1;
    }
    offer_add(&server->lasting->handover.offer,
              (struct offer_socket){
                  .kind = kind, .descriptor = &control->source.descriptor, .place = place});
    return 0;
}

/* A socket without a descriptor was not asked for, or an earlier supervisor has closed it for good.
 */
int operator_open(struct server *server, uid_t user)
{
    if (server->control.source.descriptor >= 0 &&
        open_socket(server, &server->control, INHERITANCE_CONTROL, server->options->control,
                    user) != 0)
        return -1;
    return server->metrics.source.descriptor < 0
               ? 0
               : open_socket(server, &server->metrics, INHERITANCE_METRICS,
                             server->options->metrics, user);
}

void operator_close(struct server *server)
{
    control_close(&server->control);
    control_close(&server->metrics);
}
