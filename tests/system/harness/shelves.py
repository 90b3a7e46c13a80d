"""Where the sale is in Redis, worked out once more: keys, and an item's packed form.

On purpose not by the programs under test: what they write is looked at from outside. The layout is
that of shelves/packed_item.h and shelves/shelf_of.h.
"""

import struct

COUNT = 64  # sale.shelves

# The numbers of a packed item in their order; what is 0 for now has no name.
_FIELDS = ("stock", "sold", "fields", "early", "born", "initial", "limit", "start", "end", "hold",
           "since", "state")
_PACKED = struct.Struct("<IIIIQIIQQQQIII")
_SUM = struct.Struct("<Q")
_WEIGHTS = (3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
OPEN, CLOSED = 1, 2


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


_TABLE = tuple(_table())


def crc32c(data):
    """Castagnoli's CRC of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def shelf_of(item, count=COUNT):
    """The number of an item's shelf."""
    return crc32c(item.encode() if isinstance(item, str) else bytes(item)) % count


def shelf_key(item):
    """The hash of the item's shelf: the item is its field of that name."""
    return f"sluice:{{{shelf_of(item)}}}:shelf"


def buyers_key(item):
    return f"sluice:{{{shelf_of(item)}}}:buyers:{item}"


def receipts_key(item, lane):
    """The receipts list of one proxy on the item's shelf."""
    return f"sluice:{{{shelf_of(item)}}}:receipts:{lane}"


def _checksum(body):
    words = struct.unpack(f"<{len(_WEIGHTS)}I", body)
    return sum(weight * word for weight, word in zip(_WEIGHTS, words))


def pack_item(item):
    """The 84 bytes of an item that unpack_item() described; the checksum is made anew."""
    body = _PACKED.pack(*(item[name] for name in _FIELDS), 0, 0)
    return body + _SUM.pack(_checksum(body))


def unpack_item(packed):
    """{"stock": …, "sold": …, …}; asserts that the item is whole."""
    assert len(packed) == _PACKED.size + _SUM.size, packed
    body = packed[:_PACKED.size]
    assert _SUM.unpack(packed[_PACKED.size:]) == (_checksum(body),), packed
    return dict(zip(_FIELDS, _PACKED.unpack(body)))
