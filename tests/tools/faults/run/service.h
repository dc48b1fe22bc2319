/*
 * service.h - a daemon that uses all it has, in a folder of its own, and what can be seen of it
 * from outside.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_SERVICE_H
#define TESTS_TOOLS_FAULTS_RUN_SERVICE_H

#include "tests/tools/faults/run/tracer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SERVICE_DISPATCHERS = 2 };

#define SERVICE_TIMEOUT "0.2" /* seconds that a handler has */

struct service {
    pid_t process; /* the keeper; 0: it has ended, and been waited for */
    pid_t tracer;
    int status; /* of its end */
    int ready;  /* where it says so */
    int notify; /* and its socket, as a service manager has it */
    uint16_t port;
    uint16_t metrics;
};

/* Puts into the current folder what the daemon will read there, takes away what another has left,
 * and starts one of that build, of which `handler` is a copy that anybody may execute.  Without a
 * fault that is to be traced, `observed` is NULL.  Returns 0, or -1 with errno. */
int service_start(struct service *service, const char *build, const struct fault *fault,
                  struct observed *observed);

/* Asks through the control socket; returns whether there was an answer, of which `text` gets all
 * that has room. */
bool service_ask(const char *question, char *text, unsigned size);

/* A number of the status, as JSON: the first behind the quoted name.  -1: there is none. */
long service_number(const char *status, const char *name);

/* Whether it has ended: then `status` is that of its end. */
bool service_has_ended(struct service *service);

/* Whether it is ready: all that it has to tell is known then. */
bool service_is_ready(struct service *service);

/* What it has logged so far; the text stays until the next call. */
const char *service_log(void);

/* The first child of a process that has such a name and, if that is so wanted, has ended and was
 * not waited for; 0: there is none. */
pid_t service_child(pid_t process, const char *name, bool zombie);

/* The same for the child with that many such before it. */
pid_t service_nth_child(pid_t process, const char *name, unsigned before);

/* The standby; 0: there is none. */
pid_t service_standby(const struct service *service);

/* The supervisor, a child of the standby, or of the keeper without one; 0: there is none. */
pid_t service_supervisor(const struct service *service);

/* Whether the standby is there, and the supervisor is its child. */
bool service_is_paired(const struct service *service);

/* Whether the process, or what traces it, has stopped it. */
bool service_is_stopped(pid_t process);

/* Of a process and all its children, in milliseconds. */
long service_processor_time(pid_t process);

/* Empties the socket of the service manager. */
void service_hear(const struct service *service);

/* Whether any process is left of all that the service has been; names one.  Whoever is an orphan
 * has become a child of this process, who must be a reaper of them (PR_SET_CHILD_SUBREAPER). */
bool service_is_left(const struct service *service, char *name, unsigned size);

/* Ends all that is left by force, and waits for it. */
void service_kill(struct service *service);

#endif
