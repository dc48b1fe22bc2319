#include "tests/fuzz/shared/json.h"

#include "tests/fuzz/shared/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longer numbers are taken for none: no figure of the daemon's has so many digits. */
enum { NUMBER_MAXIMUM = 63 };

/* An empty text: no arithmetic is permitted with a null pointer. */
static const struct json_value missing = {.type = JSON_MISSING, .start = ""};

static struct json_value take_value(struct scan *scan)
{
    struct json_value value = {.start = scan->at};

    if (!scan_value(scan, &value.type))
        return missing;
    value.length = (size_t)(scan->at - value.start);
    return value;
}

bool json_open(struct json_value *root, const char *text, size_t length)
{
    struct scan scan = {text, text + length};

    scan_blanks(&scan);
    *root = take_value(&scan);
    scan_blanks(&scan);
    return root->type != JSON_MISSING && scan.at == scan.end;
}

/* Goes past a string, and says whether it is this name. */
static bool take_name(struct scan *scan, const char *name, size_t length)
{
    uint32_t character = 0;
    size_t count = 0;
    bool same = true;

    (void)scan_take(scan, '"'); /* it is there: the text has been checked */
    while (!scan_take(scan, '"') && scan_character(scan, &character)) {
        same = same && count < length && character == (unsigned char)name[count];
        count++;
    }
    return same && count == length;
}

static struct json_value find_member(struct json_value object, const char *name, size_t length)
{
    struct scan scan = {object.start, object.start + object.length};

    if (object.type != JSON_OBJECT || !scan_take(&scan, '{'))
        return missing;
    for (scan_blanks(&scan); scan.at < scan.end && *scan.at == '"'; scan_blanks(&scan)) {
        bool found = take_name(&scan, name, length);
        struct json_value value;

        scan_blanks(&scan);
        (void)scan_take(&scan, ':');
        scan_blanks(&scan);
        value = take_value(&scan);
        if (found)
            return value;
        scan_blanks(&scan);
        (void)scan_take(&scan, ',');
    }
    return missing;
}

struct json_value json_find(struct json_value object, const char *path)
{
    for (;;) {
        size_t length = strcspn(path, ".");

        object = find_member(object, path, length);
        if (path[length] == '\0')
            return object;
        path += length + 1;
    }
}

struct json_value json_element(struct json_value array, size_t number)
{
    struct scan scan = {array.start, array.start + array.length};

    if (array.type != JSON_ARRAY || !scan_take(&scan, '['))
        return missing;
    for (scan_blanks(&scan); scan.at < scan.end && *scan.at != ']'; scan_blanks(&scan)) {
        struct json_value value = take_value(&scan);

        if (number == 0 || value.type == JSON_MISSING)
            return value;
        number--;
        scan_blanks(&scan);
        (void)scan_take(&scan, ',');
    }
    return missing;
}

bool json_number(struct json_value value, double *number)
{
    char digits[NUMBER_MAXIMUM + 1];
    double result;

    if (value.type != JSON_NUMBER || value.length > NUMBER_MAXIMUM)
        return false;
    memcpy(digits, value.start, value.length);
    digits[value.length] = '\0';
    result = strtod(digits, NULL); /* LC_NUMERIC is that of C */
    if (!isfinite(result))
        return false;
    *number = result;
    return true;
}

bool json_string(struct json_value value, char *text, size_t size)
{
    struct scan scan = {value.start, value.start + value.length};
    uint32_t character;
    size_t length = 0;

    text[0] = '\0';
    if (value.type != JSON_STRING || !scan_take(&scan, '"'))
        return false;
    while (length + 1 < size && !scan_take(&scan, '"') && scan_character(&scan, &character))
        text[length++] = (char)(character >= 0x20 && character < 0x7f ? character : '?');
    text[length] = '\0';
    return true;
}
