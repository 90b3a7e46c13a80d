-- Looks after receipts lists of one shelf (purchase.lua writes them).
--
-- KEYS  'trim': 1 receipts list; 'find': 1 shelf   2… receipts lists
-- A receipt begins with its lane sequence; its fourth number is the one up to which the journal had
-- all when it was written, so the newest tells which of the others are journaled.
--
-- ARGV  'trim', lane sequence: of the list drops the receipts up to this one; for a lane that is
--       idle, else the purchase calls do it. What keeps the list from being empty says nothing.
--       'find', epoch, text…: for each text 1 if a receipt of any list holds it, so that it may not
--       be in a journal yet, else 0. Nothing at all if the shelf has another epoch by now: Redis
--       may have lost the receipts meanwhile.
local call = redis.call
if ARGV[1] == 'trim' then
  local oldest = call('LINDEX', KEYS[1], 0)
  local first = oldest and tonumber(string.match(oldest, '^(%d+) '))
  local journaled = first and tonumber(ARGV[2]) - first + 1 or 0
  local length = call('LLEN', KEYS[1])
  if journaled > 0 then call('LTRIM', KEYS[1], journaled, -1) end
  if journaled >= length and length > 0 then
    local last = first + length - 1
    call('RPUSH', KEYS[1], string.format('%d 0 0 %d ', last, last))
  end
  return 0
end
local found = {}
if call('HGET', KEYS[1], '@epoch') ~= ARGV[2] then return found end
for i = 3, #ARGV do found[i - 2] = 0 end
for lane = 2, #KEYS do
  local receipts = call('LRANGE', KEYS[lane], 0, -1)
  local newest = receipts[#receipts]
  local journaled = newest and tonumber(string.match(newest, '^%d+ %d+ %d+ (%d+) ')) or 0
  for _, receipt in ipairs(receipts) do
    local is_journaled = tonumber(string.match(receipt, '^(%d+) ') or 0) <= journaled
    for i = 3, #ARGV do
      if not is_journaled and string.find(receipt, ARGV[i], 1, true) then found[i - 2] = 1 end
    end
  end
end
return found
