#include "supervisor/dampenerctl/top.h"

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
    COLUMNS = 80
};

struct top {
    const char *path;
    struct screen_look look;
    struct terminal terminal;
    struct request request;
    struct samples samples;
    char *bytes;          /* of the last answer; owned, NULL before the first */
    struct answer answer; /* in those bytes */
    char trouble[sizeof(((struct request *)NULL)->error) + 40];
    unsigned quiet; /* periods that the request has waited for its answer */
    int64_t next;   /* when the next period begins */
    bool outdated;  /* the frame must be drawn again */
    bool ended;
    struct screen screen;
    char frame[SCREEN_TEXT];
};

static void draw(struct top *top, unsigned rows, unsigned columns, struct text *text)
{
    struct view view = {.answer = top->bytes != NULL ? &top->answer : NULL,
                        .samples = &top->samples,
                        .trouble = *top->trouble == '\0' ? NULL : top->trouble,
                        .live = top->look.placed};

    screen_open(&top->screen, rows, columns);
    view_draw(&top->screen, &view);
    text_open(text, top->frame, sizeof(top->frame));
    screen_print(&top->screen, top->look, text);
}

/* ---- answers of the daemon ---- */

static void add_sample(struct top *top, const struct answer *answer)
{
    samples_add(&top->samples, (double)request_clock() / 1000, answer);
}

static void set_trouble(struct top *top, const char *before, const char *reason)
{
    (void)snprintf(top->trouble, sizeof(top->trouble), "%s%.*s", before, (int)strcspn(reason, "\n"),
                   reason);
}

/* Keeps the answer and returns true, or sets `trouble`. */
static bool read_answer(struct top *top, const char *before)
{
    struct request *request = &top->request;
    const char *refusal = request_refusal(request);
    struct answer answer;

    if (request->state != REQUEST_ANSWERED) {
        set_trouble(top, before, request->error);
    } else if (refusal != NULL && request_is_unknown(refusal)) {
        set_trouble(top, before, "the daemon is too old for a live view; try status --json");
    } else if (refusal != NULL) {
        set_trouble(top, before, refusal);
    } else if (!answer_open(&answer, request->answer, request->answer_length)) {
        set_trouble(top, before, "the answer is not a list of figures");
    } else {
        free(top->bytes);
        top->bytes = request->answer;
        request->answer = NULL;
        top->answer = answer;
        *top->trouble = '\0';
        return true;
    }
    return false;
}

static void on_answer(struct top *top)
{
    add_sample(top, read_answer(top, "TRYING AGAIN: ") ? &top->answer : NULL);
    request_end(&top->request);
    top->outdated = true;
}

static void on_period(struct top *top, int64_t now)
{
    top->next += PERIOD;
    if (top->next <= now) /* this process was stopped, or the machine is slow */
        top->next = now + PERIOD;
    if (request_is_open(&top->request)) {
        top->quiet++;
        add_sample(top, NULL);
        (void)snprintf(top->trouble, sizeof(top->trouble), "no answer for %u s", top->quiet);
        top->outdated = true;
        return;
    }
    top->quiet = 0;
    request_begin(&top->request, top->path, "figures");
    if (!request_is_open(&top->request))
        on_answer(top);
}

/* ---- keys and signals ---- */

static void on_keys(struct top *top)
{
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof(keys));

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* A terminal without its line discipline sends Ctrl-D for the end of input. */
    for (ssize_t i = 0; i < count; i++)
        top->ended = top->ended || keys[i] == 'q' || keys[i] == 'Q' || keys[i] == '\004';
    if (count <= 0)
        top->ended = true;
}

static void on_signal(struct top *top)
{
    enum terminal_event event = terminal_signal(&top->terminal);

    top->ended = top->ended || event == TERMINAL_QUIT;
    top->outdated = top->outdated || event == TERMINAL_CHANGED;
}

/* ---- the two ways to show the view ---- */

/* Draws a frame, unless the terminal has not taken the last one yet. */
static int show(struct top *top)
{
    unsigned rows;
    unsigned columns;
    struct text text;

    if (top->terminal.pending_length > 0 || !top->outdated)
        return terminal_flush(&top->terminal);
    top->outdated = false;
    terminal_size(&rows, &columns);
    draw(top, rows, columns, &text);
    return terminal_write(&top->terminal, text.bytes, text.length);
}

static int time_left(const struct top *top)
{
    int64_t left = top->next - request_clock();
    int wanted = request_is_open(&top->request) ? request_timeout(&top->request) : PERIOD;

    if (left < 0)
        left = 0;
    return left < wanted ? (int)left : wanted;
}

static int look(struct top *top)
{
    struct pollfd wanted[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = top->terminal.signals, .events = POLLIN},
        request_poll(&top->request),
        {.fd = top->terminal.pending_length > 0 ? top->terminal.output : -1, .events = POLLOUT}};

    if (poll(wanted, sizeof(wanted) / sizeof(*wanted), time_left(top)) < 0 && errno != EINTR)
        return -1;
    if (wanted[0].revents != 0)
        on_keys(top);
    if (wanted[1].revents != 0)
        on_signal(top);
    if (request_is_open(&top->request)) {
        request_go_on(&top->request);
        if (!request_is_open(&top->request))
            on_answer(top);
    }
    if (request_clock() >= top->next)
        on_period(top, request_clock());
    return top->ended ? 0 : show(top);
}

static int run_live(struct top *top)
{
    const char *no_colour = getenv("NO_COLOR");
    int result = 0;

    top->look.placed = true;
    top->look.colours = no_colour == NULL || *no_colour == '\0';
    top->next = request_clock();
    if (terminal_open(&top->terminal) < 0) {
        (void)fprintf(stderr, "dampenerctl: cannot use the terminal: %m\n");
        return 1;
    }
    while (!top->ended && result == 0)
        result = look(top);
    terminal_close(&top->terminal);
    if (result < 0)
        (void)fprintf(stderr, "dampenerctl: cannot go on with the terminal: %m\n");
    return result < 0 ? 1 : 0;
}

static int run_once(struct top *top)
{
    struct text text;
    bool written;

    (void)request_ask(&top->request, top->path, "figures"); /* read_answer() looks at the state */
    if (!read_answer(top, "")) {
        (void)fprintf(stderr, "dampenerctl: %s\n", top->trouble);
        return 1;
    }
    add_sample(top, &top->answer);
    draw(top, ROWS, COLUMNS, &text);
    written = fputs(text.bytes, stdout) >= 0 && fflush(stdout) == 0;
    if (!written)
        (void)fprintf(stderr, "dampenerctl: cannot write to standard output: %m\n");
    return written ? 0 : 1;
}

int top_run(const char *path, bool utf8)
{
    struct top *top = calloc(1, sizeof(*top));
    int status;

    if (top == NULL) {
        (void)fprintf(stderr, "dampenerctl: out of memory for a view\n");
        return 1;
    }
    top->path = path;
    top->look.blocks = utf8;
    top->request.descriptor = -1;
    status = terminal_is_able() ? run_live(top) : run_once(top);
    request_end(&top->request);
    free(top->bytes);
    free(top);
    return status;
}
