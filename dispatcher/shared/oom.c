#include "dispatcher/shared/oom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char path[] = "/proc/self/oom_score_adj";

static struct {
    int descriptor; /* -1: the value stays the same */
    int original;
    int low;
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

static bool put(int value)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "%d", value);

    return write(state.descriptor, text, (size_t)length) == length;
}

void oom_open(int original, bool protect)
{
    /* Not -1000: the kernel could kill nothing if one of our processes used all memory.  0 is for a
     * daemon that was started above 0 and may not go below it. */
    static const int candidates[] = {-900, 0};

    state.original = original;
    state.descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (state.descriptor < 0)
        return;
    for (unsigned i = 0; protect && i < sizeof(candidates) / sizeof(*candidates); i++) {
        state.low = candidates[i];
        if (state.low < original && put(state.low))
            return;
    }
    (void)put(original); /* raising needs no privileges */
    oom_close();
}

void oom_expose(void)
{
    if (state.descriptor >= 0 && !state.exposed)
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

void oom_close(void)
{
    if (state.descriptor >= 0)
        (void)close(state.descriptor); /* the written value stays in force */
    state.descriptor = -1;
    state.exposed = false;
}
