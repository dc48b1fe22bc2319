/*
 * answer.h - the daemon's answer to "figures": a line "NAME VALUE" for each figure.
 *
 * The daemon may be older or newer than this program, or hostile.  A figure that the answer lacks
 * is unknown; a name that this program does not know is skipped.  An answer is a string of whole
 * lines.  Counts are doubles: NAN is unknown, INFINITY is a limit that is not set. Times are texts.
 * Texts may hold any byte except newline and 0.
 */
#ifndef DAMPENERCTL_ANSWER_H
#define DAMPENERCTL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { ANSWER_TEXT = 128 /* longer texts are cut */ };

/* Returns whether the answer is whole lines of figures: the version comes first. */
bool answer_is_sound(const char *answer);

double answer_number(const char *answer, const char *name);

/* Returns the buffer; it is empty for an unknown text. */
const char *answer_text(const char *answer, const char *name, char text[ANSWER_TEXT]);

/* A list has any number of lines "NAME COUNT COUNT TEXT".  Returns how many. */
size_t answer_rows(const char *answer, const char *name);

/* Reads the line of a list with this number, from 0.  Returns whether there is such a line. */
bool answer_row(const char *answer, const char *name, size_t number, double counts[2],
                char text[ANSWER_TEXT]);

#endif
