/*
 * activate [OPTION]... SOCKET... -- COMMAND [ARG]... - opens sockets and executes a command with
 * them, as a service manager passes them on (sd_listen_fds(3)): from descriptor 3 on, blocking, and
 * not close-on-exec, with LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES set.
 *
 * A SOCKET is one of
 *
 *     ADDRESS         listens on any free port of this numeric address
 *     unix:PATH       listens there
 *     abstract:NAME   listens on an abstract Unix socket
 *     sequence:PATH   listens there, but is no stream
 *     datagram        is one of UDP
 *     deaf            is one of TCP that does not listen
 *     file            is none at all
 *     none            is not there: nothing is open
 *
 *   -n NAMES   the value of LISTEN_FDNAMES; without, it is not set
 *   -c COUNT   the value of LISTEN_FDS, instead of how many sockets there are
 *   -p PID     the value of LISTEN_PID, instead of the process of the command
 *   -k FILE    keeps the sockets, and the process: executes the command in a child, and a second
 *              time once that has ended; each time it adds the number of the child to FILE
 *   -s FILE    leaves a process behind that shuts down the first socket once FILE is there
 */
#include "tests/shared/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3, BACKLOG = 4096 };

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "activate: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int listen_on(int type, const struct sockaddr_storage *address, socklen_t length)
{
    int descriptor = socket(address->ss_family, type, 0);

    if (descriptor < 0 || bind(descriptor, (const struct sockaddr *)address, length) != 0 ||
        listen(descriptor, BACKLOG) != 0)
        die("cannot listen");
    return descriptor;
}

static int open_socket(const char *word)
{
    struct sockaddr_storage address;
    int type = SOCK_STREAM;
    socklen_t length;

    if (strcmp(word, "datagram") == 0)
        return socket(AF_INET, SOCK_DGRAM, 0);
    if (strcmp(word, "deaf") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(word, "file") == 0)
        return open("/dev/null", O_RDWR);
    if (strncmp(word, "sequence:", 9) == 0) {
        type = SOCK_SEQPACKET;
        length = address_unix(word + 9, false, &address);
    } else {
        length = address_parse(word, 0, &address);
    }
    errno = EINVAL;
    if (length == 0)
        die(word);
    return listen_on(type, &address, length);
}

/* At the descriptor where it is looked for. */
static void place(const char *word, int wanted)
{
    int descriptor;

    (void)close(wanted); /* whatever was there by chance */
    if (strcmp(word, "none") == 0)
        return;
    descriptor = open_socket(word);
    if (descriptor < 0 || dup2(descriptor, wanted) < 0)
        die(word);
    if (descriptor != wanted)
        (void)close(descriptor); /* there is a copy */
}

static void set_number(const char *variable, const char *given, int number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", number);
    if (setenv(variable, given == NULL ? text : given, 1) != 0)
        die(variable);
}

/* A process of nobody's, so that the command has no child that it does not know. */
static void leave_behind(const char *file)
{
    pid_t child = fork();

    if (child < 0)
        die("cannot fork");
    if (child > 0) {
        (void)waitpid(child, NULL, 0); /* whatever has become of it */
        return;
    }
    if (fork() != 0)
        _exit(0);
    while (access(file, F_OK) != 0)
        (void)usleep(20000); /* nothing says when it is there */
    (void)shutdown(FIRST, SHUT_RD);
    _exit(0);
}

static _Noreturn void execute(char **command, const char *process)
{
    set_number("LISTEN_PID", process, getpid());
    (void)execvp(*command, command);
    die(*command);
}

static void run(char **command, const char *process, const char *file)
{
    pid_t child = fork();
    FILE *children;

    if (child < 0)
        die("cannot fork");
    if (child == 0)
        execute(command, process);
    children = fopen(file, "ae");
    if (children == NULL || fprintf(children, "%d\n", child) < 0 || fclose(children) != 0)
        die(file);
    while (waitpid(child, NULL, 0) < 0)
        if (errno != EINTR)
            die("cannot wait");
}

int main(int argc, char **argv)
{
    const char *names = NULL;
    const char *count = NULL;
    const char *process = NULL;
    const char *file = NULL;
    const char *shut = NULL;
    int sockets = 0;
    int option;

    while ((option = getopt(argc, argv, "+n:c:p:k:s:")) != -1)
        switch (option) {
        case 'n':
            names = optarg;
            break;
        case 'c':
            count = optarg;
            break;
        case 'p':
            process = optarg;
            break;
        case 'k':
            file = optarg;
            break;
        case 's':
            shut = optarg;
            break;
        default:
            return 125;
        }
    for (; optind < argc && strcmp(argv[optind], "--") != 0; optind++)
        place(argv[optind], FIRST + sockets++);
    if (optind + 1 >= argc)
        return 125;
    set_number("LISTEN_FDS", count, sockets);
    if (names != NULL && setenv("LISTEN_FDNAMES", names, 1) != 0)
        die("LISTEN_FDNAMES");
    if (shut != NULL)
        leave_behind(shut);
    if (file == NULL)
        execute(argv + optind + 1, process);
    run(argv + optind + 1, process, file);
    run(argv + optind + 1, process, file);
    return 0;
}
