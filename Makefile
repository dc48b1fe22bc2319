# socket-burst-dampener
#
#   make              the programs, in build/
#   make STATIC=1     the same, linked statically (CC=musl-gcc is a good choice)
#   make check        every test
#   make sanitize     every test, with ASan and UBSan, in build/sanitize/
#   make bench        measures, beside the peers that are installed
#   make bench-check  says whether a connection has become dearer than recorded
#   make lint         formatting, static analysis, shell scripts, manual, and who includes whom
#   make install      under PREFIX, below DESTDIR; make uninstall takes it away again

VERSION    ?= 0.1.0
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/socket-burst-dampener
MANDIR     ?= $(PREFIX)/share/man
DESTDIR    ?=

# Where service managers and shells look.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
DATADIR    ?= $(PREFIX)/share/socket-burst-dampener
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions

CC       ?= cc
INSTALL  ?= install
CFLAGS   ?= -O2 -g
LDFLAGS  ?=
BUILD    ?= build
STATIC   ?= 0
SANITIZE ?= 0
COVERAGE ?= 0
MEMCHECK ?= 0
FUZZ     ?= 0

# A distribution's own level wins: redefining it would warn.
FORTIFY  := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual \
            -Wcast-align -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wnull-dereference \
            -Wimplicit-fallthrough -Wdouble-promotion
HARDENED := -fstack-protector-strong -fPIE
LINKED   := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

ifeq ($(SANITIZE),1)
FORTIFY  :=
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
leaks    := $(BUILD)/objects/tests/leaks.o
endif
ifeq ($(COVERAGE),1)
# Takes clang.  The counters are in files that are mapped: kill -9 loses nothing, and once a process
# runs, neither its user nor its root directory nor a filter of system calls matters.
SANITIZERS += -fprofile-instr-generate=$(abspath $(BUILD))/profiles/%m%c.profraw -fcoverage-mapping \
              -Xclang -mllvm -Xclang -runtime-counter-relocation=true
endif
ifeq ($(MEMCHECK),1)
# Each program that is examined runs itself under valgrind; see tests/memcheck.c.
FORTIFY  :=
memcheck := $(BUILD)/objects/tests/memcheck.o
leaks    := $(BUILD)/objects/tests/leaks.o
EXAMINED := -DEXAMINED -DMEMCHECK_FINDINGS='"$(abspath $(BUILD))/findings"' \
            -DMEMCHECK_SUPPRESSIONS='"$(abspath scripts/examine/memcheck.supp)"'
endif
ifeq ($(FUZZ),1)
# Clang's: all but what libFuzzer itself consists of is instrumented, and its main program linked.
SANITIZERS += -fsanitize=fuzzer-no-link
endif
ifeq ($(STATIC),1)
# musl-gcc links a static-pie dynamically without a word.
LINKED   += $(if $(findstring musl,$(CC)),-static -no-pie,-static-pie)
else
LINKED   += -pie
endif

# musl-gcc looks for no headers but its own: the kernel's are where another compiler has them.
ifneq ($(findstring musl-gcc,$(CC)),)
KERNEL   ?= -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch)
endif

# On 32 bits, what the kernel means is wider than what libcs give without asking.
WIDE     := -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64

ALL_CPPFLAGS := -I. -D_GNU_SOURCE $(WIDE) -DVERSION='"$(VERSION)"' \
                $(FORTIFY) $(EXAMINED) $(KERNEL) $(CPPFLAGS)
ALL_CFLAGS   := -std=gnu11 $(WARNINGS) $(HARDENED) $(CFLAGS)
ALL_LDFLAGS  := $(LINKED) $(LDFLAGS)

