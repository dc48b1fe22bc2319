/*
 * The figures: each rendering shows each figure of a snapshot, and no name can forge a line.
 */
#include "supervisor/figures/figures.h"

#include "supervisor/dampenerctl/answer.h"
#include "tests/shared/check.h"

#include <math.h>
#include <string.h>

static struct histogram histogram;
static struct snapshot snapshot;
static char bytes[65536];

static const struct snapshot_word states[] = {{"serving", "serving"}, {"paused", "PAUSED"}};
static const struct snapshot_word reasons[] = {{"none", "nothing"}, {"rate", "the rate of starts"}};
static const struct snapshot_word logs[] = {{"open", "open"}, {"broken", "BROKEN"}};
static const char *const backlog[] = {"backlog", "dropped"};
static const char *const waiting[] = {"waiting", "running"};
static const char *const gated[] = {"now", "limit"};
static const struct snapshot_row gates[2] = {
    {.key = "gate", .name = "load", .port = (double)NAN, .counts = {1.52, 4}},
    {.key = "gate", .name = "io-pressure", .port = (double)NAN, .counts = {0, 60.5}}};
static struct snapshot_row listeners[3] = {
    {.key = "address", .name = "127.0.0.1", .port = 873, .counts = {5, 7}},
    {.key = "address", .name = "127.0.0.1", .port = 873, .counts = {1, 2}},
    {.key = "path", .name = "/run/a\nforged 1"}};
static const struct snapshot_row busiest[1] = {
    {.key = "source", .name = "192.0.2.1/32", .port = (double)NAN, .counts = {4, 2}}};

static void begin(void)
{
    const double unlimited = (double)INFINITY;
    const double unknown = (double)NAN;

    listeners[2].port = listeners[2].counts[0] = listeners[2].counts[1] = unknown;
    snapshot = (struct snapshot){
        .version = "0.1.0",
        .command = "a\"\x1b[2J\nqueued 9",
        .state = {states, 2, 1},
        .held_back_by = {reasons, 2, 1},
        .log = {logs, 2, 1},
        .process = 1234,
        .uptime = 3723.25,
        .accepted = 123456789012345,
        .queued = 3,
        .oldest = unknown,
        .ended = {.served = 4, .refused_queue = 6},
        .limits = {.processes = unlimited,
                   .queue = 100,
                   .queue_timeout = unlimited,
                   .per_source = 7,
                   .load_average = 2.5,
                   .rate = {10, 1}},
        .wait_histogram = &histogram,
        .run_histogram = &histogram,
        .unserved_histogram = &histogram,
        .unserved = {.of = 9, .p50 = 2.5, .longest = 7},
        .waits = {512, 0.0004, 0.25, 59.9, 8640000},
        .listeners = {backlog, listeners, 3, NULL},
        .busiest = {waiting, busiest, 1, NULL},
        .gates = {gated, gates, 2, "none is set"},
        .last_start_error = {"Permission denied", 12.25, 1700000000.5},
    };
}

static void render(figures_renderer *renderer)
{
    struct text text;

    text_open(&text, bytes, sizeof(bytes));
    renderer(&text, &snapshot);
    CHECK(!text.cut);
}

static bool shows(const char *part)
{
    if (strstr(bytes, part) == NULL)
        (void)fprintf(stderr, "%s\nis not in\n%s\n", part, bytes);
    return strstr(bytes, part) != NULL;
}

