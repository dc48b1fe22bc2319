#include "supervisor/dampenerctl/instance.h"

#include "supervisor/dampenerctl/output.h"

#include "dispatcher/shared/text.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Writes the path of an instance's socket.  Returns whether it fits and a socket is there. */
static bool find_socket(const char *name, char path[INSTANCE_PATH])
{
    const int length = snprintf(path, INSTANCE_PATH, INSTANCE_FOLDER "/%s/control", name);
    struct stat status;

    return length < INSTANCE_PATH && stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

static int is_instance(const struct dirent *entry)
{
    char path[INSTANCE_PATH];

    return *entry->d_name != '.' && find_socket(entry->d_name, path);
}

/* Lists the instances in the order of their names.  Returns how many there are. */
static unsigned list(struct dirent ***entries)
{
    const int count = scandir(INSTANCE_FOLDER, entries, is_instance, alphasort);

    if (count < 0)
        *entries = NULL; /* there is no such folder: no instance runs */
    return count < 0 ? 0 : (unsigned)count;
}

static void forget(struct dirent **entries, unsigned count)
{
    for (unsigned i = 0; entries != NULL && i < count; i++)
        free(entries[i]);
    free(entries);
}

unsigned instance_find(char path[INSTANCE_PATH])
{
    struct dirent **entries;
    const unsigned count = list(&entries);
    /* The first may just have ended. */
    const bool found = entries != NULL && count > 0 && find_socket(entries[0]->d_name, path);

    forget(entries, count);
    return found ? count : 0;
}

/* Adds a word as a shell reads it. */
static void add_word(struct text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "@%+=:,./_-";
    const bool quoted = *word == '\0' || word[strspn(word, plain)] != '\0';

    text_add(text, quoted ? " '" : " ");
    for (; *word != '\0'; word++)
        text_add(text, *word == '\'' ? "'\\''" : "%c", *word);
    text_add(text, quoted ? "'" : "");
}

void instance_list(char *const *words, bool json)
{
    struct dirent **entries;
    const unsigned count = list(&entries);
    char bytes[8192];
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    text_add(&text, "dampenerctl: several instances run; name one of them:\n");
    for (unsigned i = 0; i < count; i++) {
        char path[INSTANCE_PATH];

        if (!find_socket(entries[i]->d_name, path))
            continue;
        text_add(&text, json ? "   dampenerctl --json" : "   dampenerctl");
        add_word(&text, path);
        for (char *const *word = words; *word != NULL; word++)
            add_word(&text, *word);
        text_add(&text, "\n");
    }
    (void)output_print(stderr, text.bytes, text.length, output_is_utf8()); /* no other outlet */
    forget(entries, count);
}
