#!/usr/bin/env bats
# Tests building, installing and the manuals, as a packager and a new user meet them.

load ../shared/helpers

make_here() { make -C "$ROOT" --no-print-directory -s "$@"; }

# builds_clean COMPILER FLAGS TARGET...: builds in a folder of its own, where every warning is an error.
# scripts/trials/platforms builds the tests with every compiler, which takes longer.
builds_clean() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
    make_here -j2 BUILD="$PWD/build" CC="$1" "CFLAGS=$2 -Werror" "${@:3}"
}

# Copies the objects of the build under test; make reuses them if the flags are the same.
begin_with_objects() {
    mkdir -p build/objects
    cp -a "$BUILD/objects/." build/objects # the folder may be a link
}

serves() {
    DAMPENER=$1
    start --address 127.0.0.1 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "clang builds without a warning" { builds_clean clang '-O0 -D_FORTIFY_SOURCE=0' all; }

@test "musl-gcc builds without a warning, and the programs serve, dynamically and statically linked" {
    local program
    builds_clean musl-gcc -O1 all
    serves "$PWD/build/socket-burst-dampener"
    check_and_end
    builds_clean musl-gcc -O1 STATIC=1 all
    for program in socket-burst-dampener dispatcher dampenerctl; do
        run ldd "build/$program"
        [[ $output == *"not a dynamic executable"* || $output == *"statically linked"* ]]
    done
    serves "$PWD/build/socket-burst-dampener"
}

# Without this macro dispatcher/shared/kernel_call.h does not recognize an x86-64 compiler, and libc's
# headers still work.
@test "on an architecture whose system calls are unknown the programs build and serve" {
    [[ -n ${DAMPENER_LONG:-} ]] || skip "builds everything; scripts/check --long runs it"
    [[ $(cc -dumpmachine) == x86_64-* ]] || skip "this machine cannot imitate another architecture"
    make_here -j2 BUILD="$PWD/build" CC=cc CPPFLAGS=-U__LP64__ CFLAGS='-O1 -Werror' all
    nm -u build/objects/dispatcher/spawn.o | grep -qw syscall
    cp "$ANSWER" handler
    DAMPENER=$PWD/build/socket-burst-dampener
    start --address 127.0.0.1 --processes 8 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 100
    # The log shows the reason for a failed exec.
    mv handler hidden
    "$BURST" "$ADDRESS" "$PORT" 1 &
    local client=$!
    await has_line 'cannot start a handler, .*No such file or directory' "$LOG"
    mv hidden handler
    wait "$client"
    [[ $(sort -u "$ANSWERS" | wc -l) == 101 ]]
}

# scripts/trials/platforms tests the other platforms, which takes longer.
@test "the 32-bit programs build without a warning and serve" {
    [[ $(uname -m) == x86_64 ]] || skip "this processor cannot run the programs"
    command -v i686-linux-gnu-gcc >/dev/null || skip "i686-linux-gnu-gcc is not installed"
    "$ROOT/scripts/trials/platforms" --short >table 3>&- 4>&-
    cat table
    [[ $(tail -n 1 table) == "platforms: 1 platforms without a warning, "* ]]
    if grep -q 'not executed by this kernel' table; then
        skip "the build succeeds, but this kernel runs no 32-bit programs"
    fi
}

@test "the programs are position-independent, with read-only relocations and no executable stack" {
    command -v readelf >/dev/null || skip "readelf is not installed"
    local program
    for program in "$DAMPENER" "$BUILD/dispatcher" "$BUILD/dampenerctl"; do
        readelf -h "$program" | grep -q 'Type: *DYN'
        readelf -d "$program" | grep -q 'FLAGS.*NOW'
        readelf -lW "$program" | grep -q GNU_RELRO
        readelf -lW "$program" | grep -q 'GNU_STACK.* RW '
    done
}

@test "installed programs find each other, and uninstall leaves no file" {
    begin_with_objects
    make_here -j2 BUILD="$PWD/build" PREFIX="$PWD/prefix" install
    [[ $(cd prefix && find . -type f | sort) == "$(sort <<FILES
./bin/dampenerctl
./etc/conf.d/socket-burst-dampener
./etc/init.d/socket-burst-dampener
./lib/systemd/system/socket-burst-dampener@.service
./lib/systemd/system/socket-burst-dampener@.socket
./libexec/socket-burst-dampener/dispatcher
./sbin/socket-burst-dampener
./share/bash-completion/completions/dampenerctl
./share/bash-completion/completions/socket-burst-dampener
./share/fish/vendor_completions.d/dampenerctl.fish
./share/fish/vendor_completions.d/socket-burst-dampener.fish
./share/man/man1/dampenerctl.1
./share/man/man5/socket-burst-dampener.5
./share/man/man7/socket-burst-dampener.7
./share/man/man8/socket-burst-dampener.8
./share/socket-burst-dampener/recipes.md
./share/socket-burst-dampener/s6/config
./share/socket-burst-dampener/s6/finish
./share/socket-burst-dampener/s6/notification-fd
./share/socket-burst-dampener/s6/run
./share/socket-burst-dampener/workers/daytime.c
./share/socket-burst-dampener/workers/finger.pl
./share/socket-burst-dampener/workers/http.php
./share/socket-burst-dampener/workers/http.py
./share/socket-burst-dampener/workers/quote.rb
./share/zsh/site-functions/_dampenerctl
./share/zsh/site-functions/_socket-burst-dampener
FILES
)" ]]
    rm -r build
    serves "$PWD/prefix/sbin/socket-burst-dampener"
    prefix/bin/dampenerctl --version | grep -q "^dampenerctl [0-9]"
    check_and_end
    make_here BUILD="$PWD/build" PREFIX="$PWD/prefix" uninstall
    [[ -z $(find prefix -type f) ]]
    [[ ! -e prefix/libexec/socket-burst-dampener && ! -e prefix/share/socket-burst-dampener ]]
}

@test "DESTDIR decides where files are installed, not where programs look for them" {
    begin_with_objects
    make_here -j2 BUILD="$PWD/build" PREFIX=/usr DESTDIR="$PWD/image" install
    [[ -x image/usr/sbin/socket-burst-dampener ]]
    run image/usr/sbin/socket-burst-dampener 0 cat
    [[ $status == 1 ]]
    [[ $output == *"cannot find the dispatcher"*"/usr/libexec/socket-burst-dampener/dispatcher"* ]]
}

@test "a running daemon goes on serving when its programs are removed" {
    mkdir copy
    cp "$DAMPENER" "$BUILD/dispatcher" copy/
    DAMPENER=$PWD/copy/socket-burst-dampener
    start -vv --address 127.0.0.1 0 cat
    rm -r copy
    # shellcheck disable=SC2046
    kill -KILL $(dispatchers)
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
    grep -q 'replacing it' "$LOG"
}

@test "the manuals are clean, and the manual shows every option" {
    local option
    for option in $("$DAMPENER" --help | grep -E '^  (-[a-z], )?--' |
        grep -oE -- '--[a-z][a-z0-9-]+' | sort -u); do
        grep -q -- "Fl -${option#--}" "$ROOT/supervisor/manual/socket-burst-dampener.8" ||
            { echo "manual: $option" >&2; false; }
    done
    command -v mandoc >/dev/null || skip "mandoc is not installed"
    mandoc -Tlint -W warning "$ROOT"/supervisor/manual/*
}

@test "the manual of dampenerctl is clean and shows every command and option" {
    local word
    for word in $("$BUILD/dampenerctl" --help | sed -nE 's/^  (-h, )?(--)?([a-z]+) .*/\3/p'); do
        grep -qE "^\.It (Cm|Fl).*\<$word\>" "$ROOT/supervisor/dampenerctl/dampenerctl.1" ||
            { echo "manual: $word" >&2; false; }
    done
    command -v mandoc >/dev/null || skip "mandoc is not installed"
    mandoc -Tlint -W warning "$ROOT/supervisor/dampenerctl/dampenerctl.1"
}
