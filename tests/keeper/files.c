/*
 * The janitor: which files it puts into their places, which it removes, and which it leaves alone.
 */
#include "supervisor/keeper/janitor.h"
#include "supervisor/keeper/pid_file.h"

#include "tests/shared/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct janitor janitor;

static void make(const char *name, const char *content)
{
    int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    CHECK(file >= 0 && write(file, content, strlen(content)) == (ssize_t)strlen(content));
    (void)close(file);
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

static void without_a_child(void)
{
    make("one", "");
    make("two.new", "");
    CHECK(janitor_add(&janitor, "one") == 0);
    CHECK(janitor_add_temporary(&janitor, "two.new", "./two") == 0);
    CHECK(janitor_add(&janitor, "missing") == -1);
    janitor_close(&janitor);
    CHECK(is_absent("one") && is_absent("two") && is_absent("two.new"));
    CHECK(janitor_start(&janitor, NULL) == 0 && janitor.process == 0);
    CHECK(janitor_publish(&janitor) == 0);
    janitor_close(&janitor);
}

static void with_a_child(void)
{
    static const char noise[100] = "no request";

    for (int i = 0; i < 4; i++)
        make((const char *[]){"early", "late", "gone", "new"}[i], "ours");
    CHECK(janitor_add(&janitor, "early") >= 0 && janitor_add(&janitor, "late") >= 0);
    CHECK(janitor_add(&janitor, "gone") >= 0);
    CHECK(janitor_add_temporary(&janitor, "new", "published") >= 0);
    janitor_lend_path(&janitor, "early", true);
    janitor_lend_path(&janitor, "early", false);
    CHECK(janitor_start(&janitor, NULL) == 0 && janitor.process > 0);
    CHECK(!janitor_reaped(&janitor, janitor.process + 1));
    for (size_t length = 1; length <= sizeof(noise); length++)
        CHECK(send(janitor.socket, noise, length, 0) == (ssize_t)length);
    CHECK(janitor_publish(&janitor) == 0);
    CHECK(has("published", "ours") && is_absent("new"));
    janitor_lend_path(&janitor, "early", true);
    janitor_lend_path(&janitor, "late", true);
    janitor_lend_path(&janitor, "gone", true);
    janitor_lend_path(&janitor, "gone", false);
    janitor_close(&janitor);
    CHECK(has("early", "ours") && has("late", "ours"));
    CHECK(is_absent("gone") && is_absent("published"));
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* Who was in the place is replaced, even if it has gone meanwhile; who has come is not. */
static void in_places(void)
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
        CHECK(janitor_add_temporary(&janitor, "new", "place") == 0);
        CHECK(janitor_start(&janitor, NULL) == 0);
        if (cases[i].comes)
            make("another", "another");
        if (cases[i].leaves)
            CHECK(unlink("place") == 0);
        if (cases[i].comes)
            CHECK(rename("another", "place") == 0);
        errno = 0;
        CHECK((janitor_publish(&janitor) == 0) == cases[i].replaced);
        CHECK(cases[i].replaced || errno == EEXIST);
        CHECK(has("place", cases[i].replaced ? "ours" : "another"));
        janitor_close(&janitor);
        CHECK(is_absent("new") && is_absent("place") == cases[i].replaced);
    }
    (void)unlink("place");
}

static void killed(void)
{
    pid_t process;

    make("new", "ours");
    CHECK(janitor_add_temporary(&janitor, "new", "place") == 0);
    CHECK(janitor_start(&janitor, NULL) == 0);
    process = janitor.process;
    CHECK(process > 0 && kill(process, SIGKILL) == 0 && waitpid(process, NULL, 0) == process);
    CHECK(janitor_reaped(&janitor, process) && !janitor_reaped(&janitor, process));
    CHECK(janitor_publish(&janitor) == -1);
    janitor_close(&janitor);
    CHECK(has("new", "ours"));
}

static void pid_files(void)
{
    static struct janitor other;
    char number[16];
    int first = pid_file_open("pid", 0, &janitor);
    int second;

    (void)snprintf(number, sizeof(number), "%d\n", getpid());
    CHECK(first >= 0 && (fcntl(first, F_GETFD) & FD_CLOEXEC) != 0 && is_absent("pid"));
    CHECK(janitor_start(&janitor, NULL) == 0 && janitor_publish(&janitor) == 0);
    CHECK(has("pid", number));
    CHECK(pid_file_open("pid", 0, &other) == -1 && other.count == 0);
    CHECK(pid_file_open("pid", getpid() + 1, &other) == -1 && other.count == 0);
    /* The other one's is replaced, and it leaves ours alone then. */
    second = pid_file_open("pid", getpid(), &other);
    CHECK(second >= 0 && janitor_start(&other, NULL) == 0 && janitor_publish(&other) == 0);
    janitor_close(&janitor);
    CHECK(has("pid", number));
    janitor_close(&other);
    CHECK(is_absent("pid"));
    (void)close(first);
    (void)close(second);
}

int main(void)
{
    char directory[] = "/tmp/janitor-XXXXXX";

    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return 1;
    without_a_child();
    with_a_child();
    in_places();
    killed();
    pid_files();
    for (int i = 0; i < 3; i++)
        (void)unlink((const char *[]){"early", "late", "new"}[i]);
    CHECK(rmdir(directory) == 0); /* nothing else is left */
    return CHECK_RESULT();
}
