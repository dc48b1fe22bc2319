#include "supervisor/dampenerctl/status.h"

#include "supervisor/dampenerctl/json.h"

#include <math.h>
#include <string.h>

struct field {
    const char *path;
    size_t offset;
};

#define FIELD(path, member)                                                                        \
    {                                                                                              \
        path, offsetof(struct status, member)                                                      \
    }

static const struct field numbers[] = {
    FIELD("process", process),
    FIELD("uptime", uptime),
    FIELD("accepted", accepted),
    FIELD("queued", queued),
    FIELD("starting", starting),
    FIELD("running", running),
    FIELD("lingering", lingering),
    FIELD("oldest", oldest),
    FIELD("sources", sources),
    FIELD("ended.served", ended.served),
    FIELD("ended.abandoned", ended.abandoned),
    FIELD("ended.denied", ended.denied),
    FIELD("ended.refused_queue", ended.refused_queue),
    FIELD("ended.refused_source", ended.refused_source),
    FIELD("ended.refused_timeout", ended.refused_timeout),
    FIELD("ended.dropped", ended.dropped),
    FIELD("limits.processes", limits.processes),
    FIELD("limits.queue", limits.queue),
    FIELD("limits.queue_timeout", limits.queue_timeout),
    FIELD("limits.per_source", limits.per_source),
    FIELD("limits.load_average", limits.load_average),
    FIELD("limits.rate.count", limits.rate_count),
    FIELD("limits.rate.period", limits.rate_period),
    FIELD("waits.of", waits.of),
    FIELD("waits.p50", waits.p50),
    FIELD("waits.p90", waits.p90),
    FIELD("waits.p99", waits.p99),
    FIELD("waits.longest", waits.longest),
    FIELD("runs.of", runs.of),
    FIELD("runs.p50", runs.p50),
    FIELD("runs.p90", runs.p90),
    FIELD("runs.p99", runs.p99),
    FIELD("runs.longest", runs.longest),
    FIELD("exits.success", exits.success),
    FIELD("exits.failure", exits.failure),
    FIELD("exits.signal", exits.signal),
    FIELD("exits.unknown", exits.unknown),
    FIELD("dispatchers.wanted", dispatchers.wanted),
    FIELD("dispatchers.ready", dispatchers.ready),
    FIELD("dispatchers.restarts", dispatchers.restarts),
    FIELD("start_failures", start_failures),
    FIELD("descriptors.used", descriptors_used),
    FIELD("descriptors.allowed", descriptors_allowed),
    FIELD("log_lines_dropped", log_lines_dropped),
};

static double read_number(struct json_value object, const char *path)
{
    double number;

    return json_number(json_find(object, path), &number) ? number : STATUS_UNKNOWN;
}

static double read_limit(struct json_value object, const char *path)
{
    return json_find(object, path).type == JSON_NULL ? STATUS_UNLIMITED : read_number(object, path);
}

static void read_listeners(struct status *status, struct json_value array)
{
    for (size_t i = 0; i < STATUS_LISTENERS; i++) {
        struct status_listener *listener = &status->listeners[i];
        struct json_value object = json_element(array, i);

        if (object.type == JSON_MISSING)
            break;
        if (!json_string(json_find(object, "address"), listener->address,
                         sizeof(listener->address)))
            (void)json_string(json_find(object, "path"), listener->address,
                              sizeof(listener->address));
        listener->port = read_number(object, "port");
        listener->backlog = read_number(object, "backlog");
        listener->dropped = read_number(object, "dropped");
        status->listener_count++;
    }
}

static void read_busiest(struct status *status, struct json_value array)
{
    for (size_t i = 0; i < STATUS_BUSIEST; i++) {
        struct status_source *source = &status->busiest[i];
        struct json_value object = json_element(array, i);

        if (object.type == JSON_MISSING)
            break;
        (void)json_string(json_find(object, "source"), source->source, sizeof(source->source));
        source->waiting = read_number(object, "waiting");
        source->running = read_number(object, "running");
        status->busiest_count++;
    }
}

bool status_read(struct status *status, const char *answer, size_t length)
{
    struct json_value root;

    *status = (struct status){.listener_count = 0};
    if (!json_open(&root, answer, length) || root.type != JSON_OBJECT)
        return false;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        *(double *)(void *)((char *)status + numbers[i].offset) =
            strncmp(numbers[i].path, "limits.", 7) == 0 ? read_limit(root, numbers[i].path)
                                                        : read_number(root, numbers[i].path);
    if (json_find(root, "limits.rate").type == JSON_NULL)
        status->limits.rate_count = STATUS_UNLIMITED;
    (void)json_string(json_find(root, "version"), status->version, sizeof(status->version));
    (void)json_string(json_find(root, "state"), status->state, sizeof(status->state));
    (void)json_string(json_find(root, "command"), status->command, sizeof(status->command));
    (void)json_string(json_find(root, "held_back_by"), status->held_back_by,
                      sizeof(status->held_back_by));
    read_listeners(status, json_find(root, "listeners"));
    read_busiest(status, json_find(root, "busiest"));
    return true;
}
