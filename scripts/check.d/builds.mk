# Builds that examine the programs: sanitizers, coverage, valgrind, fuzzing.
# Part of the Makefile.
#
# $(examiner) is linked into each examined program, $(leaks) into the dispatcher: see tests/shared/.

SANITIZE ?= 0
COVERAGE ?= 0
MEMCHECK ?= 0
FUZZ     ?= 0

ifeq ($(SANITIZE),1)
FORTIFY    :=
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
examiner   := $(BUILD)/objects/tests/shared/traceable.o
leaks      := $(BUILD)/objects/tests/shared/leaks.o
EXAMINED   := -DPRIVILEGES_SANITIZED=1
endif
ifeq ($(COVERAGE),1)
# Requires clang.  The counters are in mapped files, so kill -9 loses nothing.  A running process does
# not need its user, root directory or system calls for them.
SANITIZERS += -fprofile-instr-generate=$(abspath $(BUILD))/profiles/%m%c.profraw -fcoverage-mapping \
              -Xclang -mllvm -Xclang -runtime-counter-relocation=true
endif
ifeq ($(MEMCHECK),1)
# Each examined program runs itself under valgrind; see tests/shared/memcheck.c.
FORTIFY    :=
examiner   := $(BUILD)/objects/tests/shared/memcheck.o
leaks      := $(BUILD)/objects/tests/shared/leaks.o
EXAMINED   := -DPRIVILEGES_SANITIZED=1 -DEXAMINED -DMEMCHECK_BUILD='"$(abspath $(BUILD))"'
endif
ifeq ($(FUZZ),1)
# Requires clang.  Instruments all code except libFuzzer's own, and links libFuzzer's main program.
SANITIZERS += -fsanitize=fuzzer-no-link
endif
