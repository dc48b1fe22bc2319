/*
 * The variables of a service manager: LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID, NOTIFY_SOCKET,
 * WATCHDOG_USEC and WATCHDOG_PID, a line each in this order; one that is "-" is not there, and "."
 * as a process is this one.  What is taken is what they say, and of this process they say nothing
 * to its children.
 */
#include "supervisor/keeper/notify.h"
#include "supervisor/listen/listener.h"
#include "supervisor/listen/passed.h"

#include "tests/fuzz/shared/fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PASSED = 8 /* descriptors from PASSED_FIRST on, of which all but the last listen */ };

static const char *const names[] = {"LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PID",
                                    "NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID"};
enum { VARIABLES = sizeof(names) / sizeof(*names) };

static void pass(int number, int type)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    HOLDS(descriptor >= 0 &&
          bind(descriptor, (struct sockaddr *)&any, sizeof(any.sun_family)) == 0);
    HOLDS(type != SOCK_STREAM || listen(descriptor, 1) == 0);
    if (descriptor == number)
        return;
    HOLDS(dup2(descriptor, number) == number);
    (void)close(descriptor);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (int i = 0; i < PASSED; i++)
        pass(PASSED_FIRST + i, i + 1 < PASSED ? SOCK_STREAM : SOCK_DGRAM);
    fuzz_silence_log();
    return 0;
}

static void set(const char *name, const char *word)
{
    char process[16];

    (void)snprintf(process, sizeof(process), "%d", getpid());
    if (strcmp(word, "-") == 0)
        HOLDS(unsetenv(name) == 0);
    else
        HOLDS(setenv(name, strcmp(word, ".") == 0 ? process : word, 1) == 0);
}

/* A list of names has one more than colons. */
static void check_names(const struct listeners *passed, const char *list, bool any)
{
    size_t length = 0;

    HOLDS(passed->count < PASSED && (passed->count > 0) == any);
    for (size_t i = 0; i < passed->count; i++) {
        const char *name = passed->list[i].name;

        HOLDS(passed->list[i].descriptor == PASSED_FIRST + (int)i && passed->list[i].passed);
        HOLDS((name != NULL) == (list != NULL));
        if (name != NULL) {
            HOLDS(strncmp(list + length, name, strlen(name)) == 0);
            length += strlen(name) + 1;
        }
    }
    HOLDS(list == NULL || !any || length == strlen(list) + 1);
}

static void forget(struct listeners *passed)
{
    if (passed->count > 0)
        free((void *)(uintptr_t)passed->list[0].name); /* of which the others are parts */
    for (size_t i = 0; i < passed->count; i++)
        free((void *)(uintptr_t)passed->list[i].path);
    free(passed->list);
}

static void check_passed(void)
{
    const char *word = getenv("LISTEN_FDNAMES");
    char *list = word == NULL ? NULL : strdup(word);
    bool any = getenv("LISTEN_FDS") != NULL;
    struct listeners passed;

    if (passed_read(&passed, true) == 0) {
        check_names(&passed, list, any);
        forget(&passed);
    } else {
        /* The process would end; what the names were is freed. */
        for (size_t i = 0; i < passed.count; i++)
            free((void *)(uintptr_t)passed.list[i].path);
        free(passed.list);
    }
    free(list);
}

static void check_notify(void)
{
    struct notify notify;

    notify_open(&notify);
    HOLDS(notify.descriptor >= 0 || notify.watchdog_every == 0);
    HOLDS(notify.watchdog_every == 0 || notify.watchdog_every >= 10000);
    if (notify.descriptor >= 0)
        (void)close(notify.descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    int before = fuzz_descriptors();

    for (int i = 0; i < VARIABLES; i++) {
        char *word = fuzz_take_string(&input);

        set(names[i], word);
        free(word);
    }
    check_passed();
    check_notify();
    for (int i = 0; i < VARIABLES; i++)
        HOLDS(getenv(names[i]) == NULL);
    HOLDS(fuzz_descriptors() == before);
    return 0;
}
