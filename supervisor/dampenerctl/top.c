#include "supervisor/dampenerctl/top.h"

#include "supervisor/dampenerctl/keys.h"
#include "supervisor/dampenerctl/output.h"
#include "supervisor/dampenerctl/request.h"
#include "supervisor/dampenerctl/terminal.h"
#include "supervisor/dampenerctl/view.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PERIOD = 1000, /* milliseconds from one request to the next */
    ROWS = 40,     /* of a frame that no terminal bounds */
    COLUMNS = 80,
    NOTED_FOR = 8000 /* milliseconds that a question or a result stands */
};

struct top {
    const char *path;
    struct frame_look look;
    struct terminal terminal;
    struct samples samples;
    char *answer; /* the last one; owned, NULL before the first */
    char trouble[sizeof(((struct request *)NULL)->own_error) + 40];
    unsigned quiet; /* periods that the request has waited for its answer */
    struct keys keys;
    char result[100];   /* of the last command; "": none */
    bool failed;        /* the result is an error */
    int64_t noted_till; /* then question and result go */
    int64_t next;       /* when the next period begins */
    bool outdated;      /* the frame must be drawn again */
    bool ended;
    int error; /* of the terminal; 0: none */
    struct frame frame;
    char shown[FRAME_TEXT];
};

static const struct text *draw(struct top *top, unsigned rows, unsigned columns)
{
    const bool asks = *top->keys.note != '\0';
    struct view view = {.answer = top->answer,
                        .samples = &top->samples,
                        .trouble = *top->trouble == '\0' ? NULL : top->trouble,
                        .live = top->look.placed,
                        .note = asks                   ? top->keys.note
                                : *top->result != '\0' ? top->result
                                                       : NULL,
                        .asks = asks || top->failed};

    frame_open(&top->frame, top->look, rows, columns, top->shown);
    view_draw(&top->frame, &view);
    return &top->frame.text;
}

/* ---- answers of the daemon ---- */

static void add_sample(struct top *top, const char *answer)
{
    samples_add(&top->samples, (double)request_clock() / 1000, answer);
    top->outdated = true;
}

/* Asks the daemon, and keeps the answer.  Returns NULL, or why there is no answer; one line counts.
 */
static const char *ask(struct top *top, struct request *request)
{
    if (!request_ask(request, top->path, "figures"))
        return request->unknown ? "the daemon is too old for a live view; try status --json"
                                : request->error;
    if (!answer_is_sound(request->answer))
        return "the answer is not a list of figures";
    free(top->answer);
    top->answer = request->answer;
    request->answer = NULL;
    return NULL;
}

/* ---- keys and signals ---- */

/* The bytes of a function key come together, behind an ESC: its letters are no keys of their own.
 */
static void press(struct top *top, const char *keys, size_t count)
{
    const char *escape = memchr(keys, '\033', count);
    const size_t plain = escape != NULL ? (size_t)(escape - keys) : count;

    for (size_t i = 0; i < plain; i++)
        keys_press(&top->keys, keys[i], top->answer);
    if (escape != NULL)
        keys_forget(&top->keys); /* it answers a question with no */
}

static void on_keys(struct top *top)
{
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count > 0)
        press(top, keys, (size_t)count);
    *top->result = '\0';
    top->noted_till = request_clock() + NOTED_FOR;
    top->outdated = true;
    top->ended = top->ended || top->keys.quit || count <= 0;
}

/* Takes the question or the result away after a while. */
static void forget_notes(struct top *top)
{
    if ((*top->keys.note == '\0' && *top->result == '\0') || request_clock() < top->noted_till)
        return;
    keys_forget(&top->keys);
    *top->result = '\0';
    top->outdated = true;
}

static void on_signal(struct top *top)
{
    enum terminal_event event = terminal_signal(&top->terminal);

    top->ended = top->ended || event == TERMINAL_QUIT;
    top->outdated = top->outdated || event == TERMINAL_CHANGED;
}

/* Begins a period if it is time.  Returns whether it did. */
static bool has_period_begun(struct top *top)
{
    int64_t now = request_clock();

    if (now < top->next)
        return false;
    top->next += PERIOD;
    if (top->next <= now) /* this process was stopped, or the machine is slow */
        top->next = now + PERIOD;
    return true;
}

/* Ends the view, because the terminal failed. */
static bool fail(struct top *top)
{
    top->error = errno;
    top->ended = true;
    return false;
}

/* ---- the two ways to show the view ---- */

