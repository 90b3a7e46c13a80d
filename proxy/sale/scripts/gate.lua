-- One proxy's pass through one shelf's gate. Nothing is sold from a shelf except with its epoch,
-- and the epoch is handed out only while no lane is known to be behind its journal.
--
-- The gate closes for everybody (a new epoch; @wait = all lanes) when the shelf was last opened in
-- another Redis process or before a flush (@run), when this lane's batches were lost, or when an
-- item is not what the scripts wrote, or an operator wants them anew (@rebuild, of sluice-ctl
-- reconcile --fix): then all items are taken away, to be made anew from the journals of all lanes.
-- Each lane leaves @wait once Redis has all its batches, and its folder has noted where it stood.
-- What an older Redis still has of a lane's batches that were lost, and sold without, since then
-- (standings.h) is taken away in the same manner.
--
-- KEYS  1 shelf      2 receipts list of this lane
--       3 with 'e': the buyers of the item; it may be gone, and they be there
-- ARGV  1 lane       2 the last lane sequence that its journal holds
--       3 the lane sequence from which on the journal holds every batch: a lane that Redis has lost
--         more of can only be replayed into a shelf without items
--       4 "run_id:replication id" of the Redis process     5 a nonce, for whoever misses it
--       6 journal id of the lane      7 incarnation of this proxy       8 its host
--       9 how many shelves there are
--       10 all lanes known to this proxy, ",1,2,"
--       11 flags: 'r' a new epoch in any case, since a batch of this lane may still be on its way;
--                 'e' an item was edited;      'w' Redis went back in time;
--                 'u' nobody has told yet whether the journal is the newest that MySQL has seen
--       12 a number that rises with each call of this proxy
--       13 if its last replay is stuck: "lane sequence born-low born-high item", where and for what
--       14 then: as what the items are born that its journal has yet to bring, 8 bytes each
--       15 where the lane stood when it passed: "epoch:lane sequence …", oldest first
--       16 the epoch before which 15 tells nothing any more
--       17 journals whose history this one has taken over, ",1,2,"
-- Reply { verdict, epoch, last lane sequence that Redis has or has a receipt of, what the verdict
--         speaks of, lanes in @wait "1,2", lane sequence of the first receipt returned, nonce,
--         receipt… }: the receipts above ARGV[2]; of EDITED all.
-- Verdicts: OPEN
--         WAIT      for other lanes; if it is stuck, for an item that one of them may bring
--         BEHIND    this lane must replay what is above its lane sequence ("sequence")
--         EDITED    nothing was written: of this lane, or of one that was given up, the items could
--                   not be made anew
--         PROVE     nothing was written: with 'u', Redis is another one than before, or waits for the
--                   lane: if both are older copies, nothing here can tell it
--         NOTE      where this lane stands at this epoch is to be noted first; then ask again
--         JOIN      first some members must learn of this lane ("lanes"); it is told to all
--         FOREIGN   nothing was written: another journal writes this lane ("journal")
--         ALIVE     nothing was written: another incarnation does, and lives ("host time")
--         SHELVES   nothing was written: there are another number of them ("number")
local shelf_key, receipts_key = KEYS[1], KEYS[2]
local call = redis.call
local lane, journaled, complete_from = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local journal, incarnation = ARGV[6], ARGV[7]
local LIVING_MS = 2000  -- a member beats twice a second

local shelf = call('HMGET', shelf_key, '@shelves', '@epoch', '@nonce', '@run', '@wait',
                   '@lane:' .. lane, '@member:' .. lane, '@lanes', '@rebuild', '@base:' .. lane)
local shelves, epoch, nonce, run, wait = shelf[1], shelf[2] or '0', shelf[3], shelf[4], shelf[5]
local lanes = shelf[8] or ','
local receipts = call('LLEN', receipts_key)
local oldest = receipts > 0 and call('LINDEX', receipts_key, 0)

local function answer(verdict, about)
  return {verdict, tostring(epoch), '0', about or '', '', '0', nonce or ''}
