/*
 * policy.h - who is served, and what those are told who are refused: from the command line, and
 * from the files that it names, which can be read again at any time.
 */
#ifndef SUPERVISOR_POLICY_H
#define SUPERVISOR_POLICY_H

#include "supervisor/access.h"
#include "supervisor/busy.h"
#include "supervisor/options.h"

#include <stdbool.h>

struct policy {
    struct access access;
    struct busy_message busy;
};

/* Reads all of it.  What is wrong is logged and keeps the content it had; returns false then. */
bool policy_read(struct policy *policy, const struct options *options);

#endif
