-- Decides one batch of operations on items of one shelf, atomically.
--
-- KEYS  1 shelf   2 receipts list of this lane   3… the buyers hash of each item, in their order
-- ARGV  1 lane    2 epoch   3 lane sequence expected   4 lane sequence synced
--       5 "journal incarnation" of the writer           6 operations
--       7 details of the operations: kept in the receipt, not read
-- The operations are a msgpack array, a column an element; those of an item follow each other:
--       1 the wall clock in ms       2 names of the items    3 how many operations each has
--       4 kinds, a letter an operation                       5 users ("/X": of none, but of kind X)
--       6 quantities
--       7 texts: "quantity,order,request", which is also how a buyer's field begins; of a creation
--         "limit,start,end,hold," and 8 bytes of born; of a reopening retain_ms; of a deletion the
--         checksum that the item must have, or 0
-- A kind is in lower case if an operation before it on the same item has the same user.
-- Reply, with nothing written: "GATE epoch" | "GAP sequence" | "IMPOSTOR journal incarnation" |
--       "EDITED item"
--       or "OK sequence", for each item a line
--       "remaining fields-before fields limit ends-in-ms born-low born-high" (remaining: before the
--       batch; fields: of the buyers hash; ends-in-ms -1: never; born: of the item afterwards), and
--       for each operation a line of verdict.
--
-- Everything is read, and by that its type and our rights are checked, before anything is written:
-- what a script has written stays, also when it ends in an error. An item costs two calls of Redis
-- to look at its buyers and one to write them; all items are read by one HMGET and written by one
-- HSET, with the lane's sequence.
--
-- An item is packed as packed_item.lua says. The checksum is of every number in it, so that
-- whatever is edited by hand is noticed before anything is sold by it; and the number of fields of
-- the buyers hash is one of them. It is a weighted sum: exact in a double, and linear, so that the
-- next one is the last one and what changed.
local shelf_key, receipts_key = KEYS[1], KEYS[2]
local call = redis.call
local lane_field = '@lane:' .. ARGV[1]

local operations = cmsgpack.unpack(ARGV[6])
local time_ms, names, counts, kinds = operations[1], operations[2], operations[3], operations[4]
local users, quantities, texts = operations[5], operations[6], operations[7]
local item_count = #names

local found = call('HMGET', shelf_key, '@epoch', lane_field, unpack(names))
local epoch, lane = found[1] or '0', found[2] or '0 -'
if epoch ~= ARGV[2] then return 'GATE ' .. epoch end
if lane ~= ARGV[3] .. ' ' .. ARGV[5] then
  local sequence, writer = string.match(lane, '^(%d+) ?(.*)$')
  if writer ~= ARGV[5] then return 'IMPOSTOR ' .. (writer or lane) end
  return 'GAP ' .. sequence
end

-- ---- Look: nothing is written yet.

local bought = {}
local from = 1
for k = 1, item_count do
  local packed, fields = found[k + 2], call('HLEN', KEYS[k + 2])
  -- One that is not there has no buyers, else it was taken away by hand.
  if packed and not is_whole(packed, fields) or not packed and fields > 0 then
    return 'EDITED ' .. names[k]
  end
  bought[k] = call('HMGET', KEYS[k + 2], unpack(users, from, from + counts[k] - 1))
  from = from + counts[k]
end
local receipts = call('LLEN', receipts_key)

-- ---- Decide, and write the buyers.

local NO_BORN = '\0\0\0\0\0\0\0\0'
local verdicts = {}   -- one an operation
local heads = {}      -- of the answer, one an item
local changed = {}    -- name, packed, name, packed, …
local writes = 0      -- accepted operations
local now_ms          -- by Redis's clock, once an item asks for it

local function redis_now_ms()
  if not now_ms then
    local time = call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
end

