/*
 * chance.h - all chance of the trial: numbers that follow from its seed, and from nothing else.
 */
#ifndef TESTS_TOOLS_CHAOS_CHANCE_H
#define TESTS_TOOLS_CHAOS_CHANCE_H

#include <stdint.h>

struct chance {
    uint64_t state;
};

/* The next number (the generator that is known as splitmix64). */
static inline uint64_t chance_next(struct chance *chance)
{
    uint64_t number = chance->state += 0x9e3779b97f4a7c15u;

    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

/* From least to most, both included. */
static inline unsigned chance_between(struct chance *chance, unsigned least, unsigned most)
{
    return least + (unsigned)(chance_next(chance) % (most - least + 1u));
}

/* A series of its own for each number, whatever else was asked before. */
static inline struct chance chance_of(uint64_t seed, uint64_t number)
{
    struct chance chance = {.state = seed ^ (number * 0xd1342543de82ef95u)};

    (void)chance_next(&chance);
    return chance;
}

#endif
