#include "supervisor/queue/policy.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/file.h"
#include "supervisor/options/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[OPTIONS_FILES] = {
    [OPTIONS_FILE_ACCESS] = "--access-file",
    [OPTIONS_FILE_BUSY] = "--busy-message",
};

void policy_unreadable(const struct options *options, enum options_file file, const char *error)
{
    log_error("%s: cannot read %s: %s%s", names[file], options->files[file], error,
              file == OPTIONS_FILE_BUSY ? "; a text that begins with @ is written \\@..." : "");
}

/* ---- access rules ---- */

static bool take_access(struct policy *policy, const struct options *options, int descriptor)
{
    struct access access;

    if (!access_load(&access, descriptor)) {
        policy_unreadable(options, OPTIONS_FILE_ACCESS, strerror(errno));
        return false;
    }
    access_free(&policy->access);
    policy->access = access;
    return true;
}

/* With a file, the rules are in memory that all processes share. */
static bool read_access(struct policy *policy, const struct options *options, int *rules)
{
    bool named = options->files[OPTIONS_FILE_ACCESS] != NULL;
    size_t length = 0;
    char *text = named ? rules_read(options, &length) : NULL;
    bool right = (text != NULL || !named) && rules_build(&policy->access, options, text, length);

    free(text);
    *rules = -1;
    if (!right || !named)
        return right;
    *rules = access_save(&policy->access);
    if (*rules >= 0)
        return take_access(policy, options, *rules);
    log_error("cannot keep the access rules: %m");
    return false;
}

/* ---- the busy message ---- */

/* Uses the content of the file, and frees it; without a content, logs `error`. */
static bool use_busy(struct policy *policy, const struct options *options, char *text,
                     size_t length, const char *error)
{
    if (text == NULL) {
        policy_unreadable(options, OPTIONS_FILE_BUSY, error);
        return false;
    }
    memcpy(policy->busy.text, text, length);
    policy->busy.length = length;
    free(text);
    return true;
}

static bool read_busy(struct policy *policy, const struct options *options)
{
    const char *path = options->files[OPTIONS_FILE_BUSY];
    char error[FILE_ERROR_MAXIMUM];
    size_t length;
    char *text;

    policy->busy = options->busy;
    if (path == NULL)
        return true;
    text = file_read(path, OPTIONS_BUSY_MAXIMUM, &length, error);
    return use_busy(policy, options, text, length, error);
}

static bool take_busy(struct policy *policy, const struct options *options, int descriptor)
{
    char error[FILE_ERROR_MAXIMUM];
    size_t length;
    char *text = file_read_sealed(descriptor, OPTIONS_BUSY_MAXIMUM, &length, error);

    return use_busy(policy, options, text, length, error);
}

/* ---- both ---- */

bool policy_read(struct policy *policy, const struct options *options, int *rules)
{
    bool right = read_access(policy, options, rules);

    return read_busy(policy, options) && right;
}

bool policy_take(struct policy *policy, const struct options *options, enum options_file file,
                 int descriptor)
{
    return file == OPTIONS_FILE_ACCESS ? take_access(policy, options, descriptor)
                                       : take_busy(policy, options, descriptor);
}
