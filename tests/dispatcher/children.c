/*
 * The dispatcher's table of children, by many random steps against a plain model: while it is
 * small, many times, so that records reach over its end; then while it grows.
 */
#include "dispatcher/children.h"

#include "tests/shared/check.h"

#include <stdbool.h>
#include <stdlib.h>

enum { MOST = 4000, FEW = 40, ROUNDS = 500 };

/* Some in sequence, as the kernel assigns them, and some far apart. */
static int32_t process_of(int round, int index)
{
    return index % 2 == 0 ? 1 + index + round * MOST : 65536 * (1 + index) + round;
}

static void run(int round, int processes, int steps)
{
    bool present[MOST] = {false};

    CHECK(children_find(1) == NULL && children_find(0) == NULL && children_find(-1) == NULL);
    CHECK(children_reserve() == 0);
    children_remove(1);
    for (int step = 0; step < steps; step++) {
        int index = rand() % processes;
        int32_t process = process_of(round, index);
        const struct child_record *found = children_find(process);

        CHECK((found != NULL) == present[index]);
        CHECK(found == NULL || (found->process == process && found->client == (uint32_t)index &&
                                found->ticket == (uint64_t)index + 1));
        if (present[index]) {
            children_remove(process);
        } else {
            CHECK(children_reserve() == 0);
            children_add((struct child_record){
                .process = process, .client = (uint32_t)index, .ticket = (uint64_t)index + 1});
        }
        present[index] = !present[index];
    }
    for (int index = 0; index < processes; index++)
        children_remove(process_of(round, index)); /* those that are not there, too */
}

int main(void)
{
    srand(1);
    for (int round = 0; round < ROUNDS; round++)
        run(round, FEW, 1000);
    run(0, MOST, 300000);
    return CHECK_RESULT();
}
