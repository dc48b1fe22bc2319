#include "supervisor/dampenerctl/output.h"

#include "dispatcher/shared/text.h"

#include <langinfo.h>
#include <stdarg.h>
#include <string.h>

bool output_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Returns whether a character neither controls a terminal nor moves the characters beside it. */
static bool is_harmless(uint32_t character)
{
    if (character < 0x80)
        return character == '\n' || character == '\t' || (character >= 0x20 && character != 0x7f);
    return character >= 0xa0 && !(character >= 0x200b && character <= 0x200f) &&
           !(character >= 0x2028 && character <= 0x202e) &&
           !(character >= 0x2060 && character <= 0x206f) && character != 0xfeff;
}

bool output_print(FILE *stream, const char *bytes, size_t length, bool utf8)
{
    while (length > 0) {
        uint32_t character;
        size_t own = text_decode(bytes, length, &character);

        if (own > 0 && is_harmless(character) && (utf8 || own == 1)) {
            if (fwrite(bytes, own, 1, stream) != 1)
                return false;
        } else if (putc('?', stream) == EOF) {
            return false;
        }
        own = own == 0 ? 1 : own;
        bytes += own;
        length -= own;
    }
    return true;
}

int output_finish(bool written)
{
    if (!written || fflush(stdout) != 0)
        return output_complain(OUTPUT_FAILED, "cannot write to standard output: %m");
    return OUTPUT_DONE;
}

int output_complain(int status, const char *format, ...)
{
    char text[4096]; /* the rest of a longer complaint is cut */
    size_t length;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fflush(stdout); /* the complaint may be that this fails */
    (void)fputs("dampenerctl: ", stderr);
    for (length = strlen(text); length > 0 && text[length - 1] == '\n'; length--)
        ;
    (void)output_print(stderr, text, length, output_is_utf8()); /* there is no other outlet */
    (void)fputs(status == OUTPUT_WRONG_USAGE ? "; try dampenerctl --help\n" : "\n", stderr);
    return status;
}
