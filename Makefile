# socket-burst-dampener
#
#   make              both programs, in build/
#   make STATIC=1     the same, linked statically (CC=musl-gcc is a good choice)
#   make check        every test
#   make sanitize     every test, with ASan and UBSan, in build/sanitize/
#   make lint         formatting, static analysis, shell scripts, manual, and who includes whom
#   make install      under PREFIX, below DESTDIR; make uninstall takes it away again

VERSION    ?= 0.1.0
PREFIX     ?= /usr/local
SBINDIR    ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/socket-burst-dampener
MANDIR     ?= $(PREFIX)/share/man
DESTDIR    ?=

CC       ?= cc
INSTALL  ?= install
CFLAGS   ?= -O2 -g
LDFLAGS  ?=
BUILD    ?= build
STATIC   ?= 0
SANITIZE ?= 0

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

ALL_CPPFLAGS := -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' \
                -DLIBEXEC_DIRECTORY='"$(LIBEXECDIR)"' $(FORTIFY) $(KERNEL) $(CPPFLAGS)
ALL_CFLAGS   := -std=gnu11 $(WARNINGS) $(HARDENED) $(CFLAGS)
ALL_LDFLAGS  := $(LINKED) $(LDFLAGS)

supervisor_objects := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard supervisor/*.c))
dispatcher_objects := $(patsubst %.c,$(BUILD)/objects/%.o,$(wildcard dispatcher/*.c))
# All that the supervisor may use of the dispatcher's.
shared_objects     := $(patsubst %,$(BUILD)/objects/dispatcher/%.o,wire log privileges oom)
programs           := $(BUILD)/socket-burst-dampener $(BUILD)/dispatcher
# Each file in tests/*/ is a program; probes are linked with the parts they test.
test_programs      := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/*/*.c))
probed_objects     := $(filter-out %/main.o,$(supervisor_objects) $(dispatcher_objects))

all: $(programs)

$(BUILD)/socket-burst-dampener: $(supervisor_objects) $(shared_objects)
$(BUILD)/dispatcher: $(dispatcher_objects)
$(filter $(BUILD)/tests/probes/%,$(test_programs)): $(probed_objects)
$(programs) $(test_programs): $(BUILD)/flags

# Handlers, clients and attackers of the tests are not what is examined.
$(BUILD)/tests/handlers/% $(BUILD)/tests/clients/% $(BUILD)/tests/attackers/%: SANITIZERS :=

$(programs):
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/tests/%: $(BUILD)/objects/tests/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/objects/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS) -MMD -MP -c -o $@ $<

# Changes when the compiler, a flag or a path does, and with it all that was built otherwise.
flags := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS)
$(BUILD)/flags: always
	@mkdir -p $(@D)
	@printf '%s\n' '$(flags)' | cmp -s - $@ || printf '%s\n' '$(flags)' >$@

tests: $(programs) $(test_programs)

check:
	scripts/check

sanitize:
	scripts/check --sanitize

lint:
	scripts/lint

# The supervisor is told at compile time where the dispatcher will be: another PREFIX builds anew.
install: all
	$(INSTALL) -d "$(DESTDIR)$(SBINDIR)" "$(DESTDIR)$(LIBEXECDIR)" "$(DESTDIR)$(MANDIR)/man8"
	$(INSTALL) -m 755 $(BUILD)/socket-burst-dampener "$(DESTDIR)$(SBINDIR)"
	$(INSTALL) -m 755 $(BUILD)/dispatcher "$(DESTDIR)$(LIBEXECDIR)"
	$(INSTALL) -m 644 supervisor/socket-burst-dampener.8 "$(DESTDIR)$(MANDIR)/man8"

uninstall:
	rm -f "$(DESTDIR)$(SBINDIR)/socket-burst-dampener" "$(DESTDIR)$(LIBEXECDIR)/dispatcher" \
	    "$(DESTDIR)$(MANDIR)/man8/socket-burst-dampener.8"
	[ ! -d "$(DESTDIR)$(LIBEXECDIR)" ] || rmdir "$(DESTDIR)$(LIBEXECDIR)"

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD)/objects -name '*.d' 2>/dev/null)

.PHONY: all tests check sanitize lint install uninstall clean always