-- What decides an operation that is not a user's first purchase. `item` has the numbers of the
-- packed item under their names, `exists`, `shut` and `most`.
--
-- A buyer's field: "qty,order,request[,c[,cancel request]]" of the first order, and behind ';' once
-- there are several: "live quantity,last order". Further orders have fields of their own:
-- user/o/order → "qty,request[,c[,…]]" and user/r/request → order. '/' is in no user's name; REQs
-- of restocks stand under "/r/request".
local function other_operations(item, name, buyers_key, not_on_sale)
  local function read_buyer(field)
    local first, live, last = string.match(field, '^([^;]*);(%d+),(%d+)$')
    first = first or field
    local qty, order, request, rest = string.match(first, '^(%d+),(%d+),([^,]*)(.*)$')
    return {first = first, qty = tonumber(qty), order = order, request = request, rest = rest,
            several = live ~= nil, live = tonumber(live or (rest == '' and qty or 0)),
            last = last or order}
  end

  local function write_buyer(user, buyer)
    local field = buyer.first
    if buyer.several then
      field = field .. ';' .. string.format('%d', buyer.live) .. ',' .. buyer.last
    end
    call('HSET', buyers_key, user, field)
  end

  local function add_field(name, value)
    item.fields = item.fields + call('HSET', buyers_key, name, value)
  end

  local function earlier_order(buyer, user, request)
    if request == '' then return nil end
    if buyer.request == request then return buyer.order end
    return buyer.several and call('HGET', buyers_key, user .. '/r/' .. request) or nil
  end

  local function buy(user, quantity, order, request)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local buyer = read_buyer(field)
    local earlier = earlier_order(buyer, user, request)
    if earlier then return 'R ' .. earlier end
    if item.shut then return item.shut end
    if buyer.live + quantity > item.most then return 'L ' .. buyer.live .. ' ' .. buyer.last end
    if item.sold + quantity > item.stock then return 'S' end
    buyer.several, buyer.live, buyer.last = true, buyer.live + quantity, order
    write_buyer(user, buyer)
    add_field(user .. '/o/' .. order, quantity .. ',' .. request)
    if request ~= '' then add_field(user .. '/r/' .. request, order) end
    item.sold = item.sold + quantity
    return 'A'
  end

  -- Finds an order of a buyer: the buyer, the field it stands in, quantity, request, rest.
  local function find_order(user, order)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local buyer = read_buyer(field)
    if buyer.order == order then return buyer, user, buyer.qty, buyer.request, buyer.rest end
    if not buyer.several then return nil end
    local other = user .. '/o/' .. order
    local value = call('HGET', buyers_key, other)
    if not value then return nil end
    local quantity, request, rest = string.match(value, '^(%d+),([^,]*)(.*)$')
    return buyer, other, tonumber(quantity), request, rest
  end

  local function cancel(user, _, order, request)
    local buyer, field, quantity, bought_by, rest = find_order(user, order)
    if not buyer then return 'N' end
    if rest ~= '' then
      return request ~= '' and rest == ',c,' .. request and 'R' or 'D'
    end
    local mark = request == '' and ',c' or ',c,' .. request
    if buyer.several then buyer.live = buyer.live - quantity end
    if field == user then
      buyer.first = buyer.first .. mark
    else
      call('HSET', buyers_key, field, quantity .. ',' .. bought_by .. mark)
    end
    write_buyer(user, buyer)
    item.sold = item.sold - quantity
    return 'A ' .. quantity
  end

  local function query(user, _, order, request)
    if request ~= '' then
      local field = call('HGET', buyers_key, user)
      order = field and earlier_order(read_buyer(field), user, request)
      if not order then return 'N' end
    end
    local buyer, _, quantity, _, rest = find_order(user, order)
    if not buyer then return 'N' end
    return 'F ' .. order .. ' ' .. quantity .. (rest == '' and ' placed' or ' cancelled')
  end

  local function restock(_, delta, _, request)
    if not item.exists then return 'N' end
    local mark = '/r/' .. request
    if request ~= '' and call('HEXISTS', buyers_key, mark) == 1 then return 'R' end
    if item.stock + delta < item.sold or item.stock + delta > 2147483647 then return 'X' end
    item.stock = item.stock + delta
    if request ~= '' then add_field(mark, '1') end
    return 'A'
  end

  local function create(_, quantity, _, _, definition)
    local limit, starts, ends, hold, born =
      string.match(definition, '^(%d+),(%d+),(%d+),(%d+),(.*)$')
    limit, starts, ends, hold = tonumber(limit), tonumber(starts), tonumber(ends), tonumber(hold)
    if item.exists then
      local same = item.initial == quantity and item.limit == limit and item.starts == starts and
                   item.ends == ends and item.hold == hold
      return same and 'R' or 'X'
    end
    if item.state == DELETING then return 'D' end
    call('DEL', buyers_key)
    item.exists, item.stock, item.sold, item.fields, item.early = true, quantity, 0, 0, 0
    item.initial, item.limit, item.born = quantity, limit, born
    item.starts, item.ends, item.hold, item.since, item.state = starts, ends, hold, time_ms, OPEN
    add_field('/', '1')  -- so that the key is there: a slot that moves has all of them or none
    item.most = limit == 0 and math.huge or limit
    item.shut = not_on_sale(item)
    item.settings_changed = true
    return 'A'
  end

  -- Tells the time that the record is to have: later than the one before, whatever the clocks say,
  -- so that the last one holds wherever the records of several lanes are put together again.
  local function set_state(wanted)
    if not item.exists then return 'N' end
    if item.state == wanted then return 'R' end
    item.since = math.max(time_ms, item.since + 1)
    item.state = wanted
    item.shut = not_on_sale(item)
    item.settings_changed = true
    return string.format('A %d', item.since)
  end

  -- In steps, so that nothing of the item can still be on its way to MySQL: first its checksum is
  -- told; once MySQL has all that this lane has journaled by then, it is asked for with that, and
  -- marked by this lane if it has not changed. With the mark of the last lane its buyers go, and
  -- once MySQL has that lane's record, for which it asks again in the same way, the item does too.
  local function delete(_, _, _, _, expected)
    if not item.exists and item.state ~= DELETING or item.gone then return 'N' end
    local is_over = item.state ~= OPEN or item.ends ~= 0 and redis_now_ms() >= item.ends
    if not is_over then return 'V' end
    local has_no_buyers = item.state == DELETING and item.fields == 0
    if has_no_buyers and not frees_name(shelf_key, name, ARGV[1]) then return 'N' end
    local sum = string.format('%d', (checksums(pack_item(item))))
    if expected ~= sum then return 'W ' .. sum end
    if has_no_buyers then
      unmark_deleted(shelf_key, name)
      item.gone = true
      return 'N'
    end
    local is_last, was_marked = mark_deleted(shelf_key, name, ARGV[1])
    if was_marked and not is_last then return 'W ' .. sum end
    item.exists, item.state, item.settings_changed, item.shut = false, DELETING, true, 'N'
    if not is_last then return 'A 0' end
    call('UNLINK', buyers_key)
    item.fields, item.early = 0, 0
    return 'A 1'
  end

  local function describe()
    if not item.exists then return 'N' end
    return string.format('T %d %d %d %d %d %s', item.stock, item.sold, item.limit, item.starts,
                         item.ends, item.state == OPEN and 'open' or 'closed')
  end

  local decide = {
    B = buy, C = cancel, Q = query, T = describe, R = restock, N = create,
    D = delete, X = function() return set_state(CLOSED) end,
    -- Closed for longer, it may be retired from journals already.
    O = function(_, _, _, _, retain_ms)
      if item.exists and item.state == CLOSED and time_ms - item.since > tonumber(retain_ms) then
        return 'X'
      end
      return set_state(OPEN)
    end,
  }
  return function(kind, user, quantity, text)
    local order, request = string.match(text, '^[^,]*,([^,]*),([^,]*)$')
    local decide_one = decide[kind]
    if not decide_one then return '?' end
    if item.state == DELETING and kind ~= 'D' and kind ~= 'N' then return 'N' end
    return decide_one(user, quantity, order, request, text)
  end
