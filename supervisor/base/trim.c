#include "supervisor/base/trim.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages of a segment that can be written may differ from the file: they stay. */
static void trim_segment(const struct dl_phdr_info *object, const ElfW(Phdr) * segment)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = (uintptr_t)object->dlpi_addr + segment->p_vaddr + segment->p_memsz;

    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
        (void)madvise((void *)first, end - first, MADV_DONTNEED); /* locked pages stay */
}

static int trim_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    for (unsigned i = 0; i < object->dlpi_phnum; i++)
        trim_segment(object, &object->dlpi_phdr[i]);
    return 0; /* go on with the next object */
}

void trim(void)
{
    (void)dl_iterate_phdr(trim_object, NULL); /* 0, as trim_object() returns */
}
