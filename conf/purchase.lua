-- Decides one batch of operations on one item, atomically.
--
-- KEYS  1 item hash   2 buyers hash   3 receipts list of this lane
-- ARGV  1 lane        2 epoch         3 lane sequence expected   4 lane sequence synced
--       5 journal id  6 operations    7 details of the operations: kept in the receipt, not read
-- The operations are a msgpack array, a column an element:
--       1 the wall clock in ms        2 kinds, a letter an operation
--       3 users ("/X": of none, but of kind X)          4 quantities
--       5 texts: "quantity,order,request", which is also how a buyer's field begins; of a creation
--         "limit,start,end,identity of this Redis process"; of a reopening retain_ms
-- A kind is in lower case if an operation before it in the batch has the same user.
-- Reply "GATE epoch" | "GAP sequence" | "EDITED found" (nothing was written), or
--       "OK sequence epoch remaining fields-before fields limit ends-in-ms" (remaining: before the
--       batch; fields: of the buyers hash; -1: it never ends) and one line of verdict an operation.
--
-- Nearly all operations are purchases of users who have not bought yet. They cost two calls of
-- Redis together: one HMGET tells who has bought, one HSET writes the new ones. What only the
-- others need is not even made before one of them comes.
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
local found = (item[3] or '') .. ',' .. (item[4] or '') .. string.format(',%d', fields)
if (exists or item[9]) and item[9] ~= found then return 'EDITED ' .. found end
local stock, sold = tonumber(item[3] or 0), tonumber(item[4] or 0)
local limit, starts, ends = tonumber(item[5] or 0), item[6] or '0', item[7] or '0'
local state = item[8]
local before, fields_before, ends_in_ms = stock - sold, fields, '-1'
local operations = cmsgpack.unpack(ARGV[6])
local time_ms, kinds, users = operations[1], operations[2], operations[3]
local quantities, texts = operations[4], operations[5]
local changes       -- nil, or further fields of the item hash, written at the end
local writes = 0    -- accepted operations

-- The verdict of every purchase that is not a repeated one, or nil if the item is on sale.
local function not_on_sale()
  if not exists then return 'N' end
  if state ~= 'open' then return 'C' end
  if starts == '0' and ends == '0' then return nil end
  local time = call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  if now_ms < tonumber(starts) then return 'B ' .. starts end
  if ends == '0' then return nil end
  if now_ms >= tonumber(ends) then return 'E ' .. ends end
  ends_in_ms = string.format('%d', ends - now_ms)
  return nil
end
local shut = not_on_sale()
local most = limit == 0 and math.huge or limit  -- that one buyer may have

local bought = call('HMGET', buyers_key, unpack(users))  -- each user's field, or false
local first_orders, size = {}, 0  -- user, text, user, text, …: not yet written
local function write_first_orders()
  for from = 1, size, 4000 do  -- Lua's stack holds 8,000 values
    fields = fields + call('HSET', buyers_key,
                           unpack(first_orders, from, math.min(from + 3999, size)))
  end
  size = 0
end

