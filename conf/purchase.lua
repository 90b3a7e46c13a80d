-- Decides one batch of operations on one item, atomically.
--
-- KEYS  1 item hash   2 buyers hash   3 receipts list of this lane
-- ARGV  1 lane        2 epoch         3 lane sequence expected   4 lane sequence synced
--       5 journal id  6 operations: msgpack array, first the wall clock in ms, then
--         6 elements an operation: kind, user, quantity, request, order id, extra
-- Reply "GATE epoch" | "GAP sequence" | "EDITED found" (nothing was written), or
--       "OK sequence epoch fields-before fields limit ends-in-ms" (fields: of the buyers hash;
--       -1: it never ends) and one line of verdict an operation.
--
-- Sending a batch again is always safe: if it was applied, the lane sequence has moved on and the
-- answer is GAP. `check` ("stock,sold,fields of the buyers hash") is written with every change, so
-- that whatever else has changed one of the three is noticed before anything is sold by it. That
-- includes a call that ended in an error after its first write, which a script cannot take back: it
-- can only be the receipts list's type, since the two hashes are read first.
local item_key, buyers_key, receipts_key = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
local lane_field = 'lane:' .. ARGV[1]

local item = call('HMGET', item_key, 'epoch', lane_field, 'stock', 'sold', 'limit', 'start', 'end',
                  'state', 'check')
local epoch, sequence = item[1] or '0', item[2] or '0'
if epoch ~= ARGV[2] then return 'GATE ' .. epoch end
if sequence ~= ARGV[3] then return 'GAP ' .. sequence end

local exists = item[3] ~= false
local fields = call('HLEN', buyers_key)
local found = (item[3] or '') .. ',' .. (item[4] or '') .. ',' .. fields
if (exists or item[9]) and item[9] ~= found then return 'EDITED ' .. found end
local fields_before, ends_in_ms = fields, '-1'
local stock, sold = tonumber(item[3] or 0), tonumber(item[4] or 0)
local limit, starts, ends = tonumber(item[5] or 0), item[6] or '0', item[7] or '0'
local state = item[8]
local operations = cmsgpack.unpack(ARGV[6])
local time_ms = operations[1]
local changes = {}  -- further fields of the item hash, written at the end
local writes = 0    -- accepted operations

local window  -- nil, or the verdict of every purchase outside the sale's window
if starts ~= '0' or ends ~= '0' then
  local time = call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  if now_ms < tonumber(starts) then
    window = 'B ' .. starts
  elseif ends ~= '0' and now_ms >= tonumber(ends) then
    window = 'E ' .. ends
  elseif ends ~= '0' then
    ends_in_ms = string.format('%d', ends - now_ms)
  end
end

-- A buyer's field: "qty,order,request[,c[,cancel request]]" of the first order, and behind ';' once
-- there are several: "live quantity,last order". Further orders have fields of their own:
-- user/o/order → "qty,request[,c[,…]]" and user/r/request → order. '/' is in no user's name.
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

local function earlier_order(buyer, user, request)
  if request == '' then return nil end
  if buyer.request == request then return buyer.order end
  return buyer.several and call('HGET', buyers_key, user .. '/r/' .. request) or nil
end

local function buy(user, quantity, request, order)
  if not exists then return 'N' end
  local open = state == 'open' and not window
  local fits = sold + quantity <= stock
  if open and fits and (limit == 0 or quantity <= limit) and
     call('HSETNX', buyers_key, user, quantity .. ',' .. order .. ',' .. request) == 1 then
    sold, fields = sold + quantity, fields + 1
    writes = writes + 1
    return 'A ' .. stock - sold
  end
  local field = call('HGET', buyers_key, user)
  local buyer = field and read_buyer(field)
  local earlier = buyer and earlier_order(buyer, user, request)
  if earlier then return 'R ' .. earlier .. ' ' .. stock - sold end
  if state ~= 'open' then return 'C' end
  if window then return window end
  local bought = buyer and buyer.live or 0
  if limit > 0 and bought + quantity > limit then
    return 'L ' .. bought .. ' ' .. (buyer and buyer.last or '0')
  end
  if not fits then return 'S ' .. stock - sold end
  buyer.several, buyer.live, buyer.last = true, bought + quantity, order
  write_buyer(user, buyer)
  fields = fields + call('HSET', buyers_key, user .. '/o/' .. order, quantity .. ',' .. request)
  if request ~= '' then
    fields = fields + call('HSET', buyers_key, user .. '/r/' .. request, order)
  end
  sold = sold + quantity
  writes = writes + 1
  return 'A ' .. stock - sold
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

local function cancel(user, request, order)
  local buyer, field, quantity, bought_by, rest = find_order(user, order)
  if not buyer then return 'N' end
  if rest ~= '' then
    local same = request ~= '' and rest == ',c,' .. request
    return same and 'R ' .. stock - sold or 'D'
  end
  local mark = request == '' and ',c' or ',c,' .. request
  if buyer.several then buyer.live = buyer.live - quantity end
  if field == user then
    buyer.first = buyer.first .. mark
  else
    call('HSET', buyers_key, field, quantity .. ',' .. bought_by .. mark)
  end
  write_buyer(user, buyer)
  sold = sold - quantity
  writes = writes + 1
  return 'A ' .. stock - sold .. ' ' .. quantity
