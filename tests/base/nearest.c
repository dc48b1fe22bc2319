/*
 * What a mistyped word was meant to be.
 */
#include "supervisor/base/nearest.h"

#include "tests/shared/check.h"

#include <string.h>

static const char *const words[] = {"processes", "per-source", "per-source-queue",
                                    "queue",     "ipv4",       "ipv6",
                                    "nice",      "hangup",     "half-close"};

/* Returns what is found among the words; "" if nothing is. */
static const char *found(const char *typed)
{
    struct nearest nearest = nearest_to(typed, strlen(typed));

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        nearest_try(&nearest, words[i]);
    return nearest.word == NULL ? "" : nearest.word;
}

static void check_found(void)
{
    static const char *const pairs[][2] = {
        {"process", "processes"},     /* a beginning */
        {"procceses", "processes"},   /* two letters */
        {"prcoesses", "processes"},   /* letters in the wrong order */
        {"PROCESSES", "processes"},   /* another case */
        {"per_source", "per-source"}, /* another dash */
        {"persource", "per-source"},
        {"per-sorce-queue", "per-source-queue"},
        {"half", "half-close"},
        {"quueue", "queue"},
        {"nicee", "nice"},
        {"ncie", "nice"},
        {"IPV4", "ipv4"},
        {"ipv5", "ipv4"}, /* the first of equals */
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
        CHECK(strcmp(found(pairs[i][0]), pairs[i][1]) == 0);
}

static void check_not_found(void)
{
    static const char *const others[] = {"",
                                         "p",
                                         "ha",
                                         "random",
                                         "node",  /* two of four letters are wrong */
                                         "queue", /* typed exactly: it is not what is wrong */
                                         "processes-processes-processes-processes"};

    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        CHECK(strcmp(found(others[i]), "") == 0);
}

/* Only `length` letters count, and the text fits with the longest words. */
static void check_text(void)
{
    const char longest[NEAREST_LONGEST + 1] = "abcdefghijklmnopqrstuvwxyz012345";
    struct nearest nearest = nearest_to("quee=5", 4);
    char text[NEAREST_TEXT];

    CHECK(strcmp(nearest_text(&nearest, "--", text), "") == 0);
    nearest_try(&nearest, "queue");
    CHECK(strcmp(nearest_text(&nearest, "--", text), " (did you mean --queue?)") == 0);
    nearest = nearest_to("bcdefghijklmnopqrstuvwxyz0123456", NEAREST_LONGEST);
    nearest_try(&nearest, longest);
    CHECK(nearest.distance == 2);
    CHECK(strcmp(nearest_text(&nearest, "--", text),
                 " (did you mean --abcdefghijklmnopqrstuvwxyz012345?)") == 0);
}

int main(void)
{
    check_found();
    check_not_found();
    check_text();
    return CHECK_RESULT();
}
