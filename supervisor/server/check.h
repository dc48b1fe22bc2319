/*
 * check.h - the places that a start needs, looked at without taking them: --check-config.
 */
#ifndef SUPERVISOR_SERVER_CHECK_H
#define SUPERVISOR_SERVER_CHECK_H

#include "supervisor/options/options.h"

#include <stdbool.h>

/* Looks at the addresses, sockets and files that the options name, and at the figures of the kernel
 * that gates read.  What a living process has, such as a daemon with the same options, counts as
 * free, and is not disturbed.  Returns false after logging all that is wrong. */
bool check_places(const struct options *options);

#endif
