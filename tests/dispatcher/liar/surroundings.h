/*
 * surroundings.h - the processes and descriptors that lies are about.
 */
#ifndef TESTS_DISPATCHER_LIAR_SURROUNDINGS_H
#define TESTS_DISPATCHER_LIAR_SURROUNDINGS_H

#include <stdint.h>

/* Returns the process that BYSTANDER in the environment names, which is no part of the daemon. */
int32_t bystander(void);

/* Return other children of the keeper; 0: there is none. */
int32_t other_dispatcher(void);
int32_t supervisor(void);

/* Returns a descriptor that means nothing; -1 if there is no room. */
int open_pipe(void);

/* Makes the kernel refuse all descriptors that are sent to this process; before 6.16 it cannot. */
void refuse_rights(void);

#endif
