/*
 * A supervisor that may send the keeper any packet: nobody is signalled except the keeper's own
 * children, and of these no group that is not a handler's; reports stay true and in order, and are
 * not sent after HEARD; there is one pair at a time, and another one when both are gone; and the
 * keeper collects no processes, descriptors or groups.
 *
 * The input is a list of steps, one in each round of the keeper's loop.  Processes exist only here:
 * the linker has the calls come to the functions whose names begin with __wrap_.
 */
#include "supervisor/keeper/keeper.h"
#include "supervisor/base/signals.h"
#include "supervisor/keeper/reader.h"
#include "supervisor/keeper/standby.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/shared/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
    STEPS = 200,
    LAST_STEPS = 100, /* until the keeper must have ended */
    DISPATCHERS = 3,
    PROCESSES = 1000, /* half of them for the pair alone */
    FIRST_PROCESS = 0x20000000,
    KEEPER = FIRST_PROCESS - 1,
    NOBODY = -1 /* no place in the table */
};

static struct keeper keeper;
static struct options options;
static struct loop_source stepping;
static struct fuzz_input input;
static unsigned steps;
static unsigned last_steps;
static bool begun;
static bool ended;
static uint32_t useless;
static int32_t cloned; /* the supervisor, as the memory says that it may write to */
static int link_end;   /* the supervisor's */
static int manager;    /* the service manager's end */

/* ---- processes that do not exist ---- */

enum kind { STANDBY, SUPERVISOR, DISPATCHER, READER, HANDLER };

static struct process {
    enum kind kind;
    int parent;    /* the place of a dispatcher or standby; NOBODY: the keeper */
    int32_t group; /* that of a leader is its own number at first */
    int status;    /* as of wait(2) */
    int news;      /* status of a stop or continuation that nobody has asked for yet; 0: none */
    bool leader;   /* of a session */
    bool ended;
    bool reaped;
    bool reported; /* by ENDED or DIED */
} processes[PROCESSES];
static unsigned process_count;
static bool lacks_processes;
static uint32_t generations[DISPATCHERS];
static int places[DISPATCHERS]; /* of each dispatcher's process */
static int last_status;         /* of the pair's process that was reaped last */
static bool over;               /* so the keeper ends */
static int32_t renewed;         /* the supervisor that RENEW named last */
static bool lied;               /* of which process the supervisor is */
static int others; /* descriptors of no report, dispatcher or service manager; 0: not known */

int __wrap_close(int descriptor);
int __real_close(int descriptor);
pid_t __wrap_fork(void);
pid_t __wrap_getpgrp(void);
pid_t __wrap_getsid(pid_t process);
int __wrap_kill(pid_t process, int signal_number);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *information, int flags);
pid_t __wrap_waitpid(pid_t process, int *status, int flags);
pid_t __wrap_wait4(pid_t process, int *status, int flags, struct rusage *usage);
pid_t __wrap_launch_dispatcher(struct launch *launch, unsigned index,
                               int descriptors[LAUNCH_DESCRIPTORS]);
int __wrap_reader_start(struct keeper *reading, unsigned index);
int __wrap_privileges_limit(uint64_t kept);
int __wrap_privileges_rest(uint64_t kept);
int __wrap_privileges_hide(void);
void __wrap_outbox_add(struct outbox *outbox, struct link_message message, const int *descriptors);
void __real_outbox_add(struct outbox *outbox, struct link_message message, const int *descriptors);
void __wrap_outbox_forget(struct outbox *outbox, uint64_t number);
void __real_outbox_forget(struct outbox *outbox, uint64_t number);
void __wrap_outbox_repeat(struct outbox *outbox, uint64_t number);
void __real_outbox_repeat(struct outbox *outbox, uint64_t number);
int __wrap_link_send(int socket, const struct link_message *message, const int *descriptors);
int __real_link_send(int socket, const struct link_message *message, const int *descriptors);

