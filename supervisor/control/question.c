#include "supervisor/control/question.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* A part of a head; it has no 0 at its end. */
struct part {
    char *begin;
    size_t length;
};

/* RFC 9110, 5.6.2 */
static bool is_token(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)bytes[i]) &&
            (bytes[i] == '\0' || strchr("!#$%&'*+-.^_`|~", bytes[i]) == NULL))
            return false;
    return length > 0;
}

static bool is_visible(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)bytes[i]))
            return false;
    return length > 0;
}

static bool equals(const struct part *part, const char *word)
{
    return part->length == strlen(word) && memcmp(part->begin, word, part->length) == 0;
}

/* Takes all before the first byte `end`, or all there is; drops that byte. */
static struct part take(struct part *from, char end)
{
    char *found = memchr(from->begin, end, from->length);
    struct part part = {.begin = from->begin,
                        .length = found != NULL ? (size_t)(found - from->begin) : from->length};
    size_t taken = part.length + (found != NULL);

    from->begin += taken;
    from->length -= taken;
    return part;
}

/* The CR at the end of a line may be missing (RFC 9112, 2.2). */
static struct part take_line(struct part *from)
{
    struct part line = take(from, '\n');

    if (line.length > 0 && line.begin[line.length - 1] == '\r')
        line.length--;
    return line;
}

static void fail(struct question *question, unsigned status, const char *error)
{
    question->words = NULL;
    question->status = status;
    question->error = error;
}

/* Reports whether the bytes are fit for a log and an answer.  In HTTP a CR within a line could be
 * the end of the line to another program (RFC 9112, 2.2). */
static bool is_text(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)bytes[i] < ' ' && bytes[i] != '\t') || bytes[i] == '\x7f')
            return false;
    return true;
}

/* ---- HTTP ---- */

/* Reports whether a line, without its end, is meant as a request line of HTTP, right or wrong. */
static bool is_request_line(const char *line, size_t length)
{
    static const char version[] = " HTTP/";
    const char *last = memrchr(line, ' ', length);

    return last != NULL && (size_t)(line + length - last) >= strlen(version) &&
           memcmp(last, version, strlen(version)) == 0;
}

/* Reports whether bytes without the end of a line begin like a request that is served. */
static bool is_beginning(const char *bytes, size_t length)
{
    return (length >= 5 && memcmp(bytes, "GET /", 5) == 0) ||
           (length >= 6 && memcmp(bytes, "HEAD /", 6) == 0);
}

