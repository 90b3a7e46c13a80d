-- An item's packed form, as shelves/packed_item.h says: purchase.lua and replay.lua begin with it.

-- stock, sold, fields, early; born; initial, limit; start, end, hold, since; state; two that are 0;
-- checksum.
local PACKED, PACKED_BYTES = '<I4I4I4I4c8I4I4I8I8I8I8I4I4I4I8', 84
local WORDS = '<I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I8'  -- 19 and the checksum
local OPEN, CLOSED, DELETING = 1, 2, 3

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

-- Marks of an item that is being deleted stand in the shelf's field @deleting, of all such items:
-- "phone=,7, tv=,7,8, "; an item's are the lanes that have marked it.
local function marks_of(deleting, name)
  local _, at = string.find(' ' .. deleting, ' ' .. name .. '=', 1, true)
  if not at then return ',' end
  return string.match(deleting, '^%S*', at)
end

-- `marks` nil: it is not being deleted any more.
local function with_marks(deleting, name, marks)
  local kept = ''
  for each, its in string.gmatch(deleting, '(%S+)=(%S+) ') do
    if each ~= name then kept = kept .. each .. '=' .. its .. ' ' end
  end
  return marks and kept .. name .. '=' .. marks .. ' ' or kept
end

local function write_marks(shelf_key, deleting)
  if deleting == '' then
    redis.call('HDEL', shelf_key, '@deleting')
  else
    redis.call('HSET', shelf_key, '@deleting', deleting)
  end
end

-- It is another item now.
local function unmark_deleted(shelf_key, name)
  local deleting = redis.call('HGET', shelf_key, '@deleting') or ''
  if marks_of(deleting, name) ~= ',' then
    write_marks(shelf_key, with_marks(deleting, name, nil))
  end
end

-- Sets this lane's mark, in an item that is being deleted. Returns whether it was the last that was
-- due (of all lanes that were ever heard of, but for those that an operator has given up), and
-- whether it was there before.
local function mark_deleted(shelf_key, name, lane)
  local call = redis.call
  local fields = call('HMGET', shelf_key, '@deleting', '@lanes')
  local deleting, lanes = fields[1] or '', fields[2] or ',' .. lane .. ','
  local marks = marks_of(deleting, name)
  local was_there = string.find(marks, ',' .. lane .. ',', 1, true) ~= nil
  if not was_there then marks = marks .. lane .. ',' end
  local due = false
  for other in string.gmatch(lanes, '%d+') do
    due = due or not string.find(marks, ',' .. other .. ',', 1, true) and
                 not call('HGET', shelf_key, '@forget:' .. other)
  end
  if due and was_there then return false, true end
  write_marks(shelf_key, with_marks(deleting, name, due and marks or nil))
  return not due, was_there
end

local function pack_item(item)
  local packed = struct.pack(PACKED, item.stock, item.sold, item.fields, item.early, item.born,
                             item.initial, item.limit, item.starts, item.ends, item.hold,
                             item.since, item.state, 0, 0, 0)
  return string.sub(packed, 1, -9) .. struct.pack('<I8', (checksums(packed)))
end
