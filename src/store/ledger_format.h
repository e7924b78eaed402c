/* The encoding of a ledger, version 1. Integers are little-endian; a "number" is a varint of 7 bits a byte, lowest
 * first, in as few bytes as it takes; a "signed" number is zigzag; a "text" is its length and its bytes.
 *
 *     header    magic, 8 bytes; version, 4 bytes; length of all in bytes, 8 bytes; id, 16 bytes
 *     body      revision; signed retired_until_ms
 *     families  count; each: name, type (1 byte), aggregation (1 byte), unit, help;
 *               histograms: count of finite bounds, each 8 bytes
 *     series    count; each: place of its family, labels, totals (none for gauges)
 *     instances count; each: name, last_seq, signed seen_ms, signed told_ms - seen_ms, flags (1 byte),
 *               count of values; each: signed step from the place of the last series, numbers of the series
 *               count of gauges; each: the same step, value (8 bytes), revision
 *     checksum  XXH3 of everything before it, 8 bytes
 *
 * Counts are numbers, sums 8 bytes. The header and the checksum stay where they are in every version, so that damage
 * can be told from a version that is too new. */
#ifndef TM__STORE_LEDGER_FORMAT_H
#define TM__STORE_LEDGER_FORMAT_H

#define TM__LEDGER_MAGIC "tmledger"

enum {
    TM__LEDGER_VERSION = 1,
    TM__LEDGER_HEADER_BYTES = 8 + 4 + 8 + 16,
    TM__LEDGER_CHECKSUM_BYTES = 8,
    TM__LEDGER_VALUES_EXPIRED = 1, /* flags of an instance */
    TM__LEDGER_HAD_REFUSALS = 2
};

#endif
