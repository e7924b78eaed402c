/* One connection: commands out, replies in, each wait bounded by a deadline. After any error it is closed; what was
 * on the way may or may not have been done. One thread at a time. */
#ifndef TM__STORE_REDIS_CONNECTION_H
#define TM__STORE_REDIS_CONNECTION_H

#include "base/buffer.h"
#include "store/redis/reader.h"
#include "store/redis/target.h"
#include "store/resolve.h"

typedef struct tm__redis_connection {
    const tm__redis_target *target;
    int fd;            /* -1: none */
    size_t unanswered; /* commands without a reply so far */
    uint64_t bytes;    /* sent and received */
    tm__buffer out;    /* commands not sent yet */
    tm__redis_reader reader;
    tm__resolver resolver;
} tm__redis_connection;

/* Not connected yet. target: borrowed. */
void tm__redis_connection_init(tm__redis_connection *connection, const tm__redis_target *target);

/* Connects, if it is not, or no longer, connected; presents the user and selects the database. *reused: it was
 * connected. */
int tm__redis_connection_open(tm__redis_connection *connection, int64_t deadline_ns, bool *reused, tm_error *error);
void tm__redis_connection_close(tm__redis_connection *connection);

/* In a forked child: lets go of the parent's connection without a word on it. */
void tm__redis_connection_abandon(tm__redis_connection *connection);

/* Adds a command to those that will be sent with the next receive. TM_ENOMEM. */
int tm__redis_queue(tm__redis_connection *connection, size_t count, const char *const *arguments, const size_t *lens,
                    tm_error *error);
/* The same for strings; the list ends with NULL. */
int tm__redis_queue_strings(tm__redis_connection *connection, const char *const *arguments, tm_error *error);

/* Sends what is queued and waits for the reply to the oldest command without one. An error reply is a reply. The reply
 * lives until tm__redis_release_replies. */
int tm__redis_receive(tm__redis_connection *connection, int64_t deadline_ns, const redisReply **out, tm_error *error);

/* TM_OK if a reply is of the type; what an error reply means; else TM_EPROTO. */
int tm__redis_check_type(const tm__redis_connection *connection, const redisReply *reply, int type, tm_error *error);

/* Receives and checks the type. */
int tm__redis_expect(tm__redis_connection *connection, int type, int64_t deadline_ns, const redisReply **out,
                     tm_error *error);

/* The same; the strings below `depth` arrays go to `take`. */
int tm__redis_take_strings(tm__redis_connection *connection, int depth, tm__redis_string_taker take, void *ctx,
                           int64_t deadline_ns, const redisReply **out, tm_error *error);

void tm__redis_release_replies(tm__redis_connection *connection);

#endif
