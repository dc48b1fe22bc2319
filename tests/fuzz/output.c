/*
 * What the daemon says in JSON, to Prometheus, to people and to dampenerctl, with whatever names
 * and figures: a text that is sound, and in which the names are what they were.
 *
 * The input is three lines, the command, the path that is listened on and a message, and then
 * figures.
 */
#include "dispatcher/shared/log_line.h"
#include "dispatcher/shared/text.h"
#include "supervisor/dampenerctl/answer.h"
#include "supervisor/server/snapshot.h"

#include "tests/fuzz/shared/fuzz.h"
#include "tests/fuzz/shared/json.h"
#include "tests/fuzz/shared/stage.h"
#include "tests/shared/exposition.h"

static char text_bytes[CONTROL_ANSWER_MAXIMUM];

/* ---- names ---- */

/* As people are shown it: what is no printable ASCII is a question mark, a character each. */
static void check_name(struct json_value value, const char *name)
{
    char expected[128];
    char shown[128];
    size_t length = 0;

    for (size_t left = strlen(name); left > 0 && length + 1 < sizeof(expected);) {
        uint32_t character = 0;
        size_t own = text_decode(name, left, &character);

        expected[length++] =
            (char)(own == 1 && character >= 0x20 && character < 0x7f ? *name : '?');
        own = own == 0 ? 1 : own;
        name += own;
        left -= own;
    }
    expected[length] = '\0';
    HOLDS(json_string(value, shown, sizeof(shown)) && strcmp(shown, expected) == 0);
}

static void check_line(const char *message, enum log_format format, bool journal)
{
    char line[LOG_LINE_MAXIMUM];
    const struct log_style style = {.format = format, .journal = journal, .program = "supervisor"};
    const struct log_field fields[] = {LOG_TEXT("command", message), LOG_NUMBER("ticket", 7)};
    const struct log_content content = {.level = LOG_LEVEL_ERROR,
                                        .message = message,
                                        .event = format == LOG_FORMAT_JSON ? "event" : NULL,
                                        .fields = fields,
                                        .field_count = format == LOG_FORMAT_JSON ? 2 : 0};
    size_t length = log_line(line, &style, &content);
    struct json_value root;

    HOLDS(length > 1 && length <= sizeof(line) && line[length - 1] == '\n');
    if (format != LOG_FORMAT_JSON)
        return;
    HOLDS(memchr(line, '\n', length - 1) == NULL);
    HOLDS(json_open(&root, line + (journal ? 3 : 0), length - (journal ? 3 : 0)));
    HOLDS(json_find(root, "message").type == JSON_STRING);
    /* Fields that do not fit are left out. */
    HOLDS(json_find(root, "ticket").type == JSON_NUMBER ||
          json_find(root, "ticket").type == JSON_MISSING);
}

/* ---- figures ---- */

static void fill(struct server *server, struct fuzz_input *input)
{
    struct options *options = server->options;

    fuzz_take(input, &options->processes, sizeof(options->processes));
    fuzz_take(input, &options->per_source, sizeof(options->per_source));
    fuzz_take(input, &options->queue_timeout, sizeof(options->queue_timeout));
    fuzz_take(input, &options->rate, sizeof(options->rate));
    fuzz_take(input, &options->rate_period, sizeof(options->rate_period));
    fuzz_take(input, server->books->ended, sizeof(server->books->ended));
    for (int i = 0; i < REPORT_EXITS; i++)
        server->lasting->report.counts.exits[i] = (double)fuzz_take_number(input);
    fuzz_take(input, &server->lasting->began_at, sizeof(server->lasting->began_at));
    server->lasting->paused = fuzz_take_byte(input) % 2 != 0;
    server->starting.held_back_by =
        (enum admission_reason)(fuzz_take_byte(input) % ADMISSION_REASONS);
    while (input->left > 0)
        histogram_add(&server->lasting->report.waits, 1, fuzz_take_number(input));
}

static void check_status(struct server *server, const char *command, const char *path)
{
    struct text text;
    struct json_value root;

    text_open(&text, text_bytes, sizeof(text_bytes));
    snapshot_render(server, figures_json, &text);
    HOLDS(!text.cut && json_open(&root, text.bytes, text.length));
    check_name(json_find(root, "command"), command);
    check_name(json_find(json_element(json_find(root, "listeners"), 0), "path"), path);
}

static void check_metrics(struct server *server)
{
    static struct exposition read;
    struct text text;

    text_open(&text, text_bytes, sizeof(text_bytes));
    snapshot_render(server, figures_metrics, &text);
    HOLDS(!text.cut);
    line_number = 1;
    read_exposition(&read, text.bytes);
}

/* Renders lines, each of which is whole and printable.  Returns how many there are. */
static size_t count_lines(struct server *server, figures_renderer *renderer, struct text *text)
{
    size_t lines = 0;

    text_open(text, text_bytes, sizeof(text_bytes));
    snapshot_render(server, renderer, text);
    HOLDS(!text->cut && text->length > 0 && text->bytes[text->length - 1] == '\n');
    for (size_t i = 0; i < text->length; i++) {
        HOLDS(text->bytes[i] == '\n' || (unsigned char)text->bytes[i] >= ' ');
        lines += text->bytes[i] == '\n';
    }
    return lines;
}

/* No name can forge a line: there are as many as with plain names. */
static void check_for_people(struct server *server)
{
    static char plain[] = "plain";
    char *const plain_words[] = {plain, NULL};
    char *const *words = server->options->command;
    const char *path = server->acceptor.listeners[0].path;
    struct text text;
    size_t table = count_lines(server, figures_table, &text);
    size_t lines = count_lines(server, figures_lines, &text);

    HOLDS(answer_is_sound(text.bytes));
    HOLDS(answer_number(text.bytes, "queued") >= 0 &&
          answer_number(text.bytes, "limits.processes") >= 0);
    server->options->command = plain_words;
    server->acceptor.listeners[0].path = plain;
    HOLDS(count_lines(server, figures_table, &text) == table);
    HOLDS(count_lines(server, figures_lines, &text) == lines);
    server->options->command = words;
    server->acceptor.listeners[0].path = path;
}

static bool no_step(void *context)
{
    (void)context;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {NULL};
    struct fuzz_input input = {data, size};
    char *command = fuzz_take_string(&input);
    char *path = fuzz_take_string(&input);
    char *message = fuzz_take_string(&input);
    char *const command_words[] = {command, NULL};
    struct server *server = stage_open(words);
    uint64_t sum;

    for (int i = 0; i < 6; i++)
        check_line(message, (enum log_format)(i % 3), i / 3 != 0);
    server->options->command = command_words;
    server->acceptor.listeners[0].path = path;
    fill(server, &input);
    if (strlen(command) + strlen(path) < 8192) {
        check_status(server, command, path);
        check_metrics(server);
        check_for_people(server);
    }
    sum = server->queue.clients.accepted;
    for (int i = 0; i < CLIENT_ENDS; i++)
        sum += server->books->ended[i];
    server->queue.clients.accepted = sum; /* as it should be */
    stage_run(no_step, NULL);
    stage_close();
    free(command);
    free(path);
    free(message);
    return 0;
}
