/*
 * instance.h - finds the daemon that is meant when no PATH is given.
 *
 * A service manager starts each daemon with its control socket in a folder of its own:
 * /run/socket-burst-dampener/NAME/control.
 */
#ifndef DAMPENERCTL_INSTANCE_H
#define DAMPENERCTL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define INSTANCE_FOLDER "/run/socket-burst-dampener"

/* Room for the path of a control socket. */
enum { INSTANCE_PATH = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

/* Looks for control sockets there.  Returns how many there are, and copies the path of the first,
 * in the order of names. */
unsigned instance_find(char path[INSTANCE_PATH]);

/* Says on standard error that there are several instances, with the command for each: `words` are
 * those of this command, behind --json if `json` is true. */
void instance_list(char *const *words, bool json);

#endif
