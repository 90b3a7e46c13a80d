-- Looks after receipts lists of one shelf (purchase.lua writes them).
--
-- KEYS  'trim': 1 receipts list; 'find': 1 shelf   2… receipts lists
-- ARGV  'trim', lane sequence: of the list drops the receipts up to this one; of the newest the
--       lane sequence stays, so that the key does; for a lane that is idle, else each purchase call
--       drops some
--       'find', epoch, text…: for each text 1 if a receipt of any list holds it, so that it may not
--       be in a journal yet, else 0. Nothing at all if the shelf has another epoch by now: Redis
--       may have lost the receipts meanwhile.
local call = redis.call
if ARGV[1] == 'trim' then
  local oldest, length = call('LINDEX', KEYS[1], 0), call('LLEN', KEYS[1])
  local first = oldest and tonumber(string.match(oldest, '^(%d+) '))
  local journaled = first and math.min(tonumber(ARGV[2]) - first + 1, length) or 0
  if journaled < 1 then return 0 end
  if journaled == length then
    journaled = length - 1
    call('LSET', KEYS[1], -1, string.format('%d 0 0 ', first + journaled))
  end
  if journaled > 0 then call('LTRIM', KEYS[1], journaled, -1) end
  return 0
end
local found = {}
if call('HGET', KEYS[1], '@epoch') ~= ARGV[2] then return found end
for i = 3, #ARGV do found[i - 2] = 0 end
for lane = 2, #KEYS do
  for _, receipt in ipairs(call('LRANGE', KEYS[lane], 0, -1)) do
    for i = 3, #ARGV do
      if string.find(receipt, ARGV[i], 1, true) then found[i - 2] = 1 end
    end
  end
end
return found
