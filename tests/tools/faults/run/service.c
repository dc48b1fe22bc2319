#include "tests/tools/faults/run/service.h"

#include "tests/shared/proc.h"
#include "tests/tools/faults/run/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANSWER_WITHIN = 12000, /* milliseconds */
    DESCRIPTORS = 512,
    READY = 100 /* higher than any that this process has */
};

/* ---- its beginning ---- */

static int put(const char *name, const char *content)
{
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t length = file < 0 ? -1 : write(file, content, strlen(content));

    return file >= 0 && close(file) == 0 && length == (ssize_t)strlen(content) ? 0 : -1;
}

static int prepare_folder(void)
{
    static const char *const left[] = {"control", "pid", "notify"};

    for (unsigned i = 0; i < sizeof(left) / sizeof(*left); i++)
        if (unlink(left[i]) != 0 && errno != ENOENT)
            return -1;
    return put("access", "deny 127.0.0.2\n") == 0 && put("busy", "busy\n") == 0 &&
                   put("log", "") == 0 && put("books", "") == 0 && chmod("books", 0666) == 0
               ? 0
               : -1;
}

static int listen_for_notes(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "notify"};
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (descriptor < 0 ||
        bind(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod("notify", 0666) != 0)
        return -1;
    return descriptor;
}

static const char *const options[] = {"--ready-fd",
                                      "100",
                                      "--address",
                                      "127.0.0.1",
                                      "--processes",
                                      "2",
                                      "--dispatchers",
                                      "2",
                                      "--control",
                                      "control",
                                      "--pid-file",
                                      "pid",
                                      "--access-file",
                                      "access",
                                      "--busy-message",
                                      "@busy",
                                      "--timeout",
                                      SERVICE_TIMEOUT,
                                      "--kill-after",
                                      "0.1",
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--load-average",
                                      "100000",
                                      "--drain-timeout",
                                      "4",
                                      "--nice",
                                      "1",
                                      "--limit",
                                      "core=0",
                                      "--umask",
                                      "022",
                                      "--chdir",
                                      "/",
                                      "--order",
                                      "fair",
                                      "--queue",
                                      "100",
                                      "--when-full",
                                      "refuse",
                                      "-vv"};

/* Waits until it is traced. */
static _Noreturn void become_daemon(const char *build, int ready, int go)
{
    char program[4096];
    char folder[2048];
    char notify[4096];
    char byte;
    const char *words[sizeof(options) / sizeof(*options) + 6] = {program};
    unsigned count = 1;
    int log = open("log", O_WRONLY | O_APPEND);

    (void)snprintf(program, sizeof(program), "%s/socket-burst-dampener", build);
    /* Where close_range(2) is not to be had, each that might be open is closed. */
    (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){DESCRIPTORS, DESCRIPTORS});
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
        words[count++] = options[i];
    if (geteuid() == 0) {
        words[count++] = "--user";
        words[count++] = "nobody";
    }
    words[count++] = "0";
    if (getcwd(folder, sizeof(folder)) == NULL || log < 0)
        _exit(2);
    (void)snprintf(notify, sizeof(notify), "%s/notify", folder);
    strcat(folder, "/handler");
    words[count] = folder;
    if (setenv("NOTIFY_SOCKET", notify, 1) != 0 || read(go, &byte, 1) != 1 ||
        dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(ready, READY) < 0)
        _exit(2);
    (void)execv(program, (char **)(uintptr_t)words);
    _exit(2);
}

int service_start(struct service *service, const char *build, const struct fault *fault,
                  struct observed *observed)
{
    int ready[2];
    int go[2];

    *service = (struct service){.ready = -1};
    if (prepare_folder() != 0 || (service->notify = listen_for_notes()) < 0 ||
        pipe2(ready, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(go, O_CLOEXEC) != 0)
        return -1;
    service->process = fork();
    if (service->process == 0)
        become_daemon(build, ready[1], go[0]);
    (void)close(ready[1]); /* it is the child's, and so is the next */
    (void)close(go[0]);
    service->ready = ready[0];
    if (service->process > 0 && observed != NULL)
        service->tracer = tracer_start(service->process, ACTOR_KEEPER, fault, observed);
    if (service->tracer >= 0 && write(go[1], "", 1) != 1)
        service->tracer = -1;
    (void)close(go[1]); /* all is said */
    return service->process > 0 && service->tracer >= 0 ? 0 : -1;
}

bool service_has_ended(struct service *service)
{
    if (service->process != 0 && waitpid(service->process, &service->status, WNOHANG) > 0)
        service->process = 0;
    return service->process == 0;
}

static uint16_t number_behind(const char *text, const char *words)
{
    const char *place = strstr(text, words);

    return place == NULL ? 0 : (uint16_t)strtoul(place + strlen(words), NULL, 10);
}

/* It may have come so far that it serves, and not be able to say so there. */
bool service_is_ready(struct service *service)
{
    char text[8192];
    ssize_t length = read(service->ready, text, sizeof(text) - 1);

    if (length < 0)
        return false;
    text[length] = '\0';
    service->port = number_behind(text, "127.0.0.1 ");
    if (length == 0 && service_ask("status", text, sizeof(text)))
        service->port = number_behind(text, "\"port\":");
    service->metrics = number_behind(service_log(), "metrics on 127.0.0.1 port ");
    return service->port != 0;
}

/* ---- what it says ---- */

bool service_ask(const char *question, char *text, unsigned size)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "control"};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (descriptor < 0)
        return false;
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(descriptor, question, strlen(question), MSG_NOSIGNAL) < 0 ||
        shutdown(descriptor, SHUT_WR) != 0) {
        (void)close(descriptor); /* nobody is there */
        return false;
    }
    return visit_end(descriptor, ANSWER_WITHIN, text, size) == VISIT_ANSWERED;
}

