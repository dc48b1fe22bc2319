/*
 * The dispatcher's table of children, by many random steps against a plain model; process ids that
 * collide on purpose.
 */
#include "dispatcher/children.h"

#include "tests/shared/check.h"

#include <stdlib.h>

enum { PROCESSES = 4000, STEPS = 300000 };

/* Many of them have their home in the same few places. */
static int32_t process_of(int index)
{
    return 1 + (index % 40) * 64 + (index / 40) * 65536;
}

int main(void)
{
    static bool present[PROCESSES];
    struct child_record record;

    CHECK(children_find(1) == NULL && children_find(0) == NULL && children_find(-1) == NULL);
    CHECK(children_reserve() == 0);
    CHECK(!children_remove(1, &record));
    srand(1);
    for (int step = 0; step < STEPS; step++) {
        int index = rand() % PROCESSES;
        int32_t process = process_of(index);
        const struct child_record *found = children_find(process);

        CHECK((found != NULL) == present[index]);
        CHECK(found == NULL || (found->process == process && found->ticket == (uint64_t)index + 1));
        if (present[index]) {
            CHECK(children_remove(process, &record) && record.client == (uint32_t)index);
        } else {
            CHECK(children_reserve() == 0);
            children_add((struct child_record){
                .process = process, .client = (uint32_t)index, .ticket = (uint64_t)index + 1});
        }
        present[index] = !present[index];
    }
    return CHECK_RESULT();
}
