#include "supervisor/control/control_question.h"

#include "supervisor/control/http.h"

#include <string.h>

static void fail(struct control_question *question, unsigned status, const char *error)
{
    question->words = NULL;
    question->status = status;
    question->error = error;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Whether the line is fit to be shown: in a log, or in an answer. */
static bool is_text(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == '\x7f')
            return false;
    return true;
}

static void read_line(struct control_question *question, char *line, size_t length)
{
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    while (length > 0 && is_blank(*line)) {
        line++;
        length--;
    }
    line[length] = '\0';
    question->words = line;
    if (length == 0)
        fail(question, 400, "empty request; try help");
    else if (!is_text(line, length))
        fail(question, 400, "a request is a line of text, without control characters");
}

static void read_http(struct control_question *question, char *bytes, size_t length)
{
    struct http_request request;

    http_read(&request, bytes, length);
    *question = (struct control_question){
        .words = request.path,
        .error = request.error,
        .status = request.status,
        .http = true,
        .only_head = request.only_head,
    };
}

bool control_question_read(struct control_question *question, char *bytes, size_t length,
                           bool ended, bool only_http)
{
    const char *end = memchr(bytes, '\n', length);
    size_t line = end != NULL ? (size_t)(end - bytes) : length;
    size_t visible = line > 0 && bytes[line - 1] == '\r' ? line - 1 : line;
    bool full = length >= CONTROL_QUESTION_MAXIMUM;
    bool is_http = http_is_request_line(bytes, visible);
    size_t head;

    *question = (struct control_question){.status = 200, .http = is_http || only_http};
    if (is_http) {
        head = http_head_length(bytes, length);
        if (head > 0)
            read_http(question, bytes, head);
        else if (full)
            fail(question, 431, "the head of a request is of at most 4096 bytes");
        else
            fail(question, 400, "the head of the request is not complete");
        return head > 0 || full || ended;
    }
    if (end == NULL && full) {
        question->http = only_http || http_is_beginning(bytes, length);
        fail(question, question->http ? 431 : 400, "a request is one line of at most 4095 bytes");
        return true;
    }
    if (end == NULL && !ended)
        return false;
    if (only_http)
        fail(question, 400, "only HTTP is spoken here");
    else
        read_line(question, bytes, line);
    return true;
}
