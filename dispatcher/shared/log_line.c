#include "dispatcher/shared/log_line.h"

#include "dispatcher/shared/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    NEWLINE = 1,
    /* Bytes that the fields leave for the message, its name and its quotation marks. */
    MESSAGE_LEAST = 256
};

static const struct {
    const char *text;
    const char *json;
    int priority; /* syslog(3) */
} levels[LOG_LEVELS] = {
    [LOG_LEVEL_DEBUG] = {"[DEBUG] ", "debug", 7},
    [LOG_LEVEL_INFO] = {"[INFO] ", "info", 6},
    [LOG_LEVEL_WARNING] = {"[WARNING] ", "warning", 4},
    [LOG_LEVEL_ERROR] = {"[ERROR] ", "error", 3},
    [LOG_LEVEL_ANSWER] = {"[INFO] ", "info", 6},
    [LOG_LEVEL_PLAIN] = {"", "info", 6},
    [LOG_LEVEL_BUG] = {"[BUG] ", "bug", 2},
};

const char *const log_format_words[] = {
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_TIMED] = "timed",
    [LOG_FORMAT_JSON] = "json",
    NULL,
};

enum log_format log_format_named(const char *word)
{
    unsigned format = LOG_FORMAT_TEXT;

    while (log_format_words[format] != NULL && strcmp(word, log_format_words[format]) != 0)
        format++;
    return log_format_words[format] == NULL ? LOG_FORMAT_TEXT : (enum log_format)format;
}

static void add_value(struct text *text, const struct log_field *field)
{
    const uint64_t second = 1000000;

    switch (field->kind) {
    case LOG_FIELD_TEXT:
        text_add_json(text, field->text);
        break;
    case LOG_FIELD_NUMBER:
        text_add(text, "%" PRIu64, field->number);
        break;
    case LOG_FIELD_SECONDS:
        text_add(text, "%" PRIu64 ".%06" PRIu64, field->number / second, field->number % second);
        break;
    }
}

/* Adds the whole field or nothing. */
static void add_field(struct text *text, const struct log_field *field)
{
    struct text before = *text;

    if (field->name == NULL)
        return;
    text_add(text, ",");
    text_add_json(text, field->name);
    text_add(text, ":");
    add_value(text, field);
    if (text->cut) {
        *text = before;
        text->bytes[text->length] = '\0';
    }
}

static void add_now(struct text *text)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now); /* a line without the time is better than none */
    text_add_time(text, now.tv_sec, (unsigned)(now.tv_nsec / 1000000));
}

static void add_object(struct text *text, const struct log_style *style,
                       const struct log_content *content)
{
    size_t size = text->size;
    const struct log_field event = {
        .name = content->event == NULL ? NULL : "event",
        .text = content->event,
    };

    text_add(text, "{\"time\":\"");
    add_now(text);
    text_add(text, "\",\"level\":\"%s\",\"process\":%d,\"program\":\"%s\"",
             levels[content->level].json, getpid(), style->program);
    text->size -= MESSAGE_LEAST;
    add_field(text, &event);
    for (size_t i = 0; i < content->field_count; i++)
        add_field(text, &content->fields[i]);
    text->size = size - 1; /* for the last brace */
    text_add(text, ",\"message\":");
    text_add_json_cut(text, content->message);
    text->size = size;
    text_add(text, "}");
}

size_t log_line(char line[LOG_LINE_MAXIMUM], const struct log_style *style,
                const struct log_content *content)
{
    struct text text;
    size_t length;

    text_open(&text, line, LOG_LINE_MAXIMUM);
    if (style->journal)
        text_add(&text, "<%d>", levels[content->level].priority);
    if (style->format == LOG_FORMAT_JSON) {
        add_object(&text, style, content);
    } else {
        if (style->format == LOG_FORMAT_TIMED && !style->journal) {
            add_now(&text);
            text_add(&text, " ");
        }
        if (!style->journal)
            text_add(&text, "%s", levels[content->level].text);
        length = strnlen(content->message, LOG_LINE_MAXIMUM - NEWLINE - text.length);
        memcpy(line + text.length, content->message, length);
        text.length += length;
    }
    line[text.length++] = '\n'; /* overwrites the NUL */
    return text.length;
}
