/*
 * usage.h - the texts of --help and --version.
 */
#ifndef DAMPENERCTL_USAGE_H
#define DAMPENERCTL_USAGE_H

#include <stdbool.h>

/* On standard output.  Both return whether all of it was written. */
bool usage_help(void);
bool usage_version(void);

#endif
