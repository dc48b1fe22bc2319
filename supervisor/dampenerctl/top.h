/*
 * top.h - the live view: asks a daemon once a second how it stands, and shows it on the terminal.
 */
#ifndef DAMPENERCTL_TOP_H
#define DAMPENERCTL_TOP_H

#include <stdbool.h>

/* Shows the view until the user has seen enough; without a terminal that can show it, one frame.
 * `utf8` says what the terminal's character set is.  Returns an exit status. */
int top_run(const char *path, bool utf8);

#endif
