#include "supervisor/dampenerctl/characters.h"
#include "supervisor/dampenerctl/request.h"
#include "supervisor/dampenerctl/table.h"
#include "supervisor/dampenerctl/top.h"
#include "supervisor/dampenerctl/usage.h"

#include <fcntl.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, WRONG_USAGE = 2 };

struct arguments {
    const char *path;
    char words[REQUEST_LINE_MAXIMUM]; /* the command and all behind it */
    bool json;
    bool table; /* the answer is shown as a table */
    bool live;  /* it is "top" */
};

__attribute__((format(printf, 2, 3))) static int complain(int status, const char *format, ...)
{
    va_list arguments;

    (void)fflush(stdout); /* if that fails, it is what is complained about */
    (void)fputs("dampenerctl: ", stderr);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputs(status == WRONG_USAGE ? "; try dampenerctl --help\n" : "\n", stderr);
    return status;
}

/* ---- arguments ---- */

static bool has_control_character(const char *word)
{
    for (; *word != '\0'; word++)
        if ((unsigned char)*word < ' ' || *word == 0x7f)
            return true;
    return false;
}

/* Returns DONE, or WRONG_USAGE after saying why. */
static int join_words(struct arguments *arguments, char *const *words)
{
    struct text text;

    text_open(&text, arguments->words, sizeof(arguments->words));
    for (; *words != NULL; words++) {
        if (**words == '\0')
            return complain(WRONG_USAGE, "a word of the command is empty");
        if (has_control_character(*words))
            return complain(WRONG_USAGE, "a word of the command has a control character in it; "
                                         "a command is one line of text");
        text_add(&text, "%s%s", text.length == 0 ? "" : " ", *words);
    }
    if (text.cut)
        return complain(WRONG_USAGE, "the command is longer than %d bytes",
                        REQUEST_LINE_MAXIMUM - 1);
    return DONE;
}

static int check_arguments(struct arguments *arguments, char *const *words)
{
    if (words[0] == NULL || words[1] == NULL)
        return complain(WRONG_USAGE, "%s is missing",
                        words[0] == NULL ? "the PATH of a control socket" : "the COMMAND");
    arguments->path = words[0];
    if (*arguments->path == '\0' || !request_path_fits(arguments->path))
        return complain(WRONG_USAGE, "PATH \"%s\" is empty, or longer than a Unix socket's may be",
                        arguments->path);
    if (arguments->json && strcmp(words[1], "status") != 0)
        return complain(WRONG_USAGE, "--json is for the command status only");
    arguments->table = !arguments->json && strcmp(words[1], "status") == 0;
    arguments->live = strcmp(words[1], "top") == 0;
    if (arguments->live && words[2] != NULL)
        return complain(WRONG_USAGE, "top takes no more words, but there is \"%s\"", words[2]);
    return join_words(arguments, words + 1);
}

/* ---- answers ---- */

static bool is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static int finish_output(bool written)
{
    if (!written || fflush(stdout) != 0)
        return complain(FAILED, "cannot write to standard output: %m");
    return DONE;
}

/* As it is, but for a terminal, which would obey what is in it. */
static int print_answer(const struct request *request)
{
    bool written;

    if (isatty(STDOUT_FILENO))
        written = characters_print(stdout, request->answer, request->answer_length, is_utf8());
    else
        written = fwrite(request->answer, request->answer_length, 1, stdout) == 1;
    if (written && request->answer[request->answer_length - 1] != '\n')
        written = putchar('\n') != EOF;
    return finish_output(written);
}

static int print_status(const struct request *request)
{
    char table[TABLE_SIZE];
    struct status status;
    struct text text;

    if (!status_read(&status, request->answer, request->answer_length))
        return complain(FAILED, "%s: the answer is not a status in JSON",
                        request->address.sun_path);
    text_open(&text, table, sizeof(table));
    table_write(&text, &status);
    return finish_output(fputs(table, stdout) >= 0);
}

static int print_refusal(const char *refusal)
{
    size_t length = strlen(refusal);

    while (length > 0 && refusal[length - 1] == '\n')
        length--;
    (void)fputs("dampenerctl: ", stderr);
    (void)characters_print(stderr, refusal, length,
                           is_utf8()); /* there is nowhere else to say it */
    (void)fputc('\n', stderr);
    return FAILED;
}

static int ask(const struct arguments *arguments)
{
    struct request request;
    int status;

    if (!request_ask(&request, arguments->path, arguments->words))
        status = complain(FAILED, "%s", request.error);
    else if (request_refusal(&request) != NULL)
        status = print_refusal(request_refusal(&request));
    else if (arguments->table)
        status = print_status(&request);
    else
        status = print_answer(&request);
    request_end(&request);
    return status;
}

/* What is opened must not take the place of a standard descriptor that is closed. */
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
    /* Characters only: numbers are read and written as in the C locale. */
    (void)setlocale(LC_CTYPE, "");
    while ((option = getopt_long(count, words, "h", options, NULL)) != -1) {
        if (option == 'h')
            return finish_output(usage_help());
        if (option == 'V')
            return finish_output(usage_version());
        if (option != 'j')
            return WRONG_USAGE; /* getopt_long has said why */
        arguments.json = true;
    }
    status = check_arguments(&arguments, words + optind);
    if (status != DONE)
        return status;
    return arguments.live ? top_run(arguments.path, is_utf8()) : ask(&arguments);
}