end

local function query(user, request, order)
  if request ~= '' then
    local field = call('HGET', buyers_key, user)
    order = field and earlier_order(read_buyer(field), user, request)
    if not order then return 'N' end
  end
  local buyer, _, quantity, _, rest = find_order(user, order)
  if not buyer then return 'N' end
  return 'F ' .. order .. ' ' .. quantity .. (rest == '' and ' placed' or ' cancelled')
end

local function restock(delta, request)
  if not exists then return 'N' end
  local mark = 'req:' .. request
  if request ~= '' and (changes[mark] or call('HEXISTS', item_key, mark) == 1) then
    return 'R ' .. stock - sold
  end
  if stock + delta < sold or stock + delta > 2147483647 then return 'X ' .. stock - sold end
  stock = stock + delta
  changes.stock = string.format('%d', stock)
  if request ~= '' then changes[mark] = '1' end
  writes = writes + 1
  return 'A ' .. stock - sold
end

-- definition: "limit,start,end,identity of this Redis process" (see gate.lua).
local function create(quantity, definition)
  local new_limit, new_starts, new_ends, run =
    string.match(definition, '^(%d+),(%d+),(%d+),(.*)$')
  if exists then
    local initial = changes.initial or call('HGET', item_key, 'initial')
    local same = tonumber(initial) == quantity and limit == tonumber(new_limit) and
                 starts == new_starts and ends == new_ends
    return same and 'R' or 'X'
  end
  exists, stock, sold, state = true, quantity, 0, 'open'
  limit, starts, ends = tonumber(new_limit), new_starts, new_ends
  -- An epoch that is there already was raised to keep out a lost batch: it stays. A new one is one
  -- that no item of this name ever had, also if it was deleted.
  if epoch == '0' then
    local time = call('TIME')
    epoch = string.format('%d', time[1] * 1000000 + time[2])
  end
  if fields > 0 then call('DEL', buyers_key) end
  fields = 0
  changes.stock, changes.initial, changes.limit = quantity, quantity, new_limit
  changes.start, changes['end'], changes.state, changes.epoch = starts, ends, state, epoch
  changes.state_ms, changes.run = string.format('%d', time_ms), run
  writes = writes + 1
  return 'A'
end

-- Tells the time that the record is to have: later than the one before, whatever the clocks say, so
-- that the last one holds wherever the records of several lanes are put together again.
--
-- retain_ms: longer ago than that it must not have been closed, to be opened again: journals may have
-- let go what they knew of it, and a Redis that loses it would get back a part.
local function set_state(wanted, retain_ms)
  if not exists then return 'N' end
  if state == wanted then return 'R' end
  local before = tonumber(changes.state_ms or call('HGET', item_key, 'state_ms') or 0)
  if retain_ms and time_ms - before > retain_ms then return 'X' end
  local state_ms = string.format('%d', math.max(time_ms, before + 1))
  state, changes.state, changes.state_ms = wanted, wanted, state_ms
  writes = writes + 1
  return 'A ' .. state_ms
end

local function describe()
  if not exists then return 'N' end
  return string.format('T %d %d %d %s %s %s', stock, sold, limit, starts, ends, state)
end

local verdicts = {}
for i = 2, #operations, 6 do
  local kind, user, quantity = operations[i], operations[i + 1], operations[i + 2]
  local request, order, extra = operations[i + 3], operations[i + 4], operations[i + 5]
  local verdict
  if kind == 'B' then verdict = buy(user, quantity, request, order)
  elseif kind == 'C' then verdict = cancel(user, request, order)
  elseif kind == 'Q' then verdict = query(user, request, order)
  elseif kind == 'T' then verdict = describe()
  elseif kind == 'R' then verdict = restock(quantity, request)
  elseif kind == 'N' then verdict = create(quantity, extra)
  elseif kind == 'X' then verdict = set_state('closed')
  elseif kind == 'O' then verdict = set_state('open', tonumber(extra))
  else verdict = '?' end
  verdicts[#verdicts + 1] = verdict
end

local answer = table.concat(verdicts, '\n')
if writes > 0 then
  if sequence == '0' then changes['journal:' .. ARGV[1]] = ARGV[5] end
  -- The receipt: enough to complete the batch's orders if the proxy dies before its journal write.
  -- It begins with its lane sequence: the list speaks for itself if the item hash is lost.
  sequence = string.format('%d', sequence + 1)
  local receipts = call('RPUSH', receipts_key,
                        sequence .. ' ' .. #answer .. ' ' .. answer .. ARGV[6])
  local journaled = receipts - (sequence - ARGV[4])
  if journaled > 0 then call('LTRIM', receipts_key, journaled, -1) end
  local sold_text = string.format('%d', sold)
  local check = (changes.stock or item[3]) .. ',' .. sold_text .. ',' .. fields
  call('HSET', item_key, 'sold', sold_text, lane_field, sequence, 'check', check)
  for name, value in pairs(changes) do call('HSET', item_key, name, value) end
end
return 'OK ' .. sequence .. ' ' .. epoch .. ' ' .. fields_before .. ' ' .. fields ..
       string.format(' %d ', limit) .. ends_in_ms .. '\n' .. answer