end

-- The verdict of every purchase that is not a repeated one, or nil if the item is on sale.
local function not_on_sale(item)
  if not item.exists then return 'N' end
  if item.state ~= OPEN then return 'C' end
  item.ends_in_ms = -1
  if item.starts == 0 and item.ends == 0 then return nil end
  local now = redis_now_ms()
  if now < item.starts then return string.format('B %d', item.starts) end
  if item.ends == 0 then return nil end
  if now >= item.ends then return string.format('E %d', item.ends) end
  item.ends_in_ms = item.ends - now
  return nil
end

-- As a table, for what is not a first purchase of an item without a window.
local function read_item(packed)
  if not packed then
    return {exists = false, stock = 0, sold = 0, fields = 0, limit = 0, ends_in_ms = -1,
            born = NO_BORN}
  end
  local item = unpack_item(packed)
  item.exists, item.ends_in_ms = item.state ~= DELETING, -1
  return item
end

local only_first_buys = not string.find(kinds, '[^B]')
-- stock, sold, fields; born; limit; start, end; state.
local FAST = '<I4I4I4xxxxc8xxxxI4I8I8xxxxxxxxxxxxxxxxI4'
local first_orders = {}  -- user, text, user, text, …: not yet written
local function write_first_orders(buyers_key, size)
  local added = 0
  for at = 1, size, 4000 do  -- Lua's stack holds 8,000 values
    added = added + call('HSET', buyers_key,
                         unpack(first_orders, at, math.min(at + 3999, size)))
  end
  return added