static void check_json(void)
{
    render(figures_json);
    CHECK(
        shows("{\"version\":\"0.1.0\",\"process\":1234,\"state\":\"paused\",\"uptime\":3723.25,"));
    CHECK(shows("\"command\":\"a\\\"\\u001b[2J\\u000aqueued 9\","));
    CHECK(shows(
        "\"listeners\":[{\"address\":\"127.0.0.1\",\"port\":873,\"backlog\":5,\"dropped\":7},"));
    CHECK(shows("{\"path\":\"/run/a\\u000aforged 1\",\"backlog\":null,\"dropped\":null}],"));
    CHECK(shows("\"accepted\":123456789012345,\"queued\":3,"));
    CHECK(shows("\"ended\":{\"served\":4,\"abandoned\":0,") &&
          shows("\"handed_over\":0},\"linger"));
    CHECK(shows("\"held_back_by\":\"rate\",\"held_back_words\":\"the rate of starts\","
                "\"gates\":[{\"gate\":\"load\",\"now\":1.52,\"limit\":4},"
                "{\"gate\":\"io-pressure\",\"now\":0,\"limit\":60.5}],"
                "\"oldest\":null,\"limits\":{\"processes\":null,"));
    CHECK(shows("\"last_start_error\":{\"error\":\"Permission denied\",\"ago\":12.25},"));
    CHECK(
        shows("\"load_average\":2.5,\"rate\":{\"count\":10,\"period\":1}},\"waits\":{\"of\":512,"));
    CHECK(shows("\"busiest\":[{\"source\":\"192.0.2.1/32\",\"waiting\":4,\"running\":2}]}\n"));
    snapshot.limits.rate.count = (double)INFINITY;
    render(figures_json);
    CHECK(shows("\"rate\":null},"));
    snapshot.last_start_error.text = NULL;
    snapshot.gates.length = 0;
    render(figures_json);
    CHECK(shows("\"last_start_error\":null,") && shows("\"gates\":[],"));
    begin();
}

static void check_metrics(void)
{
    render(figures_metrics);
    CHECK(shows("# TYPE dampener_connections_accepted_total counter\n"
                "dampener_connections_accepted_total 123456789012345\n"));
    CHECK(shows("dampener_state{state=\"serving\"} 0\ndampener_state{state=\"paused\"} 1\n"));
    CHECK(shows("dampener_oldest_wait_seconds 0\n") && shows("dampener_handlers_limit +Inf\n"));
    CHECK(shows("dampener_log_state{state=\"open\"} 0\ndampener_log_state{state=\"broken\"} 1\n"));
    CHECK(shows("# TYPE dampener_wait_seconds histogram\n") &&
          shows("# TYPE dampener_unserved_wait_seconds histogram\n"));
    /* Two sockets at one address are one sample. */
    CHECK(shows("dampener_listen_backlog{address=\"127.0.0.1\",port=\"873\"} 6\n#"));
    CHECK(shows("dampener_listen_overflows_total{address=\"127.0.0.1\",port=\"873\"} 9\n#"));
    CHECK(shows("dampener_gate{gate=\"load\"} 1.52\ndampener_gate{gate=\"io-pressure\"} 0\n#"));
    CHECK(shows("dampener_gate_limit{gate=\"io-pressure\"} 60.5\n"));
    CHECK(shows("dampener_held_back_words{by=\"none\",words=\"nothing\"} 1\n"
                "dampener_held_back_words{by=\"rate\",words=\"the rate of starts\"} 1\n"));
    CHECK(shows("dampener_last_start_error_timestamp_seconds{error=\"Permission denied\"} "
                "1700000000.5\n"));
    snapshot.last_start_error.text = NULL;
    snapshot.gates.length = 0;
    render(figures_metrics);
    CHECK(strstr(bytes, "dampener_gate{") == NULL && strstr(bytes, "_seconds{error") == NULL);
    begin();
}

