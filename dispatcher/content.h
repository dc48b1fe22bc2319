/*
 * content.h - the files that the supervisor asks for, which cannot open any itself.
 */
#ifndef DISPATCHER_CONTENT_H
#define DISPATCHER_CONTENT_H

#include "dispatcher/protocol.h"

/* Opens a file of the setup.  Returns a descriptor, the caller's to close, or -1 with errno. */
int content_open(const struct setup *setup, enum protocol_file file);

/* Reads it into a sealed memory file, as protocol.h says of CONTENT.  Waits as long as its file
 * system does.  Returns a descriptor, the caller's to close, or -1 with errno. */
int content_copy(const struct setup *setup, enum protocol_file file);

#endif
