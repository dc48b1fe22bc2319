/*
 * handler - keeps books, and does what its client's first letter says.
 *
 *   a   answers "answer\n" and ends
 *   s   stays until it is ended
 *   w   answers "wait\n" and waits for the client's end of the connection
 *
 * Behind the letter comes the client's number.  The file "books", beside this program, gets a line
 * "began TICKET 0" first of all, "serves TICKET NUMBER" once the client has spoken, and
 * "late TICKET NUMBER" if SIGTERM comes before the answer.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int books;
static char number[32] = "0\n";
static volatile sig_atomic_t is_late;

static bool say(int descriptor, const char *text)
{
    return write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
}

/* One write is one line, whoever else writes. */
static bool note(const char *what)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "%s %s %s", what, getenv("DAMPENER_TICKET"), number);
    return say(books, line);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    is_late = 1;
}

static bool open_books(const char *program)
{
    char path[4096];
    const char *end = strrchr(program, '/');

    if (end == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "%.*s/books", (int)(end - program), program);
    books = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return books >= 0;
}

static bool read_line(char *line, size_t size)
{
    size_t length = 0;

    while (length < size - 1 && read(STDIN_FILENO, line + length, 1) == 1)
        if (line[length++] == '\n')
            break;
    line[length] = '\0';
    return length > 2 && line[length - 1] == '\n';
}

static int answer(const char *text)
{
    return !is_late && say(STDOUT_FILENO, text) ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct sigaction action = {.sa_handler = on_signal};
    char line[32];
    int status = 1;

    if (argc < 1 || sigaction(SIGTERM, &action, NULL) != 0 || !open_books(argv[0]) ||
        !note("began") || !read_line(line, sizeof(line)))
        return 1;
    strcpy(number, line + 2);
    if (!note("serves"))
        return 1;
    if (line[0] == 'a')
        status = answer("answer\n");
    else if (line[0] == 's' && !is_late)
        (void)pause();
    else if (line[0] == 'w')
        status = answer("wait\n");
    if (status != 0 && is_late)
        return note("late") ? 1 : 2;
    while (line[0] == 'w' && !is_late && read(STDIN_FILENO, line + 1, 1) > 0)
        continue;
    return status;
}
