-- Decides one batch of operations on items of one shelf, atomically.
--
-- KEYS  1 shelf   2 receipts list of this lane   3… the buyers hash of each item, in their order
-- ARGV  1 the lane's field   2 epoch   3 what stands in the field: "sequence journal incarnation"
--       4 how many of the newest receipts are not synced, with the one of this batch
--       5 "" or "from until": the items foreseen (below) are on sale between these times in ms
--       6 how many operations each item has: 2 bytes each, little-endian
--       7 the lowest order id of the batch without its proxy: its milliseconds * 4096 + its counter
--       and then, of n items:
--       n names                 n times the item, packed, as it is foreseen to be found, or ''
--       n times its name and how it is foreseen to be left, and the same of the lane's field:
--       what is to be written if all goes as foreseen
--       and what the receipt is made of:
--       the receipt's first line as foreseen (below)         what is in the receipt alone (meta)
--       for each operation, those of an item one after the other, its user ("/X": of none, but of
--       kind X) and its text: "quantity,order,request", which is also how a buyer's field begins; of
--       a creation or change "limit,start,end,hold,born-low,born-high" (-1: as it was); of a
--       reopening retain_ms; of a deletion the checksum that the item must have, or 0. A quantity
--       of 1 makes of a cancel one that refunds; that of an expiry is the order's age in ms
--       details of the operations: kept in the receipt, not read
-- Meta is a msgpack array: 1 the wall clock in ms   2 names   3 numbers of operations   4 kinds, a
-- letter an operation: in lower case if an operation before it on the same item has the same user
-- 5 quantities   6 of an item foreseen what remains and born, of another ''.
-- The receipt's first line is "sequence heads-bytes verdicts-bytes synced-sequence " and behind that
-- heads and verdicts. Heads: for each item '=' if it went as foreseen, else "remaining fields-before
-- ends-in-ms " (remaining: before the batch; fields: of the buyers hash; ends-in-ms -1: never) and
-- behind that 'P' and the item as it is now, packed, or 'N': there is none. Verdicts: a line for each
-- operation on an item that did not go as foreseen.
-- Reply, with nothing written: "GATE epoch" | "GAP sequence" | "IMPOSTOR journal incarnation" |
--       "EDITED item" | "IDS low high": an item was born with this id, which an order's must be above,
--       by time and counter; what a proxy's clock says of another's is nothing
--       or "OK ", and behind that the receipt's first line.
--
-- What the caller knows of an item and sends for it, first purchases alone, tells what will come out,
-- and the caller reckons that faster than Lua: so it sends along how the item is to be found and how
-- it is to be left. If it is found so and nobody of them has bought, that is written as it is.
-- Whatever else is found, the item is decided here; what is no first purchase, in operations.lua.
--
-- Everything is read, and by that its type and our right to read it are checked, before anything is
-- written: what a script has written stays, also when it ends in an error. An item costs two calls
-- of Redis to look at its buyers and one to write them, or one for both if one buyer alone is
-- foreseen; all items are read by one HMGET and written by one HSET, with the lane's sequence.
--
-- Time is spent on strings: of each that Lua gets it looks at all bytes. So what is only passed on
-- is made by the caller, and as few as can be are made here.
--
-- An item is packed as packed_item.lua says. The checksum is of every number in it, so that
-- whatever is edited by hand is noticed before anything is sold by it; and the number of fields of
-- the buyers hash is one of them. It is a weighted sum: exact in a double, and linear, so that the
-- next one is the last one and what changed.
local KEYS, ARGV = KEYS, ARGV
local shelf_key, receipts_key = KEYS[1], KEYS[2]
local item_count = #KEYS - 2
-- Each the last one before.
local NAMES = 7
local BEFORE = NAMES + item_count
local AFTER = BEFORE + item_count
local RECEIPT = AFTER + 2 * item_count + 2
local ORDERS = RECEIPT + 2

local found = call('HMGET', shelf_key, '@epoch', ARGV[1], unpack(ARGV, NAMES + 1, BEFORE))
local epoch, lane = found[1] or '0', found[2] or '0 -'
if epoch ~= ARGV[2] then return 'GATE ' .. epoch end
if lane ~= ARGV[3] then
  local sequence, writer = string.match(lane, '^(%d+) ?(.*)$')
  if writer ~= string.match(ARGV[3], '^%d+ (.*)$') then return 'IMPOSTOR ' .. (writer or lane) end
  return 'GAP ' .. sequence
end

-- ---- Look: nothing is written yet.

local now_ms  -- by Redis's clock, once an item asks for it
local function redis_now_ms()
  if not now_ms then
    local time = call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
end

local in_window = true
if ARGV[5] ~= '' then
  local opens, ends = string.match(ARGV[5], '^(%d+) (%d+)$')
  in_window = redis_now_ms() >= tonumber(opens) and redis_now_ms() < tonumber(ends)
end

