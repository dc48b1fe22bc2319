#include "supervisor/dampenerctl/health.h"

#include "supervisor/dampenerctl/answer.h"
#include "supervisor/dampenerctl/output.h"
#include "supervisor/dampenerctl/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int health_deny(const char *reason)
{
    bool written = fputs("not serving: ", stdout) >= 0;

    written = written && output_print(stdout, reason, strcspn(reason, "\n"), output_is_utf8());
    (void)output_finish(written && putchar('\n') != EOF);
    return OUTPUT_FAILED;
}

/* Judges the state, which people read in capitals unless it is the usual one. */
static int judge(const char *answer)
{
    char state[ANSWER_TEXT];

    (void)answer_text(answer, "state", state);
    for (char *letter = state; *letter != '\0'; letter++)
        *letter = (char)tolower((unsigned char)*letter);
    if (strcmp(state, "serving") == 0)
        return output_finish(puts("serving") >= 0);
    if (strcmp(state, "not serving") == 0)
        return health_deny("no dispatcher can start a handler");
    return health_deny(*state == '\0' ? "the daemon does not say its state" : state);
}

int health_run(const char *path)
{
    struct request request = {.wait = NULL};
    int status;

    if (!request_ask(&request, path, "figures"))
        status = health_deny(request.unknown ? "the daemon is too old to say it" : request.error);
    else if (!answer_is_sound(request.answer))
        status = health_deny("the answer is not a list of figures");
    else
        status = judge(request.answer);
    free(request.answer);
    return status;
}
