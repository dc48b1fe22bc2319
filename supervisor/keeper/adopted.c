#include "supervisor/keeper/adopted.h"

/* Returns the place of a child in the list, or the first place behind it. */
static unsigned place_of(const struct keeper *keeper, pid_t process)
{
    unsigned place = 0;

    while (place < keeper->adopted_count && keeper->adopted[place].process != process)
        place++;
    return place;
}

bool adopted_note(struct keeper *keeper, pid_t process, uint32_t mark)
{
    const unsigned place = place_of(keeper, process);

    if (place == KEEPER_ADOPTED)
        return false;
    keeper->adopted[place] = (struct keeper_adopted){.process = process, .mark = mark};
    if (place == keeper->adopted_count)
        keeper->adopted_count++;
    return true;
}

bool adopted_forget(struct keeper *keeper, pid_t process, uint32_t *mark)
{
    const unsigned place = place_of(keeper, process);

    if (place == keeper->adopted_count)
        return false;
    *mark = keeper->adopted[place].mark;
    keeper->adopted[place] = keeper->adopted[--keeper->adopted_count];
    return true;
}
