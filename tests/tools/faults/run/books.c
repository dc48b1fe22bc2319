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
static bool read_notes(struct books *books)
{
    char line[128];
    char word[8];
    unsigned ticket;
    unsigned number;
    bool right = true;
    FILE *file = fopen("books", "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%7s %u %u", word, &ticket, &number) != 3 || number == 0 ||
            number > books->count)
            right = false;
        else if (strcmp(word, "began") == 0)
            books->list[number - 1].began++;
        else
            books->list[number - 1].late = true;
    }
    if (file != NULL)
        (void)fclose(file); /* it was only read */
    return right && file != NULL;
}

static void judge(const struct books_client *client, struct books_verdict *verdict)
{
    verdict->began += client->began;
    verdict->twice += client->began > 1;
    switch (client->wish) {
    case WISH_ANSWER:
        verdict->lost += client->cut && !client->late;
        verdict->late += client->cut && client->late;
        break;
    case WISH_STAY:
        verdict->lost += client->began == 0;
        break;
    case WISH_REFUSED:
        verdict->untold += client->cut && client->began == 0;
        verdict->lost += client->cut && client->began > 0 && !client->late;
        break;
    case WISH_DENIED:
        verdict->strange = verdict->strange || client->began > 0;
        break;
    case WISH_LEAVE:
        break;
    }
}

struct books_verdict books_judge(struct books *books)
{
    struct books_verdict verdict = {0};

    for (unsigned i = 0; i < books->count; i++) {
        books->list[i].began = 0;
        books->list[i].late = false;
    }
    verdict.strange = !read_notes(books);
    for (unsigned i = 0; i < books->count; i++)
        judge(&books->list[i], &verdict);
    return verdict;
}