static int32_t number_of(const struct process *process)
{
    return FIRST_PROCESS + (int32_t)(process - processes);
}

/* Returns NULL if no process ever had this number. */
static struct process *find(int32_t number)
{
    return number >= FIRST_PROCESS && number < FIRST_PROCESS + (int32_t)process_count
               ? &processes[number - FIRST_PROCESS]
               : NULL;
}

static bool is_child(const struct process *process)
{
    return !process->reaped && (process->parent == NOBODY || processes[process->parent].ended);
}

/* Returns -1 with errno if there is no room. */
static pid_t add(enum kind kind, int parent)
{
    struct process *process = &processes[process_count];

    if (process_count >= (kind <= SUPERVISOR ? PROCESSES : PROCESSES / 2) || lacks_processes) {
        lacks_processes = false;
        errno = EAGAIN;
        return -1;
    }
    process_count++;
    *process = (struct process){.kind = kind, .parent = parent};
    process->leader = kind == STANDBY || kind == HANDLER;
    process->group = kind == READER       ? KEEPER
                     : kind == SUPERVISOR ? FIRST_PROCESS + parent
                                          : number_of(process);
    return number_of(process);
}

/* The status is that of wait(2). */
static void end(struct process *process, int status)
{
    process->ended = true;
    process->status = status;
    (void)raise(SIGCHLD); /* this thread reads it */
}

static bool has_child_in(int32_t group)
{
    for (unsigned i = 0; i < process_count; i++)
        if (is_child(&processes[i]) && processes[i].group == group)
            return true;
    return false;
}

static unsigned count_living(enum kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < process_count; i++)
        count += processes[i].kind == kind && !processes[i].ended;
    return count;
}

/* Returns the living process of the pair that was begun last; NULL: there is none. */
static struct process *find_living(enum kind kind)
{
    for (unsigned i = process_count; i-- > 0;)
        if (processes[i].kind == kind && !processes[i].ended)
            return &processes[i];
    return NULL;
}

/* Nothing is closed twice. */
int __wrap_close(int descriptor)
{
    int result = __real_close(descriptor);

    HOLDS(result == 0);
    return result;
}

static void start_supervisor(int standby)
{
    pid_t process = add(SUPERVISOR, standby);

    if (process >= 0)
        cloned = process;
}

/* The standby, which clones its supervisor. */
pid_t __wrap_fork(void)
{
    pid_t process;

    for (unsigned i = 0; i < process_count; i++)
        HOLDS(processes[i].kind != STANDBY || processes[i].reaped);
    HOLDS(!over && (lied || find_living(SUPERVISOR) == NULL));
    process = add(STANDBY, NOBODY);
    if (process >= 0)
        start_supervisor(process - FIRST_PROCESS);
    return process;
}

pid_t __wrap_getpgrp(void)
{
    return KEEPER;
}

pid_t __wrap_getsid(pid_t process)
{
    const struct process *found = find(process);

    HOLDS(found != NULL && is_child(found));
    return found->leader ? process : KEEPER;
}

int __wrap_kill(pid_t process, int signal_number)
{
    struct process *found = find(process);

    if (process > 0) {
        HOLDS(signal_number == SIGKILL && found != NULL && is_child(found));
        HOLDS(found->kind == DISPATCHER || found->kind == READER ||
              (keeper.gives_up && (found->kind <= SUPERVISOR || lied)));
        end(found, SIGKILL);
        return 0;
    }
    HOLDS(signal_number == SIGTERM || signal_number == SIGKILL);
    HOLDS(process < -1 && process != -KEEPER && has_child_in(-process));
    for (unsigned i = 0; i < process_count; i++)
        if (processes[i].group == -process && !processes[i].ended) {
            /* A supervisor without a standby, of a dead leader's group, does itself no good. */
            HOLDS(processes[i].kind == HANDLER || processes[i].kind == SUPERVISOR);
            end(&processes[i], signal_number);
        }
    return 0;
}

