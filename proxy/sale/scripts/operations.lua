-- What becomes of operations that are not a user's first purchase; purchase.lua goes on behind it.
--
-- `batch` has what is the same for all of them: shelf_key, lane (its field), time_ms (the proxy's
-- wall clock), now_ms() (Redis's).
local call = redis.call

local STATUS = {[''] = 'placed', p = 'paid', c = 'cancelled', e = 'expired'}

-- The verdict of every purchase that is not a repeated one, or nil if the item is on sale.
local function not_on_sale(item, batch)
  if not item.exists then return 'N' end
  if item.state ~= OPEN then return 'C' end
  item.ends_in_ms = -1
  if item.starts == 0 and item.ends == 0 then return nil end
  local now = batch.now_ms()
  if now < item.starts then return string.format('B %d', item.starts) end
  if item.ends == 0 then return nil end
  if now >= item.ends then return string.format('E %d', item.ends) end
  item.ends_in_ms = item.ends - now
  return nil
end

-- As a table, for what is not a first purchase of an item without a window.
local function read_item(packed)
  if not packed then
    return {exists = false, stock = 0, sold = 0, fields = 0, limit = 0, ends_in_ms = -1}
  end
  local item = unpack_item(packed)
  item.exists, item.ends_in_ms = item.state ~= DELETING, -1
  return item
end

-- What decides an operation that is not a user's first purchase. `item` has the numbers of the
-- packed item under their names, `exists`, `shut` and `most`.
--
-- A buyer's field: "qty,order,request" of the first order and its fate (is_live), and behind ';' once
-- there are several: "live quantity,last order". Further orders have fields of their own:
-- user/o/order → "qty,request" and fate, and user/r/request → order. '/' is in no user's name; REQs
-- of restocks stand under "/r/request".
local function other_operations(item, name, buyers_key, batch)
  local function read_buyer(field)
    local first, live, last = string.match(field, '^([^;]*);(%d+),(%d+)$')
    first = first or field
    local qty, order, request, fate = string.match(first, '^(%d+),(%d+),([^,]*)(.*)$')
    return {first = first, qty = tonumber(qty), order = order, request = request, fate = fate,
            several = live ~= nil, live = tonumber(live or (is_live(fate) and qty or 0)),
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

  -- Finds an order of a buyer: user, the buyer, the field it stands in, quantity, request, fate.
  local function find_order(user, order)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local buyer = read_buyer(field)
    if buyer.order == order then
      return {user = user, buyer = buyer, field = user, quantity = buyer.qty,
              request = buyer.request, fate = buyer.fate}
    end
    if not buyer.several then return nil end
    local other = user .. '/o/' .. order
    local value = call('HGET', buyers_key, other)
    if not value then return nil end
    local quantity, request, fate = string.match(value, '^(%d+),([^,]*)(.*)$')
    return {user = user, buyer = buyer, field = other, quantity = tonumber(quantity),
            request = request, fate = fate}
  end

  -- Writes what became of an order now. One that is not live any more gives its quantity back.
  local function seal(found, fate)
    local buyer = found.buyer
    if found.field == found.user then
      buyer.first = string.sub(buyer.first, 1, #buyer.first - #found.fate) .. fate
    else
      call('HSET', buyers_key, found.field, found.quantity .. ',' .. found.request .. fate)
    end
    if not is_live(fate) then
      if buyer.several then buyer.live = buyer.live - found.quantity end
      item.sold = item.sold - found.quantity
    end
    write_buyer(found.user, buyer)
  end

  local function with_request(fate, request)
    return request == '' and fate or fate .. ',' .. request
  end

  local function buy(user, quantity, order, request)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local buyer = read_buyer(field)
    local earlier = earlier_order(buyer, user, request)
    if earlier then
      return (is_live(find_order(user, earlier).fate) and 'R ' or 'K ') .. earlier
    end
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

  local function cancel(user, refunds, order, request)
    local found = find_order(user, order)
    if not found then return 'N' end
    if not is_live(found.fate) then
      return request ~= '' and found.fate == ',c,' .. request and 'R' or 'D'
    end
    if found.fate ~= '' and refunds ~= 1 then return 'P' end
    seal(found, with_request(',c', request))
    return 'A ' .. found.quantity .. (found.fate == '' and ' 0' or ' 1')
  end

  local function pay(user, _, order, request)
    local found = find_order(user, order)
    if not found then return 'N' end
    local fate = string.sub(found.fate, 2, 2)
    if fate == 'c' then return 'K' end
    if fate == 'e' then return 'G' end
    if fate == 'p' then return request ~= '' and found.fate == ',p,' .. request and 'R' or 'D' end
    seal(found, with_request(',p', request))
    return 'A ' .. found.quantity
  end

  -- By the hold that the item has now: another proxy may have changed it.
  local function expire(user, age_ms, order)
    local found = find_order(user, order)
    if not found then return 'N' end
    if found.fate ~= '' then return 'D' end
    if item.hold == 0 or age_ms < item.hold then return string.format('H %d', item.hold) end
    seal(found, ',e')
    return 'A ' .. found.quantity
  end

  local function query(user, _, order, request)
    if request ~= '' then
      local field = call('HGET', buyers_key, user)
      order = field and earlier_order(read_buyer(field), user, request)
      if not order then return 'N' end
    end
    local found = find_order(user, order)
    if not found then return 'N' end
    return 'F ' .. order .. ' ' .. found.quantity .. ' ' .. STATUS[string.sub(found.fate, 2, 2)]
  end

  local function restock(_, delta, _, request)
    if not item.exists then return 'N' end
    local mark = '/r/' .. request
    if request ~= '' and call('HEXISTS', buyers_key, mark) == 1 then return 'R' end
    -- What was oversold (a machine that was rolled back and sold on) may be made good in steps.
    if delta < 0 and item.stock + delta < item.sold or item.stock + delta > 2147483647 then
      return 'X'
    end
    item.stock = item.stock + delta
    if request ~= '' then add_field(mark, '1') end
    return 'A'
  end

  local function create(_, quantity, _, _, definition)
    local limit, starts, ends, hold, low, high =
      string.match(definition, '^(%d+),(%d+),(%d+),(%d+),(%d+),(%d+)$')
    limit, starts, ends, hold = tonumber(limit), tonumber(starts), tonumber(ends), tonumber(hold)
    if item.exists then
      local same = item.initial == quantity and item.limit == limit and item.starts == starts and
                   item.ends == ends and item.hold == hold
      return same and 'R' or 'X'
    end
    if item.state == DELETING then return 'D' end
    call('DEL', buyers_key)
    item.exists, item.stock, item.sold, item.fields, item.early = true, quantity, 0, 0, 0
    item.initial, item.limit = quantity, limit
    item.born = struct.pack('<I4I4', tonumber(low), tonumber(high))
    item.starts, item.ends, item.hold, item.state = starts, ends, hold, OPEN
    item.since, item.changed = batch.time_ms, batch.time_ms
    add_field('/', BUYERS_MARK)
    item.most = limit == 0 and math.huge or limit
    item.shut = not_on_sale(item, batch)
    item.settings_changed = true
    return 'A'
  end

  -- This and set_state() tell the time that the record is to have: later than the one before,
  -- whatever the clocks say, so that the last one holds wherever the records of several lanes are
  -- put together again.
  local function change(_, _, _, _, definition)
    if not item.exists then return 'N' end
    local wanted = {string.match(definition, '^(-?%d+),(-?%d+),(-?%d+),(-?%d+),')}
    local before = {item.limit, item.starts, item.ends, item.hold}
    local differs = false
    for i = 1, 4 do
      wanted[i] = tonumber(wanted[i])
      if wanted[i] < 0 then wanted[i] = before[i] end
      differs = differs or wanted[i] ~= before[i]
    end
    local limit, starts, ends, hold = unpack(wanted)
    if ends ~= 0 and ends <= starts then return 'X' end
    if not differs then return 'R' end
    item.limit, item.starts, item.ends, item.hold = limit, starts, ends, hold
    item.changed = math.max(batch.time_ms, item.changed + 1)
    item.most = limit == 0 and math.huge or limit
    item.shut = not_on_sale(item, batch)
    item.settings_changed = true
    return string.format('A %d %d %d %d %d', limit, starts, ends, hold, item.changed)
  end

  local function set_state(wanted)
    if not item.exists then return 'N' end
    if item.state == wanted then return 'R' end
    item.since = math.max(batch.time_ms, item.since + 1)
    item.state = wanted
    item.shut = not_on_sale(item, batch)
    item.settings_changed = true
    return string.format('A %d', item.since)
  end

  -- In steps, so that nothing of the item can still be on its way to MySQL: first its checksum is
  -- told; once MySQL has all that this lane has journaled by then, it is asked for with that, and
  -- marked by this lane if it has not changed. With the mark of the last lane its buyers go, and
  -- once MySQL has that lane's record, for which it asks again in the same way, the item does too.
  local function delete(_, _, _, _, expected)
    local lane_number = string.match(batch.lane, '%d+')
    if not item.exists and item.state ~= DELETING or item.gone then return 'N' end
    local is_over = item.state ~= OPEN or item.ends ~= 0 and batch.now_ms() >= item.ends
    if not is_over then return 'V' end
    local has_no_buyers = item.state == DELETING and item.fields == 0
    if has_no_buyers and not frees_name(batch.shelf_key, name, lane_number) then return 'N' end
    local sum = string.format('%d', (checksums(pack_item(item))))
    if expected ~= sum then return 'W ' .. sum end
    if has_no_buyers then
      unmark_deleted(batch.shelf_key, name)
      item.gone = true
      return 'N'
    end
    local is_last, was_marked = mark_deleted(batch.shelf_key, name, lane_number)
    if was_marked and not is_last then return 'W ' .. sum end
    item.exists, item.state, item.settings_changed, item.shut = false, DELETING, true, 'N'
    if not is_last then return 'A 0' end
    call('UNLINK', buyers_key)
    item.fields, item.early = 0, 0
    return 'A 1'
  end

  local function describe()
    if not item.exists then return 'N' end
    return string.format('T %d %d %d %d %d %d %s', item.stock, item.sold, item.limit, item.starts,
                         item.ends, item.hold, item.state == OPEN and 'open' or 'closed')
  end

  local decide = {
    B = buy, C = cancel, P = pay, E = expire, Q = query, T = describe, R = restock, N = create,
    H = change, D = delete, X = function() return set_state(CLOSED) end,
    -- Closed for longer, it may be retired from journals already.
    O = function(_, _, _, _, retain_ms)
      local is_retired = item.exists and item.state == CLOSED and
                         batch.time_ms - item.since > tonumber(retain_ms)
      if is_retired then return 'X' end
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
