/*
 * top.h - the live view: asks a daemon for its figures once a second, and shows them.
 */
#ifndef DAMPENERCTL_TOP_H
#define DAMPENERCTL_TOP_H

/* Shows the view until the user quits; without a capable terminal, prints one frame.  Returns an
 * exit status. */
int top_run(const char *path);

#endif
