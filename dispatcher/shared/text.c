#include "dispatcher/shared/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_open(struct text *text, char *bytes, size_t size)
{
    *text = (struct text){.bytes = bytes, .size = size};
    *bytes = '\0';
}

/* Adds all bytes or none, so that a cut text ends with a whole piece. */
static void add_bytes(struct text *text, const char *bytes, size_t length)
{
    if (text->cut || length >= text->size - text->length) {
        text->cut = true;
        return;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
    size_t room = text->size - text->length;
    va_list arguments;
    int length;

    if (text->cut)
        return;
    va_start(arguments, format);
    length = vsnprintf(text->bytes + text->length, room, format, arguments);
    va_end(arguments);
    text->cut = length < 0 || (size_t)length >= room;
    if (text->cut)
        text->bytes[text->length] = '\0';
    else
        text->length += (size_t)length;
}

size_t text_decode(const char *bytes, size_t length, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* below, a shorter form exists */
    const unsigned char *at = (const unsigned char *)bytes;
    const size_t own = *at < 0x80 ? 1 : *at < 0xc0 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;
    uint32_t value = own == 1 ? *at : *at & (0x7fu >> own);

    if (own == 0 || own > length || *at >= 0xf8)
        return 0;
    for (size_t i = 1; i < own; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < least[own] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *character = value;
    return own;
}

static void add_character(struct text *text, const char *at, size_t length)
{
    if (length == 0)
        add_bytes(text, "\xef\xbf\xbd", 3);
    else if (*at == '"' || *at == '\\')
        text_add(text, "\\%c", *at);
    else if (length == 1 && ((unsigned char)*at < 0x20 || *at == 0x7f))
        text_add(text, "\\u%04x", (unsigned)*at);
    else
        add_bytes(text, at, length);
}

static void add_characters(struct text *text, const char *string)
{
    while (*string != '\0' && !text->cut) {
        uint32_t character;
        size_t length = text_decode(string, strnlen(string, 4), &character);

        add_character(text, string, length);
        string += length == 0 ? 1 : length;
    }
}

void text_add_json(struct text *text, const char *string)
{
    add_bytes(text, "\"", 1);
    add_characters(text, string);
    add_bytes(text, "\"", 1);
}

void text_add_json_cut(struct text *text, const char *string)
{
    if (text->cut || text->size - text->length <= 2) {
        text->cut = true;
        return;
    }
    add_bytes(text, "\"", 1);
    text->size--; /* room for the final quotation mark */
    add_characters(text, string);
    text->size++;
    text->cut = false;
    add_bytes(text, "\"", 1);
}

/* Some libcs read files in gmtime(3), which the filter of system calls forbids.  Years begin in
 * March here, so the leap day is the last day of a year. */
void text_add_time(struct text *text, int64_t seconds, unsigned milliseconds)
{
    const int64_t day_length = 86400;
    const int64_t era_days = 146097; /* 400 years */
    int64_t time = seconds % day_length;
    int64_t days = seconds / day_length + 719468; /* since March 1 of the year 0 */
    int64_t day = days % era_days;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t month;

    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += days / era_days * 400 + (month >= 10);
    text_add(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", (int)year,
             (int)(month < 10 ? month + 3 : month - 9), (int)day + 1, (int)(time / 3600),
             (int)(time / 60 % 60), (int)(time % 60), milliseconds);
}