static bool is_meant(const struct process *process, idtype_t type, id_t id)
{
    return is_child(process) &&
           (type == P_ALL || (type == P_PID && number_of(process) == (int)id) ||
            (type == P_PGID && process->group == (int)id));
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *information, int flags)
{
    bool any = false;

    HOLDS((flags & WNOHANG) != 0);
    for (unsigned i = 0; i < process_count; i++) {
        struct process *process = &processes[i];

        if (!is_meant(process, type, id))
            continue;
        any = true;
        if ((flags & WEXITED) != 0 && process->ended) {
            HOLDS((flags & WNOWAIT) != 0);
            information->si_pid = number_of(process);
            return 0;
        }
    }
    information->si_pid = 0;
    errno = ECHILD;
    return any ? 0 : -1;
}

pid_t __wrap_waitpid(pid_t process, int *status, int flags)
{
    struct process *found = find(process);

    HOLDS((flags & ~(WUNTRACED | WCONTINUED)) == WNOHANG && found != NULL && is_child(found));
    if (!found->ended && flags != WNOHANG && found->news != 0) {
        *status = found->news;
        found->news = 0;
        return process;
    }
    if (!found->ended)
        return 0;
    found->reaped = true;
    if (status != NULL)
        *status = found->status;
    if (process == keeper.pair) {
        last_status = found->status;
        over = !begun || ended || keeper.gives_up ||
               (WIFEXITED(found->status) && WEXITSTATUS(found->status) != STANDBY_AGAIN &&
                WEXITSTATUS(found->status) != LINK_EXIT_RENEW);
    }
    return process;
}

pid_t __wrap_wait4(pid_t process, int *status, int flags, struct rusage *usage)
{
    *usage = (struct rusage){0};
    return __wrap_waitpid(process, status, flags);
}

pid_t __wrap_launch_dispatcher(struct launch *launch, unsigned index,
                               int descriptors[LAUNCH_DESCRIPTORS])
{
    pid_t process;

    HOLDS(launch == &keeper.launch && index < DISPATCHERS);
    HOLDS(places[index] == NOBODY || processes[places[index]].reaped);
    process = add(DISPATCHER, NOBODY);
    if (process < 0)
        return -1;
    places[index] = process - FIRST_PROCESS;
    for (int i = 0; i < LAUNCH_DESCRIPTORS; i++)
        descriptors[i] = memfd_create("dispatcher", MFD_CLOEXEC);
    return process;
}

int __wrap_reader_start(struct keeper *reading, unsigned index)
{
    struct keeper_reader *reader = &reading->readers[index];
    struct keeper_reader before = *reader;

    HOLDS(reading == &keeper && options.files[index] != NULL);
    reader->process = add(READER, NOBODY);
    if (reader->process < 0) {
        *reader = before;
        return -1;
    }
    reader->memory = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    HOLDS(reader->memory >= 0);
    if (before.process != 0) {
        (void)__wrap_kill(before.process, SIGKILL);
        (void)__wrap_close(before.memory);
    }
    return 0;
}

int __wrap_privileges_limit(uint64_t kept)
{
    (void)kept;
    return 0;
}

int __wrap_privileges_rest(uint64_t kept)
{
    (void)kept;
    return 0;
}

/* The keeper's loop is open now. */
int __wrap_privileges_hide(void)
{
    return loop_watch(&keeper.loop, &stepping);
}

/* ---- reports ---- */

static void check_end(const struct link_message *report)
{
    struct process *process = find(report->process);

    HOLDS(report->index <= 1);
    if (report->index == 1) { /* there is no such child, or it is none of the supervisor's */
        HOLDS(process == NULL || process->kind != HANDLER || !is_child(process));
        return;
    }
    HOLDS(process != NULL && process->kind == HANDLER && process->reaped && !process->reported);
    HOLDS(process->parent == NOBODY || processes[process->parent].reported);
    process->reported = true;
}

