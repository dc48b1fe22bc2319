#include "supervisor/base/nearest.h"
#include "supervisor/dampenerctl/health.h"
#include "supervisor/dampenerctl/instance.h"
#include "supervisor/dampenerctl/output.h"
#include "supervisor/dampenerctl/request.h"
#include "supervisor/dampenerctl/top.h"

#include "dispatcher/shared/text.h"

#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#error "VERSION must be set"
#endif

static const char version[] = "dampenerctl " VERSION "\n";

static const char help[] =
    "Usage: dampenerctl [OPTION]... [PATH] COMMAND [WORD]...\n"
    "\n"
    "Sends COMMAND to the socket-burst-dampener whose --control socket is PATH, and\n"
    "prints the answer. The daemon obeys root and the user who started it. Without\n"
    "PATH, the only instance in " INSTANCE_FOLDER " gets the command.\n"
    "\n"
    "To look:\n"
    "  status                show the state and all counts as a table; with --json as\n"
    "                        an object of JSON\n"
    "  top                   show the same on the whole terminal, live; q quits\n"
    "  health                say 'serving', or 'not serving' and why with status 1\n"
    "  metrics               show counters and histograms for Prometheus\n"
    "  help                  list the commands that this daemon knows\n"
    "\n"
    "To steer:\n"
    "  pause                 start no handlers; clients wait in the queue\n"
    "  resume                start handlers again\n"
    "  drain                 accept no more clients, serve all that wait, and exit\n"
    "  set NAME VALUE        change a limit, such as: set processes 16\n"
    "\n"
    "Options:\n"
    "  --json                print status as an object of JSON\n"
    "  -h, --help            show this help\n"
    "  --version             show the version\n"
    "\n"
    "The exit status is 0 on success, 1 if the daemon refuses or does not answer, and\n"
    "2 for wrong usage.\n";

/* If the first word is a command, there is no PATH.  Only programs need the last two commands. */
static const char *const commands[] = {"status", "top",   "health", "metrics", "help",   "pause",
                                       "resume", "drain", "set",    "table",   "figures"};

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

struct arguments {
    const char *path;
    char found[INSTANCE_PATH];
    char words[REQUEST_LINE_MAXIMUM]; /* the command with its arguments */
    bool json;
    bool table; /* the answer is a table */
    bool live;  /* the command is "top" */
    bool health;
};

/* ---- arguments ---- */

static bool has_control_character(const char *word)
{
    for (; *word != '\0'; word++)
        if ((unsigned char)*word < ' ' || *word == 0x7f)
            return true;
    return false;
}

/* Returns OUTPUT_DONE, or OUTPUT_WRONG_USAGE after saying why. */
static int join_words(struct arguments *arguments, char *const *words)
{
    struct text text;

    text_open(&text, arguments->words, sizeof(arguments->words));
    for (; *words != NULL; words++) {
        if (**words == '\0')
            return output_complain(OUTPUT_WRONG_USAGE, "a word of the command is empty");
        if (has_control_character(*words))
            return output_complain(OUTPUT_WRONG_USAGE,
                                   "a word of the command has a control character in it; "
                                   "a command is one line of text");
        text_add(&text, "%s%s", text.length == 0 ? "" : " ", *words);
    }
    if (text.cut)
        return output_complain(OUTPUT_WRONG_USAGE, "the command is longer than %d bytes",
                               REQUEST_LINE_MAXIMUM - 1);
    return OUTPUT_DONE;
}

static bool is_command(const char *word)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i]) == 0)
            return true;
    return false;
}

/* Takes the only instance.  Returns OUTPUT_DONE, or another status after saying why. */
static int find_instance(struct arguments *arguments, char *const *words)
{
    const unsigned count = instance_find(arguments->found);

    arguments->path = arguments->found;
    if (count == 1)
        return OUTPUT_DONE;
    if (count == 0 && strcmp(words[0], "health") == 0)
        return health_deny("no instance runs in " INSTANCE_FOLDER);
    if (count == 0)
        return output_complain(OUTPUT_WRONG_USAGE,
                               "no instance runs in " INSTANCE_FOLDER
                               ": name the socket that the daemon got with --control, as in: "
                               "dampenerctl PATH %s",
                               words[0]);
    instance_list(words, arguments->json);
    return OUTPUT_WRONG_USAGE;
}

