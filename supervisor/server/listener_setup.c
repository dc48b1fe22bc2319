#include "supervisor/server/listener_setup.h"

#include "dispatcher/shared/log.h"
#include "supervisor/base/descriptors.h"
#include "supervisor/listen/binding.h"
#include "supervisor/listen/passed.h"

#include <stdbool.h>

int listener_setup_descriptors(struct options *options, struct listeners *passed)
{
    int *kept[PASSED_MAXIMUM + 1] = {&options->ready_descriptor};

    if (options->place == OPTIONS_SYSTEMD && passed_read(passed) != 0)
        return -1;
    passed_forget();
    for (size_t i = 0; i < passed->count; i++) {
        kept[i + 1] = &passed->list[i].descriptor;
        if (options->ready_descriptor == passed->list[i].descriptor) {
            log_error("--ready-fd: '%d': expected a descriptor other than those of the sockets "
                      "passed",
                      options->ready_descriptor);
            return -1;
        }
    }
    return descriptors_prepare(kept, passed->count + 1);
}

int listener_setup_open(struct listeners *listeners, const struct options *options,
                        const struct listeners *passed, struct takeover *takeover)
{
    const struct inherited inherited = {
        .list = takeover->listeners.list, .count = takeover->listeners.count, .used = takeover->used};

    if (binding_open(listeners, options, passed, &inherited) != 0)
        return -1;
    return options->takeover == NULL ? 0 : takeover_retire(takeover, listeners);
}

int listener_setup_leave(struct janitor *janitor, const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct listener *each = &listeners->list[i];
        bool ours = each->path != NULL && !each->passed && !each->retired;

        if (ours && (each->inherited ? janitor_borrow(janitor, each->path)
                                     : janitor_add(janitor, each->path)) < 0)
            return -1;
    }
    return 0;
}
