#include "tests/fuzz/shared/options.h"

#include "supervisor/base/loop.h"
#include "tests/fuzz/shared/fuzz.h"

#include <math.h>
#include <net/if.h>

#define YEAR (UINT64_C(366) * 24 * 3600 * LOOP_SECOND)

static void check_number(uint32_t number, uint32_t least, uint32_t most)
{
    HOLDS(number == UNLIMITED || (number >= least && number <= most));
}

static void check_time(uint64_t time, uint64_t least)
{
    HOLDS(time == 0 || (time >= least && time <= YEAR));
}

static void check_text(const char *text, size_t most)
{
    HOLDS(text == NULL || (*text != '\0' && strlen(text) <= most));
}

static void check_listening(const struct options *options)
{
    HOLDS(options->place == OPTIONS_TCP || options->place == OPTIONS_UNIX ||
          options->place == OPTIONS_SYSTEMD);
    check_text(options->unix_path, OPTIONS_SOCKET_PATH);
    check_time(options->defer_accept, 1000);
    check_text(options->device, IFNAMSIZ - 1);
    HOLDS(options->socket_mode.bits <= 0777);
    for (size_t i = 0; i < options->address_count; i++)
        HOLDS(*options->addresses[i] != '\0');
}

static void check_gates(const struct options *options)
{
    for (int i = 0; i < OPTIONS_GATES; i++) {
        double limit = options->gates[i].limit;

        HOLDS(isfinite(limit) && limit >= 0 && (i == OPTIONS_GATE_LOAD || limit <= 100));
    }
    if (options->rate != UNLIMITED)
        HOLDS(options->rate >= 1 && options->rate <= OPTIONS_RATE_MAXIMUM &&
              options->rate_period >= 1000 && options->rate_period <= OPTIONS_RATE_PERIOD_MAXIMUM);
}

static void check_admission(const struct options *options)
{
    check_number(options->processes, 1, OPTIONS_PROCESSES_MAXIMUM);
    check_number(options->queue, 0, OPTIONS_QUEUE_MAXIMUM);
    check_time(options->queue_timeout, 1000);
    HOLDS(options->busy.length <=
          (options->files[OPTIONS_FILE_BUSY] == NULL ? OPTIONS_BUSY_MAXIMUM : 0));
    check_text(options->files[OPTIONS_FILE_BUSY], SIZE_MAX);
    check_number(options->per_source, 1, OPTIONS_PROCESSES_MAXIMUM);
    check_number(options->per_source_queue, 0, OPTIONS_QUEUE_MAXIMUM);
    HOLDS(options->ipv4_prefix <= 32 && options->ipv6_prefix <= 128);
    check_text(options->files[OPTIONS_FILE_ACCESS], SETUP_PATH - 1);
    HOLDS(options->abandon <= OPTIONS_ABANDON_NEVER);
    for (size_t i = 0; i < options->access.count; i++)
        HOLDS(options->access.list[i].length <=
              (options->access.list[i].family == AF_INET ? 32 : 128));
}

static void check_handlers(const struct options *options)
{
    check_text(options->user, SETUP_PATH - 1);
    check_text(options->root, SETUP_PATH - 1);
    HOLDS(options->umask.bits <= 0777 && options->nice >= -20 && options->nice <= 19);
    check_time(options->timeout, 1000);
    check_time(options->kill_after, 0);
    HOLDS(options->standard_error <= SETUP_STANDARD_ERROR_NULL);
    HOLDS(!options->persistent || options->standard_error != SETUP_STANDARD_ERROR_SOCKET);
    HOLDS(options->max_requests >= 1);
    check_time(options->spare_timeout, 1000);
    for (int i = 0; i < SETUP_LIMITS; i++)
        HOLDS(options->limits[i].given <= 1 && options->limits[i].soft <= options->limits[i].hard);
}

void options_check(const struct options *options)
{
    check_listening(options);
    check_gates(options);
    check_admission(options);
    check_handlers(options);
    HOLDS(options->dispatchers <= OPTIONS_DISPATCHERS_MAXIMUM);
    check_time(options->drain_timeout, 0);
    check_text(options->control, OPTIONS_SOCKET_PATH);
    check_text(options->takeover, OPTIONS_SOCKET_PATH);
    HOLDS(options->metrics == NULL || strchr(options->metrics, ':') != NULL);
    HOLDS(options->ready_descriptor != STDIN_FILENO && options->ready_descriptor != STDERR_FILENO);
    HOLDS((unsigned)options->log_format <= LOG_FORMAT_JSON);
}

void options_forget(struct options *options)
{
    free(options->addresses);
    access_free(&options->access);
}
