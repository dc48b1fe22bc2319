# The programs of the tests.  Part of the Makefile.
#
# Each file tests/FOLDER/*.c is a program, as is each below tests/programs/ and tests/tools/.  Probes
# stand in the folder of the room that they test, and are linked with the product's objects.

test_sources  := $(filter-out tests/shared/%,$(wildcard tests/*/*.c tests/programs/*/*.c tests/tools/*/*.c))
machine       := $(shell $(CC) -dumpmachine)
# Processors differ in how a system call is made to fail, and in the registers that an attacker
# must know.
test_sources  := $(filter-out $(if $(filter x86_64-%,$(machine)),,tests/tools/faults/run.c) \
    $(if $(filter x86_64-% aarch64-%,$(machine)),,tests/programs/attackers/takeover.c),$(test_sources))
test_programs := $(patsubst %.c,$(BUILD)/%,$(test_sources))

probed_objects := $(filter-out %/main.o,$(supervisor_objects) $(dispatcher_objects))
client_objects := $(filter-out %/main.o,$(dampenerctl_objects)) $(text) $(nearest)
client_probes  := $(filter $(BUILD)/tests/dampenerctl/%,$(test_programs))
fuzz_targets   := $(filter $(BUILD)/tests/fuzz/%,$(test_programs))
probes         := $(filter-out $(client_probes) $(fuzz_targets) $(BUILD)/tests/programs/% \
                      $(BUILD)/tests/tools/%,$(test_programs))
# The main program of fuzz targets without libFuzzer.
fuzz_main      := $(call objects_of,tests/fuzz/replay/replay.c)
# A clock for the daemon while its instructions are counted.
bench_clock    := $(BUILD)/tests/tools/bench/clock.so

ifeq ($(FUZZ),1)
fuzz_main :=
$(fuzz_targets): ALL_LDFLAGS += -fsanitize=fuzzer
endif

tests: $(programs) $(test_programs) $(bench_clock)

# With FUZZ=1 SANITIZE=1 CC=clang, as scripts/trials/fuzz does it.
fuzz: $(fuzz_targets)

$(probes): $(probed_objects) $(examiner)
$(client_probes): $(client_objects) $(examiner)
$(fuzz_targets): $(call objects_of,tests/fuzz/shared/*.c) $(fuzz_main) $(probed_objects) \
    $(filter-out $(text) $(nearest),$(client_objects))
# The daemon writes what dampenerctl reads.
$(BUILD)/tests/figures/figures: $(BUILD)/objects/supervisor/dampenerctl/answer.o
$(BUILD)/tests/dispatcher/hostile: $(call objects_of,tests/dispatcher/hostile/*.c)
$(BUILD)/tests/dispatcher/liar: $(call objects_of,tests/dispatcher/liar/*.c)
$(BUILD)/tests/keeper/plant: $(BUILD)/objects/supervisor/main.o
$(BUILD)/tests/tools/bench/load: $(call objects_of,tests/tools/bench/load/*.c)
$(BUILD)/tests/tools/faults/run: $(call objects_of,tests/tools/faults/run/*.c)

# In these the kernel can be made to do less than asked.
comma := ,
wrap   = $(patsubst %,-Wl$(comma)--wrap=%,$(1))
$(BUILD)/tests/dispatcher/spawn: ALL_LDFLAGS += $(call wrap,clone)
# This one starts no dispatchers.
$(BUILD)/tests/keeper/keeper: ALL_LDFLAGS += $(call wrap,launch_dispatcher)
$(BUILD)/tests/dispatcher/wire: ALL_LDFLAGS += $(call wrap,rights_receive)
# In this one the service has nothing to end.
$(BUILD)/tests/server/signals: ALL_LDFLAGS += $(call wrap,shutdown_signal)
# In these, hosts are looked up in a table.
$(BUILD)/tests/options/hosts $(BUILD)/tests/fuzz/access: ALL_LDFLAGS += $(call wrap,lookup_name)
# The daemon, in which the supervisor can be made to crash.
$(BUILD)/tests/keeper/plant: ALL_LDFLAGS += $(call wrap,access_allows order_join address_of_socket \
    clients_move report_ended server_open manager_look pool_recall loop_watch \
    clients_find)
# In this one the handlers and signals that a dispatcher starts and sends are only reported.
$(BUILD)/tests/fuzz/requests: ALL_LDFLAGS += $(call wrap,spawn_begin spawn_is_over spawn_error \
    spawn_forget kill wait4 waitpid reply_leave workers_descriptor poll)
# In this one all processes that the keeper starts, signals and reaps are imagined.
$(BUILD)/tests/fuzz/keeper: ALL_LDFLAGS += $(call wrap,close fork getpgrp getsid kill waitid \
    waitpid wait4 launch_dispatcher reader_start privileges_limit privileges_rest privileges_hide \
    outbox_add outbox_forget outbox_repeat link_send)

# Programs that examine, serve or attack are not examined themselves.
$(BUILD)/tests/programs/% $(BUILD)/tests/tools/%: SANITIZERS :=
# Starts with as little as possible: where it knows how, without a libc.
$(BUILD)/objects/tests/tools/bench/static.o: ALL_CFLAGS += -fno-stack-protector
$(BUILD)/tests/tools/bench/static: ALL_LDFLAGS = $(filter-out -pie -static-pie,$(LINKED)) -static \
    $(if $(filter x86_64-% aarch64-%,$(machine)),-nostdlib)

$(test_programs): $(BUILD)/flags
$(BUILD)/tests/%: $(BUILD)/objects/tests/%.o
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(SANITIZERS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^)

$(bench_clock): tests/tools/bench/clock/clock.c $(BUILD)/objects/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -shared -o $@ $<

.PHONY: tests fuzz
