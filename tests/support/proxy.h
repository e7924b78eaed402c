/* A proxy between a client and a server that loses, delays and cuts what passes. It knows no protocol: a request is
 * what a client sends until the server begins to answer. Every function fails the test if it cannot do its work. */
#ifndef TM_TESTS_PROXY_H
#define TM_TESTS_PROXY_H

#include <stddef.h>

typedef enum proxy_fault {
    PROXY_PASS,
    PROXY_DROP_REQUEST, /* the request gets lost and the connection closes */
    PROXY_DROP_REPLY,   /* the server gets the request; its reply is lost and the connection closes */
    PROXY_LATE_REQUEST, /* the connection closes; the server gets the request in proxy_deliver_late */
    PROXY_CUT_REPLY,    /* `amount` bytes of the reply pass, then the connection closes */
    PROXY_DELAY_REPLY,  /* the reply comes `amount` milliseconds late */
    PROXY_DRIP_REPLY,   /* the reply comes a byte every `amount` milliseconds */
    PROXY_SILENCE       /* the request gets lost and nothing happens */
} proxy_fault;

typedef struct proxy proxy;

/* server: the path of a unix socket, or the port of a server on 127.0.0.1. The proxy listens at the same kind of
 * address; it ends with the process or proxy_stop. */
proxy *proxy_start(const char *server);
void proxy_stop(proxy *p);

/* Where it listens: a path or a port. */
const char *proxy_address(const proxy *p);

/* The next `requests` requests suffer the fault, then all pass. */
void proxy_set_fault(proxy *p, proxy_fault fault, size_t requests, size_t amount);

/* The same, but so many requests pass before the fault begins. */
void proxy_set_fault_after(proxy *p, size_t passing, proxy_fault fault, size_t requests, size_t amount);

/* How many requests have come so far. */
size_t proxy_request_count(proxy *p);

/* Sends the late requests on, in random order, and waits for the server's answers. Returns how many. */
size_t proxy_deliver_late(proxy *p);

#endif
