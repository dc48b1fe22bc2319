# socket-burst-dampener
#
#   make              the programs, in build/
#   make STATIC=1     the same, linked statically (CC=musl-gcc is a good choice)
#   make check        every test
#   make sanitize     every test, with ASan and UBSan, in build/sanitize/
#   make bench        measures, beside the peers that are installed
#   make bench-check  says whether a connection has become dearer than recorded
#   make lint         formatting, static analysis, shell scripts, manuals, and the structure
#   make install      under PREFIX, below DESTDIR; make uninstall takes it away again

VERSION    ?= 0.1.0
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/socket-burst-dampener
MANDIR     ?= $(PREFIX)/share/man
DESTDIR    ?=

CC      ?= cc
INSTALL ?= install
CFLAGS  ?= -O2 -g
LDFLAGS ?=
BUILD   ?= build
STATIC  ?= 0

# A distribution's own level wins: redefining it would warn.
FORTIFY  := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual \
            -Wcast-align -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
            -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wnull-dereference \
            -Wimplicit-fallthrough -Wdouble-promotion
HARDENED := -fstack-protector-strong -fPIE
LINKED   := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

# Builds that are examined: SANITIZE=1, COVERAGE=1, MEMCHECK=1, FUZZ=1.
include scripts/check.d/builds.mk

ifeq ($(STATIC),1)
# musl-gcc links a static-pie dynamically without a word.
LINKED   += $(if $(findstring musl,$(CC)),-static -no-pie,-static-pie)
else
LINKED   += -pie
endif

# musl-gcc finds only its own headers: the kernel's are where another compiler has them.
ifneq ($(findstring musl-gcc,$(CC)),)
KERNEL   ?= -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch)
endif

# On 32 bits, the kernel's own types are wider than what a libc gives without asking.
WIDE     := -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64

ALL_CPPFLAGS := -I. -D_GNU_SOURCE $(WIDE) -DVERSION='"$(VERSION)"' \
                $(FORTIFY) $(EXAMINED) $(KERNEL) $(CPPFLAGS)
ALL_CFLAGS   := -std=gnu11 $(WARNINGS) $(HARDENED) $(CFLAGS)
ALL_LDFLAGS  := $(LINKED) $(LDFLAGS)

# ---- the programs ----

objects_of          = $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard $(1)))
shared_objects      := $(call objects_of,dispatcher/shared/*.c)
dampenerctl_objects := $(call objects_of,supervisor/dampenerctl/*.c)
supervisor_objects  := $(filter-out $(dampenerctl_objects),$(call objects_of,supervisor/*.c supervisor/*/*.c))
dispatcher_objects  := $(call objects_of,dispatcher/*.c) $(shared_objects)
text                := $(BUILD)/objects/dispatcher/shared/text.o
nearest             := $(BUILD)/objects/supervisor/base/nearest.o
programs            := $(BUILD)/socket-burst-dampener $(BUILD)/dispatcher $(BUILD)/dampenerctl

all: $(programs)

$(BUILD)/socket-burst-dampener: $(supervisor_objects) $(shared_objects)
$(BUILD)/dispatcher: $(dispatcher_objects) $(leaks)
$(BUILD)/dampenerctl: $(dampenerctl_objects) $(text) $(nearest)
$(programs): $(examiner) $(BUILD)/flags
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

# Where the supervisor looks for the dispatcher.
$(BUILD)/objects/supervisor/keeper/launch.o: ALL_CPPFLAGS += -DLIBEXEC_DIRECTORY='"$(LIBEXECDIR)"'
$(BUILD)/objects/supervisor/keeper/launch.o: $(BUILD)/objects/paths

$(BUILD)/objects/%.o: %.c $(BUILD)/objects/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS) -MMD -MP -c -o $@ $<

# Each of these files changes with its content, and what was built otherwise is built anew.
compiled := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS)
linked   := $(compiled) $(ALL_LDFLAGS)
remember  = @mkdir -p $(@D); printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' >$@

$(BUILD)/objects/flags: always
	$(call remember,$(compiled))
$(BUILD)/objects/paths: always
	$(call remember,$(LIBEXECDIR))
$(BUILD)/flags: always
	$(call remember,$(linked))

# ---- everything else ----

include tests/tests.mk
include scripts/install/install.mk

check:
	scripts/check
sanitize:
	scripts/check --sanitize
bench:
	scripts/bench
bench-check:
	scripts/bench-check
lint:
	scripts/lint

manuals := $(wildcard supervisor/manual/*.[1-8] supervisor/dampenerctl/*.1)

# For another PREFIX the supervisor is built anew: it knows the dispatcher's place.
install: all install-services
	$(INSTALL) -d "$(DESTDIR)$(SBINDIR)" "$(DESTDIR)$(LIBEXECDIR)" "$(DESTDIR)$(BINDIR)"
	$(INSTALL) -m 755 $(BUILD)/socket-burst-dampener "$(DESTDIR)$(SBINDIR)"
	$(INSTALL) -m 755 $(BUILD)/dispatcher "$(DESTDIR)$(LIBEXECDIR)"
	$(INSTALL) -m 755 $(BUILD)/dampenerctl "$(DESTDIR)$(BINDIR)"
	set -e; for manual in $(manuals); do place="$(DESTDIR)$(MANDIR)/man$${manual##*.}"; \
	    $(INSTALL) -d "$$place"; $(INSTALL) -m 644 "$$manual" "$$place"; \
	done

uninstall: uninstall-services
	rm -f "$(DESTDIR)$(SBINDIR)/socket-burst-dampener" "$(DESTDIR)$(LIBEXECDIR)/dispatcher" \
	    "$(DESTDIR)$(BINDIR)/dampenerctl"
	for manual in $(manuals); do \
	    rm -f "$(DESTDIR)$(MANDIR)/man$${manual##*.}/$${manual##*/}"; \
	done
	[ ! -d "$(DESTDIR)$(LIBEXECDIR)" ] || rmdir "$(DESTDIR)$(LIBEXECDIR)"

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD)/objects -name '*.d' 2>/dev/null)

.PHONY: all check sanitize bench bench-check lint install uninstall clean always
