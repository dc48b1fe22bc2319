/*
 * Whose turn it is: in order of arrival and in fair order, with a limit for each source and
 * without, by many random steps against a plain model that looks at everybody each time.  Those who
 * step aside have no turn until they rejoin.
 */
#include "supervisor/queue/order.h"

#include "tests/shared/check.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 40000, MEMBERS_MAXIMUM = 200, SOURCES = 60 };

enum state { GONE, WAITING, ACTIVE, ASIDE };

struct person {
    struct order_member member; /* first */
    enum state state;
    unsigned source;
};

/* The model's view of a source, in fair order. */
struct turns {
    uint64_t turn;
    unsigned waiting;
    unsigned active;
    unsigned aside;
};

static struct person people[MEMBERS_MAXIMUM];
static struct turns sources[SOURCES];
static struct options options;
static struct order order;
static uint64_t tickets;
static uint64_t turns;

static struct endpoint endpoint_of(unsigned source)
{
    struct endpoint endpoint = {.family = AF_INET, .port = (uint16_t)rand()};
    uint32_t address = htonl(0x7f000100u + source);

    memcpy(endpoint.address, &address, sizeof(address));
    return endpoint;
}

/* ---- the model ---- */

static bool is_open(const struct person *person)
{
    return person->state == WAITING && sources[person->source].active < options.per_source;
}

static bool goes_before(const struct person *one, const struct person *other)
{
    uint64_t first = sources[one->source].turn;
    uint64_t second = sources[other->source].turn;

    if (options.fair && first != second)
        return first < second;
    return one->member.entry.ticket < other->member.entry.ticket;
}

static const struct person *model_next(void)
{
    const struct person *next = NULL;

    for (int i = 0; i < MEMBERS_MAXIMUM; i++)
        if (is_open(&people[i]) && (next == NULL || goes_before(&people[i], next)))
            next = &people[i];
    return next;
}

static uint32_t model_startable(void)
{
    uint32_t sum = 0;

    for (int i = 0; i < SOURCES; i++) {
        uint32_t room =
            sources[i].active < options.per_source ? options.per_source - sources[i].active : 0;
        sum += sources[i].waiting < room ? sources[i].waiting : room;
    }
    return sum;
}

static unsigned model_members(unsigned source)
{
    return sources[source].waiting + sources[source].active + sources[source].aside;
}

static uint32_t model_sources(void)
{
    uint32_t count = 0;

    for (int i = 0; i < SOURCES; i++)
        count += model_members((unsigned)i) > 0;
    return count;
}

/* ---- steps ---- */

static void join(struct person *person)
{
    struct endpoint endpoint;

    person->source = (unsigned)rand() % SOURCES;
    endpoint = endpoint_of(person->source);
    person->member.entry.ticket = ++tickets;
    CHECK(order_reserve(&order) == 0);
    order_join(&order, &person->member, &endpoint);
    person->state = WAITING;
    if (sources[person->source].waiting++ == 0)
        sources[person->source].turn = ++turns;
}

static void activate(struct person *person)
{
    order_activate(&order, &person->member);
    person->state = ACTIVE;
    sources[person->source].waiting--;
    sources[person->source].active++;
    sources[person->source].turn = ++turns;
}

static void go_back(struct person *person)
{
    order_return(&order, &person->member);
    person->state = WAITING;
    sources[person->source].waiting++;
    sources[person->source].active--;
    sources[person->source].turn = 0;
}

static void step_aside(struct person *person)
{
    order_step_aside(&order, &person->member);
    person->state = ASIDE;
    sources[person->source].aside++;
    sources[person->source].active--;
}

static void rejoin(void)
{
    struct person *person;

    while ((person = (struct person *)order_last_aside(&order)) != NULL) {
        order_rejoin(&order, &person->member);
        CHECK(person->state == ASIDE);
        person->state = WAITING;
        sources[person->source].aside--;
        if (sources[person->source].waiting++ == 0)
            sources[person->source].turn = ++turns;
    }
    for (int i = 0; i < MEMBERS_MAXIMUM; i++)
        CHECK(people[i].state != ASIDE);
}

static void leave(struct person *person)
{
    if (person->state == WAITING) {
        order_leave(&order, &person->member, ORDER_WAITING);
        sources[person->source].waiting--;
    } else if (person->state == ASIDE) {
        order_leave(&order, &person->member, ORDER_ASIDE);
        sources[person->source].aside--;
    } else {
        order_leave(&order, &person->member, ORDER_ACTIVE);
        sources[person->source].active--;
    }
    person->state = GONE;
}

/* Two sources may both have been given their turns back: either may be next. */
static bool is_right(const struct order_member *next)
{
    const struct person *expected = model_next();
    const struct person *person = (const struct person *)next;

    if (next == NULL || expected == NULL)
        return next == NULL && expected == NULL;
    return person == expected || (options.fair && sources[person->source].turn == 0 &&
                                  sources[expected->source].turn == 0 && is_open(person));
}

/* Those who are active stay so, even if they are too many now. */
static void limit(void)
{
    static const uint32_t limits[] = {1, 2, 5, UNLIMITED};
    uint32_t per_source = limits[(unsigned)rand() % 4];

    options.per_source = per_source;
    order_limit(&order);
}

static void step(void)
{
    struct person *person = &people[rand() % MEMBERS_MAXIMUM];
    struct person *next = (struct person *)order_next(&order);

    switch (rand() % 9) {
    case 0:
    case 1:
    case 2:
        if (person->state == GONE)
            join(person);
        break;
    case 3:
    case 4:
        if (next != NULL)
            activate(next);
        break;
    case 5:
        if (person->state == ACTIVE)
            go_back(person);
        break;
    case 6:
        if (person->state == ACTIVE)
            step_aside(person);
        else if (rand() % 8 == 0)
            rejoin();
        break;
    default:
        if (person->state != GONE)
            leave(person);
    }
}

