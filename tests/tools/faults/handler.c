/*
 * handler - does what its client's first letter says.
 *
 *   a   answers "answer\n" and ends
 *   s   stays until it is ended
 *   w   answers "wait\n" and waits for the client's end of the connection
 */
#include <string.h>
#include <unistd.h>

static int say(const char *text)
{
    return write(STDOUT_FILENO, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1;
}

int main(void)
{
    char letter = '\0';

    if (read(STDIN_FILENO, &letter, 1) != 1)
        return 1;
    if (letter == 'a')
        return say("answer\n");
    if (letter == 's')
        (void)pause();
    if (letter != 'w' || say("wait\n") != 0)
        return 1;
    while (read(STDIN_FILENO, &letter, 1) > 0)
        continue;
    return 0;
}
