/*
 * nearest.h - which of the known words a mistyped word may have been meant to be.
 *
 * Words are compared without regard to case, and "_" is "-".  The distance is the number of letters
 * that are wrong, missing, too many, or exchanged with their neighbour.  A word is near if that is
 * at most 2, or a third of the letters typed; of 3 or 4 letters, one may be wrong; of fewer, none.
 * A word that begins with what was typed, 3 letters or more, is near as well.
 */
#ifndef SUPERVISOR_BASE_NEAREST_H
#define SUPERVISOR_BASE_NEAREST_H

#include <stddef.h>

enum {
    NEAREST_LONGEST = 32, /* letters; nothing is near to a longer word */
    NEAREST_TEXT = 64     /* room for nearest_text() */
};

struct nearest {
    const char *typed; /* stays the caller's */
    size_t length;     /* of it */
    const char *word;  /* the nearest so far; NULL: none is near */
    size_t distance;   /* of that word */
};

struct nearest nearest_to(const char *typed, size_t length);

/* Takes the word if it is nearer than all before.  A word that was typed exactly is not what is
 * wrong, so it is not taken. */
void nearest_try(struct nearest *nearest, const char *word);

/* Writes " (did you mean PREFIXWORD?)" into the caller's buffer, or nothing if no word is near.
 * Returns the buffer. */
const char *nearest_text(const struct nearest *nearest, const char *prefix,
                         char text[NEAREST_TEXT]);

#endif
