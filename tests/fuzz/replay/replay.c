/*
 * replay - the main program of fuzz targets that are not linked with libFuzzer.
 *
 *     TARGET FILE...                 gives it each file as an input
 *     TARGET --linear UNIT COUNT     gives it UNIT so many times in one input, and then twice as
 *                                    many, in which each "??" becomes two hexadecimal digits, so
 *                                    that all are different; the second may take three times as
 *                                    long, and exits with 1 if it takes longer
 */
#include "tests/fuzz/shared/fuzz.h"

#include <time.h>

enum { ATTEMPTS = 5, SLACK = 2000 /* microseconds */ };

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t size = 0;
    uint8_t *content;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || ftell(file) < 0) {
        perror(path);
        exit(2);
    }
    size = (size_t)ftell(file);
    rewind(file);
    content = malloc(size == 0 ? 1 : size);
    if (content == NULL || fread(content, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    (void)fclose(file); /* it was only read */
    (void)LLVMFuzzerTestOneInput(content, size);
    free(content);
}

/* ---- time ---- */

/* The last "??" of a unit counts fastest. */
static void number_unit(char *unit, size_t length, unsigned long number)
{
    for (size_t i = length; i-- > 0;) {
        char digits[3];

        if (strncmp(unit + i, "??", 2) != 0)
            continue;
        (void)snprintf(digits, sizeof(digits), "%02lx", number % 256);
        memcpy(unit + i, digits, 2);
        number /= 256;
    }
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* whoever else runs does not count */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The shortest of some attempts. */
static double time_of(const char *unit, unsigned long count)
{
    size_t length = strlen(unit);
    char *input = malloc(length * count + 1);
    double shortest = 1e9;

    HOLDS(input != NULL);
    for (unsigned long i = 0; i < count; i++) {
        memcpy(input + i * length, unit, length + 1);
        number_unit(input + i * length, length, i);
    }
    for (int i = 0; i < ATTEMPTS; i++) {
        double begun = seconds();

        (void)LLVMFuzzerTestOneInput((const uint8_t *)input, length * count);
        shortest = seconds() - begun < shortest ? seconds() - begun : shortest;
    }
    free(input);
    return shortest;
}

static int compare_times(const char *unit, unsigned long count)
{
    double once = time_of(unit, count);
    double twice = time_of(unit, 2 * count);

    printf("%lu: %.2f ms, %lu: %.2f ms\n", count, once * 1e3, 2 * count, twice * 1e3);
    return twice > 3 * once + SLACK / 1e6;
}

int main(int argc, char **argv)
{
    (void)LLVMFuzzerInitialize(&argc, &argv);
    if (argc == 4 && strcmp(argv[1], "--linear") == 0)
        return compare_times(argv[2], strtoul(argv[3], NULL, 10));
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d inputs\n", argc - 1);
    return 0;
}
