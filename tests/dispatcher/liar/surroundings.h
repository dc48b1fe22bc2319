/*
 * surroundings.h - who and what else there is, to be told lies of.
 */
#ifndef TESTS_DISPATCHER_LIAR_SURROUNDINGS_H
#define TESTS_DISPATCHER_LIAR_SURROUNDINGS_H

#include <stdint.h>

/* A process that is nobody's business here. */
int32_t bystander(void);

/* Another child of the supervisor. */
int32_t other_dispatcher(void);

/* A descriptor that stands for nothing; -1 if there is no room. */
int open_pipe(void);

/* From now on the kernel lets nobody send descriptors to this process; before 6.16 it does not know
 * how. */
void refuse_rights(void);

#endif
