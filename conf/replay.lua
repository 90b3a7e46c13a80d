-- Applies journal records of one lane to one item: facts, so nothing is decided here. Idempotent:
-- a batch at or below the lane sequence is skipped, and so is an order that is there already. The
-- lanes of an item may be replayed in any order, only its creation comes first: a cancel that finds
-- no order leaves a mark which the order takes up when it comes (user/x/order, counted in `early`);
-- of closings and reopenings the latest holds.
--
-- KEYS  1 item hash   2 buyers hash   3 receipts list of this lane
-- ARGV  1 lane        2 journal id    3 records: msgpack array, of
--         the purchases that follow each other in one batch (lane sequence): 'B', batch, count, and
--           for each of them: user, quantity, the field of a buyer with this order alone
--         any other record: kind, batch, user, quantity, request, order id, extra, time in ms
--       All records of a batch come in one call, batches in order.
-- Reply "OK applied" or, with nothing written, "MISSING" (no item yet, and the records do not
--       begin with its creation) or "MISSING batch" (the first that is neither in Redis nor among
--       the records).
local item_key, buyers_key = KEYS[1], KEYS[2]
local call = redis.call
local lane_field = 'lane:' .. ARGV[1]
local item = call('HMGET', item_key, lane_field, 'stock', 'sold', 'state', 'state_ms', 'early',
                  'epoch')
call('HLEN', buyers_key)
call('LLEN', KEYS[3])
local sequence = tonumber(item[1] or 0)
local exists, stock, sold = item[2] ~= false, tonumber(item[2] or 0), tonumber(item[3] or 0)
local state, state_ms, early = item[4], tonumber(item[5] or 0), tonumber(item[6] or 0)
local changes = {}
local records = cmsgpack.unpack(ARGV[3])
local size = #records
if not exists and records[1] ~= 'N' then return 'MISSING' end

local function behind(i)
  return i + (records[i] == 'B' and 3 + 3 * records[i + 2] or 8)
end

local last, at = sequence, 1
while at <= size do
  local batch = records[at + 1]
  if batch > last + 1 then return string.format('MISSING batch %d', last + 1) end
  last, at = math.max(last, batch), behind(at)
end
-- What a lost item left of its buyers would pass for orders that are counted already.
if not exists then call('DEL', buyers_key) end

-- A buyer, and of the order: its value and what stands there of a cancellation ('' if it is live).
local function find(user, order)
  local field = call('HGET', buyers_key, user)
  if not field then return nil end
  local first, live, last = string.match(field, '^([^;]*);(%d+),(%d+)$')
  first = first or field
  local quantity, first_order, _, rest = string.match(first, '^(%d+),(%d+),([^,]*)(.*)$')
  local buyer = {first = first, order = first_order, rest = rest, last = last or first_order,
                 live = tonumber(live or (rest == '' and quantity or 0)), several = live ~= nil}
  if first_order == order then return buyer, first, rest end
  local other = call('HGET', buyers_key, user .. '/o/' .. order)
  if not other then return buyer end
  return buyer, other, string.match(other, '^%d+,[^,]*(.*)$')
end

local function write_buyer(user, buyer)
  local tail = buyer.several and string.format(';%d,%s', buyer.live, buyer.last) or ''
  call('HSET', buyers_key, user, buyer.first .. tail)
end

-- Ids of all proxies rise with time; as text, since Lua's numbers end at 2^53.
local function later(a, b)
  return #a > #b or #a == #b and a > b
end

local function take_early_cancel(user, order)
  if early == 0 then return '' end
  local field = user .. '/x/' .. order
  local mark = call('HGET', buyers_key, field)
  if not mark then return '' end
  call('HDEL', buyers_key, field)
  early = early - 1
  return mark
end

-- `field`: "qty,order,request", of a buyer who has no other order. Few have one: one HSETNX does.
local function buy(user, quantity, field)
  if early == 0 and call('HSETNX', buyers_key, user, field) == 1 then
    sold = sold + quantity
    return
  end
  local order, request = string.match(field, '^%d+,(%d+),(.*)$')
  local buyer, value = find(user, order)
  if value then return end
  local mark = take_early_cancel(user, order)
  local live = mark == '' and quantity or 0
  if not buyer then
    call('HSET', buyers_key, user, field .. mark)
  else
    buyer.several, buyer.live = true, buyer.live + live
    if later(order, buyer.last) then buyer.last = order end
    write_buyer(user, buyer)
    call('HSET', buyers_key, user .. '/o/' .. order, quantity .. ',' .. request .. mark)
    if request ~= '' then call('HSET', buyers_key, user .. '/r/' .. request, order) end
  end
  sold = sold + live
end

local function cancel(user, quantity, request, order)
  local buyer, value, cancelled = find(user, order)
  local mark = request == '' and ',c' or ',c,' .. request
  if not value then
    early = early + call('HSETNX', buyers_key, user .. '/x/' .. order, mark)
    return
  end
  if cancelled ~= '' then return end
  if buyer.several then buyer.live = buyer.live - quantity end
  if buyer.order == order then
    buyer.first = buyer.first .. mark
  else
    call('HSET', buyers_key, user .. '/o/' .. order, value .. mark)
  end
  write_buyer(user, buyer)
  sold = sold - quantity
end

-- Of one lane the later record of the same millisecond holds.
local function set_state(wanted, time_ms)
  if time_ms >= state_ms then state, state_ms = wanted, time_ms end
end

local function apply(kind, user, quantity, request, order, extra, time_ms)
  if kind == 'C' then cancel(user, quantity, request, order)
  elseif kind == 'R' then
    stock = stock + quantity
    if request ~= '' then changes['req:' .. request] = '1' end
  elseif kind == 'N' and not exists then
    exists, stock, state, state_ms = true, quantity, 'open', time_ms
    changes.initial = quantity
    changes.limit, changes.start, changes['end'] = string.match(extra, '^(%d+),(%d+),(%d+)')
    if not item[7] then changes.epoch = '1' end
  elseif kind == 'X' then set_state('closed', time_ms)
  elseif kind == 'O' then set_state('open', time_ms) end
end

local applied = 0
at = 1
while at <= size do
  local batch, after = records[at + 1], behind(at)
  if batch > sequence then
    if records[at] == 'B' then
      for i = at + 3, after - 1, 3 do buy(records[i], records[i + 1], records[i + 2]) end
      applied = applied + records[at + 2]
    else
      apply(records[at], unpack(records, at + 2, after - 1))
      applied = applied + 1
    end
  end
  at = after
end
if applied > 0 then
  -- One by one: a chunk may have more REQs of restocks than unpack() takes.
  for name, value in pairs(changes) do call('HSET', item_key, name, value) end
  local stock_text, sold_text = string.format('%d', stock), string.format('%d', sold)
  call('HSET', item_key, 'stock', stock_text, 'sold', sold_text, 'state', state,
       'state_ms', string.format('%d', state_ms), 'early', early,
       'check', stock_text .. ',' .. sold_text .. ',' .. call('HLEN', buyers_key),
       lane_field, string.format('%d', last), 'journal:' .. ARGV[1], ARGV[2])
  call('DEL', KEYS[3])  -- what it held is in the journal; the list must end at the lane sequence
end
return 'OK ' .. applied
