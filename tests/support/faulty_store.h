/* A store that loses, delays and forgets: batches go to a backend through a channel with the faults of
 * protocol_model.py. The backend is a plain model of a server, or the real ledger. */
#ifndef TM_TESTS_FAULTY_STORE_H
#define TM_TESTS_FAULTY_STORE_H

#include <stdbool.h>

#include <taskermetrics/store.h>

/* What a backend can do; every function gets the backend's self. */
typedef struct faulty_backend {
    int (*apply)(void *self, const tm_batch *batch, tm_reply *reply, tm_error *error);
    int (*read)(void *self, const tm_read_options *options, tm_snapshot *into, tm_error *error);
    void *(*save)(void *self);                      /* a copy of its state ... */
    void (*restore)(void *self, const void *saved); /* ... to go back to, any number of times ... */
    void (*discard)(void *saved);                   /* ... and to free */
    void (*flush)(void *self);                      /* forgets everything */
    void (*close)(void *self);
} faulty_backend;

typedef struct faulty_store {
    faulty_backend backend;
    void *self;
    size_t max_changes; /* as in tm_store_ops; set before faulty_store_handle */
    uint64_t random;    /* seed of the faults */
    bool faults_on;
    struct late_batch *late;
    size_t late_count;
    void *saved[3];
    size_t applied; /* batches that reached the backend */
    size_t lost_requests;
    size_t lost_replies;
} faulty_store;

/* Makes a store over a backend; the faulty_store lives until it is closed, then is freed by faulty_store_free. */
faulty_store *faulty_store_new(const faulty_backend *backend, void *self, uint64_t seed);
tm_store *faulty_store_handle(faulty_store *faulty);
void faulty_store_free(faulty_store *faulty);

/* The next random number below `below`. */
uint64_t faulty_random(faulty_store *faulty, uint64_t below);

/* Delivers one delayed batch, or all of them. */
void faulty_deliver_one(faulty_store *faulty);
void faulty_deliver_all(faulty_store *faulty);

/* Remembers the backend's present state; goes back to one of the last three. */
void faulty_save(faulty_store *faulty);
void faulty_roll_back(faulty_store *faulty);

/* A server as in the model: totals, acknowledged seqs and absolute values, in plain arrays. One partition. */
extern const faulty_backend model_backend;
void *model_backend_new(void);

/* The real ledger. `now_ms` is its clock. */
extern const faulty_backend ledger_backend;
void *ledger_backend_new(void);
extern int64_t ledger_backend_now_ms;

#endif
