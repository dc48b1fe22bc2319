/*
 * binding.h - listeners of TCP: from addresses and a port to sockets.
 */
#ifndef SUPERVISOR_LISTEN_BINDING_H
#define SUPERVISOR_LISTEN_BINDING_H

#include "supervisor/listen/listener.h"

/* Opens, or takes over, a listener for each address of the request.  Returns 0, or -1 after logging
 * what failed.  May wait for a name look-up. */
int binding_open(struct listeners *listeners, const struct listener_request *request);

#endif
