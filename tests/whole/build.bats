#!/usr/bin/env bats
# Building, installing and documenting: what a packager and a new user meet.

load ../shared/helpers

make_here() { make -C "$ROOT" --no-print-directory -s "$@"; }

# COMPILER FLAGS TARGET...: a build of its own, with every warning an error.  That the tests themselves
# build so with each compiler takes longer: scripts/trials/platforms.
builds_clean() {
    command -v "$1" >/dev/null || skip "$1 is not installed"
    make_here -j2 BUILD="$PWD/build" CC="$1" "CFLAGS=$2 -Werror" "${@:3}"
}

# What the build under test has compiled need not be compiled again, if the flags are the same.
begin_with_objects() {
    mkdir -p build/objects
    cp -a "$BUILD/objects/." build/objects # the folder may be a link
}

serves() {
    DAMPENER=$1
    start --address 127.0.0.1 0 cat
    [[ $(echo hello | nc -N 127.0.0.1 "$PORT") == hello ]]
}

@test "gcc builds without a warning" { builds_clean gcc -O2 all; }
@test "clang builds without a warning" { builds_clean clang '-O0 -D_FORTIFY_SOURCE=0' all tests; }

@test "musl-gcc builds without a warning, and the result serves, linked statically, too" {
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

# Without the macro an x86-64 compiler is one that dispatcher/shared/kernel_call.h does not know, and libc's
# headers do not mind.
@test "for an architecture whose system calls are not known it builds, and the result serves" {
    [[ $(cc -dumpmachine) == x86_64-* ]] || skip "this cannot pass for another architecture"
    make_here -j2 BUILD="$PWD/build" CC=cc CPPFLAGS=-U__LP64__ CFLAGS='-O1 -Werror' all
    nm -u build/objects/dispatcher/spawn.o | grep -qw syscall
    cp "$ANSWER" handler
    DAMPENER=$PWD/build/socket-burst-dampener
    start --address 127.0.0.1 --processes 8 --dispatchers 1 0 ./handler "$ANSWERS" "$COUNTER"
    "$BURST" "$ADDRESS" "$PORT" 100
    # An exec that fails is told as such.
    mv handler hidden
    "$BURST" "$ADDRESS" "$PORT" 1 &
    local client=$!
    await has_line 'cannot start a handler, .*No such file or directory' "$LOG"
    mv hidden handler
    wait "$client"
    [[ $(sort -u "$ANSWERS" | wc -l) == 101 ]]
}

# The other platforms take longer: scripts/trials/platforms.
@test "for 32 bits it builds without a warning, and serves" {
    [[ $(uname -m) == x86_64 ]] || skip "this processor does not run it"
    command -v i686-linux-gnu-gcc >/dev/null || skip "i686-linux-gnu-gcc is not installed"
    "$ROOT/scripts/trials/platforms" --short >table 3>&- 4>&-
    cat table
    [[ $(tail -n 1 table) == "platforms: 1 platforms without a warning, "* ]]
    if grep -q 'not executed by this kernel' table; then
        skip "it builds without a warning, but this kernel executes nothing for 32 bits"
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

@test "installed programs find each other, and uninstall leaves nothing" {
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
./share/man/man8/socket-burst-dampener.8
./share/socket-burst-dampener/s6/config
./share/socket-burst-dampener/s6/finish
./share/socket-burst-dampener/s6/notification-fd
./share/socket-burst-dampener/s6/run
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

@test "DESTDIR is only where files are put, not where programs look" {
    begin_with_objects
    make_here -j2 BUILD="$PWD/build" PREFIX=/usr DESTDIR="$PWD/image" install
    [[ -x image/usr/sbin/socket-burst-dampener ]]
    run image/usr/sbin/socket-burst-dampener 0 cat
    [[ $status == 1 ]]
    [[ $output == *"cannot find the dispatcher"*"/usr/libexec/socket-burst-dampener/dispatcher"* ]]
}

@test "a running daemon does not mind that its programs are replaced or removed" {
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

@test "the manual is clean, and it and README name every option" {
    local option
    for option in $("$DAMPENER" --help | grep -E '^  (-[a-z], )?--' |
        grep -oE -- '--[a-z][a-z0-9-]+' | sort -u); do
        grep -q -- "\*\*\`$option\|\`$option" "$ROOT/README.md" || { echo "README: $option" >&2; false; }
        grep -q -- "Fl -${option#--}" "$ROOT/supervisor/socket-burst-dampener.8" ||
            { echo "manual: $option" >&2; false; }
    done
    command -v mandoc >/dev/null || skip "mandoc is not installed"
    mandoc -Tlint -W warning "$ROOT/supervisor/socket-burst-dampener.8"
}

@test "the manual of dampenerctl is clean, and names every command and option" {
    local word
    for word in $("$BUILD/dampenerctl" --help | sed -nE 's/^  (-h, )?(--)?([a-z]+) .*/\3/p'); do
        grep -qE "^\.It (Cm|Fl).*\<$word\>" "$ROOT/supervisor/dampenerctl/dampenerctl.1" ||
            { echo "manual: $word" >&2; false; }
    done
    command -v mandoc >/dev/null || skip "mandoc is not installed"
    mandoc -Tlint -W warning "$ROOT/supervisor/dampenerctl/dampenerctl.1"
}
