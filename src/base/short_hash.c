#include "base/short_hash.h"

#include "base/hash.h"

uint64_t tm__long_hash(const char *text, size_t len, uint64_t seed)
{
    return tm__hash(text, len, seed);
}
