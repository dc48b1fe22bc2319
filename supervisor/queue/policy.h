/*
 * policy.h - the access rules and the busy message: from the command line, and from the files that
 * it names.  The files can be read again at any time.
 */
#ifndef SUPERVISOR_QUEUE_POLICY_H
#define SUPERVISOR_QUEUE_POLICY_H

#include "supervisor/options/access.h"
#include "supervisor/options/options.h"

#include <stdbool.h>

struct policy {
    struct access access;
    struct options_busy busy;
};

/* Reads all of it by path, and looks up the hosts of the access file, for the start.  Sets *rules
 * to a memory file with the compiled rules, if the options name an access file, which the caller
 * closes; else to -1.  Returns false after logging what is wrong. */
bool policy_read(struct policy *policy, const struct options *options, int *rules);

/* Takes a file that was read again as a sealed memory file, which stays the caller's: compiled
 * access rules, or the busy message.  Returns false after logging what is wrong; then the old
 * content stays. */
bool policy_take(struct policy *policy, const struct options *options, enum options_file file,
                 int descriptor);

/* Logs that a file could not be read. */
void policy_unreadable(const struct options *options, enum options_file file, const char *error);

#endif
