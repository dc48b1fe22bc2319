#include "supervisor/pool/requests.h"

void requests_add(struct requests *requests, const union message *request)
{
    switch (request->header.type) {
    case MESSAGE_START:
        starts_add(&requests->starts, request->start.slot, &request->header);
        break;
    case MESSAGE_SIGNAL:
        ++*(request->signal.adopted != 0 ? &requests->adopted : &requests->signals);
        break;
    case MESSAGE_FORK:
        requests->forks++;
        break;
    case MESSAGE_READ:
        requests->reads[request->read.file]++;
        break;
    case MESSAGE_PING:
        requests->pings++;
        break;
    default:
        break;
    }
}

/* Takes one off a count; returns whether there was one. */
static bool take(uint32_t *count)
{
    if (*count == 0)
        return false;
    --*count;
    return true;
}

bool requests_answer(struct requests *requests, const union message *answer)
{
    switch (answer->header.type) {
    case MESSAGE_STARTED:
        return answer->started.process > 1 && starts_answer(&requests->starts, &answer->header);
    case MESSAGE_FAILED:
        return answer->failed.error > 0 && starts_answer(&requests->starts, &answer->header);
    case MESSAGE_SIGNALLED:
        return take(answer->signalled.adopted != 0 ? &requests->adopted : &requests->signals);
    case MESSAGE_FORKED:
        return (answer->forked.error == 0) == (answer->forked.process > 1) &&
               take(&requests->forks);
    case MESSAGE_CONTENT:
        return answer->content.error >= 0 && answer->content.file < PROTOCOL_FILES &&
               take(&requests->reads[answer->content.file]);
    case MESSAGE_PONG:
        return take(&requests->pings);
    default:
        return false;
    }
}

bool requests_are_open(const struct requests *requests)
{
    uint32_t open = requests->starts.count + requests->signals + requests->adopted +
                    requests->forks + requests->pings;

    for (int file = 0; file < PROTOCOL_FILES; file++)
        open += requests->reads[file];
    return open > 0;
}
