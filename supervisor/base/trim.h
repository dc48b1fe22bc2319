/*
 * trim.h - takes pages of program code that only the start has used out of the memory of a process.
 *
 * Looking up a user loads modules of libc, which stay loaded (nsswitch.conf(5)); they can be larger
 * than this program.  The pages stay in the page cache, and come back if they are used.
 */
#ifndef SUPERVISOR_BASE_TRIM_H
#define SUPERVISOR_BASE_TRIM_H

/* Trims this process: the next use of each page costs a fault. */
void trim(void);

#endif
