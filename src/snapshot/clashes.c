#include "snapshot/clashes.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/names.h"
#include "base/table.h"

static unsigned long hash_printed(const void *family, unsigned long seed)
{
    (void)seed;
    const tm__snapshot_family *entry = family;
    return (unsigned long)tm__hash(entry->printed, entry->printed_len, 0);
}

static bool same_printed(const void *family, const void *printed)
{
    return strcmp(((const tm__snapshot_family *)family)->printed, printed) == 0;
}

static const tm_family *find_printed(const void *table, const char *printed)
{
    const tm__snapshot_family *found = tm__table_get(table, tm__hash(printed, strlen(printed), 0), printed);
    return found ? found->info : NULL;
}

/* Moves the families that stay to the front; those before `kept` are in the table and do not move again. */
static int keep_apart(tm_snapshot *snapshot, tm__table *kept_by_name)
{
    size_t kept = 0;
    for (size_t i = 0; i < snapshot->family_count; i++) {
        tm__snapshot_family *family = &snapshot->families[i];
        if (tm__sample_names_taken(family->info, find_printed, kept_by_name)) {
            free(family->series);
            family->series = NULL;
            continue;
        }
        tm__snapshot_family *place = &snapshot->families[kept];
        if (place != family) {
            *place = *family;
            family->series = NULL;
        }
        if (tm__table_put(kept_by_name, hash_printed(place, 0), place) != TM_OK)
            return TM_ENOMEM;
        kept++;
    }
    snapshot->family_count = kept;
    return TM_OK;
}

int tm__snapshot_drop_clashes(tm_snapshot *snapshot)
{
    tm__table kept_by_name = {0};
    int status = tm__table_init(&kept_by_name, hash_printed, same_printed);
    if (status == TM_OK)
        status = keep_apart(snapshot, &kept_by_name);
    tm__table_free(&kept_by_name);
    return status;
}
