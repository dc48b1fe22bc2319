/*
 * answer LOG COUNTER [DELAY_MS] - a handler that keeps books.
 *
 * Reads one line from the client, waits, appends "TICKET LINE" to LOG in one write, and sends the
 * line back.  COUNTER is as in counter.h.
 */
#include "tests/shared/counter.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static size_t read_line(char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && read(STDIN_FILENO, line + length, 1) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = '\0';
    return length;
}

static void pause_for(long milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000,
                            .tv_nsec = milliseconds % 1000 * 1000000};

    while (nanosleep(&time, &time) != 0)
        ;
}

int main(int argc, char **argv)
{
    const char *ticket = getenv("DAMPENER_TICKET");
    struct counter *counter;
    char line[64];
    char entry[128];
    size_t length;
    int log;
    int entry_length;

    if (argc < 3 || ticket == NULL || (counter = counter_map(argv[2])) == NULL)
        return 2;
    counter_enter(counter);
    length = read_line(line, sizeof(line));
    if (argc > 3)
        pause_for(atol(argv[3]));
    log = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    entry_length = snprintf(entry, sizeof(entry), "%s %s", ticket, line);
    if (log < 0 || write(log, entry, (size_t)entry_length) != entry_length)
        return 3;
    /* Before the answer: once the client has it, the next handler may start. */
    counter_leave(counter);
    return write(STDOUT_FILENO, line, length) == (ssize_t)length ? 0 : 4;
}