/* Returns the length of the head with its empty line, or 0 if it is not complete. */
static size_t head_length(const char *bytes, size_t length)
{
    for (size_t i = 0; i + 1 < length; i++) {
        if (bytes[i] != '\n')
            continue;
        if (bytes[i + 1] == '\n')
            return i + 2;
        if (bytes[i + 1] == '\r' && i + 2 < length && bytes[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

/* Refuses the fields that RFC 9112 (3.2 and 5.1) forbids; no field has another effect. */
static void read_fields(struct question *question, struct part rest, bool needs_host)
{
    unsigned hosts = 0;

    for (struct part line = take_line(&rest); line.length > 0; line = take_line(&rest)) {
        struct part name;

        if (!is_text(line.begin, line.length) || memchr(line.begin, ':', line.length) == NULL)
            fail(question, 400, "a line of the head is not a header field");
        name = take(&line, ':');
        if (!is_token(name.begin, name.length))
            fail(question, 400, "a header field has an invalid name");
        hosts += name.length == strlen("host") && strncasecmp(name.begin, "host", 4) == 0;
    }
    if (hosts > 1 || (hosts == 0 && needs_host))
        fail(question, 400, "the head must have one Host field");
}

/* The target is a path; or a URL, of which only the path counts (RFC 9112, 3.2). */
static void read_target(struct question *question, struct part target)
{
    static const char scheme[] = "http://";
    char *query = memchr(target.begin, '?', target.length);
    char *path = target.begin;

    if (query != NULL)
        target.length = (size_t)(query - target.begin);
    if (target.length > strlen(scheme) && strncasecmp(path, scheme, strlen(scheme)) == 0) {
        char *host = path + strlen(scheme);

        path = memchr(host, '/', target.length - strlen(scheme));
        if (path == NULL) {
            question->words = "/";
            return;
        }
        target.length -= (size_t)(path - target.begin);
        if (path == host)
            path = NULL;
    }
    if (path == NULL || target.length == 0 || *path != '/') {
        fail(question, 400, "the target must be a path or an http:// URL");
        return;
    }
    path[target.length] = '\0'; /* the version follows it */
    question->words = path;
}

static bool is_version(const struct part *word)
{
    return word->length == strlen("HTTP/1.1") && memcmp(word->begin, "HTTP/", 5) == 0 &&
           isdigit((unsigned char)word->begin[5]) && word->begin[6] == '.' &&
           isdigit((unsigned char)word->begin[7]);
}

static void read_http(struct question *question, char *head, size_t length)
{
    struct part rest = {.begin = head, .length = length};
    struct part line = take_line(&rest);
    struct part method = take(&line, ' ');
    struct part target = take(&line, ' ');

    question->only_head = equals(&method, "HEAD");
    if (!is_token(method.begin, method.length) || !is_visible(target.begin, target.length) ||
        !is_version(&line)) {
        fail(question, 400, "expected METHOD TARGET HTTP/1.1");
        return;
    }
    if (!equals(&line, "HTTP/1.1") && !equals(&line, "HTTP/1.0")) {
        fail(question, 505, "only HTTP/1.0 and HTTP/1.1 are supported");
        return;
    }
    read_fields(question, rest, equals(&line, "HTTP/1.1"));
    if (question->error != NULL)
        return;
    if (!question->only_head && !equals(&method, "GET"))
        fail(question, 405, "only GET and HEAD are served");
    else
        read_target(question, target);
}

/* ---- a line, or HTTP ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static void read_line(struct question *question, char *line, size_t length)
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

bool question_read(struct question *question, char *bytes, size_t length, bool ended,
                   bool only_http)
{
    const char *end = memchr(bytes, '\n', length);
    size_t line = end != NULL ? (size_t)(end - bytes) : length;
    size_t visible = line > 0 && bytes[line - 1] == '\r' ? line - 1 : line;
    bool full = length >= QUESTION_MAXIMUM;
    bool is_http = is_request_line(bytes, visible);
    size_t head;

    *question = (struct question){.status = 200, .http = is_http || only_http};
    if (is_http) {
        head = head_length(bytes, length);
        if (head > 0)
            read_http(question, bytes, head);
        else if (full)
            fail(question, 431, "the head of a request may have at most 4096 bytes");
        else
            fail(question, 400, "the head of the request is not complete");
        return head > 0 || full || ended;
    }
    if (end == NULL && full) {
        question->http = only_http || is_beginning(bytes, length);
        fail(question, question->http ? 431 : 400, "a request is one line of at most 4095 bytes");
        return true;
    }
    if (end == NULL && !ended)
        return false;
    if (only_http)
        fail(question, 400, "only HTTP is served here");
    else
        read_line(question, bytes, line);
    return true;
}

/* ---- the head of an answer ---- */

/* Returns the reason phrase, which may be empty (RFC 9112, 4). */
static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

void question_write_head(struct text *text, unsigned status, const char *type, size_t length)
{
    text_add(text,
             "HTTP/1.1 %03u %s\r\n"
             "Content-Type: %s\r\n"
             "Content-Length: %zu\r\n"
             "Connection: close\r\n"
             "Cache-Control: no-store\r\n"
             "%s\r\n",
             status, reason(status), type, length, status == 405 ? "Allow: GET, HEAD\r\n" : "");
}
