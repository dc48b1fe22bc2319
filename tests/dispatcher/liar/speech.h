/*
 * speech.h - what a dispatcher can say about the last request, true or not.
 */
#ifndef TESTS_DISPATCHER_LIAR_SPEECH_H
#define TESTS_DISPATCHER_LIAR_SPEECH_H

#include "dispatcher/protocol.h"

#include <stddef.h>
#include <stdint.h>

/* Returns an answer to the request that has only its header. */
union message answer(enum message_type type);

void say(const union message *message);

/* Sends any bytes, with `count` copies of a descriptor. */
void say_raw(const void *bytes, size_t length, int descriptor, unsigned count);

void say_started(int32_t process);
void say_failed(void);
void say_exited(uint32_t client, uint64_t ticket);
void say_finished(void);
void say_ready(void);
void say_signalled(void);
void say_pong(void);

#endif
