#include "supervisor/dampenerctl/keys.h"

#include "supervisor/dampenerctl/answer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { END_OF_INPUT = 4 /* Ctrl-D, from a terminal without its line discipline */ };

static void note(struct keys *keys, const char *text)
{
    (void)snprintf(keys->note, sizeof(keys->note), "%s", text);
}

static void ask_to_pause(struct keys *keys)
{
    note(keys, "pause: start no more handlers, clients wait? y: yes, any other key: no");
    (void)snprintf(keys->asked, sizeof(keys->asked), "pause");
}

/* A limit of 0 would be none. */
static void ask_for_processes(struct keys *keys, int more, const char *answer)
{
    const double now = answer_number(answer, "limits.processes");

    if (isnan(now)) {
        note(keys, "the limit on handlers is not known");
    } else if (isinf(now)) {
        note(keys, "handlers have no limit; 'set processes N' gives them one");
    } else if (now + more < 1) {
        note(keys, "one handler is the least; p pauses the service");
    } else {
        (void)snprintf(keys->note, sizeof(keys->note),
                       "run at most %.0f handlers, now %.0f? y: yes, any other key: no", now + more,
                       now);
        (void)snprintf(keys->asked, sizeof(keys->asked), "set processes %.0f", now + more);
    }
}

void keys_forget(struct keys *keys)
{
    *keys->note = *keys->asked = '\0';
}

void keys_press(struct keys *keys, char key, const char *answer)
{
    const char *figures = answer != NULL ? answer : "";
    const bool was_asked = *keys->asked != '\0';

    if (key == 'q' || key == 'Q' || key == END_OF_INPUT) {
        keys->quit = true;
        return;
    }
    if (was_asked && (key == 'y' || key == 'Y'))
        memcpy(keys->command, keys->asked, sizeof(keys->command));
    keys_forget(keys);
    if (was_asked)
        return;
    if (key == 'p' || key == 'P')
        ask_to_pause(keys);
    else if (key == 'r' || key == 'R')
        (void)snprintf(keys->command, sizeof(keys->command), "resume");
    else if (key == '+' || key == '=') /* the same key, without Shift */
        ask_for_processes(keys, 1, figures);
    else if (key == '-' || key == '_')
        ask_for_processes(keys, -1, figures);
}
