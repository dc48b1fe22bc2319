#include "supervisor/server/check.h"

#include "dispatcher/shared/log.h"
#include "supervisor/admission/gates.h"
#include "supervisor/keeper/launch.h"
#include "supervisor/keeper/pid_file.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/unix_socket.h"

#include <errno.h>
#include <sys/stat.h>

/* The daemon there is not asked: it could only say that it can be taken over now. */
static bool check_predecessor(const char *path)
{
    struct stat status;
    bool there = stat(path, &status) == 0;

    if (there && S_ISSOCK(status.st_mode))
        return true;
    errno = there ? ENOTSOCK : errno;
    log_error("--takeover: cannot connect to %s: %m; expected the --control socket of a daemon "
              "that runs",
              path);
    return false;
}

bool check_places(const struct options *options)
{
    static struct gates gates;
    bool right = binding_check(options);

    right =
        (options->control == NULL || unix_socket_check("--control", options->control, (uid_t)-1)) &&
        right;
    right = (options->metrics == NULL || binding_check_metrics(options->metrics)) && right;
    right = (options->takeover == NULL || check_predecessor(options->takeover)) && right;
    right = (options->pid_file == NULL || pid_file_check(options->pid_file)) && right;
    right = launch_check_errors(options) && right;
    return gates_open(&gates, options, loop_clock()) == 0 && right;
}
