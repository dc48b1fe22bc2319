#include "dispatcher/ledger.h"

#include "dispatcher/shared/kernel_call.h"
#include "dispatcher/shared/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static_assert(offsetof(struct ledger, sent) == 0 &&
                  sizeof(((struct mmsghdr *)NULL)->msg_len) == sizeof(uint32_t) &&
                  offsetof(struct mmsghdr, msg_len) == sizeof(struct msghdr),
              "msg_len can be the first word of the ledger, and what precedes it private");

/* Reserves a private page in front of the ledger, for struct msghdr. */
static char *reserve(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *both = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (both == MAP_FAILED)
        log_die(1, "dispatcher: cannot map the ledger: %m");
    return both + page;
}

struct ledger *ledger_map(bool workers)
{
    struct ledger *ledger =
        mmap(workers ? reserve() : NULL, sizeof(*ledger), PROT_READ | PROT_WRITE,
             workers ? MAP_SHARED | MAP_FIXED : MAP_SHARED, PROTOCOL_LEDGER, 0);

    if (ledger == MAP_FAILED)
        log_die(1, "dispatcher: cannot map the ledger: %m");
    (void)close(PROTOCOL_LEDGER); /* the mapping stays */
    /* The kernel's write at clone or sendmmsg(2) must not meet a swapped-out page.  Without the
     * right to lock, the write just before the call serves nearly as well. */
    (void)mlock(ledger, sizeof(*ledger));
    return ledger;
}

static void put(uint32_t *place, uint32_t value)
{
    __atomic_store_n(place, value, __ATOMIC_SEQ_CST);
}

/* The kernel reads the header from our own page, where the supervisor cannot change it, and writes
 * the length of what was sent into the ledger.  It checks for signals only afterwards. */
int ledger_hand_over(struct ledger *ledger, unsigned slot, int32_t process, int socket, char *block,
                     size_t length, int client)
{
    struct iovec content = {.iov_base = block, .iov_len = length};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = (socklen_t)CMSG_LEN(sizeof(int))}};
    struct mmsghdr *message = (void *)((char *)ledger - offsetof(struct mmsghdr, msg_len));
    long result;

    memcpy(CMSG_DATA(&control.header), &client, sizeof(client));
    message->msg_hdr = (struct msghdr){.msg_iov = &content,
                                       .msg_iovlen = 1,
                                       .msg_control = &control,
                                       .msg_controllen = (socklen_t)CMSG_LEN(sizeof(int))};
    put(&ledger->sent, 0); /* this also makes the page present and writable */
    __atomic_store_n(&ledger->worker, process, __ATOMIC_SEQ_CST);
    put(&ledger->sending, slot);
    do {
        /* Not sendmmsg(3): some libcs make sendmsg(2) of it. */
        result = kernel_call(SYS_sendmmsg, socket, (long)message, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (result == -EINTR);
    /* EFAULT: the message was sent, and its length could not be written. */
    if (result < 0 && result != -EFAULT) {
        errno = (int)-result;
        return -1;
    }
    __atomic_store_n(&ledger->slots[slot].process, process, __ATOMIC_SEQ_CST);
    put(&ledger->sent, 0);
    return 0;
}
