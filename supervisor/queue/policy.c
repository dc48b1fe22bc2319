#include "supervisor/queue/policy.h"

#include "dispatcher/shared/log.h"
#include "dispatcher/shared/release.h"
#include "supervisor/base/file.h"

#include <stdlib.h>
#include <string.h>

/* ---- access rules ---- */

/* What a file holds. */
struct content {
    const char *path;
    char *text; /* NULL: it could not be read */
    size_t length;
};

static bool add_access_text(struct access_rules *rules, const struct content *content)
{
    char wrong[ACCESS_ERROR_MAXIMUM];
    bool right = access_rules_add_text(rules, content->text, content->length, wrong);

    if (!right)
        log_error("--access-file: %s: %s", content->path, wrong);
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

/* Builds the rules of the command line, and of the file if there is one. */
static bool build_access(struct access *access, const struct options *options,
                         const struct content *content)
{
    char error[ACCESS_ERROR_MAXIMUM];
    struct access_rules rules;
    bool right = copy_rules(&rules, &options->access) &&
                 (content->text == NULL || add_access_text(&rules, content));

    if (right && !access_build(access, &rules, error)) {
        log_error("access rules: %s", error);
        right = false;
    }
    access_rules_free(&rules);
    return right;
}

/* ---- files ---- */

static const struct {
    const char *option;
    size_t most; /* bytes */
    const char *hint;
} files[PROTOCOL_FILES] = {
    [PROTOCOL_FILE_ACCESS] = {"--access-file", PROTOCOL_CONTENT_MAXIMUM - 1, ""},
    [PROTOCOL_FILE_BUSY] = {"--busy-message", BUSY_MAXIMUM,
                            "; a text that begins with @ is written \\@..."},
};

const char *policy_file(const struct options *options, enum protocol_file file)
{
    if (file == PROTOCOL_FILE_ACCESS)
        return options->access_file;
    return options->busy_message == NULL ? NULL : busy_file(options->busy_message);
}

void policy_unreadable(const struct options *options, enum protocol_file file, const char *error)
{
    log_error("%s: cannot read %s: %s%s", files[file].option, policy_file(options, file), error,
              files[file].hint);
}

static bool use(struct policy *policy, const struct options *options, enum protocol_file file,
                const struct content *content)
{
    if (file == PROTOCOL_FILE_ACCESS)
        return build_access(&policy->access, options, content);
    memcpy(policy->busy.text, content->text, content->length);
    policy->busy.length = content->length;
    return true;
}

/* Uses what was read, or logs `error`. */
static bool use_read(struct policy *policy, const struct options *options, enum protocol_file file,
                     struct content *content, const char *error)
{
    bool right;

    if (content->text == NULL) {
        policy_unreadable(options, file, error);
        return false;
    }
    right = use(policy, options, file, content);
    free(content->text);
    return right;
}

bool policy_take(struct policy *policy, const struct options *options, enum protocol_file file,
                 int descriptor)
{
    char error[FILE_ERROR_MAXIMUM];
    struct content content = {.path = policy_file(options, file)};

    content.text = file_read_sealed(descriptor, files[file].most, &content.length, error);
    release(descriptor);
    return use_read(policy, options, file, &content, error);
}

static bool read_file(struct policy *policy, const struct options *options, enum protocol_file file)
{
    char error[FILE_ERROR_MAXIMUM];
    struct content content = {.path = policy_file(options, file)};

    content.text = file_read(content.path, files[file].most, &content.length, error);
    return use_read(policy, options, file, &content, error);
}

bool policy_read(struct policy *policy, const struct options *options)
{
    const struct content none = {0};
    bool access = options->access_file == NULL ? build_access(&policy->access, options, &none)
                                               : read_file(policy, options, PROTOCOL_FILE_ACCESS);

    if (options->busy_message == NULL)
        return access;
    if (policy_file(options, PROTOCOL_FILE_BUSY) != NULL)
        return read_file(policy, options, PROTOCOL_FILE_BUSY) && access;
    return busy_parse(&policy->busy, options->busy_message) == NULL && access;
}
