/* The server of protocol_model.py: one array of totals, and for each instance a seq and an array of absolute values. */
#include <stdlib.h>
#include <string.h>

#include "faulty_store.h"
#include "test.h"

enum { FIELDS = 64, INSTANCES = 16, NAME_BYTES = 96 };

typedef struct model_field {
    char family[NAME_BYTES];
    char labels[NAME_BYTES];
    size_t part;
} model_field;

typedef struct model_instance {
    char name[176];
    uint64_t seq;
    uint64_t values[FIELDS];
    bool has[FIELDS];
} model_instance;

typedef struct model_server {
    model_field fields[FIELDS];
    size_t field_count;
    uint64_t totals[FIELDS];
    model_instance instances[INSTANCES];
    size_t instance_count;
} model_server;

static size_t field_of(model_server *server, const tm_change *change)
{
    for (size_t i = 0; i < server->field_count; i++)
        if (strcmp(server->fields[i].family, change->family->name) == 0 &&
            strlen(server->fields[i].labels) == change->labels_bytes &&
            memcmp(server->fields[i].labels, change->labels, change->labels_bytes) == 0 &&
            server->fields[i].part == change->part)
            return i;
    assert_true(server->field_count < FIELDS && change->labels_bytes < NAME_BYTES);
    model_field *field = &server->fields[server->field_count];
    *field = (model_field){.part = change->part};
    snprintf(field->family, sizeof field->family, "%s", change->family->name);
    memcpy(field->labels, change->labels, change->labels_bytes);
    return server->field_count++;
}

static model_instance *instance_of(model_server *server, const char *name)
{
    for (size_t i = 0; i < server->instance_count; i++)
        if (strcmp(server->instances[i].name, name) == 0)
            return &server->instances[i];
    assert_true(server->instance_count < INSTANCES);
    model_instance *instance = &server->instances[server->instance_count++];
    *instance = (model_instance){0};
    snprintf(instance->name, sizeof instance->name, "%s", name);
    return instance;
}

static void remember_all(const model_server *server, const model_instance *instance, tm_reply *reply)
{
    for (size_t i = 0; i < server->field_count; i++)
        if (instance->has[i])
            reply->remembered(reply->ctx, server->fields[i].family, server->fields[i].labels,
                              strlen(server->fields[i].labels), server->fields[i].part,
                              (tm_number){.u = instance->values[i]});
}

static int model_apply(void *self, const tm_batch *batch, tm_reply *reply, tm_error *error)
{
    (void)error;
    model_server *server = self;
    model_instance *instance = instance_of(server, batch->instance);
    reply->last_seq = instance->seq;
    if (instance->seq == batch->seq) {
        reply->answer = TM_ANSWER_DUPLICATE;
        return TM_OK;
    }
    if (instance->seq != batch->prev) {
        reply->answer = TM_ANSWER_RESYNC;
        reply->memory = instance->seq ? TM_MEMORY_VALUES : TM_MEMORY_NOTHING;
        remember_all(server, instance, reply);
        return TM_OK;
    }
    for (size_t i = 0; i < batch->change_count; i++) {
        size_t field = field_of(server, &batch->changes[i]);
        server->totals[field] += batch->changes[i].delta.u;
        instance->values[field] = batch->changes[i].value.u;
        instance->has[field] = true;
    }
    instance->seq = batch->seq;
    reply->answer = TM_ANSWER_APPLIED;
    return TM_OK;
}

static int model_read(void *self, const tm_read_options *options, tm_snapshot *into, tm_error *error)
{
    (void)options, (void)error;
    model_server *server = self;
    for (size_t i = 0; i < server->field_count; i++) {
        tm_family family = TM_FAMILY_INIT;
        family.name = server->fields[i].family;
        family.type = TM_TYPE_COUNTER;
        size_t index;
        assert_ok(tm_snapshot_add_family(into, &family, &index));
        tm_number value = {.u = server->totals[i]};
        assert_ok(
            tm_snapshot_add_series(into, index, server->fields[i].labels, strlen(server->fields[i].labels), &value));
    }
    return TM_OK;
}

static void *model_save(void *self)
{
    model_server *copy = malloc(sizeof *copy);
    memcpy(copy, self, sizeof *copy);
    return copy;
}

static void model_restore(void *self, const void *saved)
{
    memcpy(self, saved, sizeof(model_server));
}

static void model_flush(void *self)
{
    memset(self, 0, sizeof(model_server));
}

void *model_backend_new(void)
{
    return calloc(1, sizeof(model_server));
}

const faulty_backend model_backend = {.apply = model_apply,
                                      .read = model_read,
                                      .save = model_save,
                                      .restore = model_restore,
                                      .discard = free,
                                      .flush = model_flush,
                                      .close = free};
