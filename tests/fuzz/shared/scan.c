#include "tests/fuzz/shared/scan.h"

#include "dispatcher/shared/text.h"

#include <string.h>

bool scan_take(struct scan *scan, char byte)
{
    if (scan->at == scan->end || *scan->at != byte)
        return false;
    scan->at++;
    return true;
}

void scan_blanks(struct scan *scan)
{
    while (scan_take(scan, ' ') || scan_take(scan, '\t') || scan_take(scan, '\n') ||
           scan_take(scan, '\r'))
        ;
}

static bool take_word(struct scan *scan, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0)
        return false;
    scan->at += length;
    return true;
}

/* ---- strings ---- */

static bool take_hexadecimal(struct scan *scan, uint32_t *unit)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    *unit = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        const char *digit;

        if (scan->at == scan->end)
            return false;
        digit = memchr(digits, *scan->at, sizeof(digits) - 1);
        if (digit == NULL)
            return false;
        *unit = *unit << 4 | (uint32_t)(digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    return true;
}

/* After the backslash.  Beyond U+FFFF a character is written as two surrogates, never as one. */
static bool take_escape(struct scan *scan, uint32_t *character)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter;
    uint32_t second;

    if (scan->at == scan->end)
        return false;
    letter = memchr(letters, *scan->at, sizeof(letters) - 1);
    if (letter != NULL) {
        scan->at++;
        *character = (unsigned char)meanings[letter - letters];
        return true;
    }
    if (!scan_take(scan, 'u') || !take_hexadecimal(scan, character))
        return false;
    if (*character < 0xd800 || *character > 0xdfff)
        return true;
    if (*character > 0xdbff || !take_word(scan, "\\u") || !take_hexadecimal(scan, &second) ||
        second < 0xdc00 || second > 0xdfff)
        return false;
    *character = 0x10000 + ((*character - 0xd800) << 10 | (second - 0xdc00));
    return true;
}

/* One character inside a string. */
bool scan_character(struct scan *scan, uint32_t *character)
{
    size_t length;

    if (scan_take(scan, '\\'))
        return take_escape(scan, character);
    if (scan->at == scan->end)
        return false;
    length = text_decode(scan->at, (size_t)(scan->end - scan->at), character);
    scan->at += length;
    return length > 0 && *character >= 0x20;
}

static bool take_string(struct scan *scan)
{
    uint32_t character;

    if (!scan_take(scan, '"'))
        return false;
    while (!scan_take(scan, '"'))
        if (!scan_character(scan, &character))
            return false;
    return true;
}

/* ---- all that can be a value ---- */

static bool take_digits(struct scan *scan)
{
    const char *start = scan->at;

    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > start;
}

static bool take_number(struct scan *scan)
{
    (void)scan_take(scan, '-');
    if (!scan_take(scan, '0') && !take_digits(scan))
        return false;
    if (scan_take(scan, '.') && !take_digits(scan))
        return false;
    if (scan_take(scan, 'e') || scan_take(scan, 'E')) {
        if (!scan_take(scan, '-'))
            (void)scan_take(scan, '+');
        return take_digits(scan);
    }
    return true;
}

/* What is no array and no object. */
static bool take_scalar(struct scan *scan, enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return take_word(scan, "null");
    case JSON_FALSE:
        return take_word(scan, "false");
    case JSON_TRUE:
        return take_word(scan, "true");
    case JSON_STRING:
        return take_string(scan);
    default:
        return take_number(scan);
    }
}

/* The type of what begins here, if it is right. */
static enum json_type type_here(const struct scan *scan)
{
    switch (scan->at == scan->end ? '\0' : *scan->at) {
    case 'n':
        return JSON_NULL;
    case 'f':
        return JSON_FALSE;
    case 't':
        return JSON_TRUE;
    case '"':
        return JSON_STRING;
    case '[':
        return JSON_ARRAY;
    case '{':
        return JSON_OBJECT;
    default:
        return JSON_NUMBER;
    }
}

/* The brackets that are open.  It is the text that decides how many: no business of our stack. */
struct nest {
    char closing[JSON_DEPTH];
    unsigned depth;
};

/* From the name of a member to its value. */
static bool take_name(struct scan *scan)
{
    if (!take_string(scan))
        return false;
    scan_blanks(scan);
    if (!scan_take(scan, ':'))
        return false;
    scan_blanks(scan);
    return true;
}

/* A value; of an array or object with something in it, all before its first value. */
static bool begin_value(struct scan *scan, struct nest *nest, bool *opened)
{
    enum json_type type = type_here(scan);
    char closing = type == JSON_OBJECT ? '}' : ']';

    *opened = false;
    if (type != JSON_ARRAY && type != JSON_OBJECT)
        return take_scalar(scan, type);
    if (nest->depth == JSON_DEPTH)
        return false;
    scan->at++;
    scan_blanks(scan);
    if (scan_take(scan, closing))
        return true;
    nest->closing[nest->depth++] = closing;
    *opened = true;
    return type == JSON_ARRAY || take_name(scan);
}

/* From the end of a value to the next one, or out of all that ends here. */
static bool end_value(struct scan *scan, struct nest *nest)
{
    for (; nest->depth > 0; nest->depth--) {
        char closing = nest->closing[nest->depth - 1];

        scan_blanks(scan);
        if (scan_take(scan, ',')) {
            scan_blanks(scan);
            return closing == ']' || take_name(scan);
        }
        if (!scan_take(scan, closing))
            return false;
    }
    return true;
}

bool scan_value(struct scan *scan, enum json_type *type)
{
    struct nest nest = {.depth = 0};
    bool opened;

    *type = type_here(scan);
    do {
        if (!begin_value(scan, &nest, &opened) || (!opened && !end_value(scan, &nest)))
            return false;
    } while (nest.depth > 0);
    return true;
}
