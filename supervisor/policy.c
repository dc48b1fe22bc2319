#include "supervisor/policy.h"

#include "dispatcher/log.h"
#include "supervisor/file.h"

#include <stdlib.h>
#include <string.h>

enum { ACCESS_FILE_MAXIMUM = 16 << 20 /* bytes: some 500,000 rules */ };

/* ---- who is served ---- */

static bool add_access_file(struct access_rules *rules, const char *path)
{
    char unreadable[FILE_ERROR_MAXIMUM];
    char wrong[ACCESS_ERROR_MAXIMUM];
    size_t length;
    char *text = file_read(path, ACCESS_FILE_MAXIMUM, &length, unreadable);
    bool right;

    if (text == NULL) {
        log_error("--access-file: cannot read %s: %s", path, unreadable);
        return false;
    }
    right = access_rules_add_text(rules, text, length, wrong);
    if (!right)
        log_error("--access-file: %s: %s", path, wrong);
    free(text);
    return right;
}

static bool copy_rules(struct access_rules *rules, const struct access_rules *from)
{
    *rules = (struct access_rules){.count = from->count, .capacity = from->count};
    if (from->count == 0)
        return true;
    rules->list = malloc(from->count * sizeof(*rules->list));
    if (rules->list == NULL) {
        log_error("cannot read the access rules: %m");
        return false;
    }
    memcpy(rules->list, from->list, from->count * sizeof(*rules->list));
    return true;
}

static bool read_access(struct access *access, const struct options *options)
{
    char error[ACCESS_ERROR_MAXIMUM];
    struct access_rules rules;
    bool right = copy_rules(&rules, &options->access) &&
                 (options->access_file == NULL || add_access_file(&rules, options->access_file));

    if (right && !access_build(access, &rules, error)) {
        log_error("access rules: %s", error);
        right = false;
    }
    access_rules_free(&rules);
    return right;
}

/* ---- what the refused are told ---- */

static bool read_busy(struct busy_message *busy, const char *word)
{
    char error[FILE_ERROR_MAXIMUM];
    const char *path = busy_file(word);
    size_t length;
    char *text;

    if (path == NULL)
        return busy_parse(busy, word) == NULL;
    text = file_read(path, sizeof(busy->text), &length, error);
    if (text == NULL) {
        log_error("--busy-message: cannot read %s: %s; a text that begins with @ is written \\@...",
                  path, error);
        return false;
    }
    memcpy(busy->text, text, length);
    busy->length = length;
    free(text);
    return true;
}

bool policy_read(struct policy *policy, const struct options *options)
{
    bool access = read_access(&policy->access, options);
    bool busy = options->busy_message == NULL || read_busy(&policy->busy, options->busy_message);

    return access && busy;
}
