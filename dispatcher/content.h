/*
 * content.h - reads files for the supervisor, which can open none.
 */
#ifndef DISPATCHER_CONTENT_H
#define DISPATCHER_CONTENT_H

#include "dispatcher/protocol.h"

/* Opens a file of the setup.  Returns a descriptor that the caller closes, or -1 with errno. */
int content_open(const struct setup *setup, enum protocol_file file);

/* Copies a file of the setup into a sealed memory file, for CONTENT.  Waits for the file system.
 * Returns a descriptor that the caller closes, or -1 with errno. */
int content_copy(const struct setup *setup, enum protocol_file file);

#endif
