#include "supervisor/server/reload.h"

#include "dispatcher/shared/log.h"
#include "supervisor/server/state.h"

#include <errno.h>
#include <string.h>

enum { ASK_AGAIN = 100 * LOOP_MILLISECOND };

static void finish_if_last(struct server *server)
{
    struct reload *reload = &server->reload;

    for (int file = 0; file < OPTIONS_FILES; file++)
        if (reload->asked[file])
            return;
    if (reload->wrong)
        log_warning("SIGHUP: a file that could not be read keeps its old content");
    else
        log_info("SIGHUP: files were read again");
    notify_reloaded(&server->notify);
}

static void owe(struct server *server, enum options_file file)
{
    server->reload.owed[file] = true;
    server->reload.retry.deadline = server->loop.now + ASK_AGAIN;
}

/* Asks the spare only: a file system that does not answer holds its reader up. */
static void ask(struct server *server, enum options_file file)
{
    server->reload.asked[file] = true;
    server->reload.owed[file] = false;
    if (pool_read(&server->pool, file) != 0)
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

void reload_begin(struct server *server)
{
    bool any = false;

    notify_reloading(&server->notify);
    server->reload.wrong = false;
    for (int file = 0; file < OPTIONS_FILES; file++) {
        if (server->options->files[file] == NULL)
            continue;
        any = true;
        server->reload.again[file] = server->reload.asked[file] && !server->reload.owed[file];
        if (!server->reload.asked[file])
            ask(server, (enum options_file)file);
    }
    if (any)
        return;
    log_info("SIGHUP: there are no files to read again");
    notify_reloaded(&server->notify);
}

static const char *sentence(int error)
{
    switch (error) {
    case EINVAL:
        return "it is not a regular file";
    case POOL_READER_DIED:
        return "two dispatchers have died reading it";
    default:
        return strerror(error);
    }
}

void reload_content(void *reader, enum options_file file, int descriptor, int error)
{
    struct server *server = reader;
    struct reload *reload = &server->reload;
    bool right = false;

    /* The next dispatcher is asked, but not a third: the file may be what kills them. */
    if (error == POOL_UNREAD || (error == POOL_READER_DIED && !reload->died[file])) {
        reload->died[file] = reload->died[file] || error == POOL_READER_DIED;
        owe(server, file);
        return;
    }
    reload->asked[file] = false;
    reload->died[file] = false;
    if (descriptor >= 0)
        right = policy_take(&server->queue.policy, server->options, file, descriptor);
    else
        policy_unreadable(server->options, file, sentence(error));
    if (reload->again[file]) { /* this content is out of date */
        reload->again[file] = false;
        ask(server, file);
    } else if (!right) {
        reload->wrong = true;
    }
    finish_if_last(server);
}