end
local function flag(letter) return string.find(ARGV[11], letter, 1, true) ~= nil end
local function has(list, one) return string.find(list, ',' .. one .. ',', 1, true) ~= nil end
local function without(list, others)
  local left = ','
  for each in string.gmatch(list, '%d+') do
    if not has(others, each) then left = left .. each .. ',' end
  end
  return left
end

if shelves and shelves ~= ARGV[9] then return answer('SHELVES', shelves) end

-- Who writes the lane: journal and incarnation stand behind its sequence.
local sequence_text, its_journal, its_incarnation, its_epoch =
  string.match(shelf[6] or '', '^(%d+) (%S+) (%S+) ?(%d*)$')
local sequence = tonumber(sequence_text or 0)
its_epoch = tonumber(its_epoch or '') or 0

-- Receipts carry their lane sequence; the last of them is the lane's last batch even if the shelf,
-- and with it the lane sequence, is gone.
local first = oldest and tonumber(string.match(oldest, '^(%d+) ')) or sequence + 1
local applied = math.max(sequence, first + receipts - 1)

-- Above what the journal had when the lane passed at a later epoch, its batches here are of a history
-- that was given up.
local last_noted, is_astray = 0, its_journal ~= nil and its_epoch < tonumber(ARGV[16])
if its_journal and has(ARGV[17], its_journal) then is_astray, its_journal = true, journal end
for noted, stood in string.gmatch(ARGV[15], '(%d+):(%d+)') do
  last_noted = math.max(last_noted, tonumber(noted))
  if tonumber(noted) > its_epoch and applied > tonumber(stood) then is_astray = true end
end

if its_journal and its_journal ~= journal and applied > 0 then
  return answer('FOREIGN', its_journal)
end
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if its_incarnation and its_incarnation ~= incarnation and shelf[7] then
  local _, beats, host, beat_ms = string.match(shelf[7], '^(%S+) (%S+) (%S+) (%d+)')
  -- One from the future is no sign of life: it is of a clock that was set back since.
  if beats == its_incarnation and math.abs(now_ms - tonumber(beat_ms)) < LIVING_MS then
    return answer('ALIVE', host .. ' ' .. beat_ms)
  end
end

local identity = ARGV[4] .. ':' .. (nonce or ARGV[5])
if flag('u') and (run or journaled > 0) and (run ~= identity or has(wait or ',', lane)) then
  return answer('PROVE')
end

-- All lanes that were ever heard of; those that an operator has given up; and the members that do
-- not know this one yet.
local forgotten, deaf = ',', ','
for each in string.gmatch(ARGV[10], '%d+') do
  if not has(lanes, each) then lanes = lanes .. each .. ',' end
end
for other in string.gmatch(lanes, '%d+') do
  if other ~= lane then
    local fields = call('HMGET', shelf_key, '@forget:' .. other, '@member:' .. other,
                        '@knows:' .. other)
    if fields[1] then
      forgotten = forgotten .. other .. ','
    elseif fields[2] and not has(fields[3] or ',', lane) then
      deaf = deaf .. other .. ','
    end
  end
end

-- Before anything is taken away: the epoch stays, and with it the others go on selling.
nonce = nonce or ARGV[5]
local member = string.format('%s %s %s %d %s', journal, incarnation, ARGV[8], now_ms, ARGV[12])
local has_joined = its_incarnation == incarnation and run == identity
if deaf ~= ',' and not has_joined then
  call('HDEL', shelf_key, '@forget:' .. lane)
  call('HSET', shelf_key, '@shelves', ARGV[9], '@lanes', lanes, '@member:' .. lane, member,
       '@knows:' .. lane, ARGV[10])
  return answer('JOIN', string.sub(deaf, 2, -2))
end

-- Taking the items away is right only if all that they hold stands in journals that will replay it:
-- this one's journal and receipts, and those of lanes that somebody still answers for.
local edited = flag('e') or shelf[9]
-- A lane of which nothing is here, or whose replay began so with the journal as it is, lacks nothing.
local too_old = sequence > 0 and sequence < complete_from and shelf[10] ~= ARGV[3] and
                sequence < math.max(journaled, applied)
