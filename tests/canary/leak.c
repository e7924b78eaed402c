/* Deliberately broken: loses its memory. LeakSanitizer must tell. */
#include <stdio.h>
#include <stdlib.h>

static void *volatile lost;

int main(void)
{
    for (int i = 0; i < 16; i++)
        lost = malloc(1000);
    lost = NULL;
    puts("done");
    return 0;
}