/* Checks the first word, which is no command and should be a PATH. */
static int check_path(const char *path, bool has_command)
{
    struct nearest nearest = nearest_to(path, strlen(path));
    char meant[NEAREST_TEXT];

    if (*path == '\0' || !request_path_fits(path))
        return output_complain(OUTPUT_WRONG_USAGE,
                               "PATH \"%s\" is empty, or longer than a Unix socket's may be", path);
    for (int i = 0; i < COMMANDS; i++)
        nearest_try(&nearest, commands[i]);
    if (access(path, F_OK) != 0 && (nearest.word != NULL || !has_command))
        return output_complain(OUTPUT_WRONG_USAGE, "\"%s\" is neither a command nor a socket%s",
                               path, nearest_text(&nearest, "", meant));
    if (!has_command)
        return output_complain(OUTPUT_WRONG_USAGE, "the COMMAND is missing");
    return OUTPUT_DONE;
}

static int check_command(struct arguments *arguments, char *const *words)
{
    const bool status = strcmp(words[0], "status") == 0;

    if (arguments->json && !status)
        return output_complain(OUTPUT_WRONG_USAGE, "--json is for the command status only");
    arguments->table = !arguments->json && status;
    arguments->live = strcmp(words[0], "top") == 0;
    arguments->health = strcmp(words[0], "health") == 0;
    if ((arguments->table || arguments->live || arguments->health) && words[1] != NULL)
        return output_complain(OUTPUT_WRONG_USAGE, "%s takes no more words, but there is \"%s\"",
                               words[0], words[1]);
    return OUTPUT_DONE;
}

static int check_arguments(struct arguments *arguments, char **words)
{
    static char table_command[] = "table";
    const bool placed = words[0] != NULL && !is_command(words[0]); /* a PATH comes first */
    int status = OUTPUT_DONE;

    if (words[0] == NULL)
        return output_complain(OUTPUT_WRONG_USAGE, "the COMMAND is missing");
    if (placed) {
        arguments->path = words[0];
        status = check_path(words[0], words[1] != NULL);
        words++;
    }
    if (status == OUTPUT_DONE)
        status = check_command(arguments, words);
    if (status == OUTPUT_DONE && !placed)
        status = find_instance(arguments, words);
    if (arguments->table)
        words[0] = table_command;
    return status == OUTPUT_DONE ? join_words(arguments, words) : status;
}

/* ---- answers ---- */

/* Programs get the answer as it is.  A terminal would obey control characters, and a table is for
 * people wherever it goes. */
static int print_answer(const struct request *request, bool table)
{
    bool written;

    if (table && strncmp(request->answer, "state ", strlen("state ")) != 0)
        return output_complain(OUTPUT_FAILED, "%s: the answer is not a table of figures",
                               request->address.sun_path);
    if (table || isatty(STDOUT_FILENO))
        written = output_print(stdout, request->answer, request->answer_length, output_is_utf8());
    else
        written = fwrite(request->answer, request->answer_length, 1, stdout) == 1;
    if (written && request->answer[request->answer_length - 1] != '\n')
        written = putchar('\n') != EOF;
    return output_finish(written);
}

static int ask(const struct arguments *arguments)
{
    struct request request = {.wait = NULL};
    int status;

    if (request_ask(&request, arguments->path, arguments->words))
        status = print_answer(&request, arguments->table);
    else if (arguments->table && request.unknown)
        status =
            output_complain(OUTPUT_FAILED, "the daemon is too old to show a table; try --json");
    else
        status = output_complain(OUTPUT_FAILED, "%s", request.error);
    free(request.answer);
    return status;
}

/* Fills closed standard descriptors, so that no socket takes the place of one. */
static void open_standard_descriptors(void)
{
    int descriptor;

    do
        descriptor = open("/dev/null", O_RDWR);
    while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0)
        (void)close(descriptor);
}

int main(int count, char **words)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {0}};
    struct arguments arguments = {.json = false};
    int option;
    int status;

    open_standard_descriptors();
    /* Sets characters only: numbers stay as in the C locale. */
    (void)setlocale(LC_CTYPE, "");
    while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
        if (option == 'h')
            return output_finish(fputs(help, stdout) >= 0);
        if (option == 'V')
            return output_finish(fputs(version, stdout) >= 0);
        if (option != 'j')
            return OUTPUT_WRONG_USAGE; /* getopt_long has printed the reason */
        arguments.json = true;
    }
    status = check_arguments(&arguments, words + optind);
    if (status != OUTPUT_DONE)
        return status;
    if (arguments.health)
        return health_run(arguments.path);
    return arguments.live ? top_run(arguments.path) : ask(&arguments);
}
