/*
 * log.h - writes lines to standard error, for both programs.  log_line.h has their format.
 *
 * Writing never blocks and never fails the caller.  A line that standard error does not take at
 * once is dropped and counted; the next line that gets through follows the count.  A handler that
 * shares a socket as its standard error can shut it down (shutdown(2)): then no line gets through
 * until another socket has its number.
 *
 * All functions keep errno, and "%m" in a format is its text.  A line has LOG_LINE_MAXIMUM bytes at
 * most, so a pipe takes all of it or nothing (pipe(7), PIPE_BUF).
 */
#ifndef DISPATCHER_SHARED_LOG_H
#define DISPATCHER_SHARED_LOG_H

#include "dispatcher/shared/log_line.h"

/* Requires open descriptors 0 to 2.  Lines below `level` are not written.  `program` is a member of
 * each object, and must stay.  If JOURNAL_STREAM names standard error (systemd.exec(5)), lines get
 * the journal's prefix. */
void log_open(enum log_level level, enum log_format format, const char *program);

/* For a forked process of another role.  It goes on to use the log's descriptor. */
void log_set_program(const char *program);

/* Returns the descriptor that lines are written to. */
int log_descriptor(void);

/* For a forked process that has closed all descriptors except 0 to 2. */
void log_reopen(void);

/* Returns true if lines of this level are written: saves the work of preparing one. */
bool log_enabled(enum log_level level);

/* Returns the number of lines dropped since the start. */
unsigned long log_dropped(void);

/* Returns true if standard error took no line the last time, and will take none later: it was shut
 * down, or has no reader. */
bool log_is_broken(void);

/* Finds out whether it is broken now, without a line. */
void log_probe(void);

/* Writes a line about an event.  Text format shows neither its name nor its fields. */
__attribute__((format(printf, 5, 6))) void log_event(enum log_level level, const char *event,
                                                     const struct log_field *fields, size_t count,
                                                     const char *format, ...);

/* Two arguments of log_event(): the fields and their count. */
#define LOG_FIELDS(...)                                                                            \
    (const struct log_field[]){__VA_ARGS__},                                                       \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)

/* Write a line without an event. */
#define log_write(level, ...) log_event((level), NULL, NULL, 0, __VA_ARGS__)
#define log_debug(...)        log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)         log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...)      log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)        log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

/* Logs an error and exits with `status`: the program cannot go on. */
__attribute__((noreturn, format(printf, 2, 3))) void log_die(int status, const char *format, ...);

/* Logs a bug and aborts: the program itself is wrong. */
__attribute__((noreturn, format(printf, 1, 2))) void log_bug(const char *format, ...);

#endif
