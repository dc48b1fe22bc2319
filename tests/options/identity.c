/*
 * Users and groups, by name and by number.  Only root is sure to be known everywhere.
 */
#include "supervisor/options/identity.h"

#include "dispatcher/shared/log.h"
#include "tests/shared/check.h"

#include <string.h>
#include <unistd.h>

static bool has_group(const struct identity *identity, gid_t group)
{
    for (size_t i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == group)
            return true;
    return false;
}

static void check_handlers(void)
{
    struct identity identity;

    CHECK(identity_of_handlers(&identity, "root", NULL));
    CHECK(identity.user == 0 && identity.group == 0 && has_group(&identity, 0));
    CHECK(strcmp(identity.name, "root") == 0 && *identity.directory == '/');
    identity_free(&identity);
    CHECK(identity_of_handlers(&identity, "0", NULL));
    CHECK(identity.user == 0 && strcmp(identity.name, "root") == 0);
    identity_free(&identity);
    CHECK(identity_of_handlers(&identity, "root", "3999999"));
    CHECK(identity.user == 0 && identity.group == 3999999 && has_group(&identity, 3999999));
    identity_free(&identity);
    CHECK(identity_of_handlers(&identity, "3999999", "root"));
    CHECK(identity.user == 3999999 && identity.group == 0 && identity.name == NULL);
    CHECK(identity.group_count == 1 && has_group(&identity, 0));
    identity_free(&identity);
    CHECK(identity_of_handlers(&identity, NULL, "3999999"));
    CHECK(identity.user == geteuid() && identity.group == 3999999 && identity.name == NULL);
    CHECK(identity.group_count == 1 && has_group(&identity, 3999999));
    identity_free(&identity);
    CHECK(!identity_of_handlers(&identity, "3999999", NULL)); /* of which group? */
    CHECK(!identity_of_handlers(&identity, "4294967295", "0"));
    CHECK(!identity_of_handlers(&identity, "-1", "0"));
    CHECK(!identity_of_handlers(&identity, "no-such-user", "0"));
    CHECK(!identity_of_handlers(&identity, "root", "no-such-group"));
    CHECK(!identity_of_handlers(&identity, NULL, "4294967295"));
    CHECK(!identity_of_handlers(&identity, "root:root", NULL));
}

static void check_supervisor(void)
{
    struct identity identity;

    CHECK(identity_of_owner(&identity, "--supervisor-user", "root"));
    CHECK(identity.user == 0 && identity.group == 0 && identity.group_count == 0);
    identity_free(&identity);
    CHECK(identity_of_owner(&identity, "--supervisor-user", "root:3999999"));
    CHECK(identity.user == 0 && identity.group == 3999999 && identity.group_count == 0);
    identity_free(&identity);
    CHECK(identity_of_owner(&identity, "--supervisor-user", "3999999:root"));
    CHECK(identity.user == 3999999 && identity.group == 0 && identity.group_count == 0);
    identity_free(&identity);
    CHECK(!identity_of_owner(&identity, "--supervisor-user", "3999999"));
    CHECK(!identity_of_owner(&identity, "--supervisor-user", "root:"));
    CHECK(!identity_of_owner(&identity, "--supervisor-user", ":root"));
    CHECK(!identity_of_owner(&identity, "--supervisor-user", "root:root:"));
    CHECK(!identity_of_owner(&identity, "--supervisor-user", "no-such-user"));
}

int main(void)
{
    log_open(LOG_LEVEL_WARNING, LOG_FORMAT_TEXT, "supervisor");
    check_handlers();
    check_supervisor();
    return CHECK_RESULT();
}