if edited or too_old or is_astray then
  local provable = is_astray or applied <= journaled or first <= journaled + 1
  local others = call('HKEYS', shelf_key)
  for _, field in ipairs(others) do
    local other = string.match(field, '^@lane:(%d+)$')
    if other and (not has(ARGV[10], other) or has(forgotten, other)) then provable = false end
  end
  if not provable then
    local refusal = answer('EDITED')
    for _, receipt in ipairs(call('LRANGE', receipts_key, 0, -1)) do
      refusal[#refusal + 1] = receipt
    end
    return refusal
  end
  -- If no journal makes an item anew its buyers would pass for those of one taken away by hand: they
  -- go too, under keys that are of this slot as those of the call are.
  local buyers_prefix = string.sub(shelf_key, 1, -6) .. 'buyers:'
  for _, field in ipairs(others) do
    local is_item = string.byte(field) ~= 64
    if is_item then call('UNLINK', buyers_prefix .. field) end
    if is_item or string.find(field, '^@lane:') or field == '@rebuild' or field == '@deleting' then
      call('HDEL', shelf_key, field)
    end
  end
  if KEYS[3] then call('UNLINK', KEYS[3]) end
  if is_astray then
    call('DEL', receipts_key)
    receipts, applied, first = 0, 0, 1
  end
  sequence, edited = 0, true
end

call('HDEL', shelf_key, '@forget:' .. lane)
local before = wait
wait = wait or ','
local behind = sequence < math.max(journaled, applied)
local closes = edited or flag('w') or run ~= identity or behind and not has(wait, lane) or
               tonumber(epoch) < last_noted
if closes then wait = ARGV[10] .. string.sub(without(wait, ARGV[10]), 2) end
if closes or flag('r') then
  epoch = string.format('%d', math.max(tonumber(epoch) + 1, last_noted + 1,
                                       time[1] * 1000000 + time[2]))
end
wait = without(wait, forgotten)
local is_noted = last_noted == tonumber(epoch) or not has(wait, lane)
if not behind and is_noted then wait = without(wait, ',' .. lane .. ',') end

if sequence == 0 then call('HSET', shelf_key, '@base:' .. lane, ARGV[3]) end
call('HSET', shelf_key, '@shelves', ARGV[9], '@epoch', epoch, '@nonce', nonce, '@run', identity,
     '@lane:' .. lane, string.format('%d %s %s %s', sequence, journal, incarnation, epoch),
     '@member:' .. lane, member, '@lanes', lanes, '@knows:' .. lane, ARGV[10])
if wait ~= ',' then
  call('HSET', shelf_key, '@wait', wait)
elseif before then
  call('HDEL', shelf_key, '@wait')
end
-- A key that a script needs is always there: a slot that moves has all of a shelf's keys, or none.
if receipts == 0 then
  call('RPUSH', receipts_key, string.format('%d 0 0 %d ', sequence, sequence))
  first, receipts = sequence, 1
end

local verdict = behind and 'BEHIND' or not is_noted and 'NOTE' or wait ~= ',' and 'WAIT' or 'OPEN'
local stuck_at, low, high, missing = string.match(ARGV[13] or '', '^(%d+) (%d+) (%d+) (.+)$')
if behind and tonumber(stuck_at) == sequence then
  call('HSET', shelf_key, '@brings:' .. lane, epoch .. ' ' .. ARGV[14])
  local packed = call('HGET', shelf_key, missing)
  local its_low, its_high = struct.unpack('<I4I4', packed and string.sub(packed, 17, 24) or
                                                     string.rep('\0', 8))
  low, high = tonumber(low), tonumber(high)
  local is_here = its_high > high or its_high == high and its_low >= low
  if not is_here and not is_orphan(shelf_key, lane, struct.pack('<I4I4', low, high)) then
    verdict = 'WAIT'
  end
else
  call('HDEL', shelf_key, '@brings:' .. lane)
end
local skip = math.max(0, journaled + 1 - first)
local reply = {verdict, epoch, string.format('%d', applied), string.format('%d', sequence),
               string.sub(wait, 2, -2), string.format('%d', first + skip), nonce}
if skip < receipts then
  for _, receipt in ipairs(call('LRANGE', receipts_key, skip, -1)) do
    reply[#reply + 1] = receipt
  end
end
return reply
