#include "tests/tools/faults/run/books.h"

#include <stdio.h>
#include <string.h>

unsigned books_add(struct books *books, enum wish wish)
{
    if (books->count == BOOKS_CLIENTS)
        return 0;
    books->list[books->count] = (struct books_client){.wish = wish};
    return ++books->count;
}

void books_cut(struct books *books, unsigned number)
{
    books->list[number - 1].cut = true;
}

/* Returns false if a line is none that a handler of these clients could have written. */
static bool read_note(struct books *books, const char *line)
{
    char word[8];
    unsigned ticket;
    unsigned number;

    if (sscanf(line, "%7s %u %u", word, &ticket, &number) != 3 || ticket == 0 ||
        ticket > BOOKS_CLIENTS || number > books->count || (number == 0) != (*word == 'b'))
        return false;
    if (number == 0)
        books->began[ticket]++;
    else if (strcmp(word, "serves") == 0)
        books->list[number - 1].served++;
    else
        books->list[number - 1].late = true;
    return true;
}

static bool read_notes(struct books *books)
{
    char line[128];
    bool right = true;
    FILE *file = fopen("books", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        right = read_note(books, line) && right;
    if (file != NULL)
        (void)fclose(file); /* it was only read */
    return right && file != NULL;
}

static void judge(const struct books_client *client, struct books_verdict *verdict)
{
    verdict->twice += client->served > 1;
    switch (client->wish) {
    case WISH_ANSWER:
        verdict->lost += client->cut && !client->late;
        break;
    case WISH_STAY:
        verdict->lost += client->served == 0;
        break;
    case WISH_REFUSED:
        verdict->untold += client->cut && client->served == 0;
        verdict->lost += client->cut && client->served > 0 && !client->late;
        break;
    case WISH_DENIED:
        verdict->strange = verdict->strange || client->served > 0;
        break;
    case WISH_LEAVE:
        break;
    }
}

/* Two handlers of one connection have the same ticket, or one of them hears nothing. */
static void judge_handlers(const struct books *books, struct books_verdict *verdict)
{
    unsigned leaving = 0;
    unsigned heard = 0;
    unsigned same = 0;

    for (unsigned i = 0; i < books->count; i++) {
        heard += books->list[i].served;
        leaving += books->list[i].wish == WISH_LEAVE;
    }
    for (unsigned ticket = 1; ticket <= BOOKS_CLIENTS; ticket++) {
        verdict->began += books->began[ticket];
        same += books->began[ticket] > 1;
    }
    if (verdict->began > heard + leaving)
        verdict->twice += verdict->began - heard - leaving;
    if (same > verdict->twice)
        verdict->twice = same;
}

struct books_verdict books_judge(struct books *books)
{
    struct books_verdict verdict = {0};

    for (unsigned i = 0; i < books->count; i++) {
        books->list[i].served = 0;
        books->list[i].late = false;
    }
    memset(books->began, 0, sizeof(books->began));
    verdict.strange = !read_notes(books);
    for (unsigned i = 0; i < books->count; i++)
        judge(&books->list[i], &verdict);
    judge_handlers(books, &verdict);
    return verdict;
}
