/*
 * control_groups.h - the control groups of a process, by which systemd knows services (cgroups(7)).
 */
#ifndef SUPERVISOR_KEEPER_CONTROL_GROUPS_H
#define SUPERVISOR_KEEPER_CONTROL_GROUPS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Returns true if a process is in the control groups of this process.  Returns true as well if
 * control groups cannot be read: then there is no systemd to mislead. */
bool control_groups_have(pid_t process);

/* Finds out the unit of systemd that this process belongs to; "": none. */
void control_groups_unit(char unit[NAME_MAX + 1]);

#endif
