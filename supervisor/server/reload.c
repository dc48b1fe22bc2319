#include "supervisor/server/reload.h"

#include "dispatcher/shared/log.h"
#include "supervisor/server/manager.h"
#include "supervisor/server/requests.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ASK_AGAIN = 100 * LOOP_MILLISECOND };

static void finish_if_last(struct server *server)
{
    struct reload *reload = &server->reload;

    for (int file = 0; file < OPTIONS_FILES; file++)
        if (reload->asked[file])
            return;
    if (reload->resuming) {
        reload->resuming = false;
        return;
    }
    if (reload->wrong)
        log_warning("SIGHUP: a file that could not be read keeps its old content");
    else
        log_info("SIGHUP: files were read again");
    server->lasting->reloading = false;
    manager_reload(server, NOTIFY_RELOADED);
}

static void owe(struct server *server, enum options_file file)
{
    server->reload.owed[file] = true;
    server->reload.retry.deadline = server->loop.now + ASK_AGAIN;
}

static void ask(struct server *server, enum options_file file)
{
    server->reload.asked[file] = true;
    server->reload.owed[file] = false;
    if (!requests_send(server, &(struct link_message){.type = LINK_READ, .index = file}))
        owe(server, file);
}

static void on_retry(void *context)
{
    struct server *server = context;

    for (int file = 0; file < OPTIONS_FILES; file++)
        if (server->reload.owed[file])
            ask(server, (enum options_file)file);
}

void reload_open(struct server *server)
{
    server->reload.retry = (struct loop_timer){.expired = on_retry, .context = server};
    loop_add_timer(&server->loop, &server->reload.retry);
}

/* Returns true if there are any. */
static bool ask_all(struct server *server)
{
    bool any = false;

    server->reload.wrong = false;
    for (int file = 0; file < OPTIONS_FILES; file++) {
        if (server->options->files[file] == NULL)
            continue;
        any = true;
        server->reload.again[file] = server->reload.asked[file] && !server->reload.owed[file];
        if (!server->reload.asked[file])
            ask(server, (enum options_file)file);
    }
    return any;
}

void reload_resume(struct server *server)
{
    const struct lasting *lasting = server->lasting;
    bool has_rules = lasting->rules >= 0 && policy_take(&server->queue.policy, server->options,
                                                        OPTIONS_FILE_ACCESS, lasting->rules);

    for (int file = 0; file < OPTIONS_FILES; file++)
        server->reload.needed[file] =
            server->options->files[file] != NULL && !(file == OPTIONS_FILE_ACCESS && has_rules);
    if (lasting->reloading) {
        (void)ask_all(server);
        return;
    }
    for (int file = 0; file < OPTIONS_FILES; file++) {
        if (!server->reload.needed[file])
            continue;
        server->reload.resuming = true;
        ask(server, (enum options_file)file);
    }
}

bool reload_holds_clients(const struct server *server)
{
    for (int file = 0; file < OPTIONS_FILES; file++)
        if (server->reload.needed[file])
            return true;
    return false;
}

void reload_give_up(struct server *server)
{
    struct reload *reload = &server->reload;

    memset(reload->needed, 0, sizeof(reload->needed));
    memset(reload->asked, 0, sizeof(reload->asked));
    memset(reload->owed, 0, sizeof(reload->owed));
    reload->retry.deadline = 0;
    server->lasting->reloading = false;
}

void reload_begin(struct server *server)
{
    if (server->alone) {
        log_warning("SIGHUP: the keeper is dead: files keep their old content");
        return;
    }
    server->reload.resuming = false;
    server->lasting->reloading = true;
    manager_reload(server, NOTIFY_RELOADING);
    if (ask_all(server))
        return;
    log_info("SIGHUP: there are no files to read again");
    server->lasting->reloading = false;
    manager_reload(server, NOTIFY_RELOADED);
}

static const char *sentence(int error)
{
    switch (error) {
    case EINVAL:
        return "it is not a regular file";
    case LINK_KILLED:
        return "its file system or a name server does not answer, or its reader was killed";
    default:
        return strerror(error);
    }
}

/* Uses a file, and closes it; but keeps access rules open for the next supervisor. */
static bool take(struct server *server, enum options_file file, int descriptor)
{
    bool right = policy_take(&server->queue.policy, server->options, file, descriptor);
    int unused = descriptor;

    if (right && file == OPTIONS_FILE_ACCESS) {
        unused = server->lasting->rules;
        server->lasting->rules = descriptor;
    }
    if (unused >= 0)
        (void)close(unused); /* it was only read */
    return right;
}

void reload_content(struct server *server, enum options_file file, int descriptor, int error)
{
    struct reload *reload = &server->reload;
    bool right = false;

    if (file >= OPTIONS_FILES)
        log_bug("the keeper brings file %u, which there is not", file);
    if (!reload->asked[file]) { /* the reader was killed after it had answered */
        if (descriptor >= 0)
            (void)close(descriptor); /* it was only read */
        return;
    }
    reload->asked[file] = false;
    reload->needed[file] = false;
    if (descriptor >= 0)
        right = take(server, file, descriptor);
    else if (error != LINK_LOGGED)
        policy_unreadable(server->options, file, sentence(error));
    if (reload->again[file]) { /* this content is out of date */
        reload->again[file] = false;
        ask(server, file);
    } else if (!right) {
        reload->wrong = true;
    }
    finish_if_last(server);
}