long service_number(const char *status, const char *name)
{
    char quoted[64];
    const char *place;

    (void)snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    place = strstr(status, quoted);
    return place == NULL ? -1 : strtol(place + strlen(quoted), NULL, 10);
}

const char *service_log(void)
{
    static char text[256 * 1024];
    int file = open("log", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    text[length < 0 ? 0 : length] = '\0';
    if (file >= 0)
        (void)close(file); /* it was only read */
    return text;
}

void service_hear(const struct service *service)
{
    char text[1024];

    while (recv(service->notify, text, sizeof(text), MSG_DONTWAIT) > 0)
        continue;
}

/* ---- its processes ---- */

static bool is_such(pid_t process, const char *name, bool zombie)
{
    char text[512];
    const char *end;

    if (proc_read(process, "stat", text, sizeof(text)) == 0 || (end = strrchr(text, ')')) == NULL)
        return false;
    return (!zombie || strncmp(end, ") Z", 3) == 0) &&
           (name == NULL || (strncmp(strchr(text, '(') + 1, name, strlen(name)) == 0 &&
                             strchr(text, '(') + 1 + strlen(name) == end));
}

static pid_t find_child(pid_t process, const char *name, bool zombie, unsigned before)
{
    char text[4096];
    char *next = text;
    pid_t child;

    if (proc_children(process, text, sizeof(text)) == 0)
        return 0;
    while ((child = (pid_t)strtol(next, &next, 10)) > 0)
        if (is_such(child, name, zombie) && before-- == 0)
            return child;
    return 0;
}

pid_t service_child(pid_t process, const char *name, bool zombie)
{
    return find_child(process, name, zombie, 0);
}

pid_t service_nth_child(pid_t process, const char *name, unsigned before)
{
    return find_child(process, name, false, before);
}

/* It may have failed to take its name, as may the supervisor. */
pid_t service_standby(const struct service *service)
{
    pid_t process = service_child(service->process, "standby", false);

    return process != 0 ? process : service_child(service->process, "socket-burst-da", false);
}

pid_t service_supervisor(const struct service *service)
{
    pid_t standby = service_standby(service);
    pid_t process = standby == 0 ? 0 : service_child(standby, NULL, false);

    return process != 0 ? process : service_child(service->process, "supervisor", false);
}

bool service_is_paired(const struct service *service)
{
    pid_t standby = service_standby(service);

    return standby != 0 && service_child(standby, NULL, false) != 0;
}

bool service_is_stopped(pid_t process)
{
    char text[512];
    const char *end;

    return proc_read(process, "stat", text, sizeof(text)) > 0 &&
           (end = strrchr(text, ')')) != NULL &&
           (strncmp(end, ") T", 3) == 0 || strncmp(end, ") t", 3) == 0);
}

/* Fields 14 to 17 of proc_pid_stat(5). */
long service_processor_time(pid_t process)
{
    char text[512];
    long sum = 0;
    char *next;

    if (proc_read(process, "stat", text, sizeof(text)) == 0 || (next = strrchr(text, ')')) == NULL)
        return 0;
    for (int field = 2; field < 14 && next != NULL; field++)
        next = strchr(next + 1, ' ');
    for (int field = 14; field <= 17 && next != NULL; field++)
        sum += strtol(next, &next, 10);
    return sum * 1000 / sysconf(_SC_CLK_TCK);
}

/* Reaps those who have ended on the way. */
bool service_is_left(const struct service *service, char *name, unsigned size)
{
    siginfo_t information;
    char text[4096];
    char *next = text;
    pid_t child;

    if (proc_children(getpid(), text, sizeof(text)) == 0)
        return false;
    while ((child = (pid_t)strtol(next, &next, 10)) > 0) {
        information.si_pid = 0;
        if (child == service->tracer ||
            (waitid(P_PID, (id_t)child, &information, WEXITED | WNOHANG) == 0 &&
             information.si_pid != 0))
            continue;
        if (proc_read(child, "comm", name, size) == 0)
            (void)snprintf(name, size, "process %d", child);
        name[strcspn(name, "\n")] = '\0';
        return true;
    }
    return false;
}

void service_kill(struct service *service)
{
    char text[4096];
    char *next;
    pid_t child;

    while (proc_children(getpid(), text, sizeof(text)) > 0) {
        next = text;
        while ((child = (pid_t)strtol(next, &next, 10)) > 0)
            (void)kill(child, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        (void)usleep(1000);
    }
    service->process = 0;
    if (service->ready >= 0)
        (void)close(service->ready); /* they were only read */
    if (service->notify >= 0)
        (void)close(service->notify);
}
