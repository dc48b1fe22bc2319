/*
 * What the kernel's files say of load and pressure, or whatever stands in their place: a figure is
 * a number of 0 or more, and else counts as 0.
 */
#include "supervisor/admission/gauge.h"

#include "tests/fuzz/shared/fuzz.h"

#include <fcntl.h>
#include <math.h>
#include <sys/mman.h>

static void check(const char *path, const char *before)
{
    struct gauge gauge;
    bool opened = gauge_open(&gauge, path, before) == 0;
    double value;

    HOLDS(gauge.descriptor >= 0);
    value = gauge_value(&gauge, 1000000);
    HOLDS(isfinite(value) && value >= 0);
    HOLDS(opened != gauge.failed && (opened || value <= 0));
    (void)close(gauge.descriptor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int before;
    int file;
    char path[64];

    fuzz_silence_log(); /* which opens something, the first time */
    before = fuzz_descriptors();
    file = memfd_create("gauge", MFD_CLOEXEC);
    HOLDS(file >= 0 && write(file, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    check(path, "");
    check(path, "some avg10=");
    (void)close(file);
    HOLDS(fuzz_descriptors() == before);
    return 0;
}
