/*
 * What the operator's connections ask for: requests of HTTP and lines, and what is neither.
 */
#include "supervisor/control/question.h"

#include "tests/shared/check.h"

#include <stdlib.h>
#include <string.h>

/* Asks with a copy of exactly that size, so that a sanitizer sees what is read beyond it. */
static bool reads(struct question *question, const char *bytes)
{
    static char *copy;
    size_t length = strlen(bytes);

    free(copy);
    copy = malloc(length);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, length);
    return question_read(question, copy, length, false, false);
}

static struct question read_head(const char *head)
{
    struct question question;

    CHECK(reads(&question, head));
    CHECK(question.http);
    return question;
}

static bool gives(const char *head, const char *path)
{
    struct question question = read_head(head);

    return question.status == 200 && question.error == NULL && strcmp(question.words, path) == 0;
}

static bool fails(const char *head, unsigned status)
{
    struct question question = read_head(head);

    return question.status == status && question.error != NULL && question.words == NULL;
}

static void check_requests(void)
{
    CHECK(gives("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "/metrics"));
    CHECK(gives("GET /metrics HTTP/1.0\r\n\r\n", "/metrics"));
    CHECK(gives("GET /metrics HTTP/1.0\n\n", "/metrics"));
    CHECK(gives("GET / HTTP/1.1\nhOST:\n\n", "/"));
    CHECK(gives("GET /a?b=/c?d HTTP/1.0\r\n\r\n", "/a"));
    CHECK(gives("GET /? HTTP/1.0\r\n\r\n", "/"));
    CHECK(gives("GET /%41/../~ HTTP/1.0\r\n\r\n", "/%41/../~"));
    CHECK(gives("GET /a HTTP/1.1\r\nAccept: */*\r\nHost: a:1\r\nX:\ty\r\n\r\n", "/a"));
    CHECK(gives("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", "/a"));
    CHECK(gives("GET http://host/path HTTP/1.1\r\nHost: host\r\n\r\n", "/path"));
    CHECK(gives("GET HTTP://[::1]:9/path/?q HTTP/1.1\r\nHost: host\r\n\r\n", "/path/"));
    CHECK(gives("GET http://host HTTP/1.0\r\n\r\n", "/"));
    CHECK(gives("GET http://host?q=/x HTTP/1.0\r\n\r\n", "/"));
    CHECK(!read_head("GET / HTTP/1.0\r\n\r\n").only_head);
    CHECK(gives("HEAD / HTTP/1.0\r\n\r\n", "/"));
    CHECK(read_head("HEAD / HTTP/1.0\r\n\r\n").only_head);
    CHECK(read_head("HEAD / HTTP/1.1\r\n\r\n").only_head); /* though it is wrong */
}

static void check_wrong_lines(void)
{
    CHECK(fails("POST / HTTP/1.0\r\n\r\n", 405));
    CHECK(fails("OPTIONS * HTTP/1.0\r\n\r\n", 405));
    CHECK(fails("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405));
    CHECK(fails("get / HTTP/1.0\r\n\r\n", 405));
    CHECK(fails("GETS / HTTP/1.0\r\n\r\n", 405));
    CHECK(fails("GET / HTTP/1.2\r\n\r\n", 505));
    CHECK(fails("GET / HTTP/0.9\r\n\r\n", 505));
    CHECK(fails("PRI * HTTP/2.0\r\n\r\n", 505));
    CHECK(fails("GET / HTTP/1\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.10\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/a.b\r\n\r\n", 400));
    CHECK(fails("GET  / HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET /  HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET /a b HTTP/1.0\r\n\r\n", 400));
    CHECK(fails(" GET / HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET HTTP/1.0\r\n\r\n", 400));
    CHECK(fails(" HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("G\tT / HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET /\x01 HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET /\xc3\xa4 HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET metrics HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET ?q HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET * HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET http:// HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET http:///path HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET http://?q HTTP/1.0\r\n\r\n", 400));
    CHECK(fails("GET ftp://host/ HTTP/1.0\r\n\r\n", 400));
}

static void check_wrong_fields(void)
{
    CHECK(fails("GET / HTTP/1.1\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.0\r\nnonsense\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.0\r\n: a\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.0\r\nA: b\rc\r\n\r\n", 400));
    CHECK(fails("GET / HTTP/1.0\r\nA: \x7f\r\n\r\n", 400));
}

static bool is_complete(const char *bytes)
{
    struct question question;

    return reads(&question, bytes);
}

static bool is_line(const char *bytes)
{
    struct question question;

    return reads(&question, bytes) && !question.http;
}

static void check_ends(void)
{
    CHECK(!is_complete("GET / HTTP/1.0\r\n\r"));
    CHECK(!is_complete("GET / HTTP/1.0\n\rb\n"));
    CHECK(!is_complete(" HTTP/\n"));
    CHECK(!is_complete("GET / HTTP/1.0"));
    CHECK(gives("GET / HTTP/1.0\r\n\r\nbody\n\n", "/"));
    CHECK(gives("GET / HTTP/1.0\n\nb", "/"));
    CHECK(gives("GET / HTTP/1.0\n\r\n", "/"));
    CHECK(gives("GET / HTTP/1.0\r\n\n", "/"));
    CHECK(is_line("HTTP/1.1\n") && is_line("GET /\n") && is_line("GET / HTTP\n"));
    CHECK(is_line("GET / HTTP/1.1 now\n") && is_line("GET / http/1.1\r\n\r\n") && is_line("\n"));
}

static void check_answers(void)
{
    char bytes[QUESTION_HEAD_MAXIMUM];
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    question_write_head(&text, 200, "text/plain", 12);
    CHECK(strcmp(bytes, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
                        "Connection: close\r\nCache-Control: no-store\r\n\r\n") == 0);
    text_open(&text, bytes, sizeof(bytes));
    question_write_head(&text, 405, "a/b", 0);
    CHECK(strstr(bytes, "HTTP/1.1 405 Method Not Allowed\r\n") == bytes);
    CHECK(strstr(bytes, "\r\nAllow: GET, HEAD\r\n\r\n") != NULL && !text.cut);
    text_open(&text, bytes, sizeof(bytes));
    question_write_head(&text, 299, "a/b", 131071);
    CHECK(strstr(bytes, "HTTP/1.1 299 \r\n") == bytes && !text.cut);
}

/* Asks with bytes that come one after the other: nothing is read before the question is complete,
 * and nothing of what stands before that is lost. */
static struct question ask(const char *bytes, size_t length, bool ended, bool only_http)
{
    static char all[QUESTION_MAXIMUM + 1];
    struct question question = {0};
    size_t came = 0;

    while (came < length) {
        all[came] = bytes[came];
        came++;
        if (question_read(&question, all, came, false, only_http))
            return question;
    }
    CHECK(ended);
    CHECK(question_read(&question, all, came, true, only_http));
    return question;
}

static bool asks(const char *line, bool ended, const char *words)
{
    struct question question = ask(line, strlen(line), ended, false);

    return question.error == NULL && question.status == 200 && !question.http &&
           !question.only_head && strcmp(question.words, words) == 0;
}

static bool is_refused(const struct question *question, unsigned status, bool http,
                       const char *error)
{
    return question->words == NULL && question->status == status && question->http == http &&
           question->error != NULL && strstr(question->error, error) != NULL;
}

static bool is_no_question(const char *bytes, size_t length, bool ended, const char *error)
{
    struct question question = ask(bytes, length, ended, false);

    return is_refused(&question, 400, false, error);
}

static void check_lines(void)
{
    CHECK(asks("status\n", false, "status"));
    CHECK(asks("status\r\n", false, "status"));
    CHECK(asks("status", true, "status"));
    CHECK(asks(" \t set  processes\t4 \t\r\n", false, "set  processes\t4"));
    CHECK(asks("status\nmetrics\n", false, "status"));
    CHECK(asks("GET /metrics\n", false, "GET /metrics"));
    CHECK(asks("k\xc3\xb6nig\n", false, "k\xc3\xb6nig"));
    CHECK(is_no_question("\n", 1, false, "try help"));
    CHECK(is_no_question(" \t\r\n", 4, false, "try help"));
    CHECK(is_no_question(" ", 1, true, "try help"));
    CHECK(is_no_question("a\0b\n", 4, false, "control characters"));
    CHECK(is_no_question("a\rb\n", 4, false, "control characters"));
    CHECK(is_no_question("\x1b[2J\n", 5, false, "control characters"));
    CHECK(is_no_question("a\x7f\n", 3, false, "control characters"));
}

static void check_lengths(void)
{
    static char bytes[QUESTION_MAXIMUM];
    struct question question;

    memset(bytes, 'a', sizeof(bytes));
    CHECK(is_no_question(bytes, sizeof(bytes), false, "at most 4095 bytes"));
    bytes[sizeof(bytes) - 1] = '\n';
    question = ask(bytes, sizeof(bytes), false, false);
    CHECK(question.error == NULL && strlen(question.words) == sizeof(bytes) - 1);

    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes, "GET /", 5);
    question = ask(bytes, sizeof(bytes), false, false);
    CHECK(is_refused(&question, 431, true, "at most 4095 bytes"));
    memcpy(bytes, "GET / HTTP/1.1\r\nA: ", 19);
    question = ask(bytes, sizeof(bytes), false, false);
    CHECK(is_refused(&question, 431, true, "at most 4096 bytes"));
    memcpy(bytes + sizeof(bytes) - 13, "\r\nHost: a\r\n\r\n", 13);
    question = ask(bytes, sizeof(bytes), false, false);
    CHECK(question.error == NULL && question.http && strcmp(question.words, "/") == 0);
}

static void check_both_kinds(void)
{
    static const char whole[] = "HEAD /a?b HTTP/1.1\r\nHost: a\r\n\r\nrest";
    static const char part[] = "GET / HTTP/1.1\r\nHost: a\r\n";
    struct question question = ask(whole, strlen(whole), false, false);

    CHECK(question.http && question.only_head && strcmp(question.words, "/a") == 0);
    question = ask(part, strlen(part), true, false);
    CHECK(is_refused(&question, 400, true, "not complete"));
    question = ask(part, 14, true, false); /* ends with the version */
    CHECK(is_refused(&question, 400, true, "not complete"));
    question = ask("status\n", 7, false, true);
    CHECK(is_refused(&question, 400, true, "only HTTP"));
    question = ask("\n", 1, false, true);
    CHECK(is_refused(&question, 400, true, "only HTTP"));
    question = ask("x", 1, true, true);
    CHECK(is_refused(&question, 400, true, "only HTTP"));
    question = ask(whole, strlen(whole), false, true);
    CHECK(question.error == NULL && question.http);
}

int main(void)
{
    check_requests();
    check_wrong_lines();
    check_wrong_fields();
    check_ends();
    check_answers();
    check_lines();
    check_lengths();
    check_both_kinds();
    return CHECK_RESULT();
}
