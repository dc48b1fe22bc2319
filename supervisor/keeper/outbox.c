#include "supervisor/keeper/outbox.h"

#include "dispatcher/shared/log.h"

#include <errno.h>
#include <unistd.h>

static struct outbox_report *report_at(struct outbox *outbox, uint64_t number)
{
    return &outbox->kept[number % (OUTBOX_KEPT + OUTBOX_BEYOND)];
}

/* Returns how many reports may be kept, with one of this type; 0: it is not kept. */
static unsigned room_for(uint32_t type)
{
    switch (type) {
    case LINK_BEGUN:
    case LINK_DIED:
    case LINK_STOPPED:
    case LINK_OPENED:
    case LINK_RENEW:
        return OUTBOX_KEPT;
    case LINK_BEGUN_ALL:
    case LINK_CAUGHT:
    case LINK_UNHEARD:
        return OUTBOX_KEPT + OUTBOX_BEYOND;
    default: /* an answer: the next supervisor asks again */
        return 0;
    }
}

bool outbox_is_blocked(const struct outbox *outbox)
{
    return outbox->sent < outbox->made || outbox->other.message.type != 0;
}

bool outbox_has_room(const struct outbox *outbox)
{
    return !outbox_is_blocked(outbox) && outbox->made - outbox->heard < OUTBOX_KEPT;
}

/* Returns the equal report that is kept beyond OUTBOX_KEPT; NULL: there is none. */
static struct outbox_report *find_beyond(struct outbox *outbox, const struct link_message *message)
{
    for (uint64_t i = outbox->heard + OUTBOX_KEPT + 1; i <= outbox->made; i++)
        if (report_at(outbox, i)->message.type == message->type &&
            report_at(outbox, i)->message.value == message->value)
            return report_at(outbox, i);
    return NULL;
}

/* A supervisor that is gone needs no report. */
static bool send_one(const struct outbox *outbox, const struct outbox_report *report)
{
    return link_send(outbox->link, &report->message, report->descriptors) == 0 || errno == EPIPE ||
           errno == ECONNRESET;
}

static void close_all(const struct outbox_report *report)
{
    for (unsigned i = 0; i < link_descriptors(&report->message); i++)
        (void)close(report->descriptors[i]); /* the supervisor has copies of its own */
}

void outbox_flush(struct outbox *outbox)
{
    while (outbox->sent < outbox->made) {
        if (!send_one(outbox, report_at(outbox, outbox->sent + 1)))
            return;
        outbox->sent++;
    }
    if (outbox->other.message.type != 0 && send_one(outbox, &outbox->other)) {
        close_all(&outbox->other);
        outbox->other.message.type = 0;
    }
}

/* Gives a report its number and place. */
static struct outbox_report *keep(struct outbox *outbox, struct link_message message)
{
    struct outbox_report *report = report_at(outbox, ++outbox->made);

    message.number = outbox->made;
    *report = (struct outbox_report){.message = message};
    return report;
}

/* Merges a report with an equal one beyond OUTBOX_KEPT.  Returns false if there is none. */
static bool merge(struct outbox *outbox, const struct link_message *message)
{
    struct outbox_report *equal = find_beyond(outbox, message);

    if (equal != NULL && equal->message.number <= outbox->sent)
        equal->again = true;
    return equal != NULL;
}

void outbox_add(struct outbox *outbox, struct link_message message, const int *descriptors)
{
    struct outbox_report *report = &outbox->other;
    unsigned room = room_for(message.type);

    if (merge(outbox, &message))
        return;
    if (room == 0 ? outbox_is_blocked(outbox) : outbox->made - outbox->heard >= room)
        log_bug("there is no room for another report");
    if (room > 0)
        report = keep(outbox, message);
    else
        report->message = message;
    for (unsigned i = 0; i < link_descriptors(&message); i++)
        report->descriptors[i] = descriptors[i];
    outbox_flush(outbox);
}

/* Forgets without sending anything. */
static void forget(struct outbox *outbox, uint64_t number)
{
    const uint64_t last = number < outbox->made ? number : outbox->made;

    while (outbox->heard < last) {
        const struct outbox_report report = *report_at(outbox, ++outbox->heard);

        close_all(&report);
        if (outbox->sent < outbox->heard)
            outbox->sent = outbox->heard;
        /* Its place is free, and a report that is made again brings no descriptors. */
        if (report.again && !merge(outbox, &report.message))
            (void)keep(outbox, report.message);
    }
}

void outbox_forget(struct outbox *outbox, uint64_t number)
{
    forget(outbox, number);
    outbox_flush(outbox);
}

void outbox_repeat(struct outbox *outbox, uint64_t number)
{
    forget(outbox, number);
    outbox->sent = outbox->heard;
    outbox_flush(outbox);
}
