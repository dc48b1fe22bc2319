/*
 * title.h - what ps(1) shows as the command line of this process.
 *
 * The kernel shows the memory that the arguments were in (proc_pid_cmdline(5)).  The environment
 * follows them there, so a title may be longer than the arguments.
 */
#ifndef SUPERVISOR_BASE_TITLE_H
#define SUPERVISOR_BASE_TITLE_H

/* Moves the arguments and the environment to other memory.  To be called first of all.  Returns the
 * arguments; those that were passed if there is no memory, and then the title stays as it is. */
char **title_open(char **argv);

/* Shows "socket-burst-dampener: ROLE", or as much of it as there is room for. */
void title_set(const char *role);

#endif
