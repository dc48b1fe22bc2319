/*
 * fuzz.h - what all fuzz targets share.
 *
 * A target is one file in tests/fuzz/ with LLVMFuzzerTestOneInput(), which is given bytes of
 * somebody who means harm, and holds what comes of them against what has been promised.  It is
 * linked with libFuzzer, or with replay.c, which gives it the files that it is called with.
 *
 * No input may be fatal: log_bug() and log_die() are findings like any other crash.  After each
 * input all memory is freed, and no descriptor is left open.
 */
#ifndef TESTS_FUZZ_SHARED_FUZZ_H
#define TESTS_FUZZ_SHARED_FUZZ_H

#include "dispatcher/shared/log.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Those of libFuzzer; the first may be left out. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_DESCRIPTORS = 256 /* no target has more */ };

/* What holds for every input. */
#define HOLDS(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The lines of the log but for bugs, which are fatal: there would be too many of them. */
static inline void fuzz_silence_log(void)
{
    static bool silent;

    if (!silent)
        log_open((enum log_level)(LOG_LEVEL_ANSWER + 1), LOG_FORMAT_TEXT, "fuzz");
    silent = true;
}

/* Which descriptors are open, of those that may be; returns how many. */
static inline int fuzz_look(bool is_open[FUZZ_DESCRIPTORS])
{
    struct pollfd looked_at[FUZZ_DESCRIPTORS];
    int count = 0;

    for (int i = 0; i < FUZZ_DESCRIPTORS; i++)
        looked_at[i] = (struct pollfd){.fd = i};
    HOLDS(poll(looked_at, FUZZ_DESCRIPTORS, 0) >= 0);
    for (int i = 0; i < FUZZ_DESCRIPTORS; i++) {
        is_open[i] = (looked_at[i].revents & POLLNVAL) == 0;
        count += is_open[i];
    }
    return count;
}

/* How many are open: one that was left so is one more. */
static inline int fuzz_descriptors(void)
{
    bool is_open[FUZZ_DESCRIPTORS];

    return fuzz_look(is_open);
}

/* Memory of exactly this size, so that a sanitizer sees a step beyond. */
static inline void *fuzz_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size == 0 ? 1 : size);

    HOLDS(copy != NULL);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

/* ---- input, taken apart ---- */

struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* Takes so many bytes; what is not there is 0. */
static inline void fuzz_take(struct fuzz_input *input, void *bytes, size_t size)
{
    size_t there = size < input->left ? size : input->left;

    memset(bytes, 0, size);
    if (there > 0)
        memcpy(bytes, input->at, there);
    input->at += there;
    input->left -= there;
}

static inline uint8_t fuzz_take_byte(struct fuzz_input *input)
{
    uint8_t byte;

    fuzz_take(input, &byte, sizeof(byte));
    return byte;
}

static inline uint32_t fuzz_take_number(struct fuzz_input *input)
{
    uint32_t number;

    fuzz_take(input, &number, sizeof(number));
    return number;
}

/* Takes a string, up to a newline or a 0, or all that is left; it is the caller's to free. */
static inline char *fuzz_take_string(struct fuzz_input *input)
{
    size_t length = 0;
    char *string;

    while (length < input->left && input->at[length] != '\n' && input->at[length] != '\0')
        length++;
    string = malloc(length + 1);
    HOLDS(string != NULL);
    fuzz_take(input, string, length);
    string[length] = '\0';
    if (input->left > 0)
        (void)fuzz_take_byte(input);
    return string;
}

#endif
