/*
 * log_line.h - the format of a line of the log; log.h writes it.
 *
 * Text format: "[LEVEL] message".  For a journal, "<N>" replaces the level (sd-daemon(3)).
 * Timed format: the same after the time and a blank.  A journal has the time of each line already:
 * for a journal, the timed format is the text format.
 * JSON format: one object (RFC 8259) per line, after "<N>" for a journal.  Its members are
 *
 *     time      RFC 3339, UTC, with milliseconds; the same in timed format
 *     level     "debug", "info", "warning", "error" or "bug"
 *     process   the process that wrote the line
 *     program   "supervisor" or "dispatcher"
 *     message   the text
 *
 * and for an event also "event", its name, and the event's own fields.  Names of events and fields
 * stay the same from version to version.
 *
 * Pure except for the clock: it neither allocates nor opens anything.
 */
#ifndef DISPATCHER_SHARED_LOG_LINE_H
#define DISPATCHER_SHARED_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, newline included. */
enum { LOG_LINE_MAXIMUM = 1024 };

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ANSWER, /* an info that the operator asked for: written at every log level */
    LOG_LEVEL_PLAIN,  /* an info without "[LEVEL] " */
    LOG_LEVEL_BUG,
    LOG_LEVELS
};

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_TIMED, /* text after the time */
    LOG_FORMAT_JSON   /* one object per line */
};

enum log_field_kind {
    LOG_FIELD_TEXT,
    LOG_FIELD_NUMBER,
    LOG_FIELD_SECONDS /* `number` is microseconds; written as seconds with six decimals */
};

/* A member of an event's object. */
struct log_field {
    const char *name; /* NULL: the line has no such field */
    enum log_field_kind kind;
    union {
        const char *text;
        uint64_t number;
    };
};

#define LOG_TEXT(field_name, value)                                                                \
    {                                                                                              \
        .name = (field_name), .kind = LOG_FIELD_TEXT, .text = (value)                              \
    }
#define LOG_NUMBER(field_name, value)                                                              \
    {                                                                                              \
        .name = (field_name), .kind = LOG_FIELD_NUMBER, .number = (uint64_t)(value)                \
    }
#define LOG_SECONDS(field_name, microseconds)                                                      \
    {                                                                                              \
        .name = (field_name), .kind = LOG_FIELD_SECONDS, .number = (microseconds)                  \
    }

/* The words of --log-format, by enum log_format; NULL-terminated. */
extern const char *const log_format_words[];

/* Returns the format that a word names; LOG_FORMAT_TEXT for any other word. */
enum log_format log_format_named(const char *word);

struct log_style {
    enum log_format format;
    bool journal;
    const char *program;
};

struct log_content {
    enum log_level level;
    const char *message;
    const char *event; /* NULL: none, and no fields */
    const struct log_field *fields;
    size_t field_count;
};

/* Formats a line.  Returns its length, newline included.  A line that is too long stays a valid
 * object: fields that do not fit are left out, and the message is cut. */
size_t log_line(char line[LOG_LINE_MAXIMUM], const struct log_style *style,
                const struct log_content *content);

#endif
