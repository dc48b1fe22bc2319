/*
 * awaited.h - the processes, or process groups, whose end the supervisor waits for (link.h).
 */
#ifndef SUPERVISOR_KEEPER_AWAITED_H
#define SUPERVISOR_KEEPER_AWAITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All zero: nothing is awaited. */
struct awaited {
    struct awaited_process {
        pid_t process; /* or its group */
        uint32_t mark; /* of the request */
    } * list;          /* in no order */
    size_t count;
    size_t room;
};

/* Adds a process, or gives it another mark if it is there.  Returns false if there is no memory for
 * it. */
bool awaited_add(struct awaited *awaited, pid_t process, uint32_t mark);

/* Returns the place of a process; the number of processes if it is not there. */
size_t awaited_find(const struct awaited *awaited, pid_t process);

/* Removes the process at a place, and puts the last one there. */
void awaited_remove(struct awaited *awaited, size_t place);

#endif
