/*
 * What a daemon that means harm answers to dampenerctl: only figures that are in the answer are
 * read, and nothing that is shown can do anything to a terminal.
 */
#include "supervisor/dampenerctl/answer.h"
#include "supervisor/dampenerctl/output.h"
#include "supervisor/dampenerctl/view.h"

#include "dispatcher/shared/text.h"
#include "tests/fuzz/shared/fuzz.h"

static void check_figures(const char *answer)
{
    static const char *const names[] = {"version", "queued", "limits.processes", "busiest"};
    char text[ANSWER_TEXT];
    double counts[2];
    size_t rows;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        HOLDS(answer_text(answer, names[i], text) == text);
        HOLDS(strlen(text) < ANSWER_TEXT && strchr(text, '\n') == NULL);
        HOLDS(*text == '\0' || strstr(answer, text) != NULL);
        (void)answer_number(answer, names[i]); /* any number may come out */
    }
    rows = answer_rows(answer, "busiest");
    HOLDS(rows <= strlen(answer) / strlen("busiest "));
    HOLDS(rows > 0 || !answer_row(answer, "busiest", 0, counts, text));
    HOLDS(!answer_row(answer, "busiest", rows, counts, text));
}

static void check_lines(const char *text, size_t most)
{
    size_t column = 0;

    for (; *text != '\0'; text++) {
        HOLDS(*text == '\n' || (*text >= ' ' && *text <= '~'));
        column = *text == '\n' ? 0 : column + 1;
        HOLDS(column <= most);
    }
}

static void check_view(const char *answer)
{
    static char shown[FRAME_TEXT];
    static struct samples samples;
    const struct view view = {.answer = answer, .samples = &samples, .live = true};
    struct frame frame;

    samples.count = 0;
    samples_add(&samples, 1, answer);
    samples_add(&samples, 2, NULL);
    samples_add(&samples, 3, answer);
    samples_add(&samples, 4, answer);
    frame_open(&frame, (struct frame_look){.placed = false}, 24, 80, shown);
    view_draw(&frame, &view);
    HOLDS(!frame.text.cut);
    check_lines(shown, 80);
}

/* As on a terminal that knows UTF-8. */
static void check_print(const char *bytes, size_t size)
{
    char *shown = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&shown, &length);

    HOLDS(stream != NULL && output_print(stream, bytes, size, true) && fclose(stream) == 0);
    for (size_t at = 0; at < length;) {
        uint32_t character = 0;
        size_t own = text_decode(shown + at, length - at, &character);

        HOLDS(own > 0);
        HOLDS(character >= ' ' || character == '\n' || character == '\t');
        HOLDS(character < 0x7f || character > 0x9f);
        at += own;
    }
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    char *answer = strndup(bytes, size);

    HOLDS(answer != NULL);
    if (answer_is_sound(answer)) {
        check_figures(answer);
        check_view(answer);
    }
    check_print(bytes, size);
    free(answer);
    free(bytes);
    return 0;
}
