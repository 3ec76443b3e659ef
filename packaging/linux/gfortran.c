/* The four functions that numpy's OpenBLAS asks of libgfortran, which has 3 MB with what it needs itself. */
#include <stdint.h>
#include <string.h>
#include <time.h>

/* Text of Fortran: cut off, or filled with blanks. */
void _gfortran_concat_string(size_t size, char *to, size_t one, const char *first, size_t two, const char *second) {
    if (one > size) one = size;
    if (two > size - one) two = size - one;
    memcpy(to, first, one);
    memcpy(to + one, second, two);
    memset(to + one + two, ' ', size - one - two);
}

#define POWER(name, real)                                      \
    real name(real base, int64_t exponent) {                   \
        uint64_t left = (uint64_t)exponent;                    \
        real power = 1;                                        \
        if (exponent < 0) left = -left, base = 1 / base;       \
        for (; left; left >>= 1, base *= base)                 \
            if (left & 1) power *= base;                       \
        return power;                                          \
    }

POWER(_gfortran_pow_r4_i8, float)
POWER(_gfortran_pow_r8_i8, double)

float _gfortran_etime(void *times) {
    (void)times; /* user and system time apart, which nothing asks for */
    return (float)clock() / CLOCKS_PER_SEC;
}
