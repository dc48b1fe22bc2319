#include "supervisor/dampenerctl/characters.h"

static bool is_continuation(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t characters_decode(const char *bytes, size_t length, uint32_t *character)
{
    static const struct {
        unsigned char mask;
        unsigned char lead;
        uint8_t length;
        uint32_t least; /* what is less has a shorter form */
    } forms[] = {
        {0x80, 0, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    unsigned char first = (unsigned char)bytes[0];

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        uint32_t value = first & (unsigned char)~forms[i].mask;

        if ((first & forms[i].mask) != forms[i].lead)
            continue;
        if (forms[i].length > length)
            return 0;
        for (size_t more = 1; more < forms[i].length; more++) {
            if (!is_continuation(bytes[more]))
                return 0;
            value = value << 6 | ((unsigned char)bytes[more] & 0x3f);
        }
        if (value < forms[i].least || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return 0;
        *character = value;
        return forms[i].length;
    }
    return 0;
}

/* Neither a control character nor one that changes the order or place of those beside it. */
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
        size_t own = characters_decode(bytes, length, &character);

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
