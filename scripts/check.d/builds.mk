# Builds that are examined besides being run: sanitized, counted, under valgrind, fuzzed.
# Part of the Makefile; the programs are tests/shared/leaks.c and memcheck.c.

SANITIZE ?= 0
COVERAGE ?= 0
MEMCHECK ?= 0
FUZZ     ?= 0

ifeq ($(SANITIZE),1)
FORTIFY    :=
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
leaks      := $(BUILD)/objects/tests/shared/leaks.o
EXAMINED   := -DPRIVILEGES_SANITIZED=1
endif
ifeq ($(COVERAGE),1)
# Requires clang.  The counters are in mapped files: kill -9 loses nothing, and once a process runs,
# neither its user nor its root directory nor a system-call filter matters.
SANITIZERS += -fprofile-instr-generate=$(abspath $(BUILD))/profiles/%m%c.profraw -fcoverage-mapping \
              -Xclang -mllvm -Xclang -runtime-counter-relocation=true
endif
ifeq ($(MEMCHECK),1)
# Each examined program runs itself under valgrind; see tests/shared/memcheck.c.
FORTIFY    :=
memcheck   := $(BUILD)/objects/tests/shared/memcheck.o
leaks      := $(BUILD)/objects/tests/shared/leaks.o
EXAMINED   := -DPRIVILEGES_SANITIZED=1 -DEXAMINED -DMEMCHECK_BUILD='"$(abspath $(BUILD))"'
endif
ifeq ($(FUZZ),1)
# Requires clang.  All but libFuzzer's own parts are instrumented, and its main program is linked.
SANITIZERS += -fsanitize=fuzzer-no-link
endif
