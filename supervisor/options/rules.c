#include "supervisor/options/rules.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/file.h"

bool rules_look_up(struct options *options)
{
    char error[ACCESS_ERROR_MAXIMUM];

    if (access_look_up(&options->access, error))
        return true;
    log_error("%s", error);
    return false;
}

char *rules_read(const struct options *options, size_t *length)
{
    const char *path = options->files[OPTIONS_FILE_ACCESS];
    char error[FILE_ERROR_MAXIMUM];
    char *text = file_read(path, OPTIONS_CONTENT_MAXIMUM - 1, length, error);

    if (text == NULL)
        log_error("--access-file: cannot read %s: %s", path, error);
    return text;
}

bool rules_build(struct access *access, const struct options *options, const char *text,
                 size_t length)
{
    char wrong[ACCESS_ERROR_MAXIMUM];

    if (!access_copy(access, &options->access))
        log_error("cannot read the access rules: %m");
    else if (text != NULL &&
             (!access_add_text(access, text, length, wrong) || !access_look_up(access, wrong)))
        log_error("--access-file: %s: %s", options->files[OPTIONS_FILE_ACCESS], wrong);
    else if (!access_compile(access, wrong))
        log_error("access rules: %s", wrong);
    else
        return true;
    access_free(access);
    return false;
}
