/* Deliberately broken: adds one to the largest int. UndefinedBehaviorSanitizer must stop it. */
#include <limits.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    int sum = INT_MAX - 1 + argc;
    printf("%d\n", sum + 1);
    return 0;
}
