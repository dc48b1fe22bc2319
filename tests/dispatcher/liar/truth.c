#include "tests/dispatcher/liar/truth.h"

#include "dispatcher/environment.h"
#include "dispatcher/reply.h"
#include "dispatcher/shared/wire.h"
#include "tests/dispatcher/liar/liar.h"
#include "tests/dispatcher/liar/speech.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
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
        (void)dup2(liar.given, STDIN_FILENO);
        (void)dup2(liar.given, STDOUT_FILENO);
        (void)execve(liar.service.command.path, liar.service.command.arguments,
                     environment_for(&liar.request.start, liar.given));
        _exit(127);
    }
    return (int32_t)process;
}

int32_t serve(void)
{
    int32_t process = start_handler();

    (void)close(liar.given);
    say_started(process);
    return process;
}

void serve_to_the_end(void)
{
    int32_t process = serve();

    (void)waitpid(process, NULL, 0);
    say_exited(liar.request.header.client, liar.request.header.ticket);
}

void answer_truly(void)
{
    switch (liar.request.header.type) {
    case MESSAGE_START:
        serve_to_the_end();
        break;
    case MESSAGE_SIGNAL:
        say_signalled();
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
    if (wire_receive(&liar.service.inbox, PROTOCOL_SOCKET, ~0u, &liar.request, &liar.given,
                     MSG_PEEK) != WIRE_MESSAGE)
        exit(0);
    consume(liar.request.header.type != MESSAGE_START);
}
