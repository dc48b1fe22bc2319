/*
 * keys.h - what a key does in the live view.
 *
 *     q      ends the view, as Ctrl-D does
 *     p, r   pause and resume the service
 *     +, -   run one handler more, or fewer
 *
 * A key that holds clients back or changes a limit only asks; then y does it, and each other key
 * does not.  Pure: nothing is sent here.
 */
#ifndef DAMPENERCTL_KEYS_H
#define DAMPENERCTL_KEYS_H

#include <stdbool.h>

enum { KEYS_COMMAND = 40 };

struct keys {
    char note[100];             /* a question, or why a key does nothing; "": neither */
    char asked[KEYS_COMMAND];   /* the command that y sends; "": nothing was asked */
    char command[KEYS_COMMAND]; /* to be sent now; "": none */
    bool quit;
};

/* Takes a key.  `answer` has the figures that the user sees (answer.h); NULL: none. */
void keys_press(struct keys *keys, char key, const char *answer);

/* Drops the question, which nobody has answered. */
void keys_forget(struct keys *keys);

#endif
