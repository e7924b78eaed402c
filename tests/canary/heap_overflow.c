/* Deliberately broken: reads one byte beyond its memory. AddressSanitizer must stop it. */
#include <stdio.h>
#include <stdlib.h>

/* volatile: UndefinedBehaviorSanitizer, which knows the size of what it sees allocated, must not be the one to tell. */
static char *volatile bytes;

int main(void)
{
    bytes = calloc(8, 1);
    if (!bytes)
        return 0;
    char beyond = bytes[8];
    free(bytes);
    printf("%d\n", beyond);
    return 0;
}
