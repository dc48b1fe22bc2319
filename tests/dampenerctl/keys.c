/*
 * The keys of the live view: what each sends, and that a single stray key changes nothing for
 * clients.
 */
#include "supervisor/dampenerctl/keys.h"

#include "tests/shared/check.h"

#include <string.h>

static const char limited[] = "version 1\nlimits.processes 8\n";
static const char unlimited[] = "version 1\nlimits.processes no limit\n";
static const char least[] = "version 1\nlimits.processes 1\n";

static struct keys keys;

static void press(const char *all, const char *answer)
{
    keys = (struct keys){.quit = false};
    for (; *all != '\0'; all++)
        keys_press(&keys, *all, answer);
}

/* Pressed one after the other, they send this, and nothing is asked any more. */
static bool sends(const char *all, const char *answer, const char *command)
{
    press(all, answer);
    return strcmp(keys.command, command) == 0 && *keys.asked == '\0' && !keys.quit;
}

/* Pressed one after the other, they only show this. */
static bool notes(const char *all, const char *answer, const char *text)
{
    press(all, answer);
    return strstr(keys.note, text) != NULL && *keys.command == '\0' && !keys.quit;
}

static void check_commands(void)
{
    CHECK(sends("r", limited, "resume") && sends("R", NULL, "resume"));
    CHECK(sends("py", limited, "pause") && sends("PY", NULL, "pause"));
    CHECK(sends("+y", limited, "set processes 9") && sends("=y", limited, "set processes 9"));
    CHECK(sends("-y", limited, "set processes 7") && sends("_y", limited, "set processes 7"));
    CHECK(sends("+y", least, "set processes 2"));
}

static void check_questions(void)
{
    CHECK(notes("p", limited, "pause: start no more handlers, clients wait? y: yes"));
    CHECK(notes("+", limited, "run at most 9 handlers, now 8? y: yes"));
    CHECK(notes("-", limited, "run at most 7 handlers, now 8? y: yes"));
    CHECK(notes("-", least, "one handler is the least"));
    CHECK(notes("-y", least, "")); /* 0 would lift the limit */
    CHECK(notes("+", unlimited, "handlers have no limit") && notes("+y", unlimited, ""));
    CHECK(notes("+", "version 1\n", "is not known") && notes("-y", NULL, ""));
}

/* Any other key is a no, and has no effect of its own then. */
static void check_cancelled(void)
{
    CHECK(sends("pn", limited, "") && *keys.note == '\0');
    CHECK(sends("p+", limited, "") && sends("+r", limited, "") && sends("p\033", limited, ""));
    CHECK(sends("y", limited, "") && sends("pny", limited, "") && sends("xyz 7\n", limited, ""));
    press("p", limited);
    keys_forget(&keys);
    keys_press(&keys, 'y', limited);
    CHECK(*keys.command == '\0' && *keys.note == '\0');
}

static void check_quit(void)
{
    press("q", limited);
    CHECK(keys.quit);
    press("pQ", limited);
    CHECK(keys.quit && *keys.command == '\0');
    press("\004", NULL);
    CHECK(keys.quit);
}

int main(void)
{
    check_commands();
    check_questions();
    check_cancelled();
    check_quit();
    return CHECK_RESULT();
}