end

from = 1
for k = 1, item_count do
  local buyers_key, packed, its_bought = KEYS[k + 2], found[k + 2], bought[k]
  local item, stock, sold, fields, limit, born, shut
  local ends_in_ms = -1
  local starts, ends, state
  if packed then
    stock, sold, fields, born, limit, starts, ends, state = struct.unpack(FAST, packed)
  end
  if state ~= OPEN or starts ~= 0 or ends ~= 0 then
    item = read_item(packed)
    stock, sold, fields, limit, born = item.stock, item.sold, item.fields, item.limit, item.born
    shut = not_on_sale(item)
    ends_in_ms = item.ends_in_ms
  end
  local most = limit == 0 and math.huge or limit
  local remaining, fields_before = stock - sold, fields
  local before, size, decide_other = writes, 0, nil

  for i = from, from + counts[k] - 1 do
    local quantity, verdict = quantities[i], nil
    if its_bought[i - from + 1] or
       not only_first_buys and string.sub(kinds, i, i) ~= 'B' then
      fields, size = fields + write_first_orders(buyers_key, size), 0
      item = item or read_item(packed)
      item.stock, item.sold, item.fields, item.most, item.shut = stock, sold, fields, most, shut
      decide_other = decide_other or other_operations(item, names[k], buyers_key, not_on_sale)
      verdict = decide_other(string.upper(string.sub(kinds, i, i)), users[i], quantity, texts[i])
      stock, sold, fields, most, shut = item.stock, item.sold, item.fields, item.most, item.shut
      limit, born, ends_in_ms = item.limit, item.born, item.ends_in_ms
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
      first_orders[size + 1], first_orders[size + 2] = users[i], texts[i]
      size = size + 2
      sold, writes = sold + quantity, writes + 1
      verdict = 'A'
    end
    verdicts[i] = verdict
  end
  if size > 0 then fields = fields + write_first_orders(buyers_key, size) end
  from = from + counts[k]
  local born_low, born_high = struct.unpack('<I4I4', born)
  heads[k] = remaining .. ' ' .. fields_before .. ' ' .. fields .. ' ' .. limit .. ' ' ..
             string.format('%d %d %d', ends_in_ms, born_low, born_high)
  if item and item.gone then
    call('HDEL', shelf_key, names[k])  -- no fact: if it is lost it is done again
  elseif writes > before then
    local at = #changed
    changed[at + 1] = names[k]
    if item and (item.settings_changed or not packed) then
      item.stock, item.sold, item.fields = stock, sold, fields
      changed[at + 2] = pack_item(item)
    else
      -- The rest as it is: the checksum is linear.
      local was_stock, was_sold, was_fields, rest, sum = struct.unpack('<I4I4I4c64I8', packed)
      sum = sum + 3 * (stock - was_stock) + 5 * (sold - was_sold) + 7 * (fields - was_fields)
      changed[at + 2] = struct.pack('<I4I4I4c64I8', stock, sold, fields, rest, sum)
    end
  end
end

-- ---- Write what remains: the receipt, the items and the lane's sequence.

local answer = table.concat(verdicts, '\n')
local head = table.concat(heads, '\n')
local sequence = ARGV[3]
if writes > 0 then
  sequence = string.format('%d', sequence + 1)
  -- The receipt: enough to complete the batch's orders if the proxy dies before its journal write.
  -- It begins with its lane sequence: the list speaks for itself if the shelf is lost. The fourth
  -- number tells other lanes which receipts are journaled (receipts.lua).
  call('RPUSH', receipts_key,
       string.format('%s %d %d %s ', sequence, #head, #answer, ARGV[4]) .. head .. answer ..
         ARGV[6] .. ARGV[7])
  -- Now and then: those that the journal has, but for the newest, so that the key stays.
  local journaled = receipts + 1 - (sequence - ARGV[4])
  if journaled > 16 then call('LTRIM', receipts_key, math.min(journaled, receipts), -1) end
  local at = #changed
  changed[at + 1], changed[at + 2] = lane_field, sequence .. ' ' .. ARGV[5]
  call('HSET', shelf_key, unpack(changed))
end
return 'OK ' .. sequence .. '\n' .. head .. '\n' .. answer
