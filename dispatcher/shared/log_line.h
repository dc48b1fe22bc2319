/*
 * log_line.h - what a line of the log looks like; log.h writes it.
 *
 * In text format that is "[LEVEL] message".  Where a journal reads it, "<N>" stands in the place of
 * the level, as sd-daemon(3) says.  In JSON format it is one object (RFC 8259), behind "<N>" for a
 * journal, with at least these members:
 *
 *     time      when it was written, as in RFC 3339, UTC, with milliseconds
 *     level     "debug", "info", "warning", "error" or "bug"
 *     process   the process that wrote it
 *     program   "supervisor" or "dispatcher"
 *     message   the text
 *
 * and, where it tells of an event, "event" with its name, and the event's own fields.  Nothing here
 * allocates, or opens anything.
 */
#ifndef DISPATCHER_SHARED_LOG_LINE_H
#define DISPATCHER_SHARED_LOG_LINE_H

#include "dispatcher/shared/log.h"

#include <stddef.h>

/* How much a line matters, beyond the levels of log.h. */
enum log_rank {
    LOG_RANK_PLAIN = LOG_LEVEL_ANSWER + 1, /* an info without its level in front */
    LOG_RANK_BUG,
    LOG_RANKS
};

struct log_style {
    enum log_format format;
    bool journal;
    const char *program;
};

struct log_content {
    int rank; /* enum log_level or enum log_rank */
    const char *message;
    const char *event; /* NULL: none; then it has no fields either */
    const struct log_field *fields;
    size_t field_count;
};

/* Returns how long the line is, its newline included.  What is too long is cut, and an object is
 * one all the same: fields that do not fit are left out, and the message ends where there is no
 * more room. */
size_t log_line(char line[LOG_LINE_MAXIMUM], const struct log_style *style,
                const struct log_content *content);

#endif