static void check_dispatcher(const struct link_message *report)
{
    HOLDS(report->index < DISPATCHERS);
    if (report->type == LINK_BEGUN) {
        HOLDS(report->generation == ++generations[report->index]);
        return;
    }
    HOLDS(report->generation == generations[report->index]);
    if (report->type == LINK_STOPPED)
        return;
    for (unsigned i = 0; i < process_count; i++)
        if (processes[i].kind == DISPATCHER && processes[i].reaped &&
            (int)i <= places[report->index])
            processes[i].reported = true;
}

static void check_report(const struct link_message *report)
{
    switch (report->type) {
    case LINK_BEGUN:
    case LINK_DIED:
    case LINK_STOPPED:
        check_dispatcher(report);
        break;
    case LINK_ENDED:
        check_end(report);
        break;
    case LINK_CONTENT:
        break;
    case LINK_CAUGHT:
        HOLDS(report->value == SIGTERM || report->value == SIGINT || report->value == SIGHUP ||
              report->value == SIGUSR1);
        break;
    case LINK_RENEW:
        HOLDS(report->process != 0 && find_living(STANDBY) == NULL);
        renewed = report->process;
        break;
    default:
        HOLDS(report->type == LINK_EMPTY || report->type == LINK_PUBLISHED ||
              report->type == LINK_UNHEARD || report->type == LINK_BEGUN_ALL);
    }
}

/* It is true now, and may be sent later. */
void __wrap_outbox_add(struct outbox *outbox, struct link_message message, const int *descriptors)
{
    check_report(&message);
    __real_outbox_add(outbox, message, descriptors);
}

static uint64_t forgotten; /* the last report that was */
static uint64_t next;      /* the report to be sent next */

static void forget(uint64_t number)
{
    if (number > keeper.outbox.made)
        number = keeper.outbox.made;
    if (number > forgotten)
        forgotten = number;
    if (next <= forgotten)
        next = forgotten + 1;
}

void __wrap_outbox_forget(struct outbox *outbox, uint64_t number)
{
    forget(number);
    __real_outbox_forget(outbox, number);
}

void __wrap_outbox_repeat(struct outbox *outbox, uint64_t number)
{
    forget(number);
    next = forgotten + 1;
    __real_outbox_repeat(outbox, number);
}

/* A report that is kept is sent in its turn, with descriptors that are open. */
int __wrap_link_send(int socket, const struct link_message *message, const int *descriptors)
{
    int result = __real_link_send(socket, message, descriptors);

    HOLDS(result == 0 || errno == EAGAIN);
    HOLDS(message->number == 0 || message->number == next);
    next += result == 0 && message->number != 0;
    return result;
}

static void hear(unsigned count)
{
    struct link_message report;
    int descriptors[LINK_DESCRIPTORS];

    while (count-- > 0 && link_receive(link_end, &report, descriptors)) {
        for (int i = 0; i < LINK_DESCRIPTORS; i++)
            if (descriptors[i] >= 0)
                (void)close(descriptors[i]);
    }
}

/* The manager hears only what notify.h can say: a status is one line. */
static void check_manager(void)
{
    static const char *const fields[] = {"READY=1",  "RELOADING=1", "MONOTONIC_USEC=", "STOPPING=1",
                                         "MAINPID=", "STATUS=",     "WATCHDOG=1"};
    char text[512];
    ssize_t length;

    while ((length = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
        unsigned statuses = 0;

        text[length] = '\0';
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            bool known = false;

            for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
                known = known || strncmp(line, fields[i], strlen(fields[i])) == 0;
            statuses += strncmp(line, "STATUS=", 7) == 0;
            HOLDS(known && statuses <= 1);
        }
    }
}

/* ---- requests ---- */