static void check_table(void)
{
    render(figures_table);
    CHECK(shows("state           PAUSED\ncommand         a\"?[2J?queued 9\n"));
    CHECK(shows("queued          3 of 100\noldest          -\n"));
    CHECK(shows("running         0, no limit\n"));
    CHECK(shows("log             BROKEN\nlog lines lost  0\n"));
    CHECK(shows("held back by    the rate of starts\n"
                "gates           load                             now 1.52, limit 4\n"
                "                io-pressure                      now 0, limit 60.5\n"));
    CHECK(shows("start error     Permission denied, 12.2s ago\n"));
    CHECK(shows("waited          p50 0ms, p90 250ms, p99 59.9s, longest 100d of 512\n"));
    CHECK(shows("waited in vain  p50 2.5s, p90 0ms, p99 0ms, longest 7.0s of 9\n"));
    CHECK(shows("queue timeout   none\nper source      7\nload average    2.5\n"
                "rate of starts  10 in 1.0s\n"));
    CHECK(shows("listening on    127.0.0.1 port 873               backlog 5, dropped 7\n"));
    CHECK(shows("                /run/a?forged 1                  backlog -, dropped -\n"));
    CHECK(shows("busiest         192.0.2.1/32                     waiting 4, running 2\n"));
    CHECK(strchr(bytes, '{') == NULL && strstr(bytes, "held_back") == NULL);
    snapshot.last_start_error.text = NULL;
    snapshot.gates.length = 0;
    render(figures_table);
    CHECK(shows("gates           none is set\n") && shows("start error     none\n"));
    begin();
}

static void check_times(void)
{
    static const struct {
        double time;
        const char *words;
    } times[] = {{0, "0ms"},        {0.9999, "1.0s"},  {60, "1m00s"},    {3599, "59m59s"},
                 {3600, "1h00m"},   {86399, "23h59m"}, {86400, "1d00h"}, {8639999, "99d23h"},
                 {8640000, "100d"}, {1e300, "ages"}};

    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        char row[64];

        snapshot.uptime = times[i].time;
        render(figures_table);
        (void)snprintf(row, sizeof(row), "\nup              %s\n", times[i].words);
        CHECK(shows(row));
    }
    begin();
}

/* What dampenerctl reads. */
static void check_lines(void)
{
    double counts[2];
    char text[ANSWER_TEXT];

    render(figures_lines);
    CHECK(answer_is_sound(bytes));
    CHECK(answer_number(bytes, "queued") > 2.9 && answer_number(bytes, "queued") < 3.1);
    CHECK(isinf(answer_number(bytes, "limits.processes")));
    CHECK(isnan(answer_number(bytes, "oldest")) && isnan(answer_number(bytes, "forged")));
    CHECK(strcmp(answer_text(bytes, "state", text), "PAUSED") == 0);
    CHECK(strcmp(answer_text(bytes, "held_back_by", text), "the rate of starts") == 0);
    CHECK(answer_row(bytes, "listeners", 1, counts, text) && counts[1] > 1.9);
    CHECK(strcmp(text, "127.0.0.1 port 873") == 0);
    CHECK(answer_row(bytes, "listeners", 2, counts, text) && isnan(counts[0]));
    CHECK(!answer_row(bytes, "listeners", 3, counts, text));
    CHECK(answer_row(bytes, "busiest", 0, counts, text) && strcmp(text, "192.0.2.1/32") == 0);
    CHECK(answer_row(bytes, "gates", 0, counts, text) && strcmp(text, "load") == 0);
    CHECK(counts[0] > 1.5 && counts[0] < 1.6 && counts[1] > 3.9);
    CHECK(strcmp(answer_text(bytes, "last_start_error", text), "Permission denied, 12.2s ago") ==
          0);
}

static void check_summary(void)
{
    render(figures_summary);
    CHECK(shows("paused: 3 waiting, 0 handlers running"));
    snapshot.state.chosen = 0;
    snapshot.running = 1;
    render(figures_summary);
    CHECK(strcmp(bytes, "3 waiting, 1 handler running") == 0);
    snapshot.limits.processes = 8;
    render(figures_summary);
    CHECK(strcmp(bytes, "3 waiting, 1 of 8 handlers running") == 0);
    begin();
}

int main(void)
{
    begin();
    check_json();
    check_metrics();
    check_table();
    check_times();
    check_lines();
    check_summary();
    return CHECK_RESULT();
}
