/* What Qt asks of ICU, in a few kilobytes: the order of names, numbers in them by their value. Everything else fails, and Qt goes on
   without it: upper and lower case by its own tables, no converters besides its own, no names of time zones.
   The build gives every function the suffix of ICU's version. */
#include <stdint.h>
#include <stdlib.h>

#define PUBLIC __attribute__((visibility("default")))
#define FAILS(type, name)                                                                                                           \
    PUBLIC type name(void) { return 0; }
enum { UNSUPPORTED = 16, STRENGTH = 5, NUMERIC = 7, SECONDARY = 1, ON = 17 };

typedef struct {
    int strength, numeric;
} Collator;

PUBLIC Collator *ucol_open(const char *locale, int *status) {
    Collator *made = calloc(1, sizeof *made);
    (void)locale, (void)status;
    made->strength = 2;
    return made;
}

PUBLIC void ucol_close(Collator *one) { free(one); }

PUBLIC void ucol_setAttribute(Collator *one, int attribute, int value, int *status) {
    (void)status;
    if (attribute == STRENGTH)
        one->strength = value;
    if (attribute == NUMERIC)
        one->numeric = value == ON;
}

static uint16_t folded(uint16_t letter) {
    int capital = (letter >= 'A' && letter <= 'Z') || (letter >= 0xC0 && letter <= 0xDE && letter != 0xD7);
    return capital ? letter + 32 : letter;
}

static int digit(uint16_t letter) { return letter >= '0' && letter <= '9'; }

/* Write a key whose bytes are in the order of the names: letters without their case, a number as the count of its digits and these,
   behind it the letters as they are where the case counts. Returns its length, which may be more than `size`. */
static int32_t key(const Collator *one, const uint16_t *text, int32_t length, uint8_t *target, int32_t size) {
    int32_t at = 0, position = 0;
#define PUT(byte)                                                                                                                   \
    do {                                                                                                                            \
        if (at < size)                                                                                                              \
            target[at] = (uint8_t)(byte);                                                                                           \
        at++;                                                                                                                       \
    } while (0)
#define LETTER(letter)                                                                                                              \
    do {                                                                                                                            \
        PUT((letter) >> 8);                                                                                                         \
        PUT(letter);                                                                                                                \
    } while (0)
    while (position < length) {
        int32_t end;
        if (!one->numeric || !digit(text[position])) {
            LETTER(folded(text[position]));
            position++;
            continue;
        }
        while (position < length - 1 && text[position] == '0' && digit(text[position + 1]))
            position++;
        for (end = position; end < length && digit(text[end]); end++)
            ;
        LETTER('0');
        LETTER(end - position);
        for (; position < end; position++)
            LETTER(text[position]);
    }
    if (one->strength > SECONDARY) {
        LETTER(0);
        for (position = 0; position < length; position++)
            LETTER(text[position]);
    }
    PUT(0);
    return at;
}

PUBLIC int32_t ucol_getSortKey(const Collator *one, const uint16_t *text, int32_t length, uint8_t *target, int32_t size) {
    if (length < 0)
        for (length = 0; text[length]; length++)
            ;
    return key(one, text, length, target, size);
}

PUBLIC int ucol_strcoll(const Collator *one, const uint16_t *left, int32_t left_length, const uint16_t *right, int32_t right_length) {
    int32_t sizes[2] = {ucol_getSortKey(one, left, left_length, NULL, 0), ucol_getSortKey(one, right, right_length, NULL, 0)};
    uint8_t *keys = malloc((size_t)sizes[0] + (size_t)sizes[1]);
    int32_t at = 0;
    int order;
    ucol_getSortKey(one, left, left_length, keys, sizes[0]);
    ucol_getSortKey(one, right, right_length, keys + sizes[0], sizes[1]);
    while (at < sizes[0] - 1 && at < sizes[1] - 1 && keys[at] == keys[sizes[0] + at])
        at++;
    if (at < sizes[0] - 1 && at < sizes[1] - 1)
        order = keys[at] < keys[sizes[0] + at] ? -1 : 1;
    else
        order = (sizes[0] > sizes[1]) - (sizes[0] < sizes[1]);
    free(keys);
    return order;
}

/* Of these Qt reads the status, which comes last. */
static int32_t case_of(void *target, int32_t size, const void *text, int32_t length, const char *locale, int *status) {
    (void)target, (void)size, (void)text, (void)length, (void)locale;
    *status = UNSUPPORTED;
    return 0;
}
PUBLIC int32_t u_strToUpper(void *a, int32_t b, const void *c, int32_t d, const char *e, int *f) { return case_of(a, b, c, d, e, f); }
PUBLIC int32_t u_strToLower(void *a, int32_t b, const void *c, int32_t d, const char *e, int *f) { return case_of(a, b, c, d, e, f); }

PUBLIC void *ucnv_open(const char *name, int *status) {
    (void)name;
    *status = UNSUPPORTED;
    return NULL;
}

PUBLIC const char *ucnv_getStandardName(const char *name, const char *standard, int *status) {
    (void)name, (void)standard;
    *status = UNSUPPORTED;
    return NULL;
}

PUBLIC void *ucal_open(const void *zone, int32_t length, const char *locale, int type, int *status) {
    (void)zone, (void)length, (void)locale, (void)type;
    *status = UNSUPPORTED;
    return NULL;
}

PUBLIC int32_t ucal_getCanonicalTimeZoneID(const void *zone, int32_t length, void *target, int32_t size, void *system, int *status) {
    (void)zone, (void)length, (void)target, (void)size, (void)system;
    *status = UNSUPPORTED;
    return 0;
}

PUBLIC int32_t ucal_getTimeZoneDisplayName(const void *calendar, int type, const char *locale, void *target, int32_t size, int *status) {
    (void)calendar, (void)type, (void)locale, (void)target, (void)size;
    *status = UNSUPPORTED;
    return 0;
}

/* Never called without a converter or a calendar. */
FAILS(int, ucal_close)
FAILS(int, ucnv_cbFromUWriteUChars)
FAILS(int, ucnv_cbToUWriteUChars)
FAILS(int, ucnv_close)
FAILS(int, ucnv_countAvailable)
FAILS(int, ucnv_fromUCountPending)
FAILS(int, ucnv_fromUnicode)
FAILS(const char *, ucnv_getAvailableName)
FAILS(int, ucnv_getFromUCallBack)
FAILS(int, ucnv_getMaxCharSize)
FAILS(const char *, ucnv_getName)
FAILS(int, ucnv_getToUCallBack)
FAILS(int, ucnv_reset)
FAILS(int, ucnv_setFromUCallBack)
FAILS(int, ucnv_setToUCallBack)
FAILS(int, ucnv_toUCountPending)
FAILS(int, ucnv_toUnicode)
FAILS(int, UCNV_FROM_U_CALLBACK_SUBSTITUTE)
FAILS(int, UCNV_TO_U_CALLBACK_SUBSTITUTE)
