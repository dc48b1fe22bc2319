#include "dispatcher/shared/oom.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char path[] = "/proc/self/oom_score_adj";

static struct {
    int descriptor; /* -1: the value stays the same */
    char original[8];
    char low[8];
    bool exposed;
} state = {.descriptor = -1};

int oom_score(void)
{
    char text[16] = "";
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0)
        return 0;
    if (read(descriptor, text, sizeof(text) - 1) <= 0)
        text[0] = '\0';
    (void)close(descriptor); /* it was only read */
    return (int)strtol(text, NULL, 10);
}

static bool put(const char *value)
{
    return write(state.descriptor, value, strlen(value)) == (ssize_t)strlen(value);
}

void oom_open(int original)
{
    /* Not -1000: the kernel could kill nothing if one of our processes used all memory.  0 is for a
     * daemon that was started above 0 and may not go below it. */
    static const int candidates[] = {-900, 0};

    (void)snprintf(state.original, sizeof(state.original), "%d", original);
    state.descriptor = open(path, O_WRONLY | O_CLOEXEC);
    for (unsigned i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
        (void)snprintf(state.low, sizeof(state.low), "%d", candidates[i]);
        if (state.descriptor >= 0 && candidates[i] < original && put(state.low))
            return;
    }
    oom_close();
}

void oom_restore(int original)
{
    (void)snprintf(state.original, sizeof(state.original), "%d", original);
    state.descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (state.descriptor >= 0)
        (void)put(state.original); /* raising needs no privileges */
    oom_close();
}

void oom_expose(void)
{
    if (state.descriptor < 0 || state.exposed)
        return;
    state.exposed = put(state.original);
}

void oom_protect(void)
{
    if (!state.exposed)
        return;
    state.exposed = false;
    if (!put(state.low))
        oom_close(); /* another attempt would fail, too */
}

int oom_timeout(void)
{
    enum { IDLE = 1000 };

    return state.exposed ? IDLE : -1;
}

void oom_inherit(int descriptor)
{
    bool may = state.exposed; /* otherwise the parent may not change its value either */

    oom_close();
    state.descriptor = descriptor;
    state.exposed = may && descriptor >= 0;
    if (!may)
        oom_close();
}

void oom_close(void)
{
    if (state.descriptor >= 0)
        (void)close(state.descriptor); /* the written value stays in force */
    state.descriptor = -1;
    state.exposed = false;
}