/* Each of those told is what the model says, and nobody who is left out has more than the last. */
static void check_busiest(unsigned most)
{
    const struct order_line *busiest[SOURCES];
    unsigned count = order_busiest(&order, busiest, most);
    unsigned least = 0;
    unsigned above = 0;

    CHECK(count == (model_sources() < most ? model_sources() : most));
    for (unsigned i = 0; i < count; i++) {
        unsigned source = ntohl(busiest[i]->source.prefix[0]) - 0x7f000100u;

        CHECK(source < SOURCES);
        CHECK(order_waiting(busiest[i]) == sources[source].waiting + sources[source].aside);
        CHECK(order_active(busiest[i]) == sources[source].active);
        CHECK(i == 0 || busiest[i - 1]->source.members >= busiest[i]->source.members);
        for (unsigned j = 0; j < i; j++)
            CHECK(busiest[j] != busiest[i]);
        least = busiest[i]->source.members;
    }
    for (unsigned i = 0; i < SOURCES; i++)
        above += model_members(i) > least;
    CHECK(above < count || count == 0);
}

static void open_order(bool fair, uint32_t per_source)
{
    options = (struct options){.fair = fair,
                               .per_source = per_source,
                               .per_source_queue = UNLIMITED,
                               .control = "/control", /* the operator asks for sources */
                               .ipv4_prefix = 32,
                               .ipv6_prefix = 64};
    CHECK(order_open(&order, &options) == 0);
}

static void run(bool fair, uint32_t per_source)
{
    memset(people, 0, sizeof(people));
    memset(sources, 0, sizeof(sources));
    open_order(fair, per_source);
    for (int i = 0; i < STEPS && check_failures == 0; i++) {
        step();
        if (i % 100 == 0)
            limit();
        if (i % 16 == 0)
            check_busiest((unsigned)rand() % SOURCES);
        CHECK(is_right(order_next(&order)));
        CHECK(order.startable == model_startable());
        CHECK(sources_count(&order.sources) == model_sources());
    }
    for (int i = 0; i < MEMBERS_MAXIMUM; i++)
        if (people[i].state != GONE)
            leave(&people[i]);
    CHECK(order_next(&order) == NULL && order.startable == 0);
    CHECK(sources_count(&order.sources) == 0);
    order_close(&order);
}

/* A source with many waiting does not delay another's only one by more than one round. */
static void check_one_round(void)
{
    static struct person many[100];
    struct person single = {.source = 1};
    struct endpoint first = endpoint_of(0);
    struct endpoint second = endpoint_of(1);

    open_order(true, UNLIMITED);
    for (int i = 0; i < 100; i++) {
        many[i].member.entry.ticket = ++tickets;
        CHECK(order_reserve(&order) == 0);
        order_join(&order, &many[i].member, &first);
    }
    for (int i = 0; i < 10; i++)
        order_activate(&order, order_next(&order));
    single.member.entry.ticket = ++tickets;
    CHECK(order_reserve(&order) == 0);
    order_join(&order, &single.member, &second);
    CHECK(order_next(&order) == &many[10].member);
    order_activate(&order, order_next(&order));
    CHECK(order_next(&order) == &single.member);
    order_close(&order);
}

/* Those who rejoin have their old places, before those who came later. */
static void check_places(void)
{
    static struct person all[10];
    struct endpoint endpoint = endpoint_of(0);

    open_order(false, UNLIMITED);
    for (int i = 0; i < 10; i++) {
        all[i].member.entry.ticket = ++tickets;
        CHECK(order_reserve(&order) == 0);
        order_join(&order, &all[i].member, &endpoint);
    }
    for (int i = 0; i < 5; i++)
        order_activate(&order, order_next(&order));
    for (int i = 0; i < 4; i++)
        order_step_aside(&order, &all[i ^ 1].member); /* not in their order */
    order_return(&order, &all[4].member);
    CHECK(order_next(&order) == &all[4].member && order.startable == 6);
    CHECK(order_active(all[0].member.line) == 0 && order_waiting(all[0].member.line) == 10);
    while (order_last_aside(&order) != NULL)
        order_rejoin(&order, order_last_aside(&order));
    for (int i = 0; i < 10; i++) {
        CHECK(order_next(&order) == &all[i].member);
        order_activate(&order, order_next(&order));
    }
    CHECK(order_next(&order) == NULL);
    order_close(&order);
}

/* Where sources are not told apart, nobody is the busiest. */
static void check_common(void)
{
    const struct order_line *busiest[1];
    struct person person = {.source = 1};
    struct endpoint endpoint = endpoint_of(1);

    options = (struct options){.per_source = UNLIMITED, .per_source_queue = UNLIMITED};
    CHECK(order_open(&order, &options) == 0);
    person.member.entry.ticket = ++tickets;
    CHECK(order_reserve(&order) == 0);
    order_join(&order, &person.member, &endpoint);
    CHECK(order_busiest(&order, busiest, 1) == 0);
    order_limit(&order);
    CHECK(order.startable == 1 && order_next(&order) == &person.member);
    order_close(&order);
}

int main(void)
{
    srand(1);
    for (int fair = 0; fair <= 1; fair++) {
        run(fair, UNLIMITED);
        run(fair, 1);
        run(fair, 3);
    }
    check_one_round();
    check_places();
    check_common();
    return CHECK_RESULT();
}
