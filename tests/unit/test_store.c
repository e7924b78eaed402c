/* Opening stores, the memory store, and stores of one's own. */
#include "contract.h"
#include "test.h"

static tm_store *contract_open(void)
{
    tm_store *store;
    tm_error error;
    assert_ok(tm_store_open("memory:", NULL, &store, &error));
    return store;
}

CONTRACT_CASES(CONTRACT_TEST)

TEST_MAIN("store", CONTRACT_CASES(CONTRACT_ENTRY))