-- What decides an operation that is not a user's first purchase; nil: it is one after all.
local function other_operations()
  local function change(name, value)
    changes = changes or {}
    changes[name] = value
  end

  -- A buyer's field: "qty,order,request[,c[,cancel request]]" of the first order, and behind ';'
  -- once there are several: "live quantity,last order". Further orders have fields of their own:
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

  local function buy(user, quantity, order, request)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local buyer = read_buyer(field)
    local earlier = earlier_order(buyer, user, request)
    if earlier then return 'R ' .. earlier end
    if shut then return shut end
    if buyer.live + quantity > most then return 'L ' .. buyer.live .. ' ' .. buyer.last end
    if sold + quantity > stock then return 'S' end
    buyer.several, buyer.live, buyer.last = true, buyer.live + quantity, order
    write_buyer(user, buyer)
    fields = fields + call('HSET', buyers_key, user .. '/o/' .. order, quantity .. ',' .. request)
    if request ~= '' then
      fields = fields + call('HSET', buyers_key, user .. '/r/' .. request, order)
    end
    sold = sold + quantity
    writes = writes + 1
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
    sold = sold - quantity
    writes = writes + 1
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
    if not exists then return 'N' end
    local mark = 'req:' .. request
    if request ~= '' and
       (changes and changes[mark] or call('HEXISTS', item_key, mark) == 1) then
      return 'R'
    end
    if stock + delta < sold or stock + delta > 2147483647 then return 'X' end
    stock = stock + delta
    change('stock', string.format('%d', stock))
    if request ~= '' then change(mark, '1') end
    writes = writes + 1
    return 'A'
  end

  local function create(_, quantity, _, _, definition)
    local new_limit, new_starts, new_ends, run =
      string.match(definition, '^(%d+),(%d+),(%d+),(.*)$')
    if exists then
      local initial = changes and changes.initial or call('HGET', item_key, 'initial')
      local same = tonumber(initial) == quantity and limit == tonumber(new_limit) and
                   starts == new_starts and ends == new_ends
      return same and 'R' or 'X'
    end
    exists, stock, sold, state = true, quantity, 0, 'open'
    limit, starts, ends = tonumber(new_limit), new_starts, new_ends
    shut, most = not_on_sale(), limit == 0 and math.huge or limit
    -- An epoch that is there already was raised to keep out a lost batch: it stays. A new one is
    -- one that no item of this name ever had, also if it was deleted.
    if epoch == '0' then
      local time = call('TIME')
      epoch = string.format('%d', time[1] * 1000000 + time[2])
    end
    if fields > 0 then call('DEL', buyers_key) end
    fields = 0
    change('stock', quantity)
    change('initial', quantity)
    change('limit', new_limit)
    change('start', starts)
    change('end', ends)
    change('state', state)
    change('epoch', epoch)
    change('state_ms', string.format('%d', time_ms))
    change('run', run)
    writes = writes + 1
    return 'A'
  end

  -- Tells the time that the record is to have: later than the one before, whatever the clocks say,
  -- so that the last one holds wherever the records of several lanes are put together again.
  --
  -- retain_ms: longer ago than that it must not have been closed, to be opened again: journals may
  -- have let go what they knew of it, and a Redis that loses it would get back a part.
  local function set_state(wanted, retain_ms)
    if not exists then return 'N' end
    if state == wanted then return 'R' end
    local since = tonumber(changes and changes.state_ms or call('HGET', item_key, 'state_ms') or 0)
    if retain_ms and time_ms - since > retain_ms then return 'X' end
    local state_ms = string.format('%d', math.max(time_ms, since + 1))
    state = wanted
    shut = not_on_sale()
    change('state', state)
    change('state_ms', state_ms)
    writes = writes + 1
    return 'A ' .. state_ms
  end

  local function describe()
    if not exists then return 'N' end
    return string.format('T %d %d %d %s %s %s', stock, sold, limit, starts, ends, state)
  end

  local decide = {
    B = buy, C = cancel, Q = query, T = describe, R = restock, N = create,
    X = function() return set_state('closed') end,
    O = function(_, _, _, _, retain_ms) return set_state('open', tonumber(retain_ms)) end,
  }
  return function(kind, user, quantity, text)
    local order, request = string.match(text, '^[^,]*,([^,]*),([^,]*)$')
    local decide_one = decide[kind]
    if not decide_one then return '?' end
    return decide_one(user, quantity, order, request, text)
  end
end

local verdicts = {}
local only_first_buys = not string.find(kinds, '[^B]')
local decide_other
for i = 1, #users do
  local quantity, verdict = quantities[i], nil
  if bought[i] or not only_first_buys and string.sub(kinds, i, i) ~= 'B' then
    write_first_orders()
    decide_other = decide_other or other_operations()
    verdict = decide_other(string.upper(string.sub(kinds, i, i)), users[i], quantity, texts[i])
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
write_first_orders()

local answer = table.concat(verdicts, '\n')
if writes > 0 then
  local expected = sequence
  -- The receipt: enough to complete the batch's orders if the proxy dies before its journal write.
  -- It begins with its lane sequence: the list speaks for itself if the item hash is lost.
  sequence = string.format('%d', sequence + 1)
  local head = string.format('%s %d %d ', sequence, before, #answer)
  local receipts = call('RPUSH', receipts_key, head .. answer .. ARGV[6] .. ARGV[7])
  local journaled = receipts - (sequence - ARGV[4])
  if journaled > 0 then call('LTRIM', receipts_key, journaled, -1) end
  local check = (changes and changes.stock or item[3]) .. string.format(',%d,%d', sold, fields)
  call('HSET', item_key, 'sold', string.format('%d', sold), lane_field, sequence,
       'check', check)
  if expected == '0' then call('HSET', item_key, 'journal:' .. ARGV[1], ARGV[5]) end
  for name, value in pairs(changes or {}) do call('HSET', item_key, name, value) end
end
return string.format('OK %s %s %d %d %d %d %s\n', sequence, epoch, before, fields_before, fields,
                     limit, ends_in_ms) .. answer
