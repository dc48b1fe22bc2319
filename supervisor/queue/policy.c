#include "supervisor/queue/policy.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/file.h"

#include <stdlib.h>
#include <string.h>

/* Builds the rules of the command line, and of the file if there is one. */
static bool build_access(struct policy *policy, const struct options *options, const char *text,
                         size_t length)
{
    char wrong[ACCESS_ERROR_MAXIMUM];
    struct access access;

    if (!access_copy(&access, &options->access)) {
        log_error("cannot read the access rules: %m");
    } else if (text != NULL && !access_add_text(&access, text, length, wrong)) {
        log_error("--access-file: %s: %s", options->files[OPTIONS_FILE_ACCESS], wrong);
    } else if (!access_compile(&access, wrong)) {
        log_error("access rules: %s", wrong);
    } else {
        access_free(&policy->access);
        policy->access = access;
        return true;
    }
    access_free(&access);
    return false;
}

static const struct {
    const char *option;
    size_t most; /* bytes */
    const char *hint;
} files[OPTIONS_FILES] = {
    [OPTIONS_FILE_ACCESS] = {"--access-file", OPTIONS_CONTENT_MAXIMUM - 1, ""},
    [OPTIONS_FILE_BUSY] = {"--busy-message", OPTIONS_BUSY_MAXIMUM,
                           "; a text that begins with @ is written \\@..."},
};

void policy_unreadable(const struct options *options, enum options_file file, const char *error)
{
    log_error("%s: cannot read %s: %s%s", files[file].option, options->files[file], error,
              files[file].hint);
}

/* Uses the content of a file, and frees it; without a content, logs `error`. */
static bool use(struct policy *policy, const struct options *options, enum options_file file,
                char *text, size_t length, const char *error)
{
    bool right = text != NULL;

    if (!right) {
        policy_unreadable(options, file, error);
    } else if (file == OPTIONS_FILE_ACCESS) {
        right = build_access(policy, options, text, length);
    } else {
        memcpy(policy->busy.text, text, length);
        policy->busy.length = length;
    }
    free(text);
    return right;
}

bool policy_take(struct policy *policy, const struct options *options, enum options_file file,
                 int descriptor)
{
    char error[FILE_ERROR_MAXIMUM];
    size_t length;
    char *text = file_read_sealed(descriptor, files[file].most, &length, error);

    release(descriptor);
    return use(policy, options, file, text, length, error);
}

bool policy_read(struct policy *policy, const struct options *options)
{
    bool right =
        options->files[OPTIONS_FILE_ACCESS] != NULL || build_access(policy, options, NULL, 0);

    policy->busy = options->busy;
    for (int file = 0; file < OPTIONS_FILES; file++) {
        const char *path = options->files[file];
        char error[FILE_ERROR_MAXIMUM];
        size_t length;
        char *text;

        if (path == NULL)
            continue;
        text = file_read(path, files[file].most, &length, error);
        right = use(policy, options, (enum options_file)file, text, length, error) && right;
    }
    return right;
}
