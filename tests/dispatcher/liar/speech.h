/*
 * speech.h - what a dispatcher can say of the request that it was sent, true or not.
 */
#ifndef TESTS_DISPATCHER_LIAR_SPEECH_H
#define TESTS_DISPATCHER_LIAR_SPEECH_H

#include "dispatcher/protocol.h"

#include <stddef.h>
#include <stdint.h>

/* An answer to the request, with nothing in it yet. */
union message answer(enum message_type type);

void say(const union message *message);

/* As it is, with `count` copies of a descriptor. */
void say_raw(const void *bytes, size_t length, int descriptor, unsigned count);

void say_started(int32_t process);
void say_failed(void);
void say_exited(uint32_t client, uint64_t ticket);
void say_ready(int32_t process);
void say_signalled(uint32_t adopted);
void say_forked(int32_t process, int32_t error);
void say_content(uint32_t file, int32_t error, int descriptor); /* -1: without one */
void say_pong(void);

#endif
