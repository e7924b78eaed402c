#include "sync/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { HOST_BYTES = 64, RANDOM_BYTES = 16 };

void tm__outgoing_free(tm__outgoing *outgoing)
{
    free(outgoing->changes);
    free(outgoing->series);
    free(outgoing->refused);
    *outgoing = (tm__outgoing){0};
}

static void free_partitions(tm__session *session)
{
    for (size_t i = 0; i < session->partition_count; i++)
        tm__outgoing_free(&session->partitions[i].outgoing);
    free(session->partitions);
    session->partitions = NULL;
    session->partition_count = 0;
}

static void free_session(tm__session *session)
{
    free_partitions(session);
    free(session->baseline);
    free(session->known);
    free(session->identity);
    free(session);
}

static void free_state(void *sync_state)
{
    tm__sync_state *state = sync_state;
    while (state->sessions) {
        tm__session *next = state->sessions->next;
        free_session(state->sessions);
        state->sessions = next;
    }
    free(state);
}

/* host-pid-random, of characters that every store can take. */
static int name_instance(char *out, size_t bytes)
{
    char host[HOST_BYTES + 1] = "";
    unsigned char random[RANDOM_BYTES];
    int status = tm__random_bytes(random, sizeof random);
    if (status != TM_OK)
        return status;
    if (gethostname(host, HOST_BYTES) != 0 || host[0] == '\0')
        memcpy(host, "host", 5);
    for (char *c = host; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._", *c))
            *c = '_';
    char hex[2 * RANDOM_BYTES + 1];
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(hex + 2 * i, 3, "%02x", random[i]);
    snprintf(out, bytes, "%s-%ld-%s", host, (long)getpid(), hex);
    return TM_OK;
}

static int new_state(tm__sync_state **out)
{
    tm__sync_state *state = calloc(1, sizeof *state);
    if (!state)
        return TM_ENOMEM;
    state->incarnation = tm__incarnation();
    int status = name_instance(state->instance, sizeof state->instance);
    if (status == TM_OK)
        *out = state;
    else
        free_state(state);
    return status;
}

int tm__sync_state_get(tm_registry *registry, tm__sync_state **out)
{
    tm__sync_state *state = registry->sync_state;
    if (state && state->incarnation != tm__incarnation()) {
        free_state(state);
        registry->sync_state = state = NULL;
    }
    int status = state ? TM_OK : new_state(&state);
    registry->sync_state = state;
    registry->free_sync_state = free_state;
    *out = state;
    return status;
}

/* ---- sessions ------------------------------------------------------------------------------------------------ */

static void *grow_zeroed(void *array, size_t item_bytes, size_t count, size_t new_count)
{
    unsigned char *grown = realloc(array, new_count * item_bytes);
    if (grown)
        memset(grown + count * item_bytes, 0, (new_count - count) * item_bytes);
    return grown;
}

static int fit_parts(tm__session *session, size_t part_count)
{
    if (part_count <= session->part_count)
        return TM_OK;
    size_t larger = part_count < 2 * session->part_count ? 2 * session->part_count : part_count;
    tm_number *baseline = grow_zeroed(session->baseline, sizeof *baseline, session->part_count, larger);
    if (!baseline)
        return TM_ENOMEM;
    session->baseline = baseline;
    bool *known = grow_zeroed(session->known, sizeof *known, session->part_count, larger);
    if (!known)
        return TM_ENOMEM;
    session->known = known;
    session->part_count = larger;
    return TM_OK;
}

/* A store that was laid out anew knows nothing of what the old layout held. */
static int fit_partitions(tm__session *session, size_t partition_count)
{
    if (partition_count == session->partition_count)
        return TM_OK;
    tm__partition *partitions = calloc(partition_count, sizeof *partitions);
    if (!partitions)
        return TM_ENOMEM;
    free_partitions(session);
    session->partitions = partitions;
    session->partition_count = partition_count;
    if (session->part_count > 0) {
        memset(session->baseline, 0, session->part_count * sizeof *session->baseline);
        memset(session->known, 0, session->part_count * sizeof *session->known);
    }
    return TM_OK;
}

static tm__session *find_session(const tm__sync_state *state, const char *identity)
{
    tm__session *session = state->sessions;
    while (session && strcmp(session->identity, identity) != 0)
        session = session->next;
    return session;
}

static tm__session *new_session(tm__sync_state *state, const char *identity)
{
    tm__session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->identity = strdup(identity);
    if (!session->identity) {
        free_session(session);
        return NULL;
    }
    session->next = state->sessions;
    state->sessions = session;
    return session;
}

int tm__session_get(tm__sync_state *state, const char *identity, size_t partition_count, size_t part_count,
                    tm__session **out)
{
    tm__session *session = find_session(state, identity);
    if (!session)
        session = new_session(state, identity);
    int status = session ? fit_partitions(session, partition_count) : TM_ENOMEM;
    if (status == TM_OK)
        status = fit_parts(session, part_count);
    *out = session;
    return status;
}