-- How many operations the item k has.
local function count_of(k)
  local low, high = string.byte(ARGV[6], 2 * k - 1, 2 * k)
  return low + 256 * high
end

-- Whether an item was born above the batch's order ids, by a proxy whose clock is ahead.
local function is_born_above(packed)
  local low, high = struct.unpack('<I4I4', packed, 17)
  local place = (high * 1024 + math.floor(low / 4194304)) * 4096 + low % 4096
  return place > tonumber(ARGV[7]), low, high
end

local bought = {}    -- by item: the fields of its users, if they were looked at
local foreseen = {}  -- by item: whether it goes as foreseen
local users = {}     -- of one item
local at = ORDERS
for k = 1, item_count do
  local packed, fields, count = found[k + 2], call('HLEN', KEYS[k + 2]), count_of(k)
  local is_foreseen = in_window and packed ~= '' and packed == ARGV[BEFORE + k]
  -- One that is not there has no buyers, else it was taken away by hand.
  if packed and not is_whole(packed, fields, is_foreseen) or not packed and fields > 0 then
    return 'EDITED ' .. ARGV[NAMES + k]
  end
  if packed and not is_foreseen then  -- what is foreseen was met before, and ids only rise
    local is_above, low, high = is_born_above(packed)
    if is_above then return string.format('IDS %d %d', low, high) end
  end
  if not is_foreseen or count > 1 then
    for i = 1, count do users[i] = ARGV[at + 2 * i - 1] end
    local its_bought = call('HMGET', KEYS[k + 2], unpack(users, 1, count))
    for i = 1, count do
      if its_bought[i] then is_foreseen = false end
    end
    bought[k] = its_bought
  end
  foreseen[k] = is_foreseen
  at = at + 2 * count
end
local receipts = call('LLEN', receipts_key)

-- ---- Write what went as foreseen.

-- Returns how many fields are new.
local function write(key, words, from, to)
  local added = 0
  for first = from, to, 4000 do  -- Lua's stack holds 8,000 values
    added = added + call('HSET', key, unpack(words, first, math.min(first + 3999, to)))
  end
  return added
end

-- `items`, from..to: names and items, packed; the lane's field and what stands there.
local function write_receipt_and_items(items, from, to)
  -- The receipt: enough to complete the batch's orders if the proxy dies before its journal write.
  -- It begins with its lane sequence: the list speaks for itself if the shelf is lost. The fourth
  -- number tells other lanes which receipts are journaled (receipts.lua).
  call('RPUSH', receipts_key, table.concat(ARGV, '\n', RECEIPT + 1))
  -- Now and then: those that the journal has, but for the newest, so that the key stays.
  local journaled = receipts + 1 - ARGV[4]
  if journaled > 16 then call('LTRIM', receipts_key, math.min(journaled, receipts), -1) end
  write(shelf_key, items, from, to)
end

local all_foreseen = true
at = ORDERS
for k = 1, item_count do
  local count = count_of(k)
  if not foreseen[k] then
    all_foreseen = false
  elseif bought[k] then
    write(KEYS[k + 2], ARGV, at + 1, at + 2 * count)
  elseif call('HSETNX', KEYS[k + 2], ARGV[at + 1], ARGV[at + 2]) == 0 then
    bought[k], foreseen[k], all_foreseen = {true}, false, false
  end
  at = at + 2 * count
end
if all_foreseen then
  write_receipt_and_items(ARGV, AFTER + 1, RECEIPT)
  return 'OK ' .. ARGV[RECEIPT + 1]
end

-- ---- Decide the others, and write their buyers.

local meta = cmsgpack.unpack(ARGV[RECEIPT + 2])
local kinds, quantities = meta[4], meta[5]
local batch = {shelf_key = shelf_key, lane = ARGV[1], time_ms = meta[1], now_ms = redis_now_ms}
local verdicts = {}   -- one an operation of an item that does not go as foreseen
local heads = {}      -- one an item
local changed = {}    -- name, packed, name, packed, …
local writes = 0      -- accepted operations

local plain_fields = {}  -- user, field, user, field, …, not yet written: of buyers with one order
local only_first_buys = not string.find(kinds, '[^B]')
-- stock, sold, fields; limit; start, end; state.
local FAST = '<I4I4I4xxxxxxxxxxxxxxxxI4I8I8xxxxxxxxxxxxxxxxI4'
local HOLD = '<' .. string.rep('x', 48) .. 'I8'

-- The quantity that comes back if a buyer's field is of one order, which expires at this age; else
-- nil. `item`: if it was read, as it is by now.
local function expires(packed, item, field, age_ms, text)
  local quantity, order = string.match(field, '^(%d+),(%d+),[^,;]*$')
  if item and not item.exists or order ~= string.match(text, '^%d+,(%d+),') then return nil end
  local hold_ms = item and item.hold or struct.unpack(HOLD, packed)
  return hold_ms ~= 0 and age_ms >= hold_ms and tonumber(quantity) or nil
