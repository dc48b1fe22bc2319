/*
 * log.h - lines on standard error, "[LEVEL] text", for both programs.
 *
 * Writing never blocks and never fails the caller: a line that standard error does not take at once
 * is dropped and counted, and the next line that gets through is preceded by the count.  errno is
 * kept; "%m" in a format is its text.  Lines are at most LOG_LINE_MAXIMUM bytes, which a pipe takes
 * whole or not at all (pipe(7), PIPE_BUF).
 */
#ifndef DISPATCHER_LOG_H
#define DISPATCHER_LOG_H

#include <stdbool.h>

enum { LOG_LINE_MAXIMUM = 1024 };

enum log_level {
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_ERROR,
    LOG_LEVEL_ANSWER /* what the operator has just asked for: never left out */
};

/* To be called once descriptors 0 to 2 are known to be open.  Lines below `level` are left out. */
void log_open(enum log_level level);

/* Whether lines of this level are written: to save the work of preparing one. */
bool log_enabled(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_write(enum log_level level, const char *format, ...);

#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_answer(...)  log_write(LOG_LEVEL_ANSWER, __VA_ARGS__)

/* A line as it is, without a level. */
void log_plain(const char *line);

/* For what the program cannot go on from: logs an error and exits with `status`. */
_Noreturn __attribute__((format(printf, 2, 3))) void log_die(int status, const char *format, ...);

/* For what cannot be unless this program is wrong: logs that and aborts. */
_Noreturn __attribute__((format(printf, 1, 2))) void log_bug(const char *format, ...);

#endif