# A program's own folder may have rooms below it; dampenerctl's is a program of its own.
objects_of          = $(patsubst %.c,$(BUILD)/objects/%.o,$(1))
shared_objects     := $(call objects_of,$(wildcard dispatcher/shared/*.c))
supervisor_objects := $(call objects_of,$(filter-out supervisor/dampenerctl/%,$(wildcard supervisor/*.c supervisor/*/*.c)))
dispatcher_objects := $(call objects_of,$(wildcard dispatcher/*.c)) $(shared_objects)
dampenerctl_objects := $(call objects_of,$(wildcard supervisor/dampenerctl/*.c))
programs           := $(BUILD)/socket-burst-dampener $(BUILD)/dispatcher $(BUILD)/dampenerctl
# Each file in tests/*/ is a program; probes are linked with the parts they test.
test_programs      := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/*.c))
# How a system call is made to fail differs between processors, and so do the registers that an
# attacker must know.
ifeq ($(filter x86_64-%,$(shell $(CC) -dumpmachine)),)
test_programs      := $(filter-out %/tests/faults/run,$(test_programs))
endif
ifeq ($(filter x86_64-% aarch64-%,$(shell $(CC) -dumpmachine)),)
test_programs      := $(filter-out %/tests/attackers/takeover,$(test_programs))
endif
probed_objects     := $(filter-out %/main.o,$(supervisor_objects) $(dispatcher_objects))
# These test parts of dampenerctl instead.
dampenerctl_probes := $(patsubst %,$(BUILD)/tests/probes/%,json samples view)
# Fuzz targets: what they share, and the main program that they have without libFuzzer.
fuzz_targets       := $(filter $(BUILD)/tests/fuzz/%,$(test_programs))
fuzz_objects       := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard tests/fuzz/shared/*.c))
fuzz_main          := $(BUILD)/objects/tests/fuzz/replay/replay.o
# What the daemon is given while its instructions are counted.
bench_clock        := $(BUILD)/tests/bench/clock.so
load_objects       := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard tests/bench/load/*.c))
faults_objects     := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard tests/faults/run/*.c))
liar_objects       := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard tests/probes/liar/*.c))

ifeq ($(FUZZ),1)
fuzz_main          :=
$(fuzz_targets): ALL_LDFLAGS += -fsanitize=fuzzer
endif
fuzz_wrapped       := spawn_begin spawn_is_over spawn_error spawn_forget \
                      successor_fork kin_is_group setup_wake setup_rest kill wait4 waitpid reply_leave
comma              := ,

all: $(programs)

$(BUILD)/socket-burst-dampener: $(supervisor_objects) $(shared_objects)
$(BUILD)/dispatcher: $(dispatcher_objects) $(leaks)
$(BUILD)/dampenerctl: $(dampenerctl_objects) $(BUILD)/objects/dispatcher/shared/text.o
$(filter-out $(dampenerctl_probes),$(filter $(BUILD)/tests/probes/%,$(test_programs))): $(probed_objects)
$(dampenerctl_probes): $(filter-out %/main.o,$(dampenerctl_objects)) $(BUILD)/objects/dispatcher/shared/text.o
$(BUILD)/tests/bench/load: $(load_objects)
$(BUILD)/tests/faults/run: $(faults_objects)
$(BUILD)/tests/probes/liar: $(liar_objects)
$(fuzz_targets): $(fuzz_objects) $(fuzz_main) $(probed_objects) \
    $(filter-out %/main.o %/usage.o,$(dampenerctl_objects))
$(programs) $(filter $(BUILD)/tests/probes/%,$(test_programs)): $(memcheck)
$(programs) $(test_programs): $(BUILD)/flags

# What handlers and signals a dispatcher is made to start and send in this one, it only tells.
$(BUILD)/tests/fuzz/requests: ALL_LDFLAGS += $(patsubst %,-Wl$(comma)--wrap=%,$(fuzz_wrapped))

# In these the kernel can be made to do less than it is asked for.
$(BUILD)/tests/probes/spawn: ALL_LDFLAGS += -Wl,--wrap=clone
$(BUILD)/tests/probes/wire: ALL_LDFLAGS += -Wl,--wrap=rights_receive

# What examines, serves or attacks is not what is examined.
$(BUILD)/tests/handlers/% $(BUILD)/tests/clients/% $(BUILD)/tests/attackers/% \
$(BUILD)/tests/faults/% $(BUILD)/tests/chaos/% $(BUILD)/tests/bench/%: SANITIZERS :=
# Starts with as little as can be, and where it knows how, without a libc.
$(BUILD)/objects/tests/bench/static.o: ALL_CFLAGS += -fno-stack-protector
$(BUILD)/tests/bench/static: ALL_LDFLAGS = $(filter-out -pie -static-pie,$(LINKED)) -static \
    $(if $(filter x86_64-% aarch64-%,$(shell $(CC) -dumpmachine)),-nostdlib)

$(programs):
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/tests/%: $(BUILD)/objects/tests/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(bench_clock): tests/bench/clock/clock.c $(BUILD)/objects/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -shared -o $@ $<

# Where it looks for the dispatcher.
$(BUILD)/objects/supervisor/keeper/launch.o: ALL_CPPFLAGS += -DLIBEXEC_DIRECTORY='"$(LIBEXECDIR)"'
$(BUILD)/objects/supervisor/keeper/launch.o: $(BUILD)/objects/paths

$(BUILD)/objects/%.o: %.c $(BUILD)/objects/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS) -MMD -MP -c -o $@ $<

# Each of these files changes when what it holds does, and with it all that was built otherwise.
compiled := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS)
linked   := $(compiled) $(ALL_LDFLAGS)
remember = @mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@

$(BUILD)/objects/flags: always
	$(call remember,$(compiled))
$(BUILD)/objects/paths: always
	$(call remember,$(LIBEXECDIR))
$(BUILD)/flags: always
	$(call remember,$(linked))

tests: $(programs) $(test_programs) $(bench_clock)

# With FUZZ=1 SANITIZE=1 CC=clang, as scripts/trials/fuzz does it.
fuzz: $(fuzz_targets)

check:
	scripts/check

bench:
	scripts/bench

sanitize:
	scripts/check --sanitize

bench-check:
	scripts/bench-check

lint:
	scripts/lint

# The supervisor is told at compile time where the dispatcher will be: for another PREFIX it is built
# anew.
install: all
	$(INSTALL) -d "$(DESTDIR)$(SBINDIR)" "$(DESTDIR)$(LIBEXECDIR)" "$(DESTDIR)$(MANDIR)/man8" \
	    "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)/man1"
	$(INSTALL) -m 755 $(BUILD)/socket-burst-dampener "$(DESTDIR)$(SBINDIR)"
	$(INSTALL) -m 755 $(BUILD)/dispatcher "$(DESTDIR)$(LIBEXECDIR)"
	$(INSTALL) -m 644 supervisor/socket-burst-dampener.8 "$(DESTDIR)$(MANDIR)/man8"
	$(INSTALL) -m 755 $(BUILD)/dampenerctl "$(DESTDIR)$(BINDIR)"
	$(INSTALL) -m 644 supervisor/dampenerctl/dampenerctl.1 "$(DESTDIR)$(MANDIR)/man1"

uninstall:
	rm -f "$(DESTDIR)$(SBINDIR)/socket-burst-dampener" "$(DESTDIR)$(LIBEXECDIR)/dispatcher" \
	    "$(DESTDIR)$(MANDIR)/man8/socket-burst-dampener.8" \
	    "$(DESTDIR)$(BINDIR)/dampenerctl" "$(DESTDIR)$(MANDIR)/man1/dampenerctl.1"
	[ ! -d "$(DESTDIR)$(LIBEXECDIR)" ] || rmdir "$(DESTDIR)$(LIBEXECDIR)"

# ---- what service managers and shells read: templates in scripts/, with the paths filled in ----

# FILE:MODE:PLACE, the file below scripts/
service_files := \
    systemd/socket-burst-dampener@.service:644:$(SYSTEMDDIR)/socket-burst-dampener@.service \
    systemd/socket-burst-dampener@.socket:644:$(SYSTEMDDIR)/socket-burst-dampener@.socket \
    openrc/socket-burst-dampener:755:$(SYSCONFDIR)/init.d/socket-burst-dampener \
    s6/run:755:$(DATADIR)/s6/run \
    s6/finish:755:$(DATADIR)/s6/finish \
    s6/config:644:$(DATADIR)/s6/config \
    s6/notification-fd:644:$(DATADIR)/s6/notification-fd \
    completion/socket-burst-dampener.bash:644:$(BASHDIR)/socket-burst-dampener \
    completion/socket-burst-dampener.bash:644:$(BASHDIR)/dampenerctl \
    completion/_socket-burst-dampener:644:$(ZSHDIR)/_socket-burst-dampener \
    completion/_dampenerctl:644:$(ZSHDIR)/_dampenerctl
# What an operator may have changed is neither overwritten nor removed.
service_config := openrc/socket-burst-dampener.confd:644:$(SYSCONFDIR)/conf.d/socket-burst-dampener

fill_in := sed -e 's|@SBINDIR@|$(SBINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g'
# Takes such a word apart.
each := file=$${word%%:*} place=$${word\#\#*:} mode=$${word\#*:} mode=$${mode%%:*}

install-services:
	set -e; for word in $(service_files); do \
	    $(each); $(INSTALL) -d "$(DESTDIR)$${place%/*}"; \
	    $(fill_in) "scripts/$$file" >"$(DESTDIR)$$place"; chmod "$$mode" "$(DESTDIR)$$place"; \
	done
	set -e; for word in $(service_config); do \
	    $(each); [ ! -e "$(DESTDIR)$$place" ] || continue; \
	    $(INSTALL) -d "$(DESTDIR)$${place%/*}"; \
	    $(INSTALL) -m "$$mode" "scripts/$$file" "$(DESTDIR)$$place"; \
	done

uninstall-services:
	for word in $(service_files); do \
	    $(each); rm -f "$(DESTDIR)$$place"; \
	done
	for word in $(service_config); do \
	    $(each); cmp -s "scripts/$$file" "$(DESTDIR)$$place" || continue; \
	    rm -f "$(DESTDIR)$$place"; \
	done
	[ ! -d "$(DESTDIR)$(DATADIR)/s6" ] || rmdir "$(DESTDIR)$(DATADIR)/s6"
	[ ! -d "$(DESTDIR)$(DATADIR)" ] || rmdir "$(DESTDIR)$(DATADIR)"

install: install-services
uninstall: uninstall-services
.PHONY: install-services uninstall-services

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD)/objects -name '*.d' 2>/dev/null)

.PHONY: all tests fuzz check bench bench-check sanitize lint install uninstall clean always
