#include "supervisor/control/question.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static void fail(struct question *question, unsigned status, const char *error)
{
    question->status = status;
    question->error = error;
}

static bool consists_of(const char *word, int (*fits)(int byte))
{
    for (const char *byte = word; *byte != '\0'; byte++)
        if (!fits((unsigned char)*byte))
            return false;
    return *word != '\0';
}

/* RFC 9110, 5.6.2 */
static int is_of_token(int byte)
{
    return isalnum(byte) || strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

/* Reports whether the byte is fit for a log and an answer.  In HTTP a CR within a line could be the
 * end of the line to another program (RFC 9112, 2.2). */
static int is_of_text(int byte)
{
    return (byte >= ' ' || byte == '\t') && byte != '\x7f';
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

/* Cuts off a line.  The CR at its end may be missing (RFC 9112, 2.2). */
static char *take_line(char **rest)
{
    char *line = strsep(rest, "\n");
    size_t length = strlen(line);

    if (length > 0 && line[length - 1] == '\r')
        line[length - 1] = '\0';
    return line;
}

/* Refuses the fields that RFC 9112 (3.2 and 5.1) forbids; no field has another effect. */
static void read_fields(struct question *question, char *rest, bool needs_host)
{
    unsigned hosts = 0;

    for (char *line = take_line(&rest); *line != '\0'; line = take_line(&rest)) {
        const char *name;

        if (!consists_of(line, is_of_text) || strchr(line, ':') == NULL)
            fail(question, 400, "a line of the head is not a header field");
        name = strsep(&line, ":");
        if (!consists_of(name, is_of_token))
            fail(question, 400, "a header field has an invalid name");
        hosts += strcasecmp(name, "host") == 0;
    }
    if (hosts > 1 || (hosts == 0 && needs_host))
        fail(question, 400, "the head must have one Host field");
}

/* The target is a path or a URL (RFC 9112, 3.2).  Of a URL, only the path counts. */
static void read_target(struct question *question, char *target)
{
    static const char scheme[] = "http://";
    const char *host = target + strlen(scheme);
    const char *path = target;

    target[strcspn(target, "?")] = '\0';
    if (strncasecmp(target, scheme, strlen(scheme)) == 0 && *host != '\0' && *host != '/') {
        path = strchr(host, '/');
        if (path == NULL)
            path = "/";
    }
    if (*path == '/')
        question->words = path;
    else
        fail(question, 400, "the target must be a path or an http:// URL");
}

static bool is_version(const char *word)
{
    return strlen(word) == strlen("HTTP/1.1") && strncmp(word, "HTTP/", 5) == 0 &&
           isdigit((unsigned char)word[5]) && word[6] == '.' && isdigit((unsigned char)word[7]);
}

/* Reads a complete head. */
static void read_http(struct question *question, char *head, size_t length)
{
    bool has_zero = memchr(head, '\0', length) != NULL;
    char *rest = head;
    char *version;
    char *method;
    char *target;
    bool recent;

    head[length - 1] = '\0'; /* in place of the last LF */
    version = take_line(&rest);
    method = strsep(&version, " ");
    target = strsep(&version, " ");
    question->only_head = strcmp(method, "HEAD") == 0;
    if (has_zero || version == NULL || !is_version(version) || !consists_of(method, is_of_token) ||
        !consists_of(target, isgraph)) {
        fail(question, 400, "expected METHOD TARGET HTTP/1.1");
        return;
    }
    recent = strcmp(version, "HTTP/1.1") == 0;
    if (!recent && strcmp(version, "HTTP/1.0") != 0) {
        fail(question, 505, "only HTTP/1.0 and HTTP/1.1 are supported");
        return;
    }
    read_fields(question, rest, recent);
    if (question->error != NULL)
        return;
    if (!question->only_head && strcmp(method, "GET") != 0)
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
    if (length == 0)
        fail(question, 400, "empty request; try help");
    else if (strlen(line) < length || !consists_of(line, is_of_text))
        fail(question, 400, "a request is a line of text, without control characters");
    else
        question->words = line;
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
