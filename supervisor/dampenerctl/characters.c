#include "supervisor/dampenerctl/characters.h"

#include "dispatcher/shared/text.h"

/* Returns whether a character neither controls a terminal nor moves the characters beside it. */
static bool is_harmless(uint32_t character)
{
    if (character < 0x80)
        return character == '\n' || character == '\t' || (character >= 0x20 && character != 0x7f);
    return character >= 0xa0 && !(character >= 0x200b && character <= 0x200f) &&
           !(character >= 0x2028 && character <= 0x202e) &&
           !(character >= 0x2060 && character <= 0x206f) && character != 0xfeff;
}

bool characters_print(FILE *stream, const char *bytes, size_t length, bool utf8)
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