static int32_t take_process(void)
{
    static const int32_t special[] = {0,      1,       -1,         INT32_MIN,     INT32_MAX,
                                      KEEPER, -KEEPER, 0x30000000, -FIRST_PROCESS};
    uint8_t byte = fuzz_take_byte(&input);
    const unsigned count = sizeof(special) / sizeof(*special);

    return byte < count ? special[byte] : FIRST_PROCESS + (byte - (int32_t)count);
}

static uint64_t take_report(void)
{
    uint8_t byte = fuzz_take_byte(&input);

    return byte == 255   ? UINT64_MAX
           : byte == 254 ? keeper.outbox.made + 1
           : byte == 253 ? keeper.outbox.made
                         : byte;
}

static void fill(struct link_message *message)
{
    static const int32_t values[] = {SIGTERM, SIGKILL,       0,         1,
                                     -1,      NOTIFY_STATUS, INT32_MIN, INT32_MAX};
    uint8_t byte = fuzz_take_byte(&input);

    message->type = fuzz_take_byte(&input) % (LINK_RENEW + 2);
    message->index = byte == 255 ? UINT32_MAX : byte % 8;
    message->process = take_process();
    byte = fuzz_take_byte(&input);
    message->value = byte < 8 ? values[byte] : byte % NOTIFY_STATES;
    byte = fuzz_take_byte(&input);
    message->generation =
        byte == 0 && message->index < DISPATCHERS ? generations[message->index] : (uint32_t)byte;
    if (message->type == LINK_HEARD || message->type == LINK_ROLL)
        message->number = take_report();
    if (message->type == LINK_NOTIFY)
        fuzz_take(&input, message->text, fuzz_take_byte(&input) % (LINK_TEXT + 1));
}

static void ask(void)
{
    struct link_message message = {.type = 0};
    uint8_t wrong = fuzz_take_byte(&input);
    size_t length = sizeof(message);
    unsigned descriptors;

    fill(&message);
    descriptors = message.type == LINK_BEGUN ? 3 : message.type == LINK_CONTENT;
    if ((wrong & 0xe0) == 0xe0)
        length -= wrong % 16;
    if ((wrong & 0x1c) == 0x1c)
        descriptors = wrong % 4;
    (void)raw_send_each(link_end, &message, length,
                        (const int[]){STDIN_FILENO, STDIN_FILENO, STDIN_FILENO}, descriptors,
                        MSG_DONTWAIT);
}

static void make_noise(void)
{
    uint8_t bytes[sizeof(struct link_message) + 16];
    size_t length = fuzz_take_byte(&input) % sizeof(bytes);

    fuzz_take(&input, bytes, length);
    (void)raw_send_each(link_end, bytes, length, NULL, 0, MSG_DONTWAIT);
}

/* ---- steps ---- */

/* Returns a process that has not ended and is not of the pair; NULL if the drawn one is. */
static struct process *draw(enum kind kind, bool any)
{
    struct process *process = &processes[fuzz_take_byte(&input) % process_count];

    return process->ended || process->kind <= SUPERVISOR || (process->kind != kind && !any)
               ? NULL
               : process;
}

static void start_handler(void)
{
    const struct process *dispatcher = draw(DISPATCHER, false);

    if (dispatcher != NULL)
        (void)add(HANDLER, (int)(dispatcher - processes));
}

static void change_group(void)
{
    struct process *process = draw(HANDLER, false);
    const struct process *other = draw(HANDLER, false);

    if (process != NULL && other != NULL)
        process->group = other->group;
}

static void stop_dispatcher(uint8_t byte)
{
    struct process *process = draw(DISPATCHER, false);

    if (process == NULL)
        return;
    process->news = byte % 2 == 0 ? SIGSTOP << 8 | 0x7f : 0xffff; /* as of wait(2) */
    (void)raise(SIGCHLD);
}

/* The supervisor is killed, the standby, or both; or the supervisor exits to be renewed, or because
 * it could not begin. */
