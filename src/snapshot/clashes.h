/* Families that cannot stand side by side. */
#ifndef TM__SNAPSHOT_CLASHES_H
#define TM__SNAPSHOT_CLASHES_H

#include "snapshot/snapshot.h"

/* Takes out every family that would print a sample under a name that an earlier one prints too. Registries and
 * ledgers keep such families apart; where several programs share a server or a user wrote the store, nobody else
 * does. TM_ENOMEM. */
int tm__snapshot_drop_clashes(tm_snapshot *snapshot);

#endif
