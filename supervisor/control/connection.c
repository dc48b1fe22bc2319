#include "supervisor/control/connection.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/rights.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DISCARDED_MAXIMUM = 64 << 10 /* bytes */ };

void connection_open(struct connection *connection, int descriptor, bool only_http)
{
    connection->descriptor = descriptor;
    connection->state = CONNECTION_READING;
    connection->only_http = only_http;
    connection->ended = false;
    connection->received = 0;
    connection->passed = -1;
}

static void close_passed(struct connection *connection)
{
    if (connection->passed != -1)
        (void)close(connection->passed); /* nothing was written to it */
    connection->passed = -1;
}

void connection_close(struct connection *connection)
{
    close_passed(connection);
    (void)close(connection->descriptor); /* the answer was sent, or never will be */
}

/* ---- what comes ---- */

/* Reads a part of the question, or what is not wanted after it: one piece for each event.  Ends a
 * client that sends too much. */
void connection_read(struct connection *connection)
{
    bool lingering = connection->state == CONNECTION_LINGERING;
    size_t place = lingering ? 0 : connection->received;
    ssize_t got = recv(connection->descriptor, connection->request + place,
                       QUESTION_MAXIMUM - place, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    connection->ended = got == 0;
    connection->received += got > 0 ? (size_t)got : 0;
    if (got < 0 || connection->received == 0 ||
        (lingering && (connection->ended || connection->received >= DISCARDED_MAXIMUM)))
        connection->state = CONNECTION_OVER;
    else if (!lingering &&
             question_read(&connection->question, connection->request, connection->received,
                           connection->ended, connection->only_http))
        connection->state = CONNECTION_ASKING;
}

/* ---- what goes ---- */

/* Reports whether sending again can help: memory may come back, and so does room for descriptors
 * on their way (ETOOMANYREFS, unix(7)). */
static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM ||
           error == ETOOMANYREFS;
}

void connection_send(struct connection *connection)
{
    ssize_t taken = 0;

    if (connection->left > 0)
        taken = rights_send(connection->descriptor, connection->rest, connection->left,
                            &connection->passed, connection->passed != -1, MSG_DONTWAIT);
    if (taken > 0) {
        close_passed(connection);
        connection->rest += taken;
        connection->left -= (size_t)taken;
    }
    connection->state = CONNECTION_OVER;
    if (taken < 0 && !is_passing(errno))
        return;
    if (connection->left > 0)
        connection->state = CONNECTION_SENDING;
    /* Shuts down our side, and waits for the client to do so: to close a socket with unread bytes
     * resets the connection, which can destroy the answer (RFC 2525, 2.17). */
    else if (!connection->ended && shutdown(connection->descriptor, SHUT_WR) == 0)
        connection->state = CONNECTION_LINGERING;
}

void connection_prepare(struct connection *connection, struct text *body)
{
    text_open(body, connection->answer + QUESTION_HEAD_MAXIMUM, CONNECTION_ANSWER_MAXIMUM);
}

void connection_answer(struct connection *connection, size_t length, unsigned status,
                       const char *type, int passed)
{
    const struct question *question = &connection->question;
    char *body = connection->answer + QUESTION_HEAD_MAXIMUM;
    char bytes[QUESTION_HEAD_MAXIMUM];
    struct text head;

    text_open(&head, bytes, sizeof(bytes));
    if (question->http)
        question_write_head(&head, status, type, length);
    if (head.cut)
        log_bug("the head of an answer of type %s is too long", type);
    memcpy(body - head.length, bytes, head.length);
    connection->rest = body - head.length;
    connection->left = head.length + (question->http && question->only_head ? 0 : length);
    connection->passed = passed;
    connection->received = 0; /* once lingering, it counts what is discarded */
    connection_send(connection);
}