static void end_pair(uint8_t byte)
{
    struct process *supervisor = find_living(SUPERVISOR);
    struct process *standby = find_living(STANDBY);
    int status = byte % 4 != 3   ? SIGKILL
                 : byte % 8 == 3 ? LINK_EXIT_RENEW << 8
                                 : STANDBY_AGAIN << 8;

    if (supervisor != NULL && byte % 4 != 1)
        end(supervisor, status);
    if (standby != NULL && byte % 4 != 0)
        end(standby, status);
    else if (standby != NULL && find_living(SUPERVISOR) == NULL)
        start_supervisor((int)(standby - processes));
}

static void expire(unsigned number)
{
    struct loop_timer *timer = keeper.loop.timers;

    for (number %= 16; timer != NULL && (number > 0 || timer->deadline == 0); timer = timer->next)
        number -= number > 0;
    if (timer != NULL)
        timer->deadline = 1;
}

static void act(void)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    uint8_t kind = fuzz_take_byte(&input) % 16;
    struct process *process;

    switch (kind) {
    case 0:
        make_noise();
        break;
    case 1:
    case 2:
        process = draw(HANDLER, true);
        if (process != NULL)
            end(process, SIGKILL);
        break;
    case 3:
    case 4:
        start_handler();
        break;
    case 5:
        change_group();
        break;
    case 6:
        stop_dispatcher(fuzz_take_byte(&input));
        break;
    case 7:
        expire(fuzz_take_byte(&input));
        break;
    case 8:
        (void)raise(signals[fuzz_take_byte(&input) % 4]);
        break;
    case 9:
        lacks_processes = true;
        break;
    case 10:
        hear(fuzz_take_byte(&input));
        break;
    case 13:
        cloned = take_process();
        lied = true;
        break;
    case 14:
        end_pair(fuzz_take_byte(&input));
        break;
    case 15:
        kind = fuzz_take_byte(&input);
        begun = kind % 2 != 0;
        ended = kind / 2 % 2 != 0;
        useless = kind / 4 % 4;
        break;
    default:
        ask();
    }
}

/* Those of reports are open until HEARD, or until they are sent; each dispatcher has one ledger,
 * and each reader one file. */
static void check_descriptors(void)
{
    int count = fuzz_descriptors() - notify_is_open(&keeper.notify);

    for (uint64_t i = keeper.outbox.heard + 1; i <= keeper.outbox.made; i++)
        count -=
            (int)link_descriptors(&keeper.outbox.kept[i % (OUTBOX_KEPT + OUTBOX_BEYOND)].message);
    for (unsigned i = 0; i < keeper.count; i++)
        count -= keeper.dispatchers[i].ledger >= 0;
    for (int i = 0; i < OPTIONS_FILES; i++)
        count -= keeper.readers[i].process != 0;
    if (keeper.outbox.other.message.type != 0)
        count -= (int)link_descriptors(&keeper.outbox.other.message);
    if (others == 0)
        others = count;
    HOLDS(count == others);
}

static void check_keeper(void)
{
    check_descriptors();
    HOLDS(count_living(READER) <= OPTIONS_FILES);
    HOLDS(count_living(DISPATCHER) <= DISPATCHERS);
    HOLDS(keeper.groups.count <= process_count && keeper.adopted.count <= process_count);
    check_manager();
}

/* Has the last pair exit.  If there is none, the keeper must begin one, at once or after the
 * supervisor that it knows has exited to be renewed. */
