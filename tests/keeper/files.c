/*
 * Tests files.h: which files it puts into their places, removes, and leaves alone; pid files; and
 * the locks of file.h.
 */
#include "supervisor/keeper/files.h"

#include "dispatcher/shared/interrupter.h"
#include "supervisor/base/file.h"
#include "supervisor/base/loop.h"
#include "supervisor/keeper/pid_file.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct files files;

static void make(const char *name, const char *content)
{
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    CHECK(file >= 0 && write(file, content, strlen(content)) == (ssize_t)strlen(content));
    (void)close(file);
}

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    CHECK(bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0);
    (void)close(descriptor);
}

static bool has(const char *name, const char *content)
{
    char found[32] = "";
    int file = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, found, sizeof(found) - 1);

    if (file >= 0)
        (void)close(file);
    return length >= 0 && strcmp(found, content) == 0;
}

static bool is_absent(const char *name)
{
    return access(name, F_OK) != 0 && errno == ENOENT;
}

/* As at the end of the daemon. */
static void end(struct files *all)
{
    files_remove(all);
    files_close(all);
    *all = (struct files){0};
}

static void check_added(void)
{
    make("one", "");
    make("two.new", "");
    CHECK(files_add(&files, "one") == 0);
    CHECK(files_add_temporary(&files, "two.new", "./two") == 0);
    CHECK(files_add(&files, "missing") == -1 && files.count == 2);
    end(&files);
    CHECK(is_absent("one") && is_absent("two") && is_absent("two.new"));
    CHECK(files_publish(&files) == 0); /* nothing */
    end(&files);
}

/* A process that does not remove the files only closes them. */
static void check_closed(void)
{
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int after;

    (void)close(before);
    make("one", "ours");
    CHECK(files_add(&files, "one") == 0);
    files_close(&files);
    files = (struct files){0};
    after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)close(after);
    CHECK(after == before && has("one", "ours"));
    (void)unlink("one");
}

static void check_lent(void)
{
    for (int i = 0; i < 3; i++)
        make((const char *[]){"lent", "returned", "new"}[i], "ours");
    CHECK(files_add(&files, "lent") == 0 && files_add(&files, "returned") == 0);
    CHECK(files_add_temporary(&files, "new", "published") == 0);
    CHECK(files_find(&files, "lent") == 0 && files_find(&files, "returned") == 1);
    CHECK(files_find(&files, "published") == 2 && files_find(&files, "new") == 3);
    CHECK(files_publish(&files) == 0);
    CHECK(has("published", "ours") && is_absent("new"));
    CHECK(files_lend(&files, 0, true) && files_lend(&files, 1, true));
    CHECK(files_lend(&files, 1, false));
    CHECK(!files_lend(&files, 3, true) && !files_lend(&files, UINT32_MAX, true));
    end(&files);
    CHECK(has("lent", "ours"));
    CHECK(is_absent("returned") && is_absent("published"));
    (void)unlink("lent");
}

/* The socket of another daemon is ours from files_publish() on, even if that fails. */
static void check_borrowed(void)
{
    make_socket("theirs");
    make("regular", "theirs");
    CHECK(files_borrow(&files, "regular") == -1 && files_borrow(&files, "missing") == -1);
    CHECK(files_borrow(&files, "theirs") == 0 && files.count == 1);
    end(&files);
    CHECK(access("theirs", F_OK) == 0);

    CHECK(files_borrow(&files, "theirs") == 0);
    make("new", "ours");
    CHECK(files_add_temporary(&files, "new", "place") == 0);
    make("place", "another");
    CHECK(files_publish(&files) == EEXIST);
    end(&files);
    CHECK(is_absent("theirs") && is_absent("new") && has("place", "another"));
    CHECK(has("regular", "theirs"));
    (void)unlink("regular");
    (void)unlink("place");
}

/* A file that was in the place before is replaced, even if it has gone meanwhile.  A file that has
 * come since is not. */
static void check_places(void)
{
    static const struct {
        bool before, leaves, comes, replaced;
    } cases[] = {{true, false, false, true},
                 {true, true, false, true},
                 {false, false, true, false},
                 {true, true, true, false}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        (void)unlink("place");
        if (cases[i].before)
            make("place", "before");
        make("new", "ours");
        CHECK(files_add_temporary(&files, "new", "place") == 0);
        if (cases[i].comes)
            make("another", "another");
        if (cases[i].leaves)
            CHECK(unlink("place") == 0);
        if (cases[i].comes)
            CHECK(rename("another", "place") == 0);
        CHECK(files_publish(&files) == (cases[i].replaced ? 0 : EEXIST));
        CHECK(has("place", cases[i].replaced ? "ours" : "another"));
        end(&files);
        CHECK(is_absent("new") && is_absent("place") == cases[i].replaced);
    }
    (void)unlink("place");
}

