-- Applies journal records of one lane to items of one shelf: facts, so nothing is decided here.
-- Idempotent: a batch at or below the lane sequence is skipped, and so is an order that is there
-- already. The lanes of a shelf may be replayed in any order, only an item's creation comes first:
-- what becomes of an order that is not here yet leaves a mark which the order takes up when it comes
-- (user/x/order, counted in `early`); of closings and reopenings the latest holds, and so of changes.
--
-- KEYS  1 shelf   2 receipts list of this lane   3… the buyers hash of each item, in their order
-- ARGV  1 lane    2 "journal incarnation" of the writer
--       3, 4 lane sequences: the records are all of the lane above the first, up to the second
--       5 names of the items: msgpack array
--       6 records: msgpack array with an array for each item, of
--         'G', born (8 bytes): the records behind it are of the item that was born so
--         the purchases that follow each other in one batch (lane sequence): 'B', batch, count, and
--           for each of them: user, quantity, the field of a buyer with this order alone
--         any other record: kind, batch, user, quantity, request, order id, extra, time in ms
--       7 'orphans': records of an item that no lane brings any more are left out
-- Reply "OK records applied" | "GAP lane sequence" (it is below ARGV[3]; nothing was written) |
--       "EDITED item" (nothing was written) |
--       "WAITS lane sequence born-low born-high item": applied up to there; the batch after it
--       speaks of an item that another lane has created, and that is not here yet
local shelf_key, receipts_key = KEYS[1], KEYS[2]
local call = redis.call
local lane_field = '@lane:' .. ARGV[1]
local from, to = tonumber(ARGV[3]), tonumber(ARGV[4])
local names, records = cmsgpack.unpack(ARGV[5]), cmsgpack.unpack(ARGV[6])

-- ---- Look: nothing is written yet.

local found = call('HMGET', shelf_key, lane_field, unpack(names))
call('LLEN', receipts_key)
local sequence = tonumber(string.match(found[1] or '', '^%d+') or 0)
if sequence < from then return string.format('GAP %d', sequence) end
if sequence >= to then return 'OK 0' end
local items = {}
for k = 1, #names do
  local packed, fields = found[k + 1], call('HLEN', KEYS[k + 2])
  if packed then
    if not is_whole(packed, fields) then return 'EDITED ' .. names[k] end
    items[k] = unpack_item(packed)
  end
end

-- Ids of all proxies rise with time, and so does what an item is born as.
local function older(a, b)
  local a_low, a_high = struct.unpack('<I4I4', a)
  local b_low, b_high = struct.unpack('<I4I4', b)
  return a_high < b_high or a_high == b_high and a_low < b_low
end

local function behind(list, i)
  local kind = list[i]
  if kind == 'G' then return i + 2 end
  return i + (kind == 'B' and 3 + 3 * list[i + 2] or 8)
end

local orphans = {}  -- by what they are born, once that was asked
local function is_left_out(born)
  if ARGV[7] ~= 'orphans' then return false end
  if orphans[born] == nil then orphans[born] = is_orphan(shelf_key, ARGV[1], born) end
  return orphans[born]
end

-- The first batch that speaks of an item which is not here, and will not be made here before.
local waits_at, waits_for
for k = 1, #names do
  local list, at, born = records[k], 1, nil
  local here = items[k] and items[k].born
  while at <= #list do
    if list[at] == 'G' then
      born = list[at + 1]
    elseif list[at + 1] > sequence then
      if list[at] == 'N' and not (here and older(born, here)) then here = born end
      if (not here or older(here, born)) and not (waits_at and waits_at <= list[at + 1]) and
         not is_left_out(born) then
        local low, high = struct.unpack('<I4I4', born)
        waits_at, waits_for = list[at + 1], string.format('%d %d %s', low, high, names[k])
      end
    end
    at = behind(list, at)
  end
end
local last = waits_at and waits_at - 1 or to

-- ---- Apply what is above the lane sequence, up to `last`.

