/*
 * policy.h - who is served, and what those are told who are refused: from the command line, and
 * from the files that it names, which can be read again at any time.
 */
#ifndef SUPERVISOR_QUEUE_POLICY_H
#define SUPERVISOR_QUEUE_POLICY_H

#include "dispatcher/protocol.h"
#include "supervisor/options/busy.h"
#include "supervisor/options/options.h"
#include "supervisor/queue/access.h"

#include <stdbool.h>

struct policy {
    struct access access;
    struct busy_message busy;
};

/* Reads all of it, by path: for the start.  What is wrong is logged; returns false then. */
bool policy_read(struct policy *policy, const struct options *options);

/* The path of a file that is to be read, or NULL. */
const char *policy_file(const struct options *options, enum protocol_file file);

/* Reads one of them again, from a memory file that protocol.h describes, and closes it.  What is
 * wrong is logged and keeps the content it had; returns false then. */
bool policy_take(struct policy *policy, const struct options *options, enum protocol_file file,
                 int descriptor);

/* Logs that one of them could not be read. */
void policy_unreadable(const struct options *options, enum protocol_file file, const char *error);

#endif
