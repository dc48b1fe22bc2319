#include "supervisor/control/http.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Some of the bytes of a head, whatever stands behind them. */
struct part {
    char *begin;
    size_t length;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* RFC 9110, 5.6.2 */
static bool is_token(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_digit(bytes[i]) && !(bytes[i] >= 'a' && bytes[i] <= 'z') &&
            !(bytes[i] >= 'A' && bytes[i] <= 'Z') &&
            (bytes[i] == '\0' || strchr("!#$%&'*+-.^_`|~", bytes[i]) == NULL))
            return false;
    return length > 0;
}

static bool is_visible(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return length > 0;
}

static bool equals(const struct part *part, const char *word)
{
    return part->length == strlen(word) && memcmp(part->begin, word, part->length) == 0;
}

/* Takes what stands before the first such byte, or all there is; that byte is left out. */
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

/* A line may end without a CR, too (RFC 9112, 2.2). */
static struct part take_line(struct part *from)
{
    struct part line = take(from, '\n');

    if (line.length > 0 && line.begin[line.length - 1] == '\r')
        line.length--;
    return line;
}

bool http_is_request_line(const char *line, size_t length)
{
    static const char version[] = " HTTP/";
    const char *last = memrchr(line, ' ', length);

    return last != NULL && (size_t)(line + length - last) >= strlen(version) &&
           memcmp(last, version, strlen(version)) == 0;
}

bool http_is_beginning(const char *bytes, size_t length)
{
    return (length >= 5 && memcmp(bytes, "GET /", 5) == 0) ||
           (length >= 6 && memcmp(bytes, "HEAD /", 6) == 0);
}

size_t http_head_length(const char *bytes, size_t length)
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

static void fail(struct http_request *request, unsigned status, const char *error)
{
    request->status = status;
    request->error = error;
}

/* What no line may hold: a CR within could be the end of it to others (RFC 9112, 2.2). */
static bool has_control_byte(const struct part *line)
{
    for (size_t i = 0; i < line->length; i++)
        if (((unsigned char)line->begin[i] < ' ' && line->begin[i] != '\t') ||
            line->begin[i] == '\x7f')
            return true;
    return false;
}

/* Fields matter only where a wrong one must be refused (RFC 9112, 3.2 and 5.1). */
static void read_fields(struct http_request *request, struct part rest, bool needs_host)
{
    unsigned hosts = 0;

    for (struct part line = take_line(&rest); line.length > 0; line = take_line(&rest)) {
        struct part name;

        if (has_control_byte(&line) || memchr(line.begin, ':', line.length) == NULL)
            fail(request, 400, "a line of the head is none");
        name = take(&line, ':');
        if (!is_token(name.begin, name.length))
            fail(request, 400, "a field has a wrong name");
        hosts += name.length == strlen("host") && strncasecmp(name.begin, "host", 4) == 0;
    }
    if (hosts > 1 || (hosts == 0 && needs_host))
        fail(request, 400, "there must be one Host");
}

/* RFC 9112, 3.2: a path, or a whole address of which only the path counts. */
static void read_target(struct http_request *request, struct part target)
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
            request->path = "/";
            return;
        }
        target.length -= (size_t)(path - target.begin);
        if (path == host)
            path = NULL;
    }
    if (path == NULL || target.length == 0 || *path != '/') {
        fail(request, 400, "the target is neither a path nor an address of http");
        return;
    }
    path[target.length] = '\0'; /* at least the version stands behind it */
    request->path = path;
}

static bool is_version(const struct part *word)
{
    return word->length == strlen("HTTP/1.1") && memcmp(word->begin, "HTTP/", 5) == 0 &&
           is_digit(word->begin[5]) && word->begin[6] == '.' && is_digit(word->begin[7]);
}

void http_read(struct http_request *request, char *head, size_t length)
{
    struct part rest = {.begin = head, .length = length};
    struct part line = take_line(&rest);
    struct part method = take(&line, ' ');
    struct part target = take(&line, ' ');

    *request = (struct http_request){.status = 200, .only_head = equals(&method, "HEAD")};
    if (!is_token(method.begin, method.length) || !is_visible(target.begin, target.length) ||
        !is_version(&line)) {
        fail(request, 400, "expected METHOD TARGET HTTP/1.1");
        return;
    }
    if (!equals(&line, "HTTP/1.1") && !equals(&line, "HTTP/1.0")) {
        fail(request, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
        return;
    }
    read_fields(request, rest, equals(&line, "HTTP/1.1"));
    if (request->error != NULL)
        return;
    if (!request->only_head && !equals(&method, "GET"))
        fail(request, 405, "only GET and HEAD are served");
    else
        read_target(request, target);
}

/* It may be empty (RFC 9112, 4). */
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

void http_write_head(struct text *text, unsigned status, const char *type, size_t length)
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
