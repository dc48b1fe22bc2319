/*
 * tracer.h - follows the daemon and all that it forks, counts their system calls, and lets one of
 * them fail.
 *
 * By ptrace(2), as strace does; but who is observed is told apart by what it is, and the counting
 * follows the phases of a run.
 */
#ifndef TESTS_TOOLS_FAULTS_RUN_TRACER_H
#define TESTS_TOOLS_FAULTS_RUN_TRACER_H

#include "tests/tools/faults/run/calls.h"

#include <sys/types.h>

/* Who makes a call. */
enum actor {
    ACTOR_KEEPER,
    ACTOR_LAUNCH, /* a child of the keeper, until it has executed the dispatcher or is the
                     standby; readers of files stay that */
    ACTOR_STANDBY,
    ACTOR_SUPERVISOR, /* a child of the standby */
    ACTOR_DISPATCHER,
    ACTOR_HANDLER, /* a child of a dispatcher, until its exec */
    ACTOR_OPERATOR /* dampenerctl */
};
enum { ACTORS = ACTOR_OPERATOR + 1 };

enum phase {
    PHASE_START,
    PHASE_SERVING,
    PHASE_ROLL, /* from the death of the supervisor until another one serves */
    PHASE_END
};
enum { PHASES = PHASE_END + 1 };

extern const char *const tracer_actors[ACTORS];
extern const char *const tracer_phases[PHASES];

/* The call of that number, by any process that is such an actor, in that phase: the occurrence
 * `when` of it, from 1 on. */
struct fault {
    enum actor actor;
    enum phase phase;
    const struct call *call; /* NULL: nothing is to fail */
    int error;
    unsigned when;
};

/* In memory that is shared with the tracer, which writes all but the phase. */
struct observed {
    _Atomic int phase;
    _Atomic unsigned happened; /* how often the fault was brought about: 0 or 1 */
    _Atomic unsigned total;
    unsigned counts[ACTORS][PHASES][CALLS_KINDS];
};

struct observed *tracer_memory(void);

/* Traces a process, a child of the caller's that executes nothing yet; returns the process that
 * does, once it does, or -1.  That ends when all who are traced have ended. */
pid_t tracer_start(pid_t process, enum actor actor, const struct fault *wanted,
                   struct observed *observed);

#endif
