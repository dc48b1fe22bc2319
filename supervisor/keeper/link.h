/*
 * link.h - the contract between the keeper and the supervisor: what each may say over the
 * SOCK_SEQPACKET pair between them.
 *
 * One packet is one struct link_message.  A packet of another length, or with another number of
 * descriptors, counts as no message.  Sending never waits.
 *
 * REQUESTS, from the supervisor
 *
 *     KILL      `index`, `generation`: kill that dispatcher, and start another.  `value` 1: start
 *               it and all absent dispatchers a minute later, because handlers lack processes; if
 *               no dispatcher is left, soon
 *     ADOPT     `process`: a handler whose dispatcher is dead.  If the keeper has no such child, or
 *               it died before it led a session, the answer is ENDED without a status, which
 *               returns `generation`
 *     SIGNAL    `process`, `value`: send SIGTERM or SIGKILL to the process group of that number, if
 *               a child of the keeper is in it
 *     GROUP     `process`: say EMPTY once no child of the keeper is in that process group
 *     READ      `index`, an enum options_file: answered by CONTENT
 *     PUBLISH   put the files of this daemon into their places: answered by PUBLISHED
 *     LEND      `index`, `value`: file `index` is lent to another daemon (1), or returned (0)
 *     NOTIFY    `value`, an enum notify_state, `process` and `text`, as of notify_tell()
 *     HEARD     `number`: the supervisor has acted on all reports up to this number
 *     ROLL      `number`: a supervisor has begun; repeat all reports behind this one
 *     RETIRE    no client will be accepted any more: close all copies of listeners
 *     LOG       standard error takes no line any more: open it again, and answer with OPENED
 *
 * REPORTS, from the keeper
 *
 *     BEGUN     `index`, `generation`, `process`: a dispatcher was started; brings the supervisor's
 *               end of its socket, the dispatcher's end, and its ledger
 *     BEGUN_ALL each dispatcher that could be started at the beginning was; once
 *     DIED      `index`, `generation`, `value`: it has ended with this status of wait(2)
 *     STOPPED   `index`, `generation`: it was stopped (`value` 1), or continued (0); the keeper
 *               kills it if it stays stopped
 *     ENDED     `process`, `value`, `usage`: a child that led a session, as handlers do, was
 *               reaped.  With `index` 1 it answers ADOPT: there is no status, and `generation` is
 *               that of ADOPT
 *     EMPTY     answers GROUP
 *     CONTENT   answers READ: brings a sealed memory file, with the compiled rules if it is the
 *               access file; or `value` is an errno, LINK_LOGGED if the keeper's side has logged
 *               what is wrong, or LINK_KILLED if the reader was killed
 *     PUBLISHED answers PUBLISH: `value` is an errno, or 0
 *     OPENED    brings standard error, which was opened again
 *     CAUGHT    `value`: the keeper was sent this signal
 *     UNHEARD   the service manager gets no more messages
 *     RENEW     the standby is dead: supervisor `process` is to exit with LINK_EXIT_RENEW when no
 *               client waits, and handlers whose connections it keeps have had time to end
 *
 * The keeper reports DIED before it reaps any child that the dispatcher left behind: both become
 * visible at once (kernel/exit.c, exit_notify()).  While the link is full, the keeper reads no
 * request, and reaps only the pair.
 */
#ifndef SUPERVISOR_KEEPER_LINK_H
#define SUPERVISOR_KEEPER_LINK_H

#include "supervisor/base/usage.h"

#include <stdbool.h>
#include <stdint.h>

enum link_type {
    LINK_KILL = 1,
    LINK_ADOPT,
    LINK_SIGNAL,
    LINK_GROUP,
    LINK_READ,
    LINK_PUBLISH,
    LINK_LEND,
    LINK_NOTIFY,
    LINK_HEARD,
    LINK_ROLL,
    LINK_RETIRE,
    LINK_LOG,
    LINK_BEGUN,
    LINK_BEGUN_ALL,
    LINK_DIED,
    LINK_STOPPED,
    LINK_ENDED,
    LINK_EMPTY,
    LINK_CONTENT,
    LINK_PUBLISHED,
    LINK_OPENED,
    LINK_CAUGHT,
    LINK_UNHEARD,
    LINK_RENEW
};

enum { LINK_EXIT_RENEW = 64 /* exit status */ };

/* Of CONTENT, beside errnos. */
enum { LINK_KILLED = -1, LINK_LOGGED = -2 };

enum { LINK_TEXT = 128 /* bytes, NUL included */, LINK_DESCRIPTORS = 3 };

struct link_message {
    uint32_t type; /* enum link_type */
    uint32_t index;
    uint32_t generation;
    int32_t process;
    int32_t value;
    uint32_t reserved;
    uint64_t
        number; /* of a report that is kept until HEARD; 0: it is not; else of HEARD and ROLL */
    struct usage usage;
    char text[LINK_TEXT];
};

/* Returns how many descriptors a message brings. */
unsigned link_descriptors(const struct link_message *message);

/* Sends a message with its descriptors, which stay the caller's; NULL if it brings none.  Returns
 * 0, or -1 with errno: EAGAIN if the link is full. */
int link_send(int socket, const struct link_message *message, const int *descriptors);

/* Takes the next message.  Unused elements of `descriptors` are -1; the others are the caller's.
 * Returns true, or false with errno: EAGAIN if there is none, ECONNRESET if the other process is
 * gone, EPROTO if a packet was no message and was dropped, EMFILE if its descriptors found no room:
 * then the message is complete apart from them. */
bool link_receive(int socket, struct link_message *message, int descriptors[LINK_DESCRIPTORS]);

#endif
