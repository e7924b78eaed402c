/* Replies: hiredis' parser with limits, so that no server can make us take memory it has not sent. */
#ifndef TM__STORE_REDIS_READER_H
#define TM__STORE_REDIS_READER_H

#include <stdbool.h>

#include <hiredis/hiredis.h>

#include <taskermetrics/base.h>

#include "base/arena.h"

enum {
    TM__REDIS_UNPARSED_MAX = 1 << 20, /* bytes of one value that is not complete yet */
    TM__REDIS_REPLY_MAX = 16 << 20,   /* memory of the replies that are kept */
    TM__REDIS_DEPTH_MAX = 4           /* arrays in arrays */
};

/* Takes the strings of an array instead of keeping them. The text is gone when it returns. Not TM_OK ends the
 * reading. */
typedef int (*tm__redis_string_taker)(void *ctx, const char *text, size_t len);

typedef struct tm__redis_reader {
    redisReader *reader;
    tm__arena arena; /* of the replies */
    int status;      /* why the parser gave up, if we made it */
    int take_depth;  /* how many arrays are around the strings to take; 0: none are taken */
    tm__redis_string_taker take;
    void *take_ctx;
} tm__redis_reader;

/* TM_ENOMEM. */
int tm__redis_reader_init(tm__redis_reader *reader);
void tm__redis_reader_free(tm__redis_reader *reader);

/* Gives it bytes that came in. TM_ENOMEM, TM_ETOOBIG. */
int tm__redis_reader_feed(tm__redis_reader *reader, const char *bytes, size_t len);

/* The next reply; *out is NULL while it is not complete. After an error the reader is of no more use.
 * TM_EPROTO, TM_ETOOBIG, TM_ENOMEM, and what a taker returned. */
int tm__redis_reader_next(tm__redis_reader *reader, const redisReply **out);

/* Forgets the replies so far. */
void tm__redis_reader_release(tm__redis_reader *reader);

/* Strings below that many arrays go to `take` from now on; those arrays look empty. */
void tm__redis_reader_divert(tm__redis_reader *reader, int depth, tm__redis_string_taker take, void *ctx);

#endif
