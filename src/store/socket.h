/* A stream socket that waits no longer than a deadline, and never raises SIGPIPE. */
#ifndef TM__STORE_SOCKET_H
#define TM__STORE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"
#include "store/resolve.h"

/* Connects to a host's port, or to a unix socket whose path fits a sockaddr_un; *fd is closed with close.
 * TM_EUNAVAILABLE, TM_EDENIED, TM_ETIMEOUT, TM_ENOMEM, TM_EIO. */
TM__SHARED int tm__socket_open(const char *host, const char *port, tm__resolver *resolver, int64_t deadline_ns, int *fd,
                               tm_error *error);
TM__SHARED int tm__socket_open_path(const char *path, int64_t deadline_ns, int *fd, tm_error *error);

/* Sends all of it. */
TM__SHARED int tm__socket_send(int fd, const char *bytes, size_t len, int64_t deadline_ns, tm_error *error);

/* Receives at least one byte. TM_EUNAVAILABLE at the end of the stream. */
TM__SHARED int tm__socket_receive(int fd, char *bytes, size_t capacity, int64_t deadline_ns, size_t *len,
                                  tm_error *error);

/* Whether nothing has come in, not even the end: what an idle connection should look like. */
TM__SHARED bool tm__socket_idle(int fd);

#endif
