/*
 * usage.h - what --help and --version print, on standard output.
 */
#ifndef SUPERVISOR_OPTIONS_USAGE_H
#define SUPERVISOR_OPTIONS_USAGE_H

#include <stdbool.h>

/* At most 80 columns wide.  Both return whether all of it was written. */
bool usage_help(void);
bool usage_version(void);

#endif
