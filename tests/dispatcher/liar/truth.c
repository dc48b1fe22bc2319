#include "tests/dispatcher/liar/truth.h"

#include "dispatcher/content.h"
#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/wire.h"
#include "dispatcher/successor.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/lies.h"
#include "tests/dispatcher/liar/speech.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void pause_for(int milliseconds)
{
    (void)poll(NULL, 0, milliseconds);
}

_Noreturn void stay(void)
{
    for (;;)
        pause_for(1000);
}

int32_t start_handler(void)
{
    int32_t *entry = &liar.service.ledger->slots[liar.request.start.slot].process;
    long process = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, entry, NULL, NULL);

    if (process == 0) {
        sigset_t none;

        (void)setsid();
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)dup2(liar.given[0], STDIN_FILENO);
        (void)dup2(liar.given[0], STDOUT_FILENO);
        (void)execve(liar.service.command.path, liar.service.command.arguments,
                     environment_for(&liar.request.start, liar.given[0]));
        _exit(127);
    }
    return (int32_t)process;
}

int32_t serve(void)
{
    int32_t process = start_handler();

    (void)close(liar.given[0]);
    say_started(process);
    return process;
}

void serve_to_the_end(void)
{
    int32_t process = serve();

    (void)waitpid(process, NULL, 0);
    say_exited(liar.request.header.client, liar.request.header.ticket);
}

void become_successor(void)
{
    (void)munmap(liar.service.ledger, sizeof(*liar.service.ledger));
    (void)close(liar.service.signals);
    (void)close(liar.ledger);
    liar.ledger = fcntl(liar.given[1], F_DUPFD_CLOEXEC, 10);
    (void)dup3(liar.given[0], PROTOCOL_SOCKET, O_CLOEXEC);
    (void)dup3(liar.given[1], PROTOCOL_LEDGER, O_CLOEXEC);
}

bool is_first(void)
{
    return liar.request.header.ticket == 1;
}

int32_t fork_truly(void)
{
    int32_t process = successor_fork();

    if (process == 0) {
        become_successor();
        service_begin(&liar.service, liar.request.fork.spare != 0);
        liar.lie = is_first() ? lie_of("LIARS", liar.request.header.client) : NULL;
        if (liar.lie == NULL)
            service_run(&liar.service);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        (void)close(liar.given[i]);
    return process;
}

void answer_truly(void)
{
    int32_t process;
    int content;

    switch (liar.request.header.type) {
    case MESSAGE_START:
        serve_to_the_end();
        break;
    case MESSAGE_SIGNAL:
        say_signalled(liar.request.signal.adopted);
        break;
    case MESSAGE_FORK:
        process = fork_truly();
        if (process != 0)
            say_forked(process, 0);
        break;
    case MESSAGE_READ:
        content =
            content_copy(liar.service.command.setup, (enum protocol_file)liar.request.read.file);
        say_content(liar.request.read.file, content < 0 ? errno : 0, content);
        (void)close(content);
        break;
    case MESSAGE_PING:
        say_pong();
        break;
    default:
        break;
    }
}

/* As protocol.h has it: the packet of a START stays until all of it is done. */
static void consume(bool done)
{
    if (done && wire_consume(&liar.service.inbox, PROTOCOL_SOCKET) != 0)
        exit(2);
}

void receive(void)
{
    reply_flush(); /* that it is ready */
    consume(!wire_is_left(&liar.service.inbox));
    if (wire_receive(&liar.service.inbox, PROTOCOL_SOCKET, ~0u, &liar.request, liar.given,
                     MSG_PEEK) != WIRE_MESSAGE)
        exit(0);
    consume(liar.request.header.type != MESSAGE_START);
}
