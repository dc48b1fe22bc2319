#include "tests/tools/faults/run/clients.h"

#include "tests/tools/faults/run/visit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CLIENTS_STAYING = 2 };

struct visitor clients_begin(struct run *run, unsigned from, char letter, enum wish wish)
{
    struct visitor visitor = {.descriptor = -1, .number = books_add(&run->books, wish)};
    char words[32];

    (void)snprintf(words, sizeof(words), "%c %u\n", letter, visitor.number);
    if (visitor.number != 0)
        visitor.descriptor = visit_begin(run->service.port, from, words);
    if (visitor.descriptor < 0)
        run_fail(run, "a client could not connect: %s", strerror(errno));
    return visitor;
}

/* Puts what the client was told into `text`, whose end is always marked. */
static enum visit_end end(struct run *run, struct visitor visitor, char *text, unsigned size)
{
    enum visit_end result = VISIT_CUT;

    text[0] = '\0';
    if (visitor.descriptor >= 0)
        result = visit_end(visitor.descriptor, RUN_WITHIN, text, size);
    if (visitor.descriptor >= 0 && result == VISIT_CUT)
        books_cut(&run->books, visitor.number);
    return result;
}

void clients_end(struct run *run, const struct visitor *visitors, unsigned count)
{
    char text[64];

    for (unsigned i = 0; i < count; i++) {
        enum visit_end result = end(run, visitors[i], text, sizeof(text));

        if (result == VISIT_HANGING)
            run_fail(run, "a client was neither answered nor cut off");
        else if (result == VISIT_ANSWERED && strcmp(text, "answer\n") != 0)
            run_fail(run, "a client was told: %s", text);
    }
}

void clients_begin_burst(struct run *run, struct visitor burst[CLIENTS_BURST])
{
    for (unsigned i = 0; i < CLIENTS_BURST; i++)
        burst[i] = clients_begin(run, 1, 'a', WISH_ANSWER);
}

/* ---- the queue ---- */

/* Waits until one is refused, unless the queue has become shorter meanwhile. */
static void refuse(struct run *run)
{
    struct visitor refused;
    char text[64];

    if (!run_ask(run, "set queue 2")) /* as many as wait */
        return;
    refused = clients_begin(run, 1, 'a', WISH_REFUSED);
    if (!run_ask(run, "set queue 100"))
        run_fail(run, "no answer to set queue 100");
    if (end(run, refused, text, sizeof(text)) == VISIT_HANGING)
        run_fail(run, "a client was neither refused nor answered");
    else if (text[0] != '\0' && strcmp(text, "busy\n") != 0 && strcmp(text, "answer\n") != 0)
        run_fail(run, "a client that should be refused was told: %s", text);
}

void clients_queue(struct run *run)
{
    struct visitor staying[CLIENTS_STAYING];
    struct visitor leaving;
    struct visitor waiting;
    struct visitor denied;
    char text[64];

    for (unsigned i = 0; i < CLIENTS_STAYING; i++)
        staying[i] = clients_begin(run, 1, 's', WISH_STAY);
    leaving = clients_begin(run, 3, 'a', WISH_LEAVE);
    waiting = clients_begin(run, 1, 'a', WISH_ANSWER);
    denied = clients_begin(run, 2, 'a', WISH_DENIED);
    refuse(run);
    if (leaving.descriptor >= 0)
        visit_reset(leaving.descriptor);
    for (unsigned i = 0; i < CLIENTS_STAYING; i++)
        if (end(run, staying[i], text, sizeof(text)) == VISIT_HANGING)
            run_fail(run, "a handler was not ended by its time limit");
    clients_end(run, &waiting, 1);
    if (end(run, denied, text, sizeof(text)) == VISIT_HANGING)
        run_fail(run, "a client that is denied was neither told nor cut off");
}

void clients_check_answer(struct run *run)
{
    enum visit_end result = VISIT_CUT;
    char text[64];

    for (int try = 0; try < RUN_TRIES && result == VISIT_CUT && !run_failed(run); try++)
        result = end(run, clients_begin(run, 1, 'a', WISH_ANSWER), text, sizeof(text));
    if (result != VISIT_ANSWERED)
        run_fail(run, "the service does not answer any more");
}
