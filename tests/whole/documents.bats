#!/usr/bin/env bats
# Runs every command of README, the recipes and the manuals as a reader would.

load ../shared/helpers
load ../shared/control
load systemd
load documents

setup_file() { boot_systemd; }
teardown_file() { end_systemd; }

README=$ROOT/README.md
RECIPES=$ROOT/scripts/install/recipes.md

@test "README: try it in 30 seconds" {
    begin_reading
    run_section "$README" "Try it in 30 seconds"
}