/* Draws a frame, unless the terminal has not taken the last one yet. */
static int show(struct top *top)
{
    const struct text *text;
    unsigned rows;
    unsigned columns;

    if (top->terminal.pending_length > 0 || !top->outdated)
        return terminal_flush(&top->terminal);
    top->outdated = false;
    terminal_size(&rows, &columns);
    text = draw(top, rows, columns);
    return terminal_write(&top->terminal, text->bytes, text->length);
}

/* Serves the user until a descriptor is ready, a period is over, or something else happens. Returns
 * false once the view ends. */
static bool serve(struct top *top, struct pollfd other, int timeout)
{
    const int64_t left = top->next - request_clock();
    struct pollfd wanted[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = top->terminal.signals, .events = POLLIN},
                              {.fd = top->terminal.output, .events = POLLOUT},
                              other};

    if (top->ended)
        return false;
    forget_notes(top);
    if (show(top) < 0)
        return fail(top);
    if (top->terminal.pending_length == 0)
        wanted[2].fd = -1;
    if (left < timeout)
        timeout = left < 0 ? 0 : (int)left;
    if (poll(wanted, sizeof(wanted) / sizeof(*wanted), timeout) < 0)
        return errno == EINTR || fail(top);
    if (wanted[0].revents != 0)
        on_keys(top);
    if (wanted[1].revents != 0)
        on_signal(top);
    return !top->ended;
}

/* Serves the user while a request waits. */
static bool serve_meanwhile(void *context, struct pollfd wanted, int timeout)
{
    struct top *top = context;

    if (has_period_begun(top)) {
        add_sample(top, NULL);
        (void)snprintf(top->trouble, sizeof(top->trouble), "no answer for %u s", ++top->quiet);
    }
    return serve(top, wanted, timeout);
}

/* Sends the command that a key stands for, and notes what becomes of it. */
static void obey(struct top *top)
{
    struct request request = {.wait = serve_meanwhile, .context = top};
    char command[KEYS_COMMAND];
    const char *words;

    memcpy(command, top->keys.command, sizeof(command));
    *top->keys.command = '\0';
    top->quiet = 0;
    top->failed = !request_ask(&request, top->path, command);
    words = top->failed ? request.error : request.answer;
    (void)snprintf(top->result, sizeof(top->result), "%.*s", (int)strcspn(words, "\n"), words);
    top->noted_till = request_clock() + NOTED_FOR;
    top->outdated = true;
    free(request.answer);
}

/* Asks once, and serves the user until the next period begins or a key wants something.  Returns
 * false once the view ends. */
static bool go_on(struct top *top)
{
    struct request request = {.wait = serve_meanwhile, .context = top};
    const char *reason;

    top->quiet = 0;
    reason = ask(top, &request);
    add_sample(top, reason == NULL ? top->answer : NULL);
    *top->trouble = '\0';
    if (reason != NULL)
        (void)snprintf(top->trouble, sizeof(top->trouble), "TRYING AGAIN: %.*s",
                       (int)strcspn(reason, "\n"), reason);
    free(request.answer);
    while (*top->keys.command == '\0') {
        if (!serve(top, (struct pollfd){.fd = -1}, PERIOD))
            return false;
        if (has_period_begun(top))
            return true;
    }
    obey(top);
    return !top->ended;
}

static int run_live(struct top *top)
{
    const char *no_colour = getenv("NO_COLOR");

    top->look.placed = true;
    top->look.colours = no_colour == NULL || *no_colour == '\0';
    top->look.many = terminal_has_many_colours();
    top->next = request_clock() + PERIOD;
    if (terminal_open(&top->terminal) < 0)
        return output_complain(OUTPUT_FAILED, "cannot use the terminal: %m");
    while (go_on(top))
        ;
    terminal_close(&top->terminal);
    if (top->error == 0)
        return OUTPUT_DONE;
    errno = top->error;
    return output_complain(OUTPUT_FAILED, "cannot go on with the terminal: %m");
}

static int run_once(struct top *top)
{
    struct request request = {.wait = NULL};
    const char *reason = ask(top, &request);

    if (reason == NULL) {
        add_sample(top, top->answer);
        return output_finish(fputs(draw(top, ROWS, COLUMNS)->bytes, stdout) >= 0);
    }
    (void)output_complain(OUTPUT_FAILED, "%.*s", (int)strcspn(reason, "\n"), reason);
    free(request.answer);
    return OUTPUT_FAILED;
}

int top_run(const char *path)
{
    static struct top top; /* it is large */
    int status;

    top.path = path;
    top.look.blocks = output_is_utf8();
    status = terminal_is_able() ? run_live(&top) : run_once(&top);
    free(top.answer);
    return status;
}
