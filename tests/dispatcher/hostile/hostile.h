/*
 * hostile.h - the means of a hostile supervisor: the dispatcher and its surroundings, the requests,
 * and the record of answers.
 */
#ifndef TESTS_DISPATCHER_HOSTILE_HOSTILE_H
#define TESTS_DISPATCHER_HOSTILE_HOSTILE_H

#include "dispatcher/protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PATIENCE = 20000, /* milliseconds until an answer must have come */
    PACKET_MAXIMUM = (PROTOCOL_BATCH + 2) * (int)sizeof(union message),
    DESCRIPTORS_MAXIMUM = PROTOCOL_BATCH + 2
};

/* Descriptors to send. */
enum kind { KIND_NULL, KIND_PIPE, KIND_FOLDER, KIND_PATH, KIND_MEMORY, KINDS };

extern struct hostile {
    pid_t dispatcher;
    int channel; /* to the dispatcher */
    struct ledger *ledger;
    int kinds[KINDS];
    pid_t bystanders[2];            /* processes that no handler leads and nobody may harm */
    unsigned due[MESSAGE_TYPES];    /* answers by type; FAILED counts as STARTED, and each handler
                                     * that started owes one EXITED */
    unsigned came[MESSAGE_TYPES];   /* answers that have come */
    struct message_started started; /* the last */
    struct message_exited exited;   /* the last */
} hostile;

/* ---- surroundings.c ---- */

_Noreturn void give_up(const char *what);

/* Ends the program if the process cannot be created: kill(-1) would signal all processes. */
pid_t fork_or_give_up(void);

void open_pipe(int ends[2]);
void open_kinds(void);

/* Executes the dispatcher as protocol.h requires; its handler is this program. */
void start_dispatcher(const char *program);

void start_bystanders(void);

/* Waits to be killed, at the latest with the parent. */
_Noreturn void stay(void);

bool is_living(pid_t process);

/* Runs as the handler: counts itself in the file, and stays until its client, if a pipe, is closed.
 * Returns the exit status. */
int handle(const char *file);

/* Returns the number of handlers that have run. */
unsigned count_handled(void);

/* ---- exchange.c ---- */

/* Each type of message, as protocol.h describes it. */
struct shape {
    size_t length;
    bool is_request;
    unsigned descriptors; /* that a request brings */
    unsigned answer;      /* its type; 0: none */
};

extern const struct shape shapes[MESSAGE_TYPES];

/* Reads the message if it is complete and a request; returns its length, or 0. */
size_t read_request(const char *bytes, size_t length, union message *message);

/* Sends anything, and records which answers are due.  Reads answers while the socket is full. */
void say(const void *bytes, size_t length, const int *descriptors, unsigned count);

/* Returns a valid request of that type. */
union message request(enum message_type type);

/* Sends a request with the first descriptors, in the number that its type brings. */
void ask(const union message *message, const int *descriptors);

void ask_start(uint32_t slot);
void ask_signal(int32_t process, int32_t signal_number);

struct packet {
    char bytes[PACKET_MAXIMUM];
    size_t length;
};

void append(struct packet *packet, const union message *message);

void await_ready(void);
bool await_readable(int descriptor);

/* Waits until all answers of that type have come. */
void await_answers(enum message_type type);

/* Waits until all answers have come, and checks that no others have. */
void settle(void);

/* ---- the kinds of hostility ---- */

void give_orders(void);                              /* orders.c */
void make_noise(uint64_t seed, unsigned long count); /* noise.c */
void try_tickets(void);                              /* signals.c, from here on */
void forge(void);

#endif
