/*
 * mix.h - what kind of client each number is: how it behaves, and what it has its handler do.
 *
 * A client says the line "NUMBER WORD AMOUNT", and the handler does what WORD says.  Both follow
 * from the seed and the number, so that the plan can tell how much work a burst is.  A client's
 * source address tells its number, whatever it says: 127.SOURCE.H.L, or 10.77.H.L from afar.
 */
#ifndef TESTS_TOOLS_CHAOS_MIX_H
#define TESTS_TOOLS_CHAOS_MIX_H

#include "tests/tools/chaos/chance.h"

#include <stddef.h>

enum {
    MIX_NUMBERS = 65000, /* so many fit into H.L */
    MIX_SOURCES = 6,
    MIX_FOREVER = 2000 /* about what a handler takes that is ended by --timeout, in milliseconds */
};

enum mix_manner {
    MIX_PLAIN,   /* says its line, reads to the end */
    MIX_TRICKLE, /* byte by byte */
    MIX_HALF,    /* shuts its sending side down, reads to the end */
    MIX_RESET,   /* resets the connection after a while, and never reads */
    MIX_LEAVE,   /* closes it after a while, and never reads */
    MIX_SILENT,  /* likewise, and has never said a word */
    MIX_UNREAD,  /* likewise, but its handler writes much, and can only be stuck */
    MIX_VANISH,  /* the network to it goes down, and it ends while it is */
    MIX_MANNERS
};

static const char *const mix_manners[MIX_MANNERS] = {
    [MIX_PLAIN] = "plain",   [MIX_TRICKLE] = "trickle", [MIX_HALF] = "half",
    [MIX_RESET] = "reset",   [MIX_LEAVE] = "leave",     [MIX_SILENT] = "silent",
    [MIX_UNREAD] = "unread", [MIX_VANISH] = "vanish",
};

struct mix {
    enum mix_manner manner;
    unsigned pause;   /* of the client: between bytes, or until it goes; milliseconds */
    const char *word; /* for the handler */
    unsigned amount;  /* milliseconds; of "much" and "flood", KiB */
    unsigned source;  /* from 1 */
    unsigned work;    /* about so long a handler is busy with it; milliseconds */
};

struct mix_share {
    unsigned share;
    int what;
    unsigned least; /* of pause, or amount */
    unsigned most;
};

/* In a thousand. */
static const struct mix_share mix_manner_shares[] = {
    {680, MIX_PLAIN, 0, 0},      {60, MIX_TRICKLE, 1, 15}, {80, MIX_HALF, 0, 0},
    {100, MIX_RESET, 0, 400},    {45, MIX_LEAVE, 0, 300},  {20, MIX_SILENT, 50, 600},
    {15, MIX_UNREAD, 200, 1500},
};

static const char *const mix_words[] = {"answer", "fail",   "segv", "abort", "hang", "deaf",
                                        "frozen", "daemon", "keep", "close", "much"};
enum { MIX_HANG = 4, MIX_FROZEN = 6, MIX_MUCH = 10 }; /* places in there */

static const struct mix_share mix_word_shares[] = {
    {567, 0, 0, 20},   {100, 0, 20, 150}, {80, 1, 0, 20}, {40, 2, 0, 10},
    {30, 3, 0, 10},    {7, 4, 0, 0},      {4, 5, 0, 0},   {4, 6, 0, 0},
    {38, 7, 100, 900}, {30, 8, 50, 600},  {50, 9, 0, 60}, {50, 10, 64, 1500},
};

/* The row that a number below 1000 falls on. */
static inline const struct mix_share *mix_draw(const struct mix_share *row, struct chance *chance)
{
    unsigned number = chance_between(chance, 0, 999);

    while (number >= row->share)
        number -= row++->share;
    return row;
}

static inline unsigned mix_work(const struct mix *mix, int word)
{
    switch (mix->manner) {
    case MIX_TRICKLE:
        return mix->pause * 16 + 20;
    case MIX_SILENT:
    case MIX_UNREAD:
        return mix->pause + 5;
    default:
        return word >= MIX_HANG && word <= MIX_FROZEN ? MIX_FOREVER
               : word < MIX_HANG                      ? mix->amount + 5
                                                      : 30;
    }
}

static inline struct mix mix_of(uint64_t seed, unsigned number)
{
    struct chance chance = chance_of(seed, number);
    const struct mix_share *manner = mix_draw(mix_manner_shares, &chance);
    const struct mix_share *word = mix_draw(mix_word_shares, &chance);
    struct mix mix = {
        .manner = (enum mix_manner)manner->what,
        .pause = chance_between(&chance, manner->least, manner->most),
        .word = mix_words[word->what],
        .amount = chance_between(&chance, word->least, word->most),
        .source = chance_between(&chance, 1, MIX_SOURCES),
    };

    if (mix.manner == MIX_UNREAD) {
        mix.word = "flood";
        mix.amount = 16384;
    }
    mix.work = mix_work(&mix, word->what);
    return mix;
}

#endif