-- Of one item.
local function replayer(name, buyers_key, item)
  -- A buyer, and of the order: its value and what became of it (is_live).
  local function find(user, order)
    local field = call('HGET', buyers_key, user)
    if not field then return nil end
    local first, live, last_order = string.match(field, '^([^;]*);(%d+),(%d+)$')
    first = first or field
    local quantity, first_order, _, fate = string.match(first, '^(%d+),(%d+),([^,]*)(.*)$')
    local buyer = {first = first, order = first_order, last = last_order or first_order,
                   several = live ~= nil, live = tonumber(live or (is_live(fate) and quantity or 0))}
    if first_order == order then return buyer, first, fate end
    local other = call('HGET', buyers_key, user .. '/o/' .. order)
    if not other then return buyer end
    return buyer, other, string.match(other, '^%d+,[^,]*(.*)$')
  end

  local function set_field(name, value)
    item.fields = item.fields + call('HSET', buyers_key, name, value)
  end

  local function write_buyer(user, buyer)
    local tail = buyer.several and string.format(';%d,%s', buyer.live, buyer.last) or ''
    set_field(user, buyer.first .. tail)
  end

  -- As text, since Lua's numbers end at 2^53.
  local function later(a, b)
    return #a > #b or #a == #b and a > b
  end

  local function take_early_fate(user, order)
    if item.early == 0 then return '' end
    local field = user .. '/x/' .. order
    local mark = call('HGET', buyers_key, field)
    if not mark then return '' end
    item.fields = item.fields - call('HDEL', buyers_key, field)
    item.early = item.early - 1
    return mark
  end

  local apply = {}

  -- `field`: "qty,order,request", of a buyer who has no other order. Few have one: one HSETNX does.
  function apply.buy(user, quantity, field)
    if item.early == 0 and call('HSETNX', buyers_key, user, field) == 1 then
      item.fields, item.sold = item.fields + 1, item.sold + quantity
      return
    end
    local order, request = string.match(field, '^%d+,(%d+),(.*)$')
    local buyer, value = find(user, order)
    if value then return end
    local fate = take_early_fate(user, order)
    local live = is_live(fate) and quantity or 0
    if not buyer then
      set_field(user, field .. fate)
    else
      buyer.several, buyer.live = true, buyer.live + live
      if later(order, buyer.last) then buyer.last = order end
      write_buyer(user, buyer)
      set_field(user .. '/o/' .. order, quantity .. ',' .. request .. fate)
      if request ~= '' then set_field(user .. '/r/' .. request, order) end
    end
    item.sold = item.sold + live
  end

  -- A payment holds until the order is cancelled all the same, in whatever order they come.
  local function holds(before, fate)
    return not is_live(before) or before ~= '' and is_live(fate)
  end

  local function seal(user, order, quantity, fate)
    local buyer, value, before = find(user, order)
    if not value then
      local field = user .. '/x/' .. order
      if holds(call('HGET', buyers_key, field) or '', fate) then return end
      local is_new = call('HSET', buyers_key, field, fate)
      item.early, item.fields = item.early + is_new, item.fields + is_new
      return
    end
    if holds(before, fate) then return end
    value = string.sub(value, 1, #value - #before) .. fate
    if buyer.order == order then
      buyer.first = value
    else
      set_field(user .. '/o/' .. order, value)
    end
    if not is_live(fate) then
      if buyer.several then buyer.live = buyer.live - quantity end
      item.sold = item.sold - quantity
    end
    write_buyer(user, buyer)
  end
  local function with_request(fate, request)
    return request == '' and fate or fate .. ',' .. request
  end
  function apply.C(user, quantity, request, order)
    seal(user, order, quantity, with_request(',c', request))
  end
  function apply.P(user, quantity, request, order)
    seal(user, order, quantity, with_request(',p', request))
  end
  function apply.E(user, quantity, _, order) seal(user, order, quantity, ',e') end

  function apply.R(_, quantity, request)
    if request ~= '' then
      if call('HEXISTS', buyers_key, '/r/' .. request) == 1 then return end
      set_field('/r/' .. request, '1')
    end
    item.stock = item.stock + quantity
  end

  function apply.N(_, quantity, _, _, extra, time_ms)
    local limit, starts, ends, hold = string.match(extra, '^(%d+),(%d+),(%d+),(%d+)$')
    -- What a lost item left of its buyers would pass for orders that are counted already.
    call('DEL', buyers_key)
    item.stock, item.sold, item.fields, item.early, item.initial = quantity, 0, 0, 0, quantity
    item.limit, item.starts, item.ends = tonumber(limit), tonumber(starts), tonumber(ends)
    item.hold, item.since, item.state, item.changed = tonumber(hold), time_ms, OPEN, time_ms
    set_field('/', BUYERS_MARK)
  end

  -- Of one lane the later record of the same millisecond holds.
  function apply.H(_, _, _, _, settings, time_ms)
    if time_ms < item.changed then return end
    local limit, starts, ends, hold = string.match(settings, '^(%d+),(%d+),(%d+),(%d+)$')
    item.limit, item.starts, item.ends = tonumber(limit), tonumber(starts), tonumber(ends)
    item.hold, item.changed = tonumber(hold), time_ms
  end
  local function set_state(wanted, time_ms)
    if time_ms < item.since or item.state == DELETING then return end
    item.state, item.since = wanted, time_ms
  end
  -- `is_last` 1: this lane's mark was the last one.
  function apply.D(_, is_last)
    item.state = DELETING
    if not mark_deleted(shelf_key, name, ARGV[1], is_last == 1) then return end
    call('UNLINK', buyers_key)
    item.fields, item.early = 0, 0
  end
  function apply.X(_, _, _, _, _, time_ms) set_state(CLOSED, time_ms) end
  function apply.O(_, _, _, _, _, time_ms) set_state(OPEN, time_ms) end
  return apply
end

local applied, changed = 0, {}
for k = 1, #names do
  local list, at, born = records[k], 1, nil
  local item, before = items[k], applied
  local apply = item and replayer(names[k], KEYS[k + 2], item)
  while at <= #list do
    local kind, after = list[at], behind(list, at)
    if kind == 'G' then
      born = list[at + 1]
    elseif list[at + 1] > sequence and list[at + 1] <= last then
      local is_free = not item or item.state == DELETING and item.fields == 0
      if kind == 'N' and (is_free or older(item.born, born)) then
        if item and item.state == DELETING then unmark_deleted(shelf_key, names[k]) end
        item = {born = born}
        apply = replayer(names[k], KEYS[k + 2], item)
        apply.N(unpack(list, at + 2, after - 1))
        applied = applied + 1
      elseif kind == 'N' or not item or item.born ~= born then
        -- it is here already; or the record is an orphan's, or that of another item of this name
      elseif kind == 'B' then
        for i = at + 3, after - 1, 3 do apply.buy(list[i], list[i + 1], list[i + 2]) end
        applied = applied + list[at + 2]
      else
        apply[kind](unpack(list, at + 2, after - 1))
        applied = applied + 1
      end
    end
    at = after
  end
  if applied > before and item then
    changed[#changed + 1] = names[k]
    changed[#changed + 1] = pack_item(item)
  end
end

if last > sequence then
  local sequence_text = string.format('%d', last)
  changed[#changed + 1] = lane_field
  changed[#changed + 1] = sequence_text .. ' ' .. ARGV[2]
  for at = 1, #changed, 4000 do  -- Lua's stack holds 8,000 values
    call('HSET', shelf_key, unpack(changed, at, math.min(at + 3999, #changed)))
  end
  -- What they held is in the journal; the list must end at the lane sequence.
  call('DEL', receipts_key)
  call('RPUSH', receipts_key, sequence_text .. ' 0 0 ' .. sequence_text .. ' ')
end
if waits_at then return string.format('WAITS %d %s', last, waits_for) end
return string.format('OK %d', applied)
