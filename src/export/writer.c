#include "export/writer.h"

#include "base/number.h"

void tm__writer_flush(tm__writer *writer)
{
    if (writer->len > 0 && !writer->failed)
        writer->failed = writer->sink(writer->ctx, writer->bytes, writer->len) != 0;
    writer->len = 0;
}

void tm__write_beyond(tm__writer *writer, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t room = writer->capacity - writer->len;
        size_t piece = len < room ? len : room;
        memcpy(writer->bytes + writer->len, bytes, piece);
        writer->len += piece;
        bytes += piece;
        len -= piece;
        if (writer->len == writer->capacity)
            tm__writer_flush(writer);
    }
}

void tm__write_u64(tm__writer *writer, uint64_t value)
{
    char *place = tm__writer_room(writer, TM__NUMBER_MAX);
    writer->len += tm__print_u64(value, place);
}

void tm__write_double(tm__writer *writer, double value)
{
    char *place = tm__writer_room(writer, TM__NUMBER_MAX);
    writer->len += tm__print_double(value, place);
}

void tm__write_escaped(tm__writer *writer, const char *text, size_t len, const tm__escapes escapes)
{
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        const char *escape = escapes[(unsigned char)text[i]];
        if (!escape)
            continue;
        tm__write(writer, text + plain, i - plain);
        tm__write_text(writer, escape);
        plain = i + 1;
    }
    tm__write(writer, text + plain, len - plain);
}

int tm__writer_finish(tm__writer *writer)
{
    tm__writer_flush(writer);
    return writer->failed ? TM_ESINK : TM_OK;
}
