/*
 * What a daemon that means harm answers to dampenerctl: what is no JSON is refused, each value that
 * is found is one by itself, and nothing that is shown can do anything to a terminal.
 */
#include "supervisor/dampenerctl/status.h"
#include "supervisor/dampenerctl/characters.h"
#include "supervisor/dampenerctl/json.h"
#include "supervisor/dampenerctl/table.h"
#include "supervisor/dampenerctl/view.h"

#include "tests/fuzz/shared/fuzz.h"

/* ---- values ---- */

static void check_value(struct json_value value, const char *text, size_t size)
{
    struct json_value again;
    double number;
    char string[16];

    if (value.type == JSON_MISSING)
        return;
    HOLDS(value.start >= text && value.length > 0 && value.start + value.length <= text + size);
    HOLDS(json_open(&again, value.start, value.length));
    HOLDS(again.type == value.type && again.length == value.length);
    HOLDS(!json_number(value, &number) || value.type == JSON_NUMBER);
    HOLDS(json_string(value, string, sizeof(string)) == (value.type == JSON_STRING));
    for (const char *at = string; *at != '\0'; at++)
        HOLDS(*at >= ' ' && *at <= '~');
}

static void check_values(const char *text, size_t size)
{
    static const char *const paths[] = {"", "a", "a.b", "listeners", "ended.served", "busiest"};
    struct json_value root;

    if (!json_open(&root, text, size)) {
        HOLDS(root.type == JSON_MISSING || root.length < size);
        return;
    }
    check_value(root, text, size);
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        struct json_value value = json_find(root, paths[i]);

        check_value(value, text, size);
        check_value(json_element(value, 0), text, size);
        check_value(json_element(value, 3), text, size);
    }
}

/* ---- what is shown ---- */

static void check_lines(const char *text, size_t most)
{
    size_t column = 0;

    for (; *text != '\0'; text++) {
        HOLDS(*text == '\n' || (*text >= ' ' && *text <= '~'));
        column = *text == '\n' ? 0 : column + 1;
        HOLDS(column <= most);
    }
}

static void check_view(const struct status *status)
{
    static struct screen screen;
    static char frame[SCREEN_TEXT];
    static struct samples samples;
    const struct view view = {status, &samples, NULL, true};
    struct text text;

    samples.count = 0;
    samples_add(&samples, 1, status);
    samples_add(&samples, 2, NULL);
    samples_add(&samples, 3, status);
    samples_add(&samples, 4, status);
    screen_open(&screen, 24, 80);
    view_draw(&screen, &view);
    text_open(&text, frame, sizeof(frame));
    screen_print(&screen, (struct screen_look){.placed = false}, &text);
    HOLDS(!text.cut);
    check_lines(frame, 80);
}

static void check_table(const struct status *status)
{
    char table[TABLE_SIZE];
    struct text text;

    text_open(&text, table, sizeof(table));
    table_write(&text, status);
    HOLDS(!text.cut);
    check_lines(table, TABLE_SIZE);
}

/* As on a terminal that knows UTF-8. */
static void check_print(const char *bytes, size_t size)
{
    char *shown = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&shown, &length);

    HOLDS(stream != NULL && characters_print(stream, bytes, size, true) && fclose(stream) == 0);
    for (size_t at = 0; at < length;) {
        uint32_t character = 0;
        size_t own = characters_decode(shown + at, length - at, &character);

        HOLDS(own > 0);
        HOLDS(character >= ' ' || character == '\n' || character == '\t');
        HOLDS(character < 0x7f || character > 0x9f);
        at += own;
    }
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    struct status status;

    check_values(text, size);
    if (status_read(&status, text, size)) {
        check_table(&status);
        check_view(&status);
    }
    check_print(text, size);
    free(text);
    return 0;
}
