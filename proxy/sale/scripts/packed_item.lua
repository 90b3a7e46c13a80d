-- An item's packed form, as shelves/packed_item.h says: purchase.lua and replay.lua begin with it.

-- stock, sold, fields, early; born; initial, limit; start, end, hold, since; state; two that are 0;
-- checksum.
local PACKED, PACKED_BYTES = '<I4I4I4I4c8I4I4I8I8I8I8I4I4I4I8', 84
local WORDS = '<I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I8'  -- 19 and the checksum
local OPEN, CLOSED = 1, 2

-- The sum over the 19 words before the checksum, and the checksum.
local function checksums(packed)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, sum = struct.unpack(WORDS, packed)
  return a * 3 + b * 5 + c * 7 + d * 11 + e * 13 + f * 17 + g * 19 + h * 23 + i * 29 + j * 31 +
         k * 37 + l * 41 + m * 43 + n * 47 + o * 53 + p * 59 + q * 61 + r * 67 + s * 71, sum
end

-- Whether it is as a script left it; `fields`: those that its buyers hash has now.
local function is_whole(packed, fields)
  if #packed ~= PACKED_BYTES then return false end
  local is, should_be = checksums(packed)
  return is == should_be and struct.unpack('<I4', packed, 9) == fields
end

local function unpack_item(packed)
  local item = {}
  item.stock, item.sold, item.fields, item.early, item.born, item.initial, item.limit, item.starts,
    item.ends, item.hold, item.since, item.state = struct.unpack(PACKED, packed)
  return item
end

local function pack_item(item)
  local packed = struct.pack(PACKED, item.stock, item.sold, item.fields, item.early, item.born,
                             item.initial, item.limit, item.starts, item.ends, item.hold,
                             item.since, item.state, 0, 0, 0)
  return string.sub(packed, 1, -9) .. struct.pack('<I8', (checksums(packed)))
end
