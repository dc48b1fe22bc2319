/*
 * processor.h - which processor this process runs on while clients come one at a time.
 *
 * Each hands over to the other then: client to supervisor, supervisor to dispatcher, dispatcher to
 * handler.  A scheduler that sends this process to whichever processor is idle has it wait each
 * time until that one has woken up, which takes as long as all its own work.  So it stays where it
 * is until clients overlap; then the scheduler knows better.  It is also asked every now and then,
 * so that whoever else keeps that processor busy does so to a few clients only.
 *
 * It starts no handler, so none inherits this.  Where somebody else has changed where this process
 * may run, that counts.
 */
#ifndef SUPERVISOR_SERVER_PROCESSOR_H
#define SUPERVISOR_SERVER_PROCESSOR_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct processor {
    bool bound;
    cpu_set_t allowed; /* as long as it is bound: where it might run before */
    cpu_set_t here;    /* likewise: where it may run now */
    uint64_t since;    /* how many clients had come when it was bound, let go, or they overlapped */
};

/* To be told in each round how many clients there are, and how many have come so far.  Never
 * blocks; what the kernel does not permit is left as it is. */
void processor_look(struct processor *processor, uint32_t clients, uint64_t come);

#endif
