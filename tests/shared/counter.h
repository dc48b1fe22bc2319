/*
 * counter.h - a file of two numbers that all handlers of a test share: how many are alive, and the
 * most there have been.
 */
#ifndef TESTS_SHARED_COUNTER_H
#define TESTS_SHARED_COUNTER_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct counter {
    int32_t alive;
    int32_t most;
};

/* NULL if the file cannot be had. */
static inline struct counter *counter_map(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    void *counter;

    if (file < 0 || ftruncate(file, sizeof(struct counter)) != 0)
        return NULL;
    counter = mmap(NULL, sizeof(struct counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    return counter == MAP_FAILED ? NULL : counter;
}

static inline void counter_enter(struct counter *counter)
{
    int32_t alive = __atomic_add_fetch(&counter->alive, 1, __ATOMIC_SEQ_CST);
    int32_t most = __atomic_load_n(&counter->most, __ATOMIC_SEQ_CST);

    while (alive > most && !__atomic_compare_exchange_n(&counter->most, &most, alive, 0,
                                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
}

static inline void counter_leave(struct counter *counter)
{
    (void)__atomic_sub_fetch(&counter->alive, 1, __ATOMIC_SEQ_CST);
}

#endif
