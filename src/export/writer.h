/* Buffered output into a sink. A refusal is remembered: the sink is not called again, and the end says so. */
#ifndef TM__EXPORT_WRITER_H
#define TM__EXPORT_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <taskermetrics/export.h>

/* Zero-initialised but for sink, ctx, bytes and capacity. */
typedef struct tm__writer {
    tm_sink sink;
    void *ctx;
    char *bytes;
    size_t capacity; /* at least TM__NUMBER_MAX */
    size_t len;
    bool failed; /* the sink refused: what follows is dropped */
} tm__writer;

/* For pieces that do not fit into what is left of the buffer. */
void tm__write_beyond(tm__writer *writer, const char *bytes, size_t len);

static inline void tm__write(tm__writer *writer, const char *bytes, size_t len)
{
    if (len > writer->capacity - writer->len) {
        tm__write_beyond(writer, bytes, len);
        return;
    }
    memcpy(writer->bytes + writer->len, bytes, len);
    writer->len += len;
}

void tm__writer_flush(tm__writer *writer);

/* Where `bytes` bytes can be put without further checks; the caller then adds to len what it did put. bytes: at most
 * the capacity. */
static inline char *tm__writer_room(tm__writer *writer, size_t bytes)
{
    if (writer->capacity - writer->len < bytes)
        tm__writer_flush(writer);
    return writer->bytes + writer->len;
}

static inline void tm__write_text(tm__writer *writer, const char *text)
{
    tm__write(writer, text, strlen(text));
}

static inline void tm__write_char(tm__writer *writer, char c)
{
    tm__write(writer, &c, 1);
}

void tm__write_u64(tm__writer *writer, uint64_t value);
void tm__write_double(tm__writer *writer, double value);

/* What stands for a byte in the output; NULL for the byte itself. */
typedef const char *tm__escapes[256];
void tm__write_escaped(tm__writer *writer, const char *text, size_t len, const tm__escapes escapes);

/* Hands over what is left. TM_ESINK if the sink refused anything. */
int tm__writer_finish(tm__writer *writer);

#endif
