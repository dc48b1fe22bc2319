#include "supervisor/server/reload.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "dispatcher/shared/wire.h"
#include "supervisor/server/server.h"

#include <errno.h>
#include <string.h>

enum { ASK_AGAIN = 100 * LOOP_MILLISECOND };

static void said_last(struct server *server)
{
    struct reload *reload = &server->reload;

    for (int file = 0; file < PROTOCOL_FILES; file++)
        if (reload->asked[file])
            return;
    if (reload->wrong)
        log_warning("SIGHUP: what could not be read again stays as it was");
    else
        log_info("SIGHUP: files were read again");
    notify_reloaded(&server->notify);
}

static void owe(struct server *server, enum protocol_file file)
{
    server->reload.owed[file] = true;
    server->reload.again_at = server->loop.now + ASK_AGAIN;
}

/* Only the spare: on a file system that does not answer whoever reads is held up. */
static void ask(struct server *server, enum protocol_file file)
{
    union message message;

    wire_header(&message, MESSAGE_READ, 0, 0);
    message.read.file = file;
    server->reload.asked[file] = true;
    server->reload.owed[file] = false;
    if (pool_ask_spare(&server->pool, &message) != 0)
        owe(server, file);
}

void reload_owed(struct server *server)
{
    struct reload *reload = &server->reload;

    if (reload->again_at == 0 || reload->again_at > server->loop.now)
        return;
    reload->again_at = 0;
    for (int file = 0; file < PROTOCOL_FILES; file++)
        if (reload->owed[file])
            ask(server, (enum protocol_file)file);
}

uint64_t reload_deadline(const struct server *server)
{
    return server->reload.again_at;
}

void reload_begin(struct server *server)
{
    bool any = false;

    notify_reloading(&server->notify);
    server->reload.wrong = false;
    for (int file = 0; file < PROTOCOL_FILES; file++) {
        if (policy_file(server->options, (enum protocol_file)file) == NULL)
            continue;
        any = true;
        server->reload.again[file] = server->reload.asked[file] && !server->reload.owed[file];
        if (!server->reload.asked[file])
            ask(server, (enum protocol_file)file);
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
    case EINTR:
        return "two dispatchers that were to read it have died";
    default:
        return strerror(error);
    }
}

void reload_content(void *context, enum protocol_file file, int descriptor, int error)
{
    struct server *server = context;
    struct reload *reload = &server->reload;
    bool right = false;

    if (file >= PROTOCOL_FILES || !reload->asked[file]) {
        if (descriptor >= 0)
            release(descriptor); /* nobody has asked for it */
        return;
    }
    reload->asked[file] = false;
    reload->died[file] = false;
    if (descriptor >= 0)
        right = policy_take(&server->policy, server->options, file, descriptor);
    else
        policy_unreadable(server->options, file, sentence(error));
    if (!reload->again[file]) /* else what has come is out of date */
        reload->wrong = reload->wrong || !right;
    if (reload->again[file]) {
        reload->again[file] = false;
        ask(server, file);
    }
    said_last(server);
}

/* The next one is asked, but not a third: it may be for the file that they die. */
static void died(struct server *server, enum protocol_file file)
{
    struct reload *reload = &server->reload;

    if (reload->died[file]) {
        reload_content(server, file, -1, EINTR);
        return;
    }
    reload->died[file] = true;
    owe(server, file);
}

void reload_gone(struct server *server, unsigned dispatcher)
{
    struct reload *reload = &server->reload;
    bool first = true; /* they are read in this order, so the others had no part in it */

    for (int file = 0; file < PROTOCOL_FILES; file++) {
        if (dispatcher != server->pool.count || !reload->asked[file] || reload->owed[file])
            continue;
        if (first)
            died(server, (enum protocol_file)file);
        else
            owe(server, (enum protocol_file)file);
        first = false;
    }
}
