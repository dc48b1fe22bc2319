#include "supervisor/base/title.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    char *bytes;      /* NULL: the title cannot be changed */
    size_t arguments; /* bytes that the arguments take */
    size_t size;      /* with the environment, which a long title overwrites */
    char **copy;      /* the arguments; keeps them reachable for leak checkers */
} title;

/* Returns copies of the strings, which stay until the process ends; or NULL.  They are one block: a
 * leak checker would report a variable that is unset later. */
static char **copy(char *const *strings)
{
    size_t count = 0;
    size_t bytes = 0;
    char **copies;
    char *place;

    for (; strings[count] != NULL; count++)
        bytes += strlen(strings[count]) + 1;
    copies = calloc(1, (count + 1) * sizeof(*copies) + bytes);
    if (copies == NULL)
        return NULL;
    place = (char *)&copies[count + 1];
    for (size_t i = 0; i < count; i++) {
        copies[i] = place;
        place = stpcpy(place, strings[i]) + 1;
    }
    return copies;
}

/* Returns the end of the strings as far as they lie one behind the other, beginning at `end`. */
static char *end_of(char *const *strings, char *end)
{
    for (; *strings == end; strings++)
        end += strlen(end) + 1;
    return end;
}

char **title_open(char **argv)
{
    char **arguments = copy(argv);
    char **variables = copy(environ);

    if (arguments == NULL || variables == NULL || argv[0] == NULL) {
        free(arguments);
        free(variables);
        return argv;
    }
    title.bytes = argv[0];
    title.arguments = (size_t)(end_of(argv, argv[0]) - argv[0]);
    title.size = (size_t)(end_of(environ, argv[0] + title.arguments) - argv[0]);
    title.copy = arguments;
    environ = variables;
    return arguments;
}

void title_set(const char *role)
{
    if (title.bytes == NULL)
        return;
    memset(title.bytes, 0, title.arguments);
    (void)snprintf(title.bytes, title.size, "socket-burst-dampener: %s", role);
}
