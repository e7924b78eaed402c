/* What the apply script answers. */
#ifndef TM__STORE_REDIS_ANSWER_H
#define TM__STORE_REDIS_ANSWER_H

#include "store/redis/request.h"

/* Reads an answer into the reply, and tells it of refused numbers. TM_EPROTO. */
int tm__redis_answer_read(const tm__redis *redis, const redisReply *answer, const tm__redis_request *request,
                          tm_reply *reply, tm_error *error);

/* Tells the reply what the server remembers of the instance, after a resync that said so; corrects reply->memory if not
 * all of it can be told. TM_EUNAVAILABLE: it changed meanwhile. */
int tm__redis_recall(tm__redis *redis, const char *instance, int64_t deadline_ns, tm_reply *reply, tm_error *error);

#endif
