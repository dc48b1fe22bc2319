/*
 * tuning.h - the socket options of a listener of TCP that its clients inherit.
 */
#ifndef SUPERVISOR_LISTEN_TUNING_H
#define SUPERVISOR_LISTEN_TUNING_H

#include "supervisor/listen/listener.h"

/* How soon a peer that has vanished is found, and what the request says of sending and of clients
 * that are silent.  With `passed`, what a service manager may have set stays, if the request does
 * not ask for something else.  Returns 0, or -1 with errno. */
int tuning_apply(int descriptor, const struct listener_request *request, bool passed);

#endif
