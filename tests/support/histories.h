/* The fault histories of protocol_model.py with the real engine, a real server and a proxy between them: several
 * registries record and sync while requests and replies get lost, come late or are cut, and the server loses what it
 * had. No total may ever be above the truth, and each is the truth when the faults have stopped. */
#ifndef TM_TESTS_HISTORIES_H
#define TM_TESTS_HISTORIES_H

#include <taskermetrics/taskermetrics.h>

#include "proxy.h"

enum { HISTORY_INSTANCES = 4, HISTORY_FIELDS = 6 };

typedef struct history history;

/* What a kind of server has of its own. */
typedef struct history_server {
    void (*begin)(history *h); /* a server behind a proxy: sets server, proxy, url, options and reader */
    void (*end)(history *h);
    void (*set_fault)(history *h);                                    /* for the next sync */
    void (*disturb)(history *h);                                      /* after each step */
    void (*read_totals)(history *h, uint64_t totals[HISTORY_FIELDS]); /* past the proxy; 0 where there is none */
} history_server;

/* Every instance is a registry of its own, with a store of its own; truth is what was recorded in all of them. */
struct history {
    const history_server *kind;
    int disturbance; /* what the server suffers; the kind knows the numbers */
    void *server;
    proxy *proxy;
    const char *url; /* through the proxy */
    tm_store_options options;
    tm_store *reader;
    tm_registry *registries[HISTORY_INSTANCES];
    tm_store *stores[HISTORY_INSTANCES];
    uint64_t truth[HISTORY_FIELDS];
    uint64_t random;
};

/* What happened in all histories of a run. */
typedef struct history_counts {
    size_t failed;
    size_t resyncs;
    size_t duplicates;
} history_counts;

/* Runs so many histories of 400 steps, and fails the test where a total is not as it must be. */
history_counts histories_run(const history_server *kind, int disturbance, uint64_t first_seed, size_t count);

/* A number below `below`, the same in the same history. */
uint64_t history_draw(history *h, uint64_t below);

/* One of the faults that lose or delay, for proxy_set_fault, in so many of ten draws; else PROXY_PASS. *requests: how
 * many shall suffer it. */
proxy_fault history_draw_fault(history *h, uint64_t of_ten, size_t *requests);

/* The counters' families, and the canonical text of their labels. */
extern const char *const history_families[HISTORY_FIELDS];
extern const char history_labels[];

#endif