end

-- Decides the operations of the item k: the first is the operation `first`, its user is ARGV[at + 1].
local function decide_item(k, first, at)
  local name, buyers_key, packed, its_bought = ARGV[NAMES + k], KEYS[k + 2], found[k + 2], bought[k]
  local item, stock, sold, fields, limit, shut
  local ends_in_ms = -1
  local starts, ends, state
  if packed then
    stock, sold, fields, limit, starts, ends, state = struct.unpack(FAST, packed)
  end
  if state ~= OPEN or starts ~= 0 or ends ~= 0 then
    item = read_item(packed)
    stock, sold, fields, limit = item.stock, item.sold, item.fields, item.limit
    shut = not_on_sale(item, batch)
    ends_in_ms = item.ends_in_ms
  end
  local most = limit == 0 and math.huge or limit
  local remaining, fields_before = stock - sold, fields
  local before, size, decide_other = writes, 0, nil

  for i = first, first + count_of(k) - 1 do
    local user, text, quantity, verdict = ARGV[at + 1], ARGV[at + 2], quantities[i], nil
    at = at + 2
    local kind = only_first_buys and 'B' or string.sub(kinds, i, i)
    local its_field = its_bought[i - first + 1]
    local given_back = kind == 'E' and its_field and expires(packed, item, its_field, quantity, text)
    if given_back then
      -- Most are a buyer's only order, many of them at once: these cost no call each.
      plain_fields[size + 1], plain_fields[size + 2] = user, its_field .. ',e'
      size, sold, writes = size + 2, sold - given_back, writes + 1
      verdict = 'A ' .. given_back
    elseif its_field or kind ~= 'B' then
      fields, size = fields + write(buyers_key, plain_fields, 1, size), 0
      item = item or read_item(packed)
      item.stock, item.sold, item.fields, item.most, item.shut = stock, sold, fields, most, shut
      decide_other = decide_other or other_operations(item, name, buyers_key, batch)
      verdict = decide_other(string.upper(kind), user, quantity, text)
      stock, sold, fields, most, shut = item.stock, item.sold, item.fields, item.most, item.shut
      ends_in_ms = item.ends_in_ms
      if verdict and string.byte(verdict) == 65 then writes = writes + 1 end
    end
    if verdict then
      -- decided
    elseif shut then
      verdict = shut
    elseif quantity > most then
      verdict = 'L 0 0'
    elseif sold + quantity > stock then
      verdict = 'S'
    else
      plain_fields[size + 1], plain_fields[size + 2] = user, text
      size = size + 2
      sold, writes = sold + quantity, writes + 1
      verdict = 'A'
    end
    verdicts[#verdicts + 1] = verdict
  end
  fields = fields + write(buyers_key, plain_fields, 1, size)
  if item and item.gone then
    call('HDEL', shelf_key, name)  -- no fact: if it is lost it is done again
    packed = nil
  elseif writes > before then
    if item and (item.settings_changed or not packed) then
      item.stock, item.sold, item.fields = stock, sold, fields
      packed = pack_item(item)
    else
      -- The rest as it is: the checksum is linear.
      local was_stock, was_sold, was_fields, rest, sum = struct.unpack('<I4I4I4c64I8', packed)
      sum = sum + 3 * (stock - was_stock) + 5 * (sold - was_sold) + 7 * (fields - was_fields)
      packed = struct.pack('<I4I4I4c64I8', stock, sold, fields, rest, sum)
    end
    changed[#changed + 1], changed[#changed + 2] = name, packed
  end
  heads[k] = string.format('%d %d %d ', remaining, fields_before, ends_in_ms) ..
             (packed and 'P' .. packed or 'N')
end

local first = 1
at = ORDERS
for k = 1, item_count do
  local count = count_of(k)
  if foreseen[k] then
    writes, heads[k] = writes + count, '='
    changed[#changed + 1], changed[#changed + 2] = ARGV[NAMES + k], ARGV[AFTER + 2 * k]
  else
    decide_item(k, first, at)
  end
  first, at = first + count, at + 2 * count
end

-- ---- Write what remains: the receipt, the items and the lane's sequence.

local head, answer = table.concat(heads), table.concat(verdicts, '\n')
local next_sequence, synced = string.match(ARGV[RECEIPT + 1], '^(%d+) %d+ %d+ (%d+) ')
local sequence = writes > 0 and next_sequence or string.match(ARGV[3], '^%d+')
ARGV[RECEIPT + 1] =
  string.format('%s %d %d %s ', sequence, #head, #answer, synced) .. head .. answer
if writes > 0 then
  changed[#changed + 1], changed[#changed + 2] = ARGV[1], ARGV[RECEIPT]
  write_receipt_and_items(changed, 1, #changed)
end
return 'OK ' .. ARGV[RECEIPT + 1]
