-- One proxy's pass through one item's gate. Nothing is sold to an item except with its epoch, and
-- the epoch is handed out only while no lane is known to be behind its journal.
--
-- The gate closes for everybody (a new epoch; `wait` = all lanes) when the item was last opened in
-- another Redis process or before a flush (`run`), when this lane's batches were lost, or when
-- stock, sold or the buyers are not what the scripts wrote (`check`): then the item is wiped, to be
-- rebuilt from the journals of all lanes. Each lane leaves `wait` once Redis has all its batches.
--
-- KEYS  1 item hash   2 receipts list of this lane   3 buyers hash
-- ARGV  1 lane        2 the last lane sequence that its journal holds
--       3 identity of the Redis process, as in `run`
--       4 all lanes known to this proxy, ",1,2,"     5 lanes given up by an operator, ",3," or ","
--       6 flags: 'r' a new epoch in any case, since a batch of this lane may still be on its way;
--                'l' the index names the item, so if it is not here it was lost;
--                'k' the journal does not hold all of this lane any more: never wipe
-- Reply { OPEN | MISSING (no such item) | WAIT (for other lanes) | BEHIND (this lane must replay) |
--         GONE (so it must, and there is no item, so its creation comes first) |
--         EDITED (nothing was written: not all of this lane could be rebuilt),
--         epoch, lane sequence, journal id of the lane, lanes in `wait` "1,2", lane sequence of the
--         first receipt returned, what `check` should be if it was wrong or '', `check`,
--         receipt… }: every receipt above ARGV[2].
local item_key, receipts_key, buyers_key = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
local lane, journaled, identity, flags = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[6]

local item = call('HMGET', item_key, 'epoch', 'lane:' .. lane, 'journal:' .. lane, 'stock', 'sold',
                  'check', 'run', 'wait')
local epoch, sequence, exists = item[1] or '0', tonumber(item[2] or 0), item[4] ~= false
local run, wait = item[7], item[8] or ','
local content = (item[4] or '') .. ',' .. (item[5] or '') .. ',' .. call('HLEN', buyers_key)
local receipts = call('LLEN', receipts_key)
local oldest = call('LINDEX', receipts_key, 0)

-- Receipts carry their lane sequence; the last of them is the lane's last batch even if the item
-- hash, and with it the lane sequence, is gone.
local first = oldest and tonumber(string.match(oldest, '^(%d+) ')) or sequence + 1
local applied = math.max(sequence, first + receipts - 1)

local function flag(letter) return string.find(flags, letter, 1, true) ~= nil end
local function has(lanes, one) return string.find(lanes, ',' .. one .. ',', 1, true) ~= nil end
local function without(lanes, others)
  local left = ','
  for each in string.gmatch(lanes, '%d+') do
    if not has(others, each) then left = left .. each .. ',' end
  end
  return left
end

local edited = (exists or item[6]) and item[6] ~= content
local provable = not flag('k') and (applied <= journaled or first <= journaled + 1)
local verdict
if edited and not provable then
  verdict = 'EDITED'
else
  local before = wait
  local moved = run and run ~= identity or exists and not run
  local lost = flag('l') and not exists and run ~= identity
  local behind = sequence < math.max(journaled, applied) and not has(wait, lane)
  if edited then
    call('DEL', item_key, buyers_key)
    exists, sequence, before = false, 0, nil
  end
  local closes = edited or moved or lost or behind
  if closes then wait = ARGV[4] .. string.sub(without(wait, ARGV[4]), 2) end
  if closes or flag('r') then
    local time = call('TIME')
    epoch = string.format('%d', math.max(tonumber(epoch) + 1, time[1] * 1000000 + time[2]))
    call('HSET', item_key, 'epoch', epoch)
  end
  if closes then call('HSET', item_key, 'run', identity) end
  behind = sequence < math.max(journaled, applied)
  wait = without(wait, ARGV[5])
  if not behind then wait = without(wait, ',' .. lane .. ',') end
  if wait ~= before then
    if wait == ',' then call('HDEL', item_key, 'wait') else call('HSET', item_key, 'wait', wait) end
  end
  verdict = behind and (exists and 'BEHIND' or 'GONE') or wait ~= ',' and 'WAIT' or
            exists and 'OPEN' or 'MISSING'
end

local skip = math.max(0, journaled + 1 - first)
local reply = {verdict, tostring(epoch), string.format('%d', applied), item[3] or '',
               string.sub(wait, 2, -2), string.format('%d', first + skip),
               edited and content or '', item[6] or ''}
if skip < receipts then
  for _, receipt in ipairs(call('LRANGE', receipts_key, skip, -1)) do
    reply[#reply + 1] = receipt
  end
end
return reply
