#include "supervisor/keeper/awaited.h"

#include <stdlib.h>

enum { ROOM_FIRST = 16 /* processes */ };

bool awaited_add(struct awaited *awaited, pid_t process, uint32_t mark)
{
    const size_t place = awaited_find(awaited, process);

    if (place == awaited->room) {
        size_t room = awaited->room == 0 ? ROOM_FIRST : 2 * awaited->room;
        struct awaited_process *list = reallocarray(awaited->list, room, sizeof(*list));

        if (list == NULL)
            return false;
        awaited->list = list;
        awaited->room = room;
    }
    awaited->list[place] = (struct awaited_process){.process = process, .mark = mark};
    if (place == awaited->count)
        awaited->count++;
    return true;
}

size_t awaited_find(const struct awaited *awaited, pid_t process)
{
    size_t place = 0;

    while (place < awaited->count && awaited->list[place].process != process)
        place++;
    return place;
}

void awaited_remove(struct awaited *awaited, size_t place)
{
    awaited->list[place] = awaited->list[--awaited->count];
}