/* A name that stands for another file by now is left alone, before and after publication. */
static void check_replaced(void)
{
    make("new", "ours");
    CHECK(files_add_temporary(&files, "new", "place") == 0);
    make("another", "another");
    CHECK(rename("another", "new") == 0);
    CHECK(files_publish(&files) == ESTALE && is_absent("place"));
    end(&files);
    CHECK(has("new", "another"));
    (void)unlink("new");

    make("new", "ours");
    CHECK(files_add_temporary(&files, "new", "place") == 0 && files_publish(&files) == 0);
    make("another", "another");
    CHECK(rename("another", "place") == 0);
    end(&files);
    CHECK(has("place", "another"));
    (void)unlink("place");
}

static void check_pid_files(void)
{
    static struct files other;
    char number[16];

    (void)snprintf(number, sizeof(number), "%d\n", getpid());
    CHECK(pid_file_open("pid", 0, &files) == 0 && is_absent("pid"));
    CHECK(files.held > 0 && (fcntl(files.held, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(files_publish(&files) == 0);
    CHECK(has("pid", number));
    CHECK(pid_file_open("pid", 0, &other) == -1 && other.count == 0 && other.held == 0);
    CHECK(pid_file_open("pid", getpid() + 1, &other) == -1 && other.count == 0);
    files_yield(&files);
    CHECK(files.held > 0); /* nobody has taken over */
    /* The other daemon's file replaces ours, and we leave it alone. */
    CHECK(pid_file_open("pid", getpid(), &other) == 0 && files_publish(&other) == 0);
    files_yield(&files);
    CHECK(files.held == 0 && other.held > 0);
    end(&files);
    CHECK(has("pid", number) && !is_absent(".pid.lock"));
    CHECK(pid_file_open("pid", 0, &files) == -1); /* the other one holds the name */
    end(&other);
    CHECK(is_absent("pid") && is_absent(".pid.lock"));
}

static int lock_place(void)
{
    return file_lock(AT_FDCWD, "place", 0);
}

/* Another user could open such a lock file. */
static void check_foreign_lock(void)
{
    int lock;

    make(".place.lock", "");
    CHECK(chmod(".place.lock", 0644) == 0 && lock_place() == -1 && errno == EPERM);
    CHECK(chmod(".place.lock", 0600) == 0 && link(".place.lock", "link") == 0);
    CHECK(lock_place() == -1 && errno == EPERM);
    CHECK(unlink(".place.lock") == 0 && symlink("link", ".place.lock") == 0);
    CHECK(lock_place() == -1 && errno == ELOOP);
    CHECK(unlink(".place.lock") == 0 && mkfifo(".place.lock", 0600) == 0);
    CHECK(lock_place() == -1 && errno == EPERM);
    CHECK(unlink(".place.lock") == 0 && rename("link", ".place.lock") == 0);
    lock = lock_place();
    CHECK(lock >= 0);
    file_unlock(AT_FDCWD, "place", lock);
    CHECK(is_absent(".place.lock"));
}

/* Signals that interrupt each wait do not shorten the time. */
static void check_patience(void)
{
    enum { PATIENCE = 200 /* milliseconds */ };
    uint64_t began = loop_clock();

    interrupter_prepare(true);
    interrupter_begin();
    CHECK(file_lock(AT_FDCWD, "place", PATIENCE) == -1 && errno == EAGAIN);
    interrupter_end();
    CHECK(loop_clock() - began >= PATIENCE * (uint64_t)LOOP_MILLISECOND);
}

static void check_locks(void)
{
    int lock = lock_place();
    int again;
    struct stat status;

    CHECK(lock >= 0 && stat(".place.lock", &status) == 0 && (status.st_mode & 0777) == 0600);
    CHECK(lock_place() == -1 && errno == EAGAIN);
    check_patience();
    CHECK(!file_is_held(lock) && file_hold(lock) == 0 && !file_is_held(lock));
    again = lock_place();
    CHECK(again >= 0 && file_is_held(again));
    file_unlock(AT_FDCWD, "place", again);
    CHECK(!is_absent(".place.lock")); /* the name is held */
    file_unlock(AT_FDCWD, "place", lock);
    CHECK(is_absent(".place.lock"));
}

int main(void)
{
    char directory[] = "/tmp/files-XXXXXX";

    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return 1;
    check_added();
    check_closed();
    check_lent();
    check_borrowed();
    check_places();
    check_replaced();
    check_pid_files();
    check_locks();
    check_foreign_lock();
    CHECK(rmdir(directory) == 0); /* nothing else is left */
    return CHECK_RESULT();
}