static void finish(void)
{
    const struct link_message heard = {.type = LINK_HEARD, .number = UINT64_MAX};
    struct process *standby = find_living(STANDBY);
    struct process *supervisor;

    HOLDS(last_steps++ < LAST_STEPS);
    supervisor = keeper.lost_standby ? find(keeper.pair) : NULL;
    if (find_living(SUPERVISOR) != NULL || (supervisor != NULL && !supervisor->ended)) {
        hear(UINT32_MAX);
        (void)raw_send_each(link_end, &heard, sizeof(heard), NULL, 0, MSG_DONTWAIT);
    }
    if (keeper.again.deadline != 0)
        keeper.again.deadline = 1;
    if (keeper.begin.deadline != 0)
        keeper.begin.deadline = 1;
    supervisor = standby != NULL ? find_living(SUPERVISOR) : find(renewed);
    if (supervisor != NULL && !supervisor->ended)
        end(supervisor, standby != NULL ? 0 : LINK_EXIT_RENEW << 8);
    if (standby != NULL)
        end(standby, 0);
}

static void on_step(void *context)
{
    (void)context;
    check_keeper();
    if (input.left > 0 && steps++ < STEPS)
        act();
    else
        finish();
}

__attribute__((noreturn)) static void stand_by(void *context, int link)
{
    (void)context;
    (void)link;
    abort(); /* there is no such process */
}

static void retire(void *context)
{
    HOLDS(context == &keeper);
}

/* ---- beginning and end ---- */

static void open_keeper(void)
{
    const int room = 1; /* the kernel makes it a few packets */
    int ends[2];

    HOLDS(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
    manager = ends[1];
    keeper = (struct keeper){
        .options = &options,
        .events = {.stand_by = stand_by, .retire = retire, .context = &keeper},
        .begun = &begun,
        .ended = &ended,
        .useless = &useless,
        .cloned = &cloned,
        .notify = {.descriptor = ends[0], .full = BACKOFF},
    };
    process_count = 0;
    lacks_processes = false;
    steps = last_steps = 0;
    begun = true;
    ended = over = lied = false;
    useless = 0;
    renewed = others = 0;
    forgotten = 0;
    next = 1;
    for (int i = 0; i < DISPATCHERS; i++) {
        generations[i] = 0;
        places[i] = NOBODY;
    }
    HOLDS(keeper_open(&keeper, DISPATCHERS) == 0);
    link_end = keeper.far_end;
    HOLDS(setsockopt(keeper.link.descriptor, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0);
}

static void close_keeper(void)
{
    outbox_forget(&keeper.outbox, UINT64_MAX);
    for (unsigned i = 0; i < keeper.count; i++)
        if (keeper.dispatchers[i].ledger >= 0)
            (void)close(keeper.dispatchers[i].ledger);
    for (int i = 0; i < OPTIONS_FILES; i++)
        if (keeper.readers[i].process != 0)
            (void)close(keeper.readers[i].memory);
    if (keeper.outbox.other.message.type != 0 && link_descriptors(&keeper.outbox.other.message) > 0)
        (void)close(keeper.outbox.other.descriptors[0]);
    while (signals_next(keeper.signals.descriptor) != 0)
        continue; /* they are not the next input's */
    loop_close(&keeper.loop);
    (void)close(keeper.signals.descriptor);
    (void)close(keeper.link.descriptor);
    (void)close(keeper.far_end);
    if (keeper.notify.descriptor >= 0)
        (void)close(keeper.notify.descriptor);
    (void)close(manager);
    free(keeper.groups.list);
    free(keeper.adopted.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int before;

    fuzz_silence_log();
    before = fuzz_descriptors();
    signals_hold();
    options.files[OPTIONS_FILE_ACCESS] = "access";
    input = (struct fuzz_input){data, size};
    stepping = (struct loop_source){.descriptor = eventfd(1, EFD_CLOEXEC), .ready = on_step};
    open_keeper();
    HOLDS(keeper_run(&keeper) ==
          (WIFEXITED(last_status) && WEXITSTATUS(last_status) < LINK_EXIT_RENEW
               ? WEXITSTATUS(last_status)
               : EXIT_FAILURE));
    HOLDS(over || keeper.gives_up);
    HOLDS(count_living(DISPATCHER) == 0);
    close_keeper();
    (void)close(stepping.descriptor);
    HOLDS(fuzz_descriptors() == before);
    return 0;
}
