-- Applies journal records of one lane to one item: facts, so nothing is decided here. Idempotent:
-- a batch at or below the lane sequence is skipped, and so is an order that is there already.
--
-- KEYS  1 item hash   2 buyers hash   3 receipts list of this lane
-- ARGV  1 lane        2 journal id    3 records: msgpack array, 7 elements a record:
--         batch (lane sequence), kind, user, quantity, request, order id, extra
--       All records of a batch come in one call, batches in order.
-- Reply "OK applied" or, with nothing written, "MISSING" (no item, and its creation is not among the
--       records) or "MISSING batch" (the first that is neither in Redis nor among the records).
local item_key, buyers_key = KEYS[1], KEYS[2]
local call = redis.call
local lane_field = 'lane:' .. ARGV[1]
local item = call('HMGET', item_key, lane_field, 'stock', 'sold', 'state')
call('HLEN', buyers_key)
call('LLEN', KEYS[3])
local sequence = tonumber(item[1] or 0)
local exists, stock, sold, state = item[2] ~= false, tonumber(item[2] or 0), tonumber(item[3] or 0), item[4]
local changes = {}
local records = cmsgpack.unpack(ARGV[3])
if not exists and records[2] ~= 'N' then return 'MISSING' end
local last = sequence
for i = 1, #records, 7 do
  if records[i] > last + 1 then return string.format('MISSING batch %d', last + 1) end
  last = math.max(last, records[i])
end
-- What a lost item left of its buyers would pass for orders that are counted already.
if not exists then call('DEL', buyers_key) end

local function find(user, order)
  local field = call('HGET', buyers_key, user)
  if not field then return nil end
  local first, live, last = string.match(field, '^([^;]*);(%d+),(%d+)$')
  first = first or field
  local quantity, first_order, _, rest = string.match(first, '^(%d+),(%d+),([^,]*)(.*)$')
  local buyer = {first = first, order = first_order, rest = rest, last = last or first_order,
                 live = tonumber(live or (rest == '' and quantity or 0)), several = live ~= nil}
  local other = first_order ~= order and call('HGET', buyers_key, user .. '/o/' .. order) or nil
  return buyer, first_order == order and first or other
end

local function write_buyer(user, buyer)
  local tail = buyer.several and string.format(';%d,%s', buyer.live, buyer.last) or ''
  call('HSET', buyers_key, user, buyer.first .. tail)
end

local function buy(user, quantity, request, order)
  local buyer, value = find(user, order)
  if value then return end
  if not buyer then
    call('HSET', buyers_key, user, quantity .. ',' .. order .. ',' .. request)
  else
    buyer.several, buyer.live, buyer.last = true, buyer.live + quantity, order
    write_buyer(user, buyer)
    call('HSET', buyers_key, user .. '/o/' .. order, quantity .. ',' .. request)
    if request ~= '' then call('HSET', buyers_key, user .. '/r/' .. request, order) end
  end
  sold = sold + quantity
end

local function cancel(user, quantity, request, order)
  local buyer, value = find(user, order)
  if not value or string.find(value, ',c', 1, true) then return end
  local mark = request == '' and ',c' or ',c,' .. request
  if buyer.several then buyer.live = buyer.live - quantity end
  if buyer.order == order then
    buyer.first = buyer.first .. mark
  else
    call('HSET', buyers_key, user .. '/o/' .. order, value .. mark)
  end
  write_buyer(user, buyer)
  sold = sold - quantity
end

local applied = 0
for i = 1, #records, 7 do
  local batch, kind, user, quantity = records[i], records[i + 1], records[i + 2], records[i + 3]
  local request, order, extra = records[i + 4], records[i + 5], records[i + 6]
  if batch > sequence then
    applied = applied + 1
    if kind == 'B' then buy(user, quantity, request, order)
    elseif kind == 'C' then cancel(user, quantity, request, order)
    elseif kind == 'R' then
      stock = stock + quantity
      if request ~= '' then changes['req:' .. request] = '1' end
    elseif kind == 'N' and not exists then
      exists, stock, state = true, quantity, 'open'
      changes.initial, changes.epoch = quantity, '1'
      changes.limit, changes.start, changes['end'] = string.match(extra, '^(%d+),(%d+),(%d+)$')
    elseif kind == 'X' then state = 'closed'
    elseif kind == 'O' then state = 'open' end
  end
end
if applied > 0 then
  -- One by one: a chunk may have more REQs of restocks than unpack() takes.
  for name, value in pairs(changes) do call('HSET', item_key, name, value) end
  call('HSET', item_key, 'stock', string.format('%d', stock), 'sold', string.format('%d', sold),
       'state', state, lane_field, string.format('%d', last), 'journal:' .. ARGV[1], ARGV[2])
  call('DEL', KEYS[3])  -- what it held is in the journal; the list must end at the lane sequence
end
return 'OK ' .. applied
