/*
 * log.h - lines on standard error, for both programs: "[LEVEL] text", or an object each; log_line.h
 * says what they look like.
 *
 * Writing never blocks and never fails the caller: a line that standard error does not take at once
 * is dropped and counted, and the next line that gets through is preceded by the count.  errno is
 * kept; "%m" in a format is its text.  Lines are at most LOG_LINE_MAXIMUM bytes, which a pipe takes
 * whole or not at all (pipe(7), PIPE_BUF).
 */
#ifndef DISPATCHER_SHARED_LOG_H
#define DISPATCHER_SHARED_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_MAXIMUM = 1024 };

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ANSWER /* what the operator has just asked for: never left out */
};

enum log_format {
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON /* an object a line */
};

/* To be called once descriptors 0 to 2 are known to be open.  Lines below `level` are left out;
 * `program` is what an object says it is from, and must stay.  If standard error is the one that
 * JOURNAL_STREAM in the environment names (systemd.exec(5)), lines begin as the journal wants them
 * to (sd-daemon(3)). */
void log_open(enum log_level level, enum log_format format, const char *program);

/* For a process that was forked, and has closed all descriptors but 0 to 2. */
void log_reopen(void);

/* Whether lines of this level are written: to save the work of preparing one. */
bool log_enabled(enum log_level level);

/* How many lines were dropped since the beginning. */
unsigned long log_dropped(void);

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);

#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

enum log_field_kind {
    LOG_FIELD_NONE, /* there is no such field this time */
    LOG_FIELD_TEXT,
    LOG_FIELD_NUMBER,
    LOG_FIELD_SECONDS /* of microseconds, with all digits */
};

/* What an event's object says beside the message. */
struct log_field {
    const char *name;
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

/* A line that tells of an event.  Its name and those of its fields stay what they are from version
 * to version; in text format neither is seen. */
__attribute__((format(printf, 5, 6))) void log_event(enum log_level level, const char *event,
                                                     const struct log_field *fields, size_t count,
                                                     const char *format, ...);

/* Two arguments for it: the fields, and how many. */
#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)

/* A line as it is, without a level. */
void log_plain(const char *line);

/* For what the program cannot go on from: logs an error and exits with `status`. */
_Noreturn __attribute__((format(printf, 2, 3))) void log_die(int status, const char *format, ...);

/* For what cannot be unless this program is wrong: logs that and aborts. */
_Noreturn __attribute__((format(printf, 1, 2))) void log_bug(const char *format, ...);

#endif
