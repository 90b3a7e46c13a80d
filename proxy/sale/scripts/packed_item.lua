-- An item's packed form, as shelves/packed_item.h says: operations.lua and replay.lua go on behind it.

-- stock, sold, fields, early; born; initial, limit; start, end, hold, since; state; changed;
-- checksum.
local PACKED, PACKED_BYTES = '<I4I4I4I4c8I4I4I8I8I8I8I4I8I8', 84
local WORDS = '<I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I8'  -- 19 and the checksum
local OPEN, CLOSED, DELETING = 1, 2, 3

-- The value of the field "/" of each buyers hash: it is there so that the key is, since a slot that
-- moves has all of them or none. A value above 64 bytes makes Redis keep the hash as a table from the
-- beginning (hash-max-listpack-value) and not as a list, which it would walk through for each buyer.
local BUYERS_MARK = string.rep('-', 65)

-- The sum over the 19 words before the checksum, and the checksum.
local function checksums(packed)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, sum = struct.unpack(WORDS, packed)
  return a * 3 + b * 5 + c * 7 + d * 11 + e * 13 + f * 17 + g * 19 + h * 23 + i * 29 + j * 31 +
         k * 37 + l * 41 + m * 43 + n * 47 + o * 53 + p * 59 + q * 61 + r * 67 + s * 71, sum
end

-- Whether it is as a script left it; `fields`: those that its buyers hash has now. `is_known`: for
-- the rest that is known.
local function is_whole(packed, fields, is_known)
  if not is_known then
    if #packed ~= PACKED_BYTES then return false end
    local is, should_be = checksums(packed)
    if is ~= should_be then return false end
  end
  return struct.unpack('<I4', packed, 9) == fields
end

local function unpack_item(packed)
  local item = {}
  item.stock, item.sold, item.fields, item.early, item.born, item.initial, item.limit, item.starts,
    item.ends, item.hold, item.since, item.state, item.changed = struct.unpack(PACKED, packed)
  return item
end

-- What became of an order stands behind its request: '' if nothing did, ',p' if it was paid, ',c' if
-- it was cancelled, ',e' if it has expired; behind the first two ',request' if they came with one.
local function is_live(fate)
  return fate == '' or string.byte(fate, 2) == 112
end

-- Marks of an item that is being deleted stand in the shelf's field @deleting, of all such items:
-- "phone=,7, tv=,7,8, "; an item's are the lanes that have marked it. The last of them is the one
-- whose record tells MySQL; when all have marked it, it frees the name once MySQL knows.
local function marks_of(deleting, name)
  local _, at = string.find(' ' .. deleting, ' ' .. name .. '=', 1, true)
  if not at then return ',' end
  return string.match(deleting, '^%S*', at)
end

-- `marks` ',': it is not being deleted any more.
local function write_marks(shelf_key, deleting, name, marks)
  local kept = marks == ',' and '' or name .. '=' .. marks .. ' '
  for each, its in string.gmatch(deleting, '(%S+)=(%S+) ') do
    if each ~= name then kept = kept .. each .. '=' .. its .. ' ' end
  end
  if kept == '' then
    redis.call('HDEL', shelf_key, '@deleting')
  else
    redis.call('HSET', shelf_key, '@deleting', kept)
  end
end

-- The name is another item's now, or free.
local function unmark_deleted(shelf_key, name)
  local deleting = redis.call('HGET', shelf_key, '@deleting') or ''
  if marks_of(deleting, name) ~= ',' then write_marks(shelf_key, deleting, name, ',') end
end

-- Sets this lane's mark, in an item that is being deleted: as the last one if it completes them
-- (those of all lanes that were ever heard of, but for those that an operator has given up), or if
-- `is_last` says that it did when they came first; else `is_last` false puts it before the others.
-- Returns whether they are complete, and whether it was there before.
local function mark_deleted(shelf_key, name, lane, is_last)
  local call = redis.call
  local fields = call('HMGET', shelf_key, '@deleting', '@lanes')
  local deleting, lanes = fields[1] or '', fields[2] or ',' .. lane .. ','
  local before, marks = marks_of(deleting, name), ','
  local was_there = string.find(before, ',' .. lane .. ',', 1, true) ~= nil
  for each in string.gmatch(before, '%d+') do
    if each ~= lane then marks = marks .. each .. ',' end
  end
  marks = is_last == false and ',' .. lane .. marks or marks .. lane .. ','
  for other in string.gmatch(lanes, '%d+') do
    if not string.find(marks, ',' .. other .. ',', 1, true) and
       not call('HGET', shelf_key, '@forget:' .. other) then
      if not was_there then write_marks(shelf_key, deleting, name, marks) end
      return false, was_there
    end
  end
  write_marks(shelf_key, deleting, name, marks)
  return true, was_there
end

-- Of an item that all lanes have marked: whether it is this one that frees its name.
local function frees_name(shelf_key, name, lane)
  local last
  local marks = marks_of(redis.call('HGET', shelf_key, '@deleting') or '', name)
  for each in string.gmatch(marks, '%d+') do
    if not redis.call('HGET', shelf_key, '@forget:' .. each) then last = each end
  end
  return last == nil or last == lane
end

local function pack_item(item)
  local packed = struct.pack(PACKED, item.stock, item.sold, item.fields, item.early, item.born,
                             item.initial, item.limit, item.starts, item.ends, item.hold,
                             item.since, item.state, item.changed, 0)
  return string.sub(packed, 1, -9) .. struct.pack('<I8', (checksums(packed)))
end
