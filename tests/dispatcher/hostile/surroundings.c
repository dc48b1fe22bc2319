#include "tests/dispatcher/hostile/hostile.h"

#include "tests/shared/proc.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct hostile hostile;

void give_up(const char *what)
{
    perror(what);
    exit(2);
}

pid_t fork_or_give_up(void)
{
    pid_t process = fork();

    if (process < 0)
        give_up("fork");
    return process;
}

void open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("pipe");
}

static void open_pair(int ends[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        give_up("socketpair");
}

static int make_memory(size_t length)
{
    int memory = memfd_create("hostile", MFD_CLOEXEC);

    if (memory < 0 || ftruncate(memory, (off_t)length) != 0)
        give_up("memfd_create");
    return memory;
}

void open_kinds(void)
{
    int ends[2];

    open_pipe(ends);
    (void)close(ends[1]);
    hostile.kinds[KIND_NULL] = open("/dev/null", O_RDWR | O_CLOEXEC);
    hostile.kinds[KIND_PIPE] = ends[0];
    hostile.kinds[KIND_FOLDER] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    hostile.kinds[KIND_PATH] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    hostile.kinds[KIND_MEMORY] = make_memory(sizeof(struct ledger));
    for (enum kind kind = 0; kind < KINDS; kind++)
        if (hostile.kinds[kind] < 0)
            give_up("descriptors to send");
}

/* Gives the descriptors the numbers that protocol.h requires; the others close on exec. */
static void pass(int socket, int ledger, int setup)
{
    const int numbers[] = {PROTOCOL_SOCKET, PROTOCOL_LEDGER, PROTOCOL_SETUP};
    const int high[] = {fcntl(socket, F_DUPFD_CLOEXEC, 10), fcntl(ledger, F_DUPFD_CLOEXEC, 10),
                        fcntl(setup, F_DUPFD_CLOEXEC, 10)};

    for (int i = 0; i < 3; i++)
        if (dup2(high[i], numbers[i]) < 0)
            give_up("dup2");
}

void start_dispatcher(const char *program)
{
    static const struct setup setup = {.version = PROTOCOL_VERSION};
    static char self[4096];
    int memory = make_memory(sizeof(struct ledger));
    int prepared = make_memory(0);
    int ends[2];

    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        give_up("/proc/self/exe");
    open_pair(ends);
    hostile.ledger =
        mmap(NULL, sizeof(*hostile.ledger), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (hostile.ledger == MAP_FAILED || write(prepared, &setup, sizeof(setup)) != sizeof(setup))
        give_up("a dispatcher");
    hostile.channel = ends[0];
    hostile.dispatcher = fork_or_give_up();
    if (hostile.dispatcher == 0) {
        pass(ends[1], memory, prepared);
        (void)execl(program, "dispatcher", "serve", "text", self, "handler", "handle", "handled",
                    NULL);
        give_up(program);
    }
    (void)close(ends[1]);
    (void)close(memory);
    (void)close(prepared);
}

void stay(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)pause();
}

/* The first bystander leads a session and is no child of ours; the second is our child, and leads
 * only a group. */
void start_bystanders(void)
{
    int tell[2];

    open_pipe(tell);
    hostile.bystanders[1] = fork_or_give_up();
    if (hostile.bystanders[1] == 0) {
        if (fork_or_give_up() == 0) {
            pid_t self = setsid();
            if (write(tell[1], &self, sizeof(self)) != sizeof(self))
                _exit(1);
        }
        (void)close(tell[0]);
        stay();
    }
    (void)setpgid(hostile.bystanders[1], hostile.bystanders[1]);
    if (read(tell[0], &hostile.bystanders[0], sizeof(pid_t)) != sizeof(pid_t))
        give_up("a bystander");
    (void)close(tell[0]);
    (void)close(tell[1]);
}

bool is_living(pid_t process)
{
    char text[512];
    const char *name_end;

    (void)proc_read(process, "stat", text, sizeof(text));
    name_end = strrchr(text, ')');
    return name_end != NULL && name_end[2] != 'Z';
}

int handle(const char *file)
{
    int descriptor = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    struct stat status;
    char byte;

    if (descriptor < 0 || write(descriptor, "x", 1) != 1)
        return 1;
    return fstat(STDIN_FILENO, &status) != 0 || !S_ISFIFO(status.st_mode) ||
                   read(STDIN_FILENO, &byte, 1) == 0
               ? 0
               : 1;
}

unsigned count_handled(void)
{
    struct stat status;

    return stat("handled", &status) == 0 ? (unsigned)status.st_size : 0;
}
