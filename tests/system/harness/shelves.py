"""The sale's keys in Redis, and an item's packed form: shelves/shelf_of.h and packed_item.h."""

import struct

COUNT = 64  # sale.shelves

# stock, sold, fields, early; born; initial, limit; start, end, hold, since; state; two that are 0
_NUMBERS = struct.Struct("<4IQ2I4qIII")
_NAMES = ("stock", "sold", "fields", "early", "born", "initial", "limit", "start", "end", "hold",
          "since", "state")
_WORDS = struct.Struct("<19I")
_SUM = struct.Struct("<Q")
_WEIGHTS = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
OPEN, CLOSED = 1, 2


def _crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def shelf_of(item, count=COUNT):
    return crc32c(item.encode()) % count


def shelf_key(item):
    return f"sluice:{{{shelf_of(item)}}}:shelf"


def buyers_key(item):
    return f"sluice:{{{shelf_of(item)}}}:buyers:{item}"


def receipts_key(item, lane):
    return f"sluice:{{{shelf_of(item)}}}:receipts:{lane}"


def checksum(numbers):
    return sum(weight * word for weight, word in zip(_WEIGHTS, _WORDS.unpack(numbers)))


def pack_item(item):
    """What the scripts would write of an item with these numbers."""
    numbers = _NUMBERS.pack(*(item[name] for name in _NAMES), 0, 0)
    return numbers + _SUM.pack(checksum(numbers))


def unpack_item(packed):
    """All numbers by name, and under `whole` whether the checksum is theirs."""
    packed = packed.encode() if isinstance(packed, str) else packed  # as a client may return it
    numbers, (stored,) = packed[:_NUMBERS.size], _SUM.unpack(packed[_NUMBERS.size:])
    item = dict(zip(_NAMES, _NUMBERS.unpack(numbers)))
    item["whole"] = stored == checksum(numbers)
    return item
